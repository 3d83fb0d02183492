"""What grants an operation at each kind of store, and properties that swift-s3-verify tries and prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from s3_sync.config.credentials.permissions import Operation
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.s3_dialects import Dialect
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.secret import Secret

PAGE = (Path(__file__).parents[3] / "docs" / "iam.md").read_text(encoding="utf-8")
AWS = S3Credentials()
GOOGLE = S3Credentials(endpoint="https://storage.googleapis.com", identity="x", secret=Secret("y"))


@pytest.mark.parametrize("operation", Operation)
def test_every_operation_has_a_statement_whose_actions_are_on_the_page(operation: Operation) -> None:
    statement = json.loads(AWS.grant(operation, "b\u00fc"))
    assert statement["Effect"] == "Allow"
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    if operation is not Operation.CREATE_BUCKET:  # nobody creates a bucket
        assert all(f"{action}`" in PAGE or f'"{action}"' in PAGE for action in actions)


def test_statement_names_bucket_and_partition() -> None:
    china = S3Credentials(endpoint="https://s3.cn-north-1.amazonaws.com.cn")
    clone = S3Credentials(endpoint="https://s3.example.org", identity="x", secret=Secret("y"))
    found = [json.loads(each.grant(Operation.PUT, "b"))["Resource"] for each in (AWS, china, clone)]
    assert found == ["arn:aws:s3:::b/*", "arn:aws-cn:s3:::b/*", "arn:aws:s3:::b/*"]
    assert json.loads(AWS.grant(Operation.LIST, "b"))["Resource"] == "arn:aws:s3:::b"
    assert json.loads(AWS.grant(Operation.LIST_BUCKETS, ""))["Resource"] == "*"


def test_google_has_permissions_of_roles_which_are_on_the_page() -> None:
    for operation in (Operation.PUT, Operation.GET, Operation.LIST, Operation.DELETE, Operation.ABORT):
        granted = GOOGLE.grant(operation, "b")
        assert granted.endswith(" on the bucket b")
        assert all(f"`{each}`" in PAGE for each in re.findall(r"storage[.\w]+", granted))
    assert GOOGLE.grant(Operation.TAG, "b") == ""


def test_another_swift_has_acls_and_roles() -> None:
    user = SwiftCredentials(
        provider="swift", endpoint="https://k/v3", auth_type="keystone_v3", identity="u", project_name="p"
    )
    assert user.grant(Operation.GET, "c").startswith("X-Container-Read: p:u on the container c")
    assert user.grant(Operation.DELETE, "c").startswith("X-Container-Write: p:u on the container c")
    assert "role" in user.grant(Operation.CREATE_BUCKET, "c")
    plain = user.model_copy(update={"project_name": None, "identity": "a:u"})
    assert plain.grant(Operation.POST, "c").startswith("X-Container-Write: a:u on")


def test_properties_are_those_in_force_and_changes_keep_what_was_configured() -> None:
    credentials = GOOGLE.model_copy(update={"dialect": Dialect(max_parts=7), "region": "eu"})
    properties = credentials.properties
    assert (properties["max_parts"], properties["region"], properties["addressing_style"]) == (
        7,
        "eu",
        "path",
    )
    assert properties["copies_parts"] is False
    changed = credentials.with_properties({"copies_parts": True, "region": "us", "checksum": "crc32"})
    assert changed.effective_dialect.copies_parts
    assert changed.effective_dialect.max_parts == 7
    assert (changed.region, changed.checksum) == ("us", "crc32")
    assert changed.properties == {**properties, "copies_parts": True, "region": "us", "checksum": "crc32"}


def test_lines_can_be_put_into_the_credentials_as_they_are() -> None:
    credentials = AWS.model_copy(update={"dialect": Dialect(max_parts=7)})
    changes = {"put_if_match": False, "addressing_style": "path"}
    lines = credentials.lines(changes)
    assert lines == {"addressing_style": "path", "dialect": {"max_parts": 7, "put_if_match": False}}
    written = S3Credentials.model_validate_json(json.dumps(lines))
    assert written.properties == credentials.with_properties(changes).properties
    assert credentials.lines({"checksum": "none"}) == {"checksum": "none"}


def test_conditions_that_are_turned_off_can_still_be_tried() -> None:
    credentials = AWS.model_copy(update={"conditional_put": False})
    assert credentials.properties["put_if_absent"] is False
    assert credentials.with_properties({"put_if_absent": True}).effective_dialect.put_if_absent

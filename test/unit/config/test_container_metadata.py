"""``sync_container_metadata`` and ``sync_container_acl``: where they are refused, and what is warned of; and
the option for symlinks, which such stores do not need."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.config.load import load
from unit.config.written import MAPPING, problems_of

SWIFT = {
    "protocol": "swift", "account": "AUTH_a", "container": "c", "aws_bucket": "b",
    "aws_endpoint": "https://dr.example.org/auth/v1.0", "aws_identity": "a:b", "aws_secret": "s",
}  # fmt: skip


@pytest.mark.parametrize("option", ["sync_container_metadata", "sync_container_acl"])
def test_stores_without_container_metadata_refuse_the_mapping(write: Any, option: str) -> None:
    written = MAPPING | {"sync_container_metadata": True, option: True}
    problems = problems_of(load(write(written)))
    assert f"containers[0].{option}: is not supported by s3 stores" in problems


def test_acl_without_metadata_is_refused(write: Any) -> None:
    problems = problems_of(load(write(SWIFT | {"sync_container_acl": True})))
    assert "containers[0].sync_container_acl: requires sync_container_metadata" in problems


def warnings_of(write: Any, key: str, **options: Any) -> list[str]:
    loaded = load(write(SWIFT | options))
    return [each.message for each in loaded.warnings if each.place == f"containers[0].{key}"]


def test_acl_is_warned_of(write: Any) -> None:
    [message] = warnings_of(
        write, "sync_container_acl", sync_container_metadata=True, sync_container_acl=True
    )
    assert "whoever may set the ACL of AUTH_a/c determines who may read, replace and delete" in message


def test_following_symlinks_is_no_question_for_a_store_that_keeps_them(write: Any) -> None:
    for choice in ("account", "never"):
        [message] = warnings_of(write, "follow_symlinks", follow_symlinks=choice)
        assert message == "has no effect: another Swift gets symlinks as symlinks"
    assert warnings_of(write, "follow_symlinks", follow_symlinks="container") == []

"""Credentials of another Swift: what they require, and which account they are for."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.config.checks import check_loops, find_overlaps
from s3_sync.config.credentials.base import Place
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.findings import Diagnostics
from s3_sync.config.secret import Secret
from s3_sync.config.settings import Mapping, Profile
from s3_sync.model.keys import KeyNamer

PROJECT = {"project_name": "lab", "project_domain_name": "d1", "user_domain_name": "d2"}
V2 = {"auth_type": "keystone_v2", "tenant_name": "lab"}
V3 = {"auth_type": "keystone_v3", **PROJECT}
APPLICATION = {"auth_type": "keystone_v3_application_credential"}


def swift(**changes: Any) -> SwiftCredentials:
    fields: dict[str, Any] = {
        "provider": "swift",
        "endpoint": "https://dr.example.org:5000/v3",
        "identity": "lab:sync",
        "secret": Secret("the key"),
    }
    return SwiftCredentials(**(fields | changes))


def findings_of(**changes: Any) -> Diagnostics:
    findings = Diagnostics()
    swift(**changes).check(Place("credentials.dr", lambda name: name, findings))
    return findings


def mapping(container: str, bucket: str, **changes: Any) -> Mapping:
    credentials = swift(**changes)
    return Mapping(
        "AUTH_lab", container, bucket, credentials, Profile(), KeyNamer.literal(""), place=container
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        V2,
        V2 | {"region": "north", "endpoint_type": "internal"},
        V3,
        V3 | {"region": "north", "endpoint_type": "internal", "remote_account": "AUTH_x"},
        APPLICATION,
        APPLICATION | {"user_name": "u", "user_domain_name": "d", "region": "north"},
    ],
)
def test_complete_credentials_have_neither_problems_nor_warnings(fields: Any) -> None:
    findings = findings_of(**fields)
    assert (findings.problems, findings.warnings) == ([], [])


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"identity": None, "secret": None}, ["identity: is required", "secret: is required"]),
        ({"endpoint": None}, ["endpoint: is required with auth_type swift"]),
        ({"auth_type": "keystone_v2"}, ["tenant_name: is required with auth_type keystone_v2"]),
        (
            {"auth_type": "keystone_v3"},
            [f"{name}: is required with auth_type keystone_v3" for name in PROJECT],
        ),
        (APPLICATION | {"user_name": "u"}, ["user_domain_name: is required with user_name"]),
        (APPLICATION | {"user_domain_name": "d"}, ["user_name: is required with user_domain_name"]),
        ({"secret": Secret("a\nb")}, ["secret: must not contain line breaks: it is sent in a header"]),
    ],
)
def test_incomplete_credentials_have_one_line_for_each_mistake(fields: Any, problems: list[str]) -> None:
    found = [str(problem) for problem in findings_of(**fields).problems]
    assert len(found) == len(problems)
    for line, expected in zip(found, problems, strict=True):
        assert line.startswith(f"credentials.dr.{expected}")


@pytest.mark.parametrize(
    ("fields", "warnings"),
    [
        (
            {"tenant_name": "t", "region": "r", "endpoint_type": "internal"},
            [
                f"{name}: has no effect with auth_type swift"
                for name in ("endpoint_type", "region", "tenant_name")
            ],
        ),
        (V3 | {"user_name": "u"}, ["user_name: has no effect with auth_type keystone_v3"]),
        ({"endpoint": "http://h/auth"}, ["endpoint: secret is sent unencrypted; use https"]),
        ({"storage_scheme": "http"}, ["storage_scheme: tokens and objects are sent unencrypted"]),
    ],
)
def test_doubtful_credentials_have_a_warning(fields: Any, warnings: list[str]) -> None:
    found = findings_of(**fields)
    assert [str(warning) for warning in found.warnings] == [f"credentials.dr.{line}" for line in warnings]
    assert found.problems == []


@pytest.mark.parametrize(
    ("endpoint", "fields", "url"),
    [
        ("https://h/auth/v1.0/", {}, "https://h/auth/v1.0"),
        ("https://h:5000", V2, "https://h:5000/v2.0"),
        ("https://h:5000/v2.0", V2, "https://h:5000/v2.0"),
        ("https://h/identity/", V3, "https://h/identity/v3"),
        ("https://h/identity/v3/", APPLICATION, "https://h/identity/v3"),
    ],
)
def test_auth_url_has_the_version_of_the_login(endpoint: str, fields: Any, url: str) -> None:
    assert swift(endpoint=endpoint, **fields).auth_url == url


@pytest.mark.parametrize(
    ("fields", "account"),
    [
        ({}, "lab"),
        ({"identity": "lab"}, "lab"),
        (V2, "lab"),
        (V3, "d1/lab"),
        (APPLICATION, "lab:sync"),
        (APPLICATION | {"user_name": "u", "user_domain_name": "d"}, "d/u/lab:sync"),
        (V3 | {"remote_account": "AUTH_x"}, "AUTH_x"),
    ],
)
def test_account_is_what_the_login_is_for(fields: Any, account: str) -> None:
    credentials = swift(**fields)
    assert credentials.account == account
    assert credentials.throttle_key == (credentials.store_id, account)


def test_account_and_store_do_not_depend_on_user_secret_and_version() -> None:
    one, other = swift(**V3), swift(**V3, identity="other", secret=Secret("x"), endpoint_type="internal")
    assert (one.account, one.store_id) == (other.account, other.store_id)
    for path in ("", "/", "/v3", "/v3/", "/v2.0"):
        for fields in (V2, V3):
            store = swift(endpoint=f"https://dr.example.org:5000{path}", **fields).store_id
            assert store == "dr.example.org:5000"
    assert swift(**V3, region="north").store_id == "dr.example.org:5000/north"


def test_accounts_and_regions_of_one_endpoint_have_progress_and_throttles_of_their_own() -> None:
    different = [
        mapping("c", "b", **fields)
        for fields in (
            V3,
            V3 | {"project_name": "other"},
            V3 | {"project_domain_name": "other"},
            V3 | {"region": "north"},
            V3 | {"remote_account": "AUTH_x"},
        )
    ]
    assert len({each.fingerprint for each in different}) == len(different)
    assert len({each.credentials.throttle_key for each in different}) == len(different)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({}, {"identity": "lab:another"}, True),
        ({}, {"identity": "other:sync"}, False),
        ({}, {"remote_account": "AUTH_lab"}, True),
        ({}, {"remote_account": "AUTH_other"}, False),
        ({"remote_account": "AUTH_lab"}, {"remote_account": "AUTH_lab", "identity": "other:sync"}, True),
        ({"remote_account": "AUTH_lab"}, {"remote_account": "AUTH_x", "identity": "other:sync"}, False),
        (V3, V3 | {"identity": "other"}, True),
        (V3, V3 | {"project_name": "other"}, False),
        (V3, V3 | {"region": "north"}, True),
        (V3 | {"region": "south"}, V3 | {"region": "north"}, False),
        (V3, V3 | {"remote_account": "AUTH_0123"}, True),
        (V3 | {"remote_account": "AUTH_4567"}, V3 | {"remote_account": "AUTH_0123"}, False),
        (V3, V2, True),
        (APPLICATION, APPLICATION | {"identity": "another"}, True),
        (APPLICATION, V3, True),
        (V3, V3 | {"endpoint": "https://elsewhere:5000"}, False),
    ],
)
def test_credentials_that_may_be_for_one_account_are_recognised(one: Any, other: Any, same: bool) -> None:
    assert swift(**one).may_share_account(swift(**other)) is same
    assert swift(**other).may_share_account(swift(**one)) is same


def test_same_container_in_two_accounts_is_no_overlap_and_in_one_it_is() -> None:
    findings = Diagnostics()
    find_overlaps([mapping("a", "b"), mapping("c", "b", identity="other:sync")], findings)
    assert findings.problems == []
    find_overlaps([mapping("a", "b"), mapping("c", "b", identity="lab:another")], findings)
    assert [problem.place for problem in findings.problems] == ["c"]


@pytest.mark.parametrize(
    ("one", "path"),
    [
        (mapping("a", "a", endpoint="http://127.0.0.1/auth"), "a -> a"),
        (mapping("/*", "x-", endpoint="http://127.0.0.1/auth"), "/* -> /*"),
        (mapping("a", "a", endpoint="http://127.0.0.1/auth", remote_account="AUTH_lab"), "a -> a"),
        (mapping("a", "a", endpoint="http://127.0.0.1/auth", remote_account="AUTH_other"), ""),
        (mapping("/*", "x-", endpoint="http://127.0.0.1/auth", remote_account="AUTH_other"), ""),
        (mapping("a", "a", endpoint="http://10.0.0.9/auth"), ""),
    ],
)
def test_copies_into_the_same_account_of_this_cluster_are_found(one: Mapping, path: str) -> None:
    findings = Diagnostics()
    check_loops([one], "10.0.0.5", findings)
    certain = one.credentials.remote_account is not None
    messages = [each.message for each in (findings.problems if certain else findings.warnings)]
    found = [message.rpartition("itself: " if certain else "in a loop: ")[2] for message in messages]
    assert found == ([path] if path else [])


def test_container_name_longer_than_swift_allows_is_refused() -> None:
    assert swift().check_bucket("ü" * 128) == ""
    assert "longer than 256 bytes" in swift().check_bucket("ü" * 128 + "x")


def test_description_names_identity_and_kind_and_hides_the_secret() -> None:
    assert swift().described() == "lab:sync, secret ********"
    assert swift(**APPLICATION).described() == "application credential lab:sync, secret ********"
    assert swift().location == "https://dr.example.org:5000/v3;lab:sync"

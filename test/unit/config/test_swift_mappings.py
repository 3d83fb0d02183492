"""Mappings to another Swift: names, what depends on them, and which of them collide."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.config.load import Loaded, load_shunt_settings, load_written
from s3_sync.config.settings import Mapping
from s3_sync.model.keys import KeyNamer
from s3_sync.model.lifetime import FOR_EVER, Lifetime

ENDPOINT = "https://dr.example.org/auth/v1.0"
DAY = 86400


def entry(container: str, bucket: str, account: str = "AUTH_a", **more: Any) -> dict[str, Any]:
    login = {"aws_endpoint": ENDPOINT, "aws_identity": "lab:sync", "aws_secret": "key"}
    place = {"account": account, "container": container, "aws_bucket": bucket}
    return {"protocol": "swift", **login, **place, **more}


def loaded(*entries: dict[str, Any], **top: Any) -> Loaded:
    given = {"devices": "/srv/node", "items_chunk": 1, "status_dir": "/tmp/s", **top}
    return load_written({**given, "containers": list(entries)})


def one(*entries: dict[str, Any]) -> Mapping:
    found = loaded(*entries)
    assert found.settings, found.problems
    assert found.problems == ()
    return found.settings.mappings[0]


def test_objects_of_a_container_keep_their_names() -> None:
    mapping = one(entry("c", "remote"))
    assert (mapping.bucket, mapping.namer) == ("remote", KeyNamer.plain())
    assert mapping.namer.key("ü/1") == "ü/1"
    assert mapping.namer.name(".manifests/" + "f" * 64 + ".swift_slo_manifest") is not None
    assert mapping.location == f"{ENDPOINT};lab:sync;remote"


def test_container_of_an_account_has_a_prefix_in_its_name() -> None:
    whole = one(entry("/*", "dr-"))
    mapping = whole.of_container("ü")
    assert (mapping.bucket, mapping.configured_bucket, mapping.namer) == ("dr-ü", "dr-", KeyNamer.plain())
    assert mapping.location == f"{ENDPOINT};lab:sync;dr-ü"
    assert mapping.control_key == whole.journal_key
    assert mapping.writer == whole.writer
    # as earlier versions named it in statsd and status files
    assert mapping.stats_prefix == "https%3A%2F%2Fdr%2Eexample%2Eorg%2Fauth%2Fv1%2E0.AUTH_a.dr-.%C3%BC"


def test_custom_prefix_has_no_effect_but_in_statsd() -> None:
    found = loaded(entry("c", "remote", custom_prefix="p"))
    assert found.settings
    assert [str(each) for each in found.warnings if "custom_prefix" in str(each)] == [
        "containers[0].custom_prefix: has no effect with swift stores: objects keep their names"
    ]
    mapping = found.settings.mappings[0]
    assert mapping.namer.key("o") == "o"
    assert ".remote%2Fp.c" in mapping.stats_prefix


def test_storage_policy_has_an_effect_with_swift_only() -> None:
    assert one(entry("c", "remote", storage_policy="silver")).profile.storage_policy == "silver"
    s3 = {"account": "AUTH_a", "container": "c", "aws_bucket": "bucket", "storage_policy": "silver"}
    found = loaded({**s3, "aws_identity": "a", "aws_secret": "b"})
    assert found.problems == ()
    assert "containers[0].storage_policy: has no effect with s3 stores" in map(str, found.warnings)
    found = loaded(entry("c", "remote", storage_class="STANDARD_IA"))
    assert any("storage_class" in str(each) for each in found.warnings)


@pytest.mark.parametrize(
    ("options", "lifetime"),
    [
        ({}, FOR_EVER),
        ({"remote_delete_after": 60}, Lifetime(60, addition=86400)),
        ({"propagate_expiration": True}, Lifetime(0, 0)),
        ({"propagate_expiration": True, "propagate_expiration_offset": 5}, Lifetime(0, 5)),
        ({"propagate_expiration": True, "remote_delete_after": 60}, Lifetime(60, addition=86400)),
        (
            {
                "propagate_expiration": True,
                "remote_delete_after": 60,
                "propagate_expiration_offset": 5,
            },
            Lifetime(60, 5, addition=86400),
        ),
    ],
)
def test_store_expires_copies_by_itself(options: dict[str, Any], lifetime: Lifetime) -> None:
    mapping = one(entry("c", "remote", retain_local=False, **options))
    assert (mapping.lifetime, mapping.rule_days, mapping.expires_copies) == (lifetime, 0, False)


def test_s3_needs_a_rule_or_the_daemon() -> None:
    s3 = {"account": "AUTH_a", "container": "c", "aws_bucket": "bucket"}
    options = {"remote_delete_after": 60, "propagate_expiration": True, "propagate_expiration_offset": 5}
    mapping = one({**s3, **options, "aws_identity": "a", "aws_secret": "b", "retain_local": False})
    assert (mapping.lifetime, mapping.rule_days, mapping.expires_copies) == (FOR_EVER, 1, True)


OVERLAPS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "same container": (entry("a", "x"), entry("b", "x")),
    "same container of two accounts": (entry("a", "x"), entry("a", "x", "AUTH_b")),
    "segments of the other": (entry("a", "x"), entry("b", "x_segments")),
    "segments of S3 clients of the other": (entry("a", "x"), entry("b", "x+segments")),
    "below the prefix": (entry("/*", "dr-"), entry("b", "dr-a")),
    "the prefix itself": (entry("/*", "dr-"), entry("a", "dr-")),
    "below the prefix, the other way": (entry("b", "dr-a"), entry("/*", "dr-")),
    "segments below the prefix": (entry("a", "dr"), entry("/*", "dr_")),
    "segments below the prefix itself": (entry("/*", "dr-"), entry("a", "dr-")),
    "same name of another account": (entry("/*", "dr-"), entry("a", "dr-a", "AUTH_b")),
    "two accounts, one prefix": (entry("/*", "dr-"), entry("/*", "dr-", "AUTH_b")),
    "two accounts, nested prefixes": (entry("/*", "dr-b-"), entry("/*", "dr-", "AUTH_b")),
    "other user of the account": (entry("a", "x"), entry("b", "x", aws_identity="lab:other")),
}
FINE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "other containers": (entry("a", "x"), entry("b", "y")),
    "other account there": (entry("a", "x"), entry("b", "x", aws_identity="web:sync")),
    "named account there": (entry("a", "x"), entry("b", "x", remote_account="AUTH_other")),
    "other cluster": (entry("a", "x"), entry("b", "x", aws_endpoint="https://other/auth/v1.0")),
    "segments with their container": (entry("a", "x"), entry("a_segments", "x_segments")),
    "segments of S3 clients": (entry("a+segments", "x+segments"), entry("a", "x")),
    "one container in its place": (entry("/*", "dr-"), entry("a", "dr-a")),
    "one container elsewhere": (entry("/*", "dr-"), entry("a", "archive")),
    "other prefixes": (entry("/*", "a-"), entry("/*", "b-", "AUTH_b")),
}


@pytest.mark.parametrize("case", OVERLAPS)
def test_second_of_two_mappings_that_overlap_is_refused(case: str) -> None:
    found = loaded(*OVERLAPS[case])
    assert [problem.place for problem in found.problems] == ["containers[1]"]
    assert "overlaps with container" in found.problems[0].message
    assert found.settings
    assert [mapping.place for mapping in found.settings.mappings] == ["containers[0]"]


@pytest.mark.parametrize("case", FINE)
def test_mappings_to_different_containers_are_accepted(case: str) -> None:
    for entries in (FINE[case], FINE[case][::-1]):
        assert loaded(*entries).problems == ()


def here(**more: Any) -> dict[str, Any]:
    return {"aws_endpoint": "http://127.0.0.1:8080/auth/v1.0", **more}


def test_mapping_into_its_own_source_is_refused_if_that_is_certain() -> None:
    own = here(remote_account="AUTH_a")
    for mapping in (entry("c", "c", **own), entry("/*", "copy of ", **own)):
        found = loaded(mapping)
        assert [problem.place for problem in found.problems] == ["containers[0]"]
        assert "is copied into itself" in found.problems[0].message
    for mapping in (entry("c", "c", **here()), entry("/*", "copy of ", **here())):
        found = loaded(mapping)
        assert found.problems == ()
        assert any("objects are copied in a loop" in str(warning) for warning in found.warnings)
    for mapping in (entry("c", "c", **here(remote_account="AUTH_b")), entry("c", "c"), entry("/*", "dr-")):
        assert not any("loop" in str(each) for each in (*loaded(mapping).warnings, *loaded(mapping).problems))


def test_middleware_uses_mappings_to_swift(write: Any) -> None:
    settings, problems = load_shunt_settings(write(entry("c", "remote", merge_namespaces=True)))
    assert problems == ()
    assert [mapping.bucket for mapping in settings.mappings] == ["remote"]

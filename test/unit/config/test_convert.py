"""A converted file means what the old one meant: nothing is sent again because of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.config import convert as module
from s3_sync.config.convert import convert, convert_file
from s3_sync.config.credentials.kinds import every_key, with_credentials
from s3_sync.config.file.flat import mapping_form
from s3_sync.config.file.options import FlatFileModel, MigrationForm
from s3_sync.config.file.section_models import flat_key
from s3_sync.config.load import load_written
from s3_sync.config.settings import Mapping
from s3_sync.errors import ConfigError, Problem
from unit.config.test_load_anything import VALUES
from unit.config.written import MAPPING, MIGRATION


def converted(path: Path) -> tuple[dict[str, Any], list[str]]:
    result = convert_file(str(path))
    return json.loads(result.text), [str(problem) for problem in result.dropped]


def test_convert_equal_options_share_credentials_and_profiles(write: Any) -> None:
    lifecycle = {"retain_local": False, "copy_after": 2592000, "propagate_delete": False}
    clone = {"aws_endpoint": "https://s3.example.org:9000"}
    content, dropped = converted(
        write(
            MAPPING,
            MAPPING | {"container": "two", "retain_local": True, "checksum": "md5", "aws_endpoint": None},
            MAPPING | {"container": "three", **lifecycle, "merge_namespaces": True},
            MAPPING | {"container": "four", **lifecycle, "remote_delete_after": 86400},
            MAPPING | {"container": "five", "copy_after": 90, **clone, "custom_prefix": "/a/"},
            MAPPING | {"container": "six", "aws_identity": "other", "custom_prefix": "b/"},
            MAPPING | {"container": "7", "aws_endpoint": "https://storage.googleapis.com", "copy_after": 90},
        )
    )
    assert dropped == []
    assert content["credentials"] == {
        "aws": {"provider": "s3", "identity": "id", "secret": "the secret key"},
        "s3-example-org": {
            "provider": "s3",
            "endpoint": "https://s3.example.org:9000",
            "identity": "id",
            "secret": "the secret key",
        },
        "aws-2": {"provider": "s3", "identity": "other", "secret": "the secret key"},
        "google": {
            "provider": "s3",
            "endpoint": "https://storage.googleapis.com",
            "identity": "id",
            "secret": "the secret key",
        },
    }
    assert content["profiles"] == {
        "sync": {"type": "sync"},
        "lifecycle-30d": {"type": "lifecycle", "delay_days": 30},
        "lifecycle-30d-2": {
            "type": "lifecycle",
            "delay_days": 30,
            "merge_namespaces": False,
            "remote_retention_days": 1,
        },
        "sync-2": {"type": "sync", "copy_after": 90},
    }
    assert content["mappings"][0] == {
        "account": "AUTH_lab",
        "container": "scans",
        "bucket": "archive",
        "credentials": "aws",
        "profile": "sync",
    }
    assert content["mappings"][4]["prefix"] == "/a/"
    assert content["mappings"][4]["prefix_join"] == "directory"
    assert content["mappings"][5]["prefix"] == "b/"
    assert "prefix_join" not in content["mappings"][5]


def test_convert_drops_and_reports_what_has_no_effect(write: Any) -> None:
    path = write(
        MAPPING | {"colour": "red", "prefix_join": "literal"},
        "mapping",
        syslog={"host": "logs", "hots": 1},
        migrations=[MIGRATION | {"note": "x"}],
        migrator_settings={"status_file": "/s", "items_chunk": 1, "x": 1, "syslog": {"y": 1}},
        comment="ours",
        log_file=None,
    )
    text = path.read_text()
    path.write_text(text.replace('"items_chunk": 1000', '"items_chunk": 1, "items_chunk": 1000'))
    content, dropped = converted(path)
    assert dropped == [
        'all but the last "items_chunk" in one object',
        "containers[0].colour: is not a known key",
        "containers[0].prefix_join: has no effect without custom_prefix",
        "containers[1]: is not an object",
        "syslog.hots: is not a known key",
        "comment: is not a known key",
        "migrations[0].note: is not a known key",
        "migrator_settings.x: is not a known key",
        "migrator_settings.syslog.y: is not a known key",
    ]
    assert content["migrations"] == [MIGRATION]
    assert content["migrator_settings"] == {"status_file": "/s", "items_chunk": 1, "syslog": {}}
    loaded = load_written(content)
    assert loaded.problems == ()
    assert loaded.settings
    assert loaded.settings.migrator


def test_convert_keeps_unsupported_and_invalid_values(write: Any) -> None:
    swift = {
        "protocol": "swift",
        "aws_endpoint": "https://dr.example.org:5000/v3",
        "auth_type": "keystone_v3",
        "project_name": "lab",
        "container": "/*",
        "storage_policy": "silver",
        "convert_dlo": True,
        "copy_after": "soon",
        "remote_delete_after": False,  # equals 0, and is as wrong as "soon"
        "aws_secret": {"env": "DR_SECRET"},
    }
    content, dropped = converted(write(MAPPING | swift))
    assert dropped == []
    assert content["credentials"] == {
        "dr-example-org": {
            "provider": "swift",
            "endpoint": "https://dr.example.org:5000/v3",
            "identity": "id",
            "secret": {"env": "DR_SECRET"},
            "auth_type": "keystone_v3",
            "project_name": "lab",
        }
    }
    assert content["profiles"] == {
        "sync": {"type": "sync", "copy_after": "soon", "remote_delete_after": False, "convert_dlo": True}
    }
    assert content["mappings"][0]["container"] == "/*"
    assert content["mappings"][0]["storage_policy"] == "silver"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"mappings": []}, "the file already has the new format"),
        ({"mappings": [], "containers": []}, "the file mixes two formats"),
        ({"containers": {}}, "containers: must be a list"),
        ([], "the file must contain one JSON object: {...}"),
    ],
)
def test_convert_file_without_flat_mappings_raises_config_error(
    tmp_path: Path, content: Any, problem: str
) -> None:
    path = tmp_path / "sync.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError) as caught:
        convert_file(str(path))
    assert [str(each) for each in caught.value.problems] == [problem]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("1e999", "the file contains a number that is too large"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
    ],
)
def test_convert_huge_number_or_deep_nesting_raises_config_error(
    write: Any, value: str, problem: str
) -> None:
    path = write(MAPPING | {"copy_after": "HERE"})
    path.write_text(path.read_text().replace('"HERE"', value))
    with pytest.raises(ConfigError, match=problem):
        convert_file(str(path))


def test_convert_that_changes_the_meaning_raises_config_error(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(MAPPING | {"custom_prefix": "/a/"})
    monkeypatch.setattr(module, "_join_matters", lambda prefix: False)
    with pytest.raises(ConfigError, match="would differ in meaning"):
        convert_file(str(path))


SOME = {
    "account": st.sampled_from(["AUTH_a", "AUTH_ü", "a/b"]),
    "container": st.sampled_from(["c", "d", "e", "/*", "c_segments"]),
    "aws_bucket": st.sampled_from(["b", "c", ""]),
    "custom_prefix": st.sampled_from(["", "/", "a", "a/", "/a/", "a//b", "ü/", None]),
    "prefix_join": st.sampled_from(["directory", "literal", "other"]),
    "protocol": st.sampled_from(["s3", "s3", "s3", "swift", None]),
    "aws_endpoint": st.sampled_from(
        ["", None, "https://s3.example.org", "http://[::1]:80/x", "https://storage.googleapis.com", "["]
    ),
    "aws_identity": st.sampled_from(["id", "other", ""]),
    "aws_secret": st.sampled_from(["key", "other", {"env": "NOT_THERE"}]),
    "copy_after": st.sampled_from([0, 0.0, 86400, 86400.0, 129600, 1, True, "1", -86400, 1e300]),
    "remote_delete_after": st.sampled_from([0, 86400, 1]),
    "selection_criteria": st.sampled_from([{}, {"a": "b"}, {"a": 1}, None, []]),
    "exclude_pattern": st.sampled_from(["", "^$", "^tmp/", "("]),
}
ALWAYS = ("account", "container", "aws_bucket", "aws_identity", "aws_secret")
ENTRY_FORM = mapping_form(every_key())
MIGRATION_FORM = with_credentials(MigrationForm, every_key(), flat_key)


def is_flag(name: str) -> bool:
    return ENTRY_FORM.model_fields[name].annotation is bool


FLAGS = [key for key, name in ENTRY_FORM.names().items() if is_flag(name)]
ENTRY = st.fixed_dictionaries(
    {key: SOME[key] for key in ALWAYS},
    optional={
        **{key: st.booleans() | st.none() for key in FLAGS},
        **{key: value for key, value in SOME.items() if key not in ALWAYS},
        "checksum": st.sampled_from(["md5", "sha256"]),
        "region": st.sampled_from(["", "eu-west-1"]),
        "storage_class": st.sampled_from(["", "STANDARD_IA"]),
        "remote_listing_failure": st.sampled_from(["fail", "local", None]),
        "segment_containers": st.sampled_from([[], ["parts"], ["*"], ["a/b"]]),
        "follow_symlinks": st.sampled_from(["container", "account", "never", "always"]),
    },
)
ANY = st.dictionaries(st.sampled_from([*ENTRY_FORM.names(), "unknown"]), VALUES)
TOP = {"devices": "/srv/node", "items_chunk": 1, "status_dir": "/tmp/s"}


def meaning(mapping: Mapping) -> tuple[Any, ...]:
    """What progress, copies and metrics hang on, and then everything."""
    bare = replace(mapping, place="")
    return (mapping.fingerprint, mapping.stats_prefix, mapping.namer, mapping.location, bare)


FLAG = st.booleans() | st.none()
SECONDS = st.sampled_from([0, 1, 86400, 86400.0, 129600, 2592000, None])
#: for every option that this version knows; whatever is drawn, the mapping can be used
USABLE: dict[str, st.SearchStrategy[Any]] = {
    **{key: FLAG for key, name in ENTRY_FORM.names().items() if is_flag(name)},
    "custom_prefix": st.none() | st.text("aü/.- ", max_size=6),
    "prefix_join": st.sampled_from(["directory", "literal"]),
    "hashed_prefix": st.sampled_from([False, None]),
    "azure_cloud": st.sampled_from(["public", None]),
    "azure_checksum": st.sampled_from(["crc64", None]),
    "protocol": st.sampled_from(["s3", None]),
    "aws_endpoint": st.sampled_from(["", None, "https://s3.example.org", "http://10.0.0.1:9000/x"]),
    "aws_identity": st.sampled_from(["id", "other"]),
    "aws_secret": st.sampled_from(["key", "other"]),
    "aws_session_token": st.sampled_from(["token", None]),
    "region": st.sampled_from(["", "eu-west-1", "cn-north-1"]),
    "signature_version": st.sampled_from(["s3v4", "s3"]),
    "addressing_style": st.sampled_from(["path", "virtual", None]),
    "ca_bundle": st.sampled_from(["", "/etc/ssl/private-ca.pem"]),
    "checksum": st.sampled_from(["md5", "none", "sha256"]),
    "conditional_put": FLAG,
    "store": st.sampled_from(["ceph", "aws", None]),
    "dialect": st.sampled_from([{"max_parts": 500}, {}, None]),
    "read_timeout": st.sampled_from([60, 1, 300.5]),
    "auth_type": st.sampled_from(["swift", None]),
    "api": st.sampled_from(["s3", None]),
    "endpoint_type": st.sampled_from(["public", None]),
    **dict.fromkeys(
        (
            *("tenant_name", "project_name", "project_domain_name", "user_name", "user_domain_name"),
            *("remote_account", "storage_scheme", "path", "share_id"),
            *("remote_account", "storage_scheme", "connection_string", "sas_token", "azure_login"),
            *("client_id", "tenant_id", "subscription_id", "resource_group"),
        ),
        st.just("x"),
    ),
    **dict.fromkeys(("sync_container_metadata", "sync_container_acl"), st.sampled_from([False, None])),
    "storage_policy": st.sampled_from([None, "silver"]),
    "min_segment_size": st.sampled_from([0, 1048576, None]),
    "copy_after": SECONDS,
    "remote_delete_after": SECONDS,
    "remote_delete_after_addition": SECONDS,
    "propagate_expiration_offset": SECONDS,
    "remote_listing_failure": st.sampled_from(["fail", "local", None]),
    "segment_containers": st.sampled_from([[], ["parts"], ["parts", "pärts"], ["*"], None]),
    "follow_symlinks": st.sampled_from(["container", "account", "never", None]),
    "selection_criteria": st.sampled_from([{}, {"a": "b"}, {"NOT": {"a": "b"}}, None]),
    "exclude_pattern": st.sampled_from(["", "^$", "^tmp/", None]),
    "storage_class": st.sampled_from(["", "STANDARD_IA", None]),
    "kms_key": st.sampled_from(["", "alias/lab", None]),
    "acl": st.sampled_from(["", "bucket-owner-full-control", None]),
    "tags": st.sampled_from([{}, {"a": "b"}, {"c": "d", "a": ""}, None]),
    "archive_restore": st.sampled_from([None, {}, {"days": 3}, {"tier": "Bulk"}, {"tier": "Expedited"}]),
    "delete_budget": st.sampled_from([None, {"deletes": 5}, {"percent": 2.5, "then": "next_interval"}]),
    "budget": st.sampled_from(
        [None, {}, {"timezone": "UTC", "timetable": [{"to": "08:00", "requests_per_second": 5, "x": 1}]}]
    ),
}


def test_strategies_cover_every_option() -> None:
    named = {"account", "container", "aws_bucket"}
    assert set(USABLE) | named == set(ENTRY_FORM.names())


@given(
    entries=st.lists(
        st.fixed_dictionaries(
            {"aws_identity": USABLE["aws_identity"], "aws_secret": USABLE["aws_secret"]},
            optional={key: USABLE[key] for key in USABLE if key not in ("aws_identity", "aws_secret")},
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(deadline=None, max_examples=200)
def test_convert_usable_mappings_keeps_their_meaning(entries: Any) -> None:
    numbered = [
        {"account": "AUTH_a", "container": f"c{index}", "aws_bucket": f"b{index}", **entry}
        for index, entry in enumerate(entries)
    ]
    written = {**TOP, "containers": numbered}
    before = load_written(written)
    assert before.settings
    assert len(before.settings.mappings) == len(entries)
    after = load_written(json.loads(json.dumps(convert(written, []))))
    assert after.problems == ()
    assert after.settings
    assert list(map(meaning, after.settings.mappings)) == list(map(meaning, before.settings.mappings))


@given(
    entries=st.lists(ENTRY | ANY.map(lambda more: {**MAPPING, **more}) | VALUES, max_size=5),
    top=st.dictionaries(st.sampled_from([*FlatFileModel.model_fields, "unknown"]), VALUES)
    | st.just({"statsd_prefix": "p"}),
    migrations=st.lists(
        st.just(MIGRATION) | st.dictionaries(st.sampled_from([*MIGRATION_FORM.names(), "x"]), VALUES),
        max_size=2,
    ),
)
@settings(deadline=None, max_examples=150)
def test_convert_any_file_keeps_settings_and_usable_mappings(entries: Any, top: Any, migrations: Any) -> None:
    written = {"migrations": migrations, **top, **TOP, "containers": entries}
    before = load_written(written)
    dropped: list[Problem] = []
    content = convert(written, dropped)
    after = load_written(json.loads(json.dumps(content)))
    assert (before.settings is None) == (after.settings is None)
    if before.settings and after.settings:
        assert list(map(meaning, before.settings.mappings)) == list(map(meaning, after.settings.mappings))
        assert replace(before.settings, mappings=()) == replace(after.settings, mappings=())
    assert not [problem for problem in after.problems if "is not a known key" in problem.message]
    module._compare(written, content)
    place_count = len([entry for entry in entries if isinstance(entry, dict)])
    assert len(content["mappings"]) == place_count

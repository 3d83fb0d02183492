"""Credentials, profiles and mappings apart: what they come to, and what is said of mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.credentials.kinds import every_key
from s3_sync.config.file.flat import mapping_form
from s3_sync.config.file.options import PolicyForm
from s3_sync.config.file.section_models import CredentialsForm, MappingEntry, ProfileForm, flat_key
from s3_sync.config.load import load
from s3_sync.config.settings import Profile
from unit.config.written import MAPPING, problems_of, warnings_of

CREDENTIALS = {"provider": "s3", "identity": "id", "secret": "the secret key"}
ENTRY = {
    "account": "AUTH_lab",
    "container": "scans",
    "bucket": "archive",
    "credentials": "aws",
    "profile": "mirror",
}


@pytest.fixture
def write_new(write: Any) -> Any:
    def write_new(*mappings: Any, credentials: Any = None, profiles: Any = None, **top: Any) -> Path:
        path: Path = write(
            credentials={"aws": CREDENTIALS, **(credentials or {})},
            profiles={"mirror": {"type": "sync"}, **(profiles or {})},
            mappings=mappings,
            **top,
        )
        content = json.loads(path.read_text())
        del content["containers"]
        path.write_text(json.dumps(content))
        return path

    return write_new


def test_mapping_with_sections_equals_that_of_flat_entry(write: Any, write_new: Any) -> None:
    flat = load(write(MAPPING))
    new = load(write_new(ENTRY))
    assert (new.problems, new.warnings) == ((), ())
    assert flat.settings
    assert new.settings
    [before], [after] = flat.settings.mappings, new.settings.mappings
    assert (after.credentials, after.profile, after.namer) == (
        before.credentials,
        before.profile,
        before.namer,
    )
    assert (after.fingerprint, after.stats_prefix) == (before.fingerprint, before.stats_prefix)
    assert after.place == "mappings[0]"


def test_sections_have_every_key_of_a_flat_entry() -> None:
    assert set(PolicyForm.model_fields) <= set(ProfileForm.model_fields)
    remote = {flat_key(key) for key in every_key().names()}
    elsewhere = remote | set(CredentialsForm.model_fields) | set(MappingEntry.model_fields)
    assert set(mapping_form(every_key()).names()) == set(PolicyForm.model_fields) | (
        elsewhere - {"credentials", "profile"}
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"type": "sync"}, Profile()),
        (
            {"type": "lifecycle"},
            Profile(retain_local=False, merge_namespaces=True, propagate_delete=False),
        ),
        (
            {"type": "lifecycle", "merge_namespaces": False, "propagate_delete": True, "delay_days": 30},
            Profile(retain_local=False, copy_after=2592000),
        ),
        ({"type": "sync", "delay_days": 0.5}, Profile(copy_after=43200)),
        (
            {"type": "sync", "copy_after": 7, "remote_retention_days": 2},
            Profile(copy_after=7, remote_delete_after=172800),
        ),
        ({"type": "sync", "retain_local": True, "conditions": None, "restore_object": None}, Profile()),
    ],
)
def test_profile_type_sets_defaults(write_new: Any, written: Any, expected: Profile) -> None:
    loaded = load(write_new(ENTRY, profiles={"mirror": written}))
    assert problems_of(loaded) == []
    assert loaded.settings
    assert loaded.settings.mappings[0].profile == expected


@pytest.mark.parametrize("key", ["conditions", "selection_criteria"])
def test_profile_conditions_become_criteria(write_new: Any, key: str) -> None:
    loaded = load(write_new(ENTRY, profiles={"mirror": {"type": "sync", key: {"content-type": "a/b"}}}))
    assert loaded.settings
    assert str(loaded.settings.mappings[0].profile.criteria) == 'content-type = "a/b"'


def test_option_of_mapping_overrides_that_of_profile(write_new: Any) -> None:
    profile = {"type": "sync", "storage_class": "STANDARD_IA", "cloud_connector": False}
    loaded = load(
        write_new(
            ENTRY,
            ENTRY | {"container": "two", "storage_class": "GLACIER", "cloud_connector": True},
            profiles={"mirror": profile},
        )
    )
    assert loaded.settings
    first, second = loaded.settings.mappings
    assert (first.profile.storage_class, first.cloud_connector) == ("STANDARD_IA", False)
    assert (second.profile.storage_class, second.cloud_connector) == ("GLACIER", True)


@pytest.mark.parametrize(
    ("changes", "prefix"),
    [
        ({}, "a5bd39/AUTH_lab/scans/"),
        ({"prefix": None}, "a5bd39/AUTH_lab/scans/"),
        ({"prefix": ""}, ""),
        ({"prefix": "/a/b"}, "/a/b"),
        ({"prefix": "a/"}, "a/"),
        ({"prefix": "/a/b", "prefix_join": "directory"}, "a/b/"),
    ],
)
def test_prefix_without_prefix_join_is_used_literally(write_new: Any, changes: Any, prefix: str) -> None:
    loaded = load(write_new(ENTRY | changes))
    assert loaded.settings
    assert loaded.settings.mappings[0].namer.prefix == prefix


def test_several_mistakes_are_all_reported_and_valid_mappings_stay(write_new: Any) -> None:
    loaded = load(
        write_new(
            ENTRY,
            ENTRY | {"container": "two", "copy_after": 5, "aws_bucket": "b", "region": "r", "containr": 1},
            ENTRY | {"credentials": "awz", "profile": "lazy"},
            ENTRY | {"credentials": "clone", "profile": 7, "bucket": ""},
            "mapping",
            ENTRY | {"container": "last", "prefix": "last/"},
            credentials={
                "clone": {"endpoint": "http://clone", "identity": "me", "aws_secret": "s"},
                "dotted.name": CREDENTIALS,
            },
            profiles={
                "lazy": {"type": "lifecycle", "delay_days": -1, "conditions": {"a": 1}},
                "twice": {"type": "sync", "delay_days": 1, "copy_after": 2, "retain_local": False},
                "none": {"copy_afer": 1},
            },
        )
    )
    assert sorted(problems_of(loaded)) == [
        'credentials.clone.aws_secret: is not a known key; it is called "secret" in this format',
        "credentials.clone.secret: is required with an endpoint that is not AWS",
        'credentials.dotted.name: the name must not be empty or contain ".", "[", "]" or control characters',
        'mappings[1].aws_bucket: is not a known key; it is called "bucket" in this format',
        'mappings[1].containr: is not a known key; did you mean "container"?',
        "mappings[1].copy_after: is not a known key; it belongs in a profile",
        "mappings[1].region: is not a known key; it belongs in credentials",
        'mappings[2].credentials: "awz" is not in credentials; did you mean "aws"?',
        "mappings[2].profile: is invalid: see profiles.lazy",
        "mappings[3].bucket: must not be empty",
        "mappings[3].credentials: is invalid: see credentials.clone",
        "mappings[3].profile: must be text, not 7",
        'mappings[4]: must be an object, not "mapping"',
        "profiles.lazy.conditions.a: the value to compare with must be text",
        "profiles.lazy.delay_days: must be at least 0, not -1",
        'profiles.none.copy_afer: is not a known key; did you mean "copy_after"?',
        "profiles.none.type: is required",
        "profiles.twice.delay_days: is another name of copy_after: give only one of them",
        "profiles.twice.retain_local: must be true in a profile of type sync",
    ]
    assert loaded.settings
    assert [mapping.place for mapping in loaded.settings.mappings] == ["mappings[0]", "mappings[5]"]


def test_unknown_top_level_key_returns_no_settings(write_new: Any) -> None:
    loaded = load(write_new(ENTRY, worker=5, syslog={"hots": "a"}, migrations=[{"acount": "a"}]))
    assert loaded.settings is None
    assert [str(problem).split("; ")[0] for problem in loaded.problems][:3] == [
        "worker: is not a known key",
        "syslog.hots: is not a known key",
        "migrations[0].acount: is not a known key",
    ]


def test_invalid_buckets_and_prefixes_are_reported(write_new: Any) -> None:
    loaded = load(
        write_new(
            ENTRY | {"prefix": "a"},
            ENTRY | {"container": "two", "prefix": "a/b/"},
            ENTRY | {"account": "AUTH_web", "container": "/*", "prefix": "web/"},
            ENTRY | {"container": "three", "bucket": "/*"},
            ENTRY | {"container": "four", "bucket": "a/b", "prefix_join": "literal"},
        )
    )
    assert sorted(problems_of(loaded)) == [
        (
            'mappings[1]: AUTH_lab/two stores under "a/b/" in bucket "archive", which overlaps '
            'with "a" of mappings[0] (AUTH_lab/scans)'
        ),
        (
            'mappings[2].prefix: cannot be used with container "/*": objects of the same name would '
            "overwrite each other"
        ),
        (
            'mappings[2]: AUTH_web/* stores under "<hash>/AUTH_web/<container>/" in bucket "archive", which '
            'overlaps with "a" of mappings[0] (AUTH_lab/scans)'
        ),
        'mappings[3].bucket: cannot be "/*", which is for migrations only',
        'mappings[4].bucket: must not contain "/"; the prefix of keys is a separate option, not "a/b"',
    ]
    assert warnings_of(loaded) == [
        'mappings[0].prefix: does not end with "/": object "a" becomes key "aa", not "a/a"'
    ]


def test_file_that_mixes_formats_returns_no_settings(write: Any) -> None:
    loaded = load(write(MAPPING, profiles={}, mappings=[]))
    assert loaded.settings is None
    assert problems_of(loaded) == [
        "the file mixes two formats: profiles, mappings of one, containers of the other"
    ]


def test_duplicate_profile_name_returns_no_settings(write_new: Any) -> None:
    path = write_new(ENTRY)
    text = path.read_text()
    path.write_text(text.replace('"profiles": {', '"profiles": {"mirror": {"type": "lifecycle"}, '))
    loaded = load(path)
    assert loaded.settings is None
    assert problems_of(loaded) == ['duplicate key "mirror" in one object']


@pytest.mark.parametrize("section", ["credentials", "profiles", "mappings"])
def test_section_of_wrong_type_returns_no_settings(write_new: Any, section: str) -> None:
    path = write_new(ENTRY)
    path.write_text(json.dumps(json.loads(path.read_text()) | {section: 7}))
    assert load(path).settings is None
    assert problems_of(load(path))[0].startswith(f"{section}: must be")


def test_empty_mappings_give_a_warning(write_new: Any) -> None:
    assert warnings_of(load(write_new())) == ["mappings: is empty: there is nothing to do"]


def test_warning_about_shared_section_is_given_once(write_new: Any) -> None:
    entries = [ENTRY | {"container": str(number)} for number in range(3)]
    profile = {"type": "sync", "propagate_expiration": True}
    credentials = CREDENTIALS | {"verify_tls": False}
    loaded = load(write_new(*entries, credentials={"aws": credentials}, profiles={"mirror": profile}))
    assert problems_of(loaded) == []
    assert warnings_of(loaded) == [
        "credentials.aws.verify_tls: is off: anyone on the network path can read and modify all traffic",
        (
            "profiles.mirror.propagate_expiration: has no effect while retain_local is true; "
            "use propagate_delete"
        ),
    ]


def test_world_readable_file_gives_a_warning_only_with_secrets(write_new: Any) -> None:
    path = write_new(ENTRY)
    path.chmod(0o644)
    assert warnings_of(load(path)) == ["the file contains secrets and is readable by every user: chmod o-rwx"]
    path = write_new(ENTRY, credentials={"aws": {"provider": "s3"}})
    path.chmod(0o644)
    assert warnings_of(load(path)) == []

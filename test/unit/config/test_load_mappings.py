"""Reading the entries for containers and migrations."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.load import load, load_migrator
from unit.config.written import MAPPING, MIGRATION, problems_of, warnings_of

NO_BUCKET_NAME = 'is not a valid bucket name; use letters, digits, ".", "_", "-"'


@pytest.mark.parametrize("pattern", ["", "^$", None])
def test_empty_exclude_pattern_excludes_nothing(write: Any, pattern: str | None) -> None:
    loaded = load(write(MAPPING | {"exclude_pattern": pattern}))
    assert loaded.settings
    assert loaded.settings.mappings[0].profile.exclude is None


@pytest.mark.parametrize(
    ("changes", "prefix"),
    [
        ({}, "a5bd39/AUTH_lab/scans/"),
        ({"custom_prefix": None}, "a5bd39/AUTH_lab/scans/"),
        ({"custom_prefix": ""}, ""),
        ({"custom_prefix": "/"}, ""),
        ({"custom_prefix": "pre-"}, "pre-/"),
        ({"custom_prefix": "/a/b/"}, "a/b/"),
        ({"custom_prefix": "pre-", "prefix_join": "literal"}, "pre-"),
        ({"custom_prefix": "/a", "prefix_join": "literal"}, "/a"),
        ({"custom_prefix": "", "prefix_join": "literal"}, ""),
    ],
)
def test_custom_prefix_and_prefix_join_give_the_key_prefix(
    write: Any, changes: dict[str, Any], prefix: str
) -> None:
    loaded = load(write(MAPPING | changes))
    assert loaded.settings
    assert loaded.settings.mappings[0].namer.prefix == prefix


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"aws_identity": None, "aws_secret": None}, []),
        (
            {"aws_identity": None},
            ["aws_identity: is required: give both aws_identity and aws_secret, or neither"],
        ),
        (
            {"aws_secret": None},
            ["aws_secret: is required: give both aws_identity and aws_secret, or neither"],
        ),
        ({"aws_secret": ""}, ["aws_secret: must not be empty"]),
        ({"aws_secret": 5}, ["aws_secret: must be text"]),
        (
            {"aws_identity": None, "aws_secret": None, "aws_session_token": "t"},
            ["aws_session_token: requires aws_identity and aws_secret"],
        ),
        (
            {"aws_identity": None, "aws_secret": None, "aws_endpoint": "http://clone"},
            [
                "aws_identity: is required with an endpoint that is not AWS",
                "aws_secret: is required with an endpoint that is not AWS",
            ],
        ),
        ({"aws_endpoint": "clone:80"}, ["aws_endpoint: must be a URL such as https://host:port"]),
        ({"aws_endpoint": "https://clone:port"}, ["aws_endpoint: must be a URL such as https://host:port"]),
        (
            {"aws_endpoint": "https://me:pw@clone"},
            ["aws_endpoint: must not contain a user name or password; they are separate options"],
        ),
        ({"aws_endpoint": "https://clone/?a=b"}, ["aws_endpoint: must not contain a query or fragment"]),
        (
            {"container": "c/d"},
            ['container: must not contain "/" (except for "/*", every container of the account), not "c/d"'],
        ),
        (
            {"account": ".shards_AUTH_a", "container": "/*"},
            ["account: is a Swift system account; its containers cannot be mapped"],
        ),
        ({"aws_bucket": "/*"}, ['aws_bucket: cannot be "/*", which is for migrations only']),
        (
            {"aws_bucket": "a/b"},
            ['aws_bucket: must not contain "/"; the prefix of keys is a separate option, not "a/b"'],
        ),
        *(
            (
                {"aws_bucket": name},
                [f'aws_bucket: "{name}" {NO_BUCKET_NAME}'],
            )
            for name in ("Bad Bucket!", "..", "bücket", "b" * 256, "b?x")
        ),
        ({"aws_bucket": "Tenant:old_Bucket.1", "aws_endpoint": "https://ceph.example.org"}, []),
        (
            {"aws_bucket": "Tenant:old_Bucket.1"},
            [
                f'aws_bucket: "Tenant:old_Bucket.1" {NO_BUCKET_NAME}',
            ],
        ),
        (
            {"container": "\0versions"},
            ['container: must not contain control characters, not "\\u0000versions"'],
        ),
        ({"account": "ü" * 129}, [f'account: must be at most 256 bytes long, not "{"ü" * 55} ...']),
        (
            {"custom_prefix": "p" * 1023},
            ["custom_prefix: leaves no room for object names: keys have at most 1024 bytes"],
        ),
        ({"copy_after": 0.5}, ["copy_after: must be a whole number, not 0.5"]),
        ({"copy_after": 1e300}, ["copy_after: must be at most 3.16224e+09, not 1e+300"]),
        (
            {"container": "/*", "custom_prefix": "p"},
            [
                (
                    'custom_prefix: cannot be used with container "/*": objects of the same name would '
                    "overwrite each other"
                ),
            ],
        ),
    ],
)
def test_mapping_with_problems_reports_them_and_is_refused(
    write: Any, changes: dict[str, Any], problems: list[str]
) -> None:
    loaded = load(write(MAPPING | changes))
    assert problems_of(loaded) == [f"containers[0].{problem}" for problem in problems]
    assert loaded.settings
    assert len(loaded.settings.mappings) == (0 if problems else 1)


def test_existing_ca_bundle_gives_no_warning(write: Any, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    loaded = load(write(MAPPING | {"ca_bundle": str(bundle)}))
    assert (loaded.problems, loaded.warnings) == ((), ())
    assert loaded.settings
    assert loaded.settings.mappings[0].credentials.ca_bundle == str(bundle)


def test_endpoint_outside_aws_gets_path_addressing(write: Any) -> None:
    loaded = load(write(MAPPING | {"aws_endpoint": "https://storage.googleapis.com"}))
    assert loaded.settings
    credentials = loaded.settings.mappings[0].credentials
    assert isinstance(credentials, S3Credentials)
    assert credentials.addressing_style is None
    assert credentials.effective_dialect.addressing == "path"


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        (
            {"retain_locale": True},
            'retain_locale: is not a known key and has no effect; did you mean "retain_local"?',
        ),
        ({"xyzzy": 1}, "xyzzy: is not a known key and has no effect"),
        ({"\x1b[31m": 1}, "'\\x1b[31m': is not a known key and has no effect"),
        (
            {"custom_prefix": "pre", "prefix_join": "literal"},
            'custom_prefix: does not end with "/": object "a" becomes key "prea", not "pre/a"',
        ),
        ({"prefix_join": "literal"}, "prefix_join: has no effect without custom_prefix"),
        ({"project_name": "lab"}, "project_name: has no effect with protocol s3"),
        ({"remote_account": "AUTH_other"}, "remote_account: has no effect with protocol s3"),
        (
            {"verify_tls": False},
            "verify_tls: is off: anyone on the network path can read and modify all traffic",
        ),
        ({"ca_bundle": "/a", "verify_tls": False}, "ca_bundle: has no effect while verify_tls is false"),
        ({"ca_bundle": "/no/where"}, "ca_bundle: /no/where does not exist on this machine"),
        (
            {"aws_endpoint": "http://s3.amazonaws.com"},
            "aws_endpoint: objects are sent to AWS unencrypted; use https",
        ),
        (
            {"propagate_expiration": True},
            "propagate_expiration: has no effect while retain_local is true; use propagate_delete",
        ),
        ({"aws_secret": "key\n"}, "aws_secret: begins or ends with white space; is that intended?"),
        (
            {"aws_identity": " id"},
            "aws_identity: begins or ends with white space; is that intended?",
        ),
        ({"signature_version": "s3"}, "signature_version: AWS rejects signature version 2; use s3v4"),
    ],
)
def test_doubtful_mapping_gives_a_warning_and_stays_usable(
    write: Any, changes: dict[str, Any], warning: str
) -> None:
    loaded = load(write(MAPPING | changes))
    assert problems_of(loaded) == []
    assert warnings_of(loaded) == [f"containers[0].{warning}"]
    assert loaded.settings
    assert len(loaded.settings.mappings) == 1


def test_doubtful_top_level_values_give_warnings(write: Any) -> None:
    path = write(
        status_dir="/no/where/status",
        devices="/no/where",
        log_file="relative.log",
        recon_cache_path="/no/recon",
        internal_client_path="/no/client",
        worker=5,
        syslog={"hots": "a", "port": None},
    )
    path.chmod(0o644)
    assert warnings_of(load(path)) == [
        'worker: is not a known key and has no effect; did you mean "workers"?',
        'syslog.hots: is not a known key and has no effect; did you mean "host"?',
        "devices: /no/where is not a directory on this machine",
        "status_dir: /no/where is not a directory on this machine",
        "log_file: should be an absolute path: a relative one depends on the working directory",
        "recon_cache_path: /no/recon is not a directory on this machine",
        (
            "internal_client_path: /no/client does not exist on this machine: a default pipeline, which "
            "cannot decrypt, is used"
        ),
        "containers: is empty: there is nothing to do",
    ]


def test_new_status_dir_in_existing_directory_gives_no_warning(write: Any, tmp_path: Path) -> None:
    """With a slash at the end, too: only the parent directory has to exist."""
    assert warnings_of(load(write(MAPPING, status_dir=f"{tmp_path}/new/"))) == []


def test_world_readable_file_with_secrets_gives_a_warning(write: Any) -> None:
    path = write(MAPPING)
    path.chmod(0o644)
    assert warnings_of(load(path)) == ["the file contains secrets and is readable by every user: chmod o-rwx"]
    os.chmod(path, 0o640)
    assert warnings_of(load(path)) == []


def test_duplicate_key_gives_a_warning_and_the_last_value(write: Any) -> None:
    path = write(MAPPING)
    path.write_text(path.read_text().replace('"items_chunk": 1000', '"items_chunk": 1, "items_chunk": 2'))
    loaded = load(path)
    assert loaded.settings
    assert loaded.settings.items_chunk == 2
    assert warnings_of(loaded) == ['duplicate key "items_chunk" in one object; the last one is used']


def test_problems_with_secrets_do_not_reveal_them(write: Any) -> None:
    loaded = load(
        write(
            MAPPING | {"aws_secret": 31415926535, "aws_endpoint": "https://me:hunter22@x"},
            https_proxy="http://me:hunter22@x:y",
        )
    )
    assert len(loaded.problems) == 3
    assert "31415926535" not in str(loaded)
    assert "hunter22" not in str(loaded)


@pytest.mark.parametrize(
    ("entries", "problems"),
    [
        (
            [{}, {}],
            ["migrations[1]: AUTH_new/* is the destination of migrations[0], too, for the same names"],
        ),
        (
            [{"aws_bucket": "a", "prefix": "x"}, {"aws_bucket": "a", "prefix": "xy"}],
            ["migrations[1]: AUTH_new/a is"],
        ),
        ([{"aws_bucket": "a", "prefix": "x"}, {"aws_bucket": "b", "container": "a", "prefix": "y"}], []),
        ([{}, {"aws_bucket": "a"}], []),
        ([{"container": "b"}], ['migrations[0].container: cannot be used with aws_bucket "/*"']),
        ([{"aws_bucket": "a", "container": "/*"}], ["migrations[0].container: cannot be"]),
        ([{"account": ".hidden"}], ["migrations[0].account: is a Swift system account"]),
    ],
)
def test_migrations_into_the_same_names_are_refused(write: Any, entries: Any, problems: list[str]) -> None:
    loaded = load(write(MAPPING, migrations=[MIGRATION | entry for entry in entries]))
    assert [
        bool(found.startswith(start)) for found, start in zip(problems_of(loaded), problems, strict=True)
    ] == [True] * len(problems)


def test_migrator_settings_have_the_migrations_as_mappings_and_need_no_other_key(tmp_path: Path) -> None:
    path = tmp_path / "migrator.json"
    section = {"status_file": "/var/lib/m.status", "items_chunk": 10, "workers": 3}
    path.write_text(json.dumps({"migrations": [MIGRATION | {"prefix": "p"}], "migrator_settings": section}))
    path.chmod(0o600)
    loaded = load_migrator(path)
    assert (loaded.problems, loaded.warnings) == ((), ())
    assert loaded.settings
    assert (loaded.settings.workers, loaded.settings.status_dir) == (3, "/var/lib/m.status.d")
    (mapping,) = loaded.settings.mappings
    assert mapping.migration
    assert json.loads(mapping.migration.entry) == {
        "account": "AUTH_new", "aws_bucket": "/*", "aws_identity": "id", "prefix": "p"
    }  # fmt: skip
    assert mapping.of_container("photos").bucket == "photos"


@pytest.mark.parametrize(
    ("written", "problems"),
    [
        ({}, ["migrator_settings: is required"]),
        ({"migrator_settings": {"items_chunk": 10}}, ["migrator_settings.status_file: is required"]),
    ],
)
def test_migrator_settings_that_are_incomplete_are_reported(
    tmp_path: Path, written: Any, problems: list[str]
) -> None:
    path = tmp_path / "migrator.json"
    path.write_text(json.dumps({"migrations": [MIGRATION]} | written))
    loaded = load_migrator(path)
    assert loaded.settings is None
    assert problems_of(loaded) == problems


def test_migrations_are_read_as_mappings_from_their_source(write: Any) -> None:
    swift = MIGRATION | {"protocol": "swift", "aws_endpoint": "https://old/auth/v1.0", "older_than": 60}
    section = {"status_file": "/var/lib/m.status", "items_chunk": 10, "processes": 1, "process": 0}
    other = MIGRATION | {"account": "AUTH_other"}
    loaded = load(write(MAPPING, migrations=[swift, other], migrator_settings=section))
    assert problems_of(loaded) == []
    assert warnings_of(loaded) == []
    assert loaded.settings
    first, second = loaded.settings.migrations
    assert first.migration
    assert (first.migration.older_than, first.profile.restore_object) == (60, True)
    assert (first.credentials.provider, first.credentials.endpoint) == ("swift", "https://old/auth/v1.0")
    assert second.credentials.provider == "s3"
    assert loaded.settings.migrator
    assert loaded.settings.migrator.segment_size == 100_000_000
    assert [secret.reveal() for secret in loaded.settings.secrets()] == ["the secret key", "key", "key"]

"""Reading the file: everything that is wrong, at once, each with its place; what is right goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.config.forms import FileForm, MappingForm, MigrationForm, MigratorForm
from s3_sync.config.load import Loaded, load
from s3_sync.config.not_yet import MAPPING_OPTIONS, TOP_LEVEL_OPTIONS
from s3_sync.config.schema import Profile, Syslog

MAPPING = {
    "account": "AUTH_lab",
    "container": "scans",
    "aws_bucket": "archive",
    "aws_identity": "id",
    "aws_secret": "the secret key",
}
MIGRATION = {"account": "AUTH_new", "aws_bucket": "/*", "aws_identity": "id", "aws_secret": "key"}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    (tmp_path / "node").mkdir()
    path = tmp_path / "sync.json"

    def write(*mappings: Any, **top: Any) -> Path:
        content = {
            "devices": str(tmp_path / "node"),
            "items_chunk": 1000,
            "status_dir": str(tmp_path / "status"),
            "containers": list(mappings),
            **top,
        }
        path.write_text(json.dumps(content), encoding="utf-8")
        path.chmod(0o600)
        return path

    return write


def told(loaded: Loaded) -> list[str]:
    return [str(problem) for problem in loaded.problems]


def warned(loaded: Loaded) -> list[str]:
    return [str(warning) for warning in loaded.warnings]


def test_a_small_file_and_its_defaults(write: Any) -> None:
    loaded = load(write(MAPPING))
    assert (loaded.problems, loaded.warnings, loaded.missing) == ((), (), False)
    assert loaded.settings
    [mapping] = loaded.settings.mappings
    assert (mapping.account, mapping.container, mapping.bucket) == ("AUTH_lab", "scans", "archive")
    assert mapping.place == "containers[0]"
    assert mapping.profile == Profile()
    assert mapping.namer.prefix == "a5bd39/AUTH_lab/scans/"
    assert mapping.cloud_connector
    credentials = mapping.credentials
    assert credentials.secret
    assert (credentials.identity, credentials.secret.reveal()) == ("id", "the secret key")
    assert (credentials.signature_version, credentials.addressing_style) == ("s3v4", None)
    assert (credentials.checksum, credentials.verify_tls) == ("md5", True)
    top = loaded.settings
    assert (top.workers, top.enumerator_workers, top.poll_interval) == (10, 10, 5.0)
    assert top.verification_slack_seconds == 3600
    assert (top.swift_bind_ip, top.swift_dir) == ("0.0.0.0", "/etc/swift")
    assert top.internal_client_path == "/etc/swift/internal-client.conf"
    assert (top.statsd_host, top.statsd_port, top.syslog, top.log_level) == (None, 8125, None, "info")


def test_every_value_arrives(write: Any) -> None:
    loaded = load(
        write(
            MAPPING
            | {
                "aws_endpoint": "https://s3.example.org:9000",
                "aws_session_token": "token",
                "region": "eu-west-1",
                "signature_version": "s3",
                "addressing_style": "virtual",
                "verify_tls": False,
                "checksum": "sha256",
                "custom_prefix": "/pre/fix/",
                "copy_after": 3600.0,
                "propagate_delete": False,
                "merge_namespaces": True,
                "restore_object": True,
                "cloud_connector": False,
                "exclude_pattern": "^tmp/",
                "selection_criteria": {"content-type": "text/plain"},
                "encryption": False,
                "storage_class": "STANDARD_IA",
            },
            swift_dir="/opt/swift",
            verification_slack=1.5,
            log_level="DEBUG",
            syslog={"proto": "TCP", "port": 601},
            http_proxy="http://proxy:1",
            https_proxy="http://proxy:2",
            statsd_host="stats",
            statsd_prefix="1space.sync",
        )
    )
    assert told(loaded) == []
    assert loaded.settings
    [mapping] = loaded.settings.mappings
    credentials, profile = mapping.credentials, mapping.profile
    assert credentials.session_token
    assert credentials.session_token.reveal() == "token"
    assert (credentials.region, credentials.signature_version) == ("eu-west-1", "s3")
    assert (credentials.addressing_style, credentials.verify_tls, credentials.checksum) == (
        "virtual",
        False,
        "sha256",
    )
    assert (credentials.http_proxy, credentials.https_proxy) == ("http://proxy:1", "http://proxy:2")
    assert mapping.namer.prefix == "pre/fix/"
    assert mapping.custom_prefix == "/pre/fix/"
    assert not mapping.cloud_connector
    assert (profile.copy_after, profile.propagate_delete, profile.encryption) == (3600, False, False)
    assert profile.merge_namespaces
    assert profile.restore_object
    assert profile.exclude
    assert profile.exclude.match("tmp/a")
    assert not profile.exclude.match("a/tmp/")
    assert profile.criteria.matches({"content-type": "TEXT/plain"})
    assert profile.storage_class == "STANDARD_IA"
    top = loaded.settings
    assert top.internal_client_path == "/opt/swift/internal-client.conf"
    assert top.verification_slack_seconds == 90
    assert top.log_level == "debug"
    assert top.syslog == Syslog("localhost", 601, "tcp")
    assert top.statsd_prefix == "1space.sync"


def test_every_mistake_is_listed_at_once(write: Any) -> None:
    loaded = load(
        write(
            MAPPING,
            {"account": "a/b", "container": 5, "aws_bucket": "", "copy_after": -1, "retain_local": "yes"},
            "mapping",
            MAPPING
            | {
                "container": "two",
                "selection_criteria": {"AND": [{}, {"a": 1}]},
                "exclude_pattern": "(",
                "protocol": "ftp",
            },
            migrations=[MIGRATION | {"protocol": "swift", "auth_type": "keystone_v3"}, MIGRATION],
            migrator_settings={"items_chunk": "many"},
        )
    )
    assert told(loaded) == [
        'containers[1].account: must not hold "/", not "a/b"',
        "containers[1].container: must be text, not 5",
        "containers[1].aws_bucket: must not be empty",
        "containers[1].copy_after: must be at least 0, not -1",
        'containers[1].retain_local: must be true or false, not "yes"',
        'containers[2]: must be an object, not "mapping"',
        'containers[3].protocol: must be one of "s3", "swift", "azure" or "gcs", not "ftp"',
        "containers[3].selection_criteria.AND[1].a: the value to compare with must be text",
        (
            "containers[3].exclude_pattern: is not a regular expression: "
            "missing ), unterminated subpattern at position 0"
        ),
        "migrations[0].aws_endpoint: is required with auth_type keystone_v3",
        "migrations[0].project_name: is required with auth_type keystone_v3",
        "migrations[0].project_domain_name: is required with auth_type keystone_v3",
        "migrations[0].user_domain_name: is required with auth_type keystone_v3",
        "migrator_settings.status_file: is required",
        'migrator_settings.items_chunk: must be a whole number, not "many"',
    ]
    assert loaded.settings
    assert [mapping.place for mapping in loaded.settings.mappings] == ["containers[0]"]
    assert [migration.aws_bucket for migration in loaded.settings.migrations] == ["/*"]
    assert loaded.settings.migrator is None


def test_a_mistake_at_the_top_makes_nothing_usable_but_hides_nothing(write: Any) -> None:
    loaded = load(write(MAPPING | {"copy_after": "1"}, devices=None, workers=True, poll_interval="5"))
    assert loaded.settings is None
    assert told(loaded) == [
        "devices: is required",
        "workers: must be a whole number, not true",
        'poll_interval: must be a number, not "5"',
        'containers[0].copy_after: must be a whole number, not "1"',
    ]


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (b'{"a": 1,\n "b" 2}', "line 2, column 6", "Expecting ':' delimiter"),
        (b"", "line 1, column 1", "Expecting value"),
        (b"[]", "", "must hold one JSON object"),
        (b"null", "", "must hold one JSON object"),
        (b'{"a": "\xff"}', "line 1", "not UTF-8"),
        (b'{"a": NaN}', "", "NaN is not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "", "Exceeds the limit"),
        (b'{"a": "\\ud800"}', "", "\\ud800, which is half a character"),
        (b"[" * 100_000, "", "nested too deeply"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, content: bytes, place: str, message: str) -> None:
    path = tmp_path / "sync.json"
    path.write_bytes(content)
    loaded = load(path)
    assert loaded.settings is None
    assert loaded.problems[0].place == place
    assert message in loaded.problems[0].message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = load(tmp_path / "nowhere.json")
    assert missing.missing
    assert told(missing) == ["Configuration file does not exist"]
    directory = load(tmp_path)
    assert not directory.missing
    assert told(directory) == ["the file cannot be read: Is a directory"]


@pytest.mark.parametrize(
    ("top", "problem"),
    [
        ({"statsd_prefix": "a:b"}, 'statsd_prefix: may hold only letters, digits and "_.-", not "a:b"'),
        ({"statsd_port": 0}, "statsd_port: must be at least 1, not 0"),
        (
            {"log_level": "loud"},
            'log_level: must be one of "debug", "info", "warning" or "error", not "loud"',
        ),
        ({"syslog": "localhost"}, 'syslog: must be an object, not "localhost"'),
        ({"syslog": {"proto": "tls"}}, 'syslog.proto: must be one of "udp" or "tcp", not "tls"'),
        ({"https_proxy": "proxy:3128"}, "https_proxy: must be a URL such as https://host:port"),
        ({"verification_slack": -1}, "verification_slack: must be at least 0, not -1"),
        ({"containers": {}}, "containers: must be a list"),
    ],
)
def test_rules_of_the_top_level(write: Any, top: dict[str, Any], problem: str) -> None:
    loaded = load(write(MAPPING, **top))
    assert told(loaded) == [problem]
    assert loaded.settings is None


def test_a_byte_order_mark_is_harmless(write: Any) -> None:
    path = write(MAPPING)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(path).settings


REFUSED = {
    "protocol": "gcs",
    "container": "/*",
    "remote_delete_after": 86400,
    "remote_account": "AUTH_other",
    "storage_policy": "silver",
    "propagate_expiration": True,
    "sync_container_metadata": True,
    "sync_container_acl": True,
    "convert_dlo": True,
    "min_segment_size": 1048576,
}


@pytest.mark.parametrize("key", [option.key for option in MAPPING_OPTIONS])
def test_what_cannot_be_honoured_is_refused(write: Any, key: str) -> None:
    value = REFUSED[key]
    loaded = load(write(MAPPING | {key: value}, MAPPING | {"container": "good"}))
    [problem] = loaded.problems
    assert problem.place == f"containers[0].{key}"
    assert problem.message.startswith(json.dumps(value))
    assert problem.message.endswith("is not supported by this version")
    assert loaded.settings
    assert [mapping.container for mapping in loaded.settings.mappings] == ["good"]


def test_a_wrong_type_is_told_once(write: Any) -> None:
    loaded = load(write(MAPPING | {"retain_local": 0, "convert_dlo": "yes"}))
    assert told(loaded) == [
        "containers[0].retain_local: must be true or false, not 0",
        'containers[0].convert_dlo: must be true or false, not "yes"',
    ]


def test_refusals_at_the_top_level(write: Any) -> None:
    loaded = load(write(MAPPING, bulk_process=True))
    assert [option.key for option in TOP_LEVEL_OPTIONS] == ["bulk_process"]
    assert told(loaded) == [
        "bulk_process: true (rows are handled one by one) is not supported by this version"
    ]
    assert loaded.settings is None


def test_refused_keys_exist() -> None:
    assert {option.key for option in MAPPING_OPTIONS} <= set(MappingForm.model_fields)
    assert {option.key for option in TOP_LEVEL_OPTIONS} <= set(FileForm.model_fields)


@pytest.mark.parametrize("pattern", ["", "^$", None])
def test_no_exclusion(write: Any, pattern: str | None) -> None:
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
def test_prefixes(write: Any, changes: dict[str, Any], prefix: str) -> None:
    loaded = load(write(MAPPING | changes))
    assert loaded.settings
    assert loaded.settings.mappings[0].namer.prefix == prefix


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"aws_identity": None, "aws_secret": None}, []),
        ({"aws_identity": None}, ["aws_identity: is required with the other of aws_identity and aws_secret"]),
        ({"aws_secret": None}, ["aws_secret: is required with the other of aws_identity and aws_secret"]),
        ({"aws_secret": ""}, ["aws_secret: must not be empty"]),
        ({"aws_secret": 5}, ["aws_secret: must be text"]),
        (
            {"aws_identity": None, "aws_secret": None, "aws_session_token": "t"},
            ["aws_session_token: needs aws_identity and aws_secret"],
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
            ["aws_endpoint: must not hold a user name or password; use aws_identity and aws_secret"],
        ),
        ({"aws_endpoint": "https://clone/?a=b"}, ["aws_endpoint: must not hold a query or fragment"]),
        (
            {"container": "c/d"},
            ['container: must not hold "/" (except for "/*", every container of the account), not "c/d"'],
        ),
        ({"aws_bucket": "/*"}, ['aws_bucket: cannot be "/*": that is for migrations']),
        (
            {"aws_bucket": "a/b"},
            ['aws_bucket: must not hold "/"; key prefixes belong in "custom_prefix", not "a/b"'],
        ),
        ({"container": "\0versions"}, ['container: must not hold control characters, not "\\u0000versions"']),
        ({"account": "ü" * 129}, [f'account: must be at most 256 bytes long, not "{"ü" * 55} ...']),
        (
            {"custom_prefix": "p" * 1023},
            ["custom_prefix: leaves no room for names: keys are at most 1024 bytes"],
        ),
        ({"copy_after": 0.5}, ["copy_after: must be a whole number, not 0.5"]),
        ({"copy_after": 1e300}, ["copy_after: must be at most 3.16224e+09, not 1e+300"]),
        (
            {"protocol": "swift", "aws_endpoint": "http://h", "container": "/*", "custom_prefix": "p"},
            [
                'protocol: "swift" is not supported by this version',
                'container: "/*" (every container of an account) is not supported by this version',
            ],
        ),
        (
            {"container": "/*", "custom_prefix": "p"},
            [
                'container: "/*" (every container of an account) is not supported by this version',
                (
                    'custom_prefix: cannot be used with container "/*": objects of the same name would '
                    "overwrite each other"
                ),
            ],
        ),
    ],
)
def test_rules_of_a_mapping(write: Any, changes: dict[str, Any], problems: list[str]) -> None:
    loaded = load(write(MAPPING | changes))
    assert told(loaded) == [f"containers[0].{problem}" for problem in problems]
    assert loaded.settings
    assert len(loaded.settings.mappings) == (0 if problems else 1)


def test_a_ca_bundle_that_exists(write: Any, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    loaded = load(write(MAPPING | {"ca_bundle": str(bundle)}))
    assert (loaded.problems, loaded.warnings) == ((), ())
    assert loaded.settings
    assert loaded.settings.mappings[0].credentials.ca_bundle == str(bundle)


def test_clones_get_path_addressing(write: Any) -> None:
    loaded = load(write(MAPPING | {"aws_endpoint": "https://storage.googleapis.com"}))
    assert loaded.settings
    assert loaded.settings.mappings[0].credentials.addressing_style == "path"


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
            'custom_prefix: does not end in "/": object "a" becomes key "prea", and not "pre/a"',
        ),
        ({"prefix_join": "literal"}, "prefix_join: has no effect without custom_prefix"),
        ({"project_name": "lab"}, "project_name: has no effect with protocol s3"),
        ({"ca_bundle": "/a", "verify_tls": False}, "ca_bundle: has no effect while verify_tls is false"),
        ({"ca_bundle": "/no/where"}, "ca_bundle: /no/where does not exist on this machine"),
        (
            {"aws_endpoint": "http://s3.amazonaws.com"},
            "aws_endpoint: objects travel to AWS unencrypted; use https",
        ),
        ({"signature_version": "s3"}, "signature_version: AWS refuses the old signature; use s3v4"),
    ],
)
def test_warnings_about_a_mapping(write: Any, changes: dict[str, Any], warning: str) -> None:
    loaded = load(write(MAPPING | changes))
    assert told(loaded) == []
    assert warned(loaded) == [f"containers[0].{warning}"]
    assert loaded.settings
    assert len(loaded.settings.mappings) == 1


def test_warnings_about_the_whole(write: Any) -> None:
    path = write(
        status_dir="/no/where/status", devices="/no/where", worker=5, syslog={"hots": "a", "port": None}
    )
    path.chmod(0o644)
    assert warned(load(path)) == [
        'worker: is not a known key and has no effect; did you mean "workers"?',
        'syslog.hots: is not a known key and has no effect; did you mean "host"?',
        "devices: /no/where is not a directory on this machine",
        "status_dir: /no/where is not a directory on this machine",
        "containers: is empty: there is nothing to do",
    ]


def test_a_file_with_secrets_is_not_for_everybody(write: Any) -> None:
    path = write(MAPPING)
    path.chmod(0o644)
    assert warned(load(path)) == ["the file holds secrets and everybody may read it: chmod o-rwx"]
    os.chmod(path, 0o640)
    assert warned(load(path)) == []


def test_a_key_that_stands_twice(write: Any) -> None:
    path = write(MAPPING)
    path.write_text(path.read_text().replace('"items_chunk": 1000', '"items_chunk": 1, "items_chunk": 2'))
    loaded = load(path)
    assert loaded.settings
    assert loaded.settings.items_chunk == 2
    assert warned(loaded) == ['"items_chunk" stands twice in one object; the last one counts']


def test_mistakes_with_secrets_do_not_show_them(write: Any) -> None:
    loaded = load(
        write(
            MAPPING | {"aws_secret": 31415926535, "aws_endpoint": "https://me:hunter22@x"},
            https_proxy="http://me:hunter22@x:y",
        )
    )
    assert len(loaded.problems) == 3
    assert "31415926535" not in str(loaded)
    assert "hunter22" not in str(loaded)


def test_migrations_are_checked_and_kept(write: Any) -> None:
    swift = MIGRATION | {"protocol": "swift", "aws_endpoint": "https://old/auth/v1.0", "older_than": 60}
    section = {"status_file": "/var/lib/m.status", "items_chunk": 10, "processes": 1, "process": 0}
    loaded = load(write(MAPPING, migrations=[swift, MIGRATION], migrator_settings=section))
    assert told(loaded) == []
    assert loaded.settings
    first, second = loaded.settings.migrations
    assert (first.protocol, first.older_than, first.restore_object) == ("swift", 60, True)
    assert second.protocol == "s3"
    assert loaded.settings.migrator
    assert loaded.settings.migrator.segment_size == 100_000_000
    assert [secret.reveal() for secret in loaded.settings.secrets()] == ["the secret key", "key", "key"]


KEYS = sorted(
    {
        *FileForm.model_fields,
        *MappingForm.model_fields,
        *MigrationForm.model_fields,
        *MigratorForm.model_fields,
    }
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)  # surrogates included
    | st.sampled_from(["", "/*", "s3", "swift", "literal", "(", "https://[", "http://h:99999", "..", "\0"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*KEYS, "AND", "OR", "NOT", "x"]), inner, max_size=6)
    ),
    max_leaves=25,
)
ENTRIES = st.lists(
    st.dictionaries(st.sampled_from(sorted(MappingForm.model_fields)), VALUES) | VALUES, max_size=3
)


def check_random(directory: Path, content: bytes) -> None:
    path = directory / "random.json"
    path.write_bytes(content)
    loaded = load(path)
    assert loaded.settings or loaded.problems
    for finding in (*loaded.problems, *loaded.warnings):
        assert finding.message
        str(finding).encode("utf-8")
    for mapping in loaded.settings.mappings if loaded.settings else ():
        assert len(mapping.fingerprint) == 16
        assert mapping.stats_prefix.isascii()
        hash(mapping)


@given(
    top=st.dictionaries(st.sampled_from(sorted(FileForm.model_fields)), VALUES),
    mappings=ENTRIES,
    migrations=ENTRIES,
    required=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_no_json_gives_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, top: Any, mappings: Any, migrations: Any, required: bool
) -> None:
    content = {"containers": mappings, "migrations": migrations, **top}
    if required:
        content |= {"devices": "/srv/node", "items_chunk": 1, "status_dir": "/tmp/s"}
        content |= {
            "containers": [{**MAPPING, **entry} if isinstance(entry, dict) else entry for entry in mappings]
        }
    check_random(tmp_path_factory.getbasetemp(), json.dumps(content).encode("ascii"))


@given(content=st.binary(max_size=200) | st.text('{}[]",:0123e-+.\\u \nabtrufalsen').map(str.encode))
@settings(deadline=None, max_examples=300)
def test_no_bytes_give_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    check_random(tmp_path_factory.getbasetemp(), content)

"""Reading the file: everything that is wrong, at once, each with its place; what is right goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.file.options import FlatFileModel
from s3_sync.config.load import load
from s3_sync.config.settings import Profile, Syslog
from s3_sync.config.unsupported import TOP_LEVEL_OPTIONS
from unit.config.written import MAPPING, MIGRATION, problems_of


def test_load_minimal_file_fills_in_defaults(write: Any) -> None:
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


EVERY_OPTION = {
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
    "kms_key": "alias/lab",
    "acl": "bucket-owner-full-control",
    "tags": {"b": "2", "a": "1"},
    "requester_pays": True,
    "storage_class": "STANDARD_IA",
}


def test_load_file_with_every_option_keeps_each_value(write: Any) -> None:
    loaded = load(
        write(
            MAPPING | EVERY_OPTION,
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
    assert problems_of(loaded) == []
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
    assert (profile.kms_key, profile.acl) == ("alias/lab", "bucket-owner-full-control")
    assert profile.tags == (("a", "1"), ("b", "2"))
    assert isinstance(credentials, S3Credentials)
    assert credentials.requester_pays
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


def test_load_several_mistakes_reports_all_and_keeps_valid_mappings(write: Any) -> None:
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
            migrations=[
                MIGRATION | {"protocol": "swift", "auth_type": "keystone_v3", "account": "AUTH_v3"},
                MIGRATION,
            ],
            migrator_settings={"items_chunk": "many"},
        )
    )
    assert problems_of(loaded) == [
        'containers[1].account: must not contain "/", not "a/b"',
        "containers[1].container: must be text, not 5",
        "containers[1].aws_bucket: must not be empty",
        "containers[1].copy_after: must be at least 0, not -1",
        'containers[1].retain_local: must be true or false, not "yes"',
        'containers[2]: must be an object, not "mapping"',
        (
            'containers[3].protocol: must be one of "s3", "swift", "gcs", "azure", "file_connector" '
            'or "file", not "ftp"'
        ),
        "containers[3].selection_criteria.AND[1].a: the value to compare with must be text",
        (
            "containers[3].exclude_pattern: is not a valid regular expression: "
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
    assert [migration.label for migration in loaded.settings.migrations] == ["AUTH_new/*"]
    assert loaded.settings.migrator is None


def test_load_top_level_mistake_returns_no_settings_and_all_problems(write: Any) -> None:
    loaded = load(write(MAPPING | {"copy_after": "1"}, devices=None, workers=True, poll_interval="5"))
    assert loaded.settings is None
    assert problems_of(loaded) == [
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
        (b"[]", "", "must contain one JSON object"),
        (b"null", "", "must contain one JSON object"),
        (b'{"a": "\xff"}', "line 1", "not UTF-8"),
        (b'{"a": NaN}', "", "NaN is not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "", "Exceeds the limit"),
        (b'{"a": "\\ud800"}', "", "\\ud800, which is half of a surrogate pair"),
        (b"[" * 100_000, "", "nested too deeply"),
    ],
)
def test_load_malformed_file_reports_the_place(
    tmp_path: Path, content: bytes, place: str, message: str
) -> None:
    path = tmp_path / "sync.json"
    path.write_bytes(content)
    loaded = load(path)
    assert loaded.settings is None
    assert loaded.problems[0].place == place
    assert message in loaded.problems[0].message


def test_load_missing_file_or_directory_reports_a_problem(tmp_path: Path) -> None:
    missing = load(tmp_path / "nowhere.json")
    assert missing.missing
    assert problems_of(missing) == ["Configuration file does not exist"]
    directory = load(tmp_path)
    assert not directory.missing
    assert problems_of(directory) == ["the file cannot be read: Is a directory"]


@pytest.mark.parametrize(
    ("top", "problem"),
    [
        ({"statsd_prefix": "a:b"}, 'statsd_prefix: may contain only letters, digits and "_.-", not "a:b"'),
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
def test_load_invalid_top_level_value_returns_no_settings(
    write: Any, top: dict[str, Any], problem: str
) -> None:
    loaded = load(write(MAPPING, **top))
    assert problems_of(loaded) == [problem]
    assert loaded.settings is None


def test_load_file_with_byte_order_mark_returns_settings(write: Any) -> None:
    path = write(MAPPING)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(path).settings


def test_load_value_of_wrong_type_is_reported_once(write: Any) -> None:
    loaded = load(write(MAPPING | {"retain_local": 0, "convert_dlo": "yes"}))
    assert problems_of(loaded) == [
        "containers[0].retain_local: must be true or false, not 0",
        'containers[0].convert_dlo: must be true or false, not "yes"',
    ]


def test_load_unsupported_top_level_option_returns_no_settings(write: Any) -> None:
    loaded = load(write(MAPPING, bulk_process=True))
    assert [option.key for option in TOP_LEVEL_OPTIONS] == ["bulk_process"]
    assert problems_of(loaded) == [
        "bulk_process: true (rows are handled one by one) is not supported by this version"
    ]
    assert loaded.settings is None


def test_unsupported_options_are_known_keys() -> None:
    assert {option.key for option in TOP_LEVEL_OPTIONS} <= set(FlatFileModel.model_fields)


@pytest.mark.parametrize(
    ("port", "processes", "good"), [(65535, 1, True), (65532, 4, True), (65533, 4, False)]
)
def test_load_metrics_port_without_port_for_each_process_is_refused(
    write: Any, port: int, processes: int, good: bool
) -> None:
    loaded = load(write(metrics_port=port, processes=processes))
    assert (loaded.settings is not None) is good
    if not good:
        assert problems_of(loaded) == [
            "metrics_port: must be at most 65532, as 4 processes use consecutive ports, not 65533"
        ]

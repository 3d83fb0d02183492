"""The answer to --check-config."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.report import MIGRATOR, SYNC, WIDTH, check_config

MAPPING = {
    "account": "AUTH_lab",
    "container": "scans",
    "aws_bucket": "archive",
    "aws_identity": "AKIAEXAMPLE",
    "aws_secret": "hunter22",
}


@pytest.fixture
def check(tmp_path: Path) -> Any:
    def check(*mappings: Any, **top: Any) -> tuple[int, str]:
        path = tmp_path / "sync.json"
        content = {"devices": str(tmp_path), "items_chunk": 1000, "status_dir": str(tmp_path / "s"), **top}
        path.write_text(json.dumps({**content, "containers": mappings}))
        path.chmod(0o600)
        out = io.StringIO()
        return check_config(str(path), SYNC, out), out.getvalue()

    return check


def test_check_config_valid_file_shows_mappings_without_secrets(check: Any) -> None:
    code, text = check(
        MAPPING,
        MAPPING
        | {
            "container": "site",
            "aws_endpoint": "https://s3.example.org",
            "custom_prefix": "",
            "aws_bucket": "web",
            "copy_after": 2 * 86400,
            "propagate_delete": False,
            "exclude_pattern": "^tmp/",
            "selection_criteria": {"NOT": {"content-type": "text/html"}},
            "storage_class": "COLD",
            "tags": {"project": "x", "cost centre": "12"},
            "remote_delete_after": 30 * 86400,
            "merge_namespaces": True,
            "checksum": "none",
            "cloud_connector": False,
            "aws_session_token": "hunter22-token",
        },
        https_proxy="http://user:hunter22@proxy:3128",
        statsd_host="stats",
        statsd_prefix="1space",
        syslog={"host": "logs"},
        log_file="/var/log/sync.log",
    )
    assert code == 0
    assert "hunter22" not in text
    blocks = text.split("\n\n")
    assert blocks[1].splitlines() == [
        "Mappings (2)",
        "  AUTH_lab/scans  (containers[0])",
        "    bucket        archive",
        "    endpoint      AWS",
        "    store         aws, by its endpoint",
        "    credentials   AKIAEXAMPLE, secret ********",
        '    key prefix    "a5bd39/AUTH_lab/scans/"',
        "    mode          sync: objects are copied at once; deletes are propagated",
        "    options       all defaults",
        "  AUTH_lab/site  (containers[1])",
        "    bucket        web",
        "    endpoint      https://s3.example.org",
        "    store         not known, careful values apply",
        "    credentials   AKIAEXAMPLE, secret ********, session token ********",
        "    key prefix    none: keys are the object names",
        "    expiry        the store deletes copies after 30 days",
        "    mode          sync: objects are copied 2 days after the last change; deletes are not propagated",
        "    excluded      names that begin with a match of ^tmp/",
        '    condition     NOT content-type = "text/html"',
        "    tags          cost centre=12, project=x",
        "    options       merge_namespaces=true, storage_class=COLD, checksum=none, cloud_connector=false",
    ]
    assert "    https proxy   http://user:********@proxy:3128" in text
    assert "    statsd        stats:8125, prefix 1space" in text
    assert "    syslog        logs:514 (udp)" in text
    assert "Problems" not in text
    assert text.endswith("\nOK: 2 mappings can be used.\n")
    assert all(len(line) <= WIDTH + 10 for line in text.splitlines())


def test_check_config_file_with_problems_lists_them_and_returns_1(check: Any) -> None:
    code, text = check(MAPPING, MAPPING | {"sync_container_metadata": True, "container": "x"}, wrokers=5)
    assert code == 1
    assert "Warnings (1)\n  wrokers: is not a known key" in text
    assert "Problems (1)\n  containers[1].sync_container_metadata: is not supported by s3 stores\n" in text
    assert text.endswith("\nNOT OK: see the problems above; 1 mapping can be used.\n")


def test_check_config_moving_mapping_is_shown_with_a_warning(check: Any) -> None:
    code, text = check(MAPPING | {"retain_local": False, "copy_after": 86400, "propagate_delete": False})
    assert code == 0
    mode = "lifecycle: objects are moved 1 day after the last change; deletes are not propagated"
    assert f"mode {mode} options" in " ".join(text.split())
    assert "Warnings (1)\n  containers[0]: objects of AUTH_lab/scans are removed" in text


def test_check_config_unusable_file_shows_no_mappings(check: Any) -> None:
    code, text = check(MAPPING, devices=None)
    assert code == 1
    assert "devices: is required" in text
    assert "Mappings" not in text
    assert text.endswith("\nNOT OK: nothing in this file can be used.\n")


def test_check_config_mapping_without_keys_names_the_sdk_lookup(check: Any) -> None:
    _, text = check({**MAPPING, "aws_identity": None, "aws_secret": None, "region": "eu-west-1"})
    assert "looked up by the AWS SDK" in text
    assert "AWS, region eu-west-1" in text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"store": "minio"}, "minio, as configured"),
        ({"store": "minio", "dialect": {"max_parts": 5000}}, "minio, as configured; max_parts=5000"),
        (
            {"dialect": {"region": "eu-1", "encrypts": True, "max_parts": 9}},
            "not known, careful values apply; encrypts=true, max_parts=9, region=eu-1",
        ),
        (
            {"aws_endpoint": "https://s3.eu-central-003.backblazeb2.com", "dialect": {"max_parts": 9}},
            "backblaze, by its endpoint; max_parts=9",
        ),
    ],
    ids=["store", "store-and-value", "values", "endpoint-and-value"],
)
def test_check_config_shows_the_store_and_the_values_that_override_its_own(
    check: Any, given: dict[str, Any], shown: str
) -> None:
    code, text = check(MAPPING | {"aws_endpoint": "https://s3.example.org"} | given)
    assert code == 0
    assert f"store {shown} credentials " in " ".join(text.split())


def test_check_config_escapes_control_characters(check: Any) -> None:
    _, text = check(MAPPING | {"exclude_pattern": "\x1b\\[31m\x9b"}, **{"\x1b[2J": 1})
    assert "\x1b" not in text
    assert "\x9b" not in text
    assert "\\x1b\\[31m\\x9b" in text


def test_check_config_wraps_long_lines(check: Any) -> None:
    _, text = check(*(MAPPING | {"container": f"c{index}", "custom_prefix": ""} for index in range(3)))
    assert max(map(len, text.splitlines())) <= WIDTH


def test_check_config_missing_file_prints_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nowhere.json"
    assert check_config(str(path), SYNC) == 1
    assert capsys.readouterr().out == f"Configuration file does not exist: {path}\n"


MIGRATION = {
    "account": "AUTH_new",
    "aws_bucket": "photos",
    "protocol": "swift",
    "aws_endpoint": "https://old/auth/v1.0",
    "aws_identity": "mover",
    "aws_secret": "hunter22",
}


@pytest.fixture
def check_migrator(tmp_path: Path) -> Any:
    def check(*migrations: Any, **settings: Any) -> tuple[int, str]:
        path = tmp_path / "sync.json"
        section = {"status_file": str(tmp_path / "status"), "items_chunk": 1000, **settings}
        path.write_text(json.dumps({"migrations": migrations, "migrator_settings": section, "processes": 4}))
        path.chmod(0o600)
        out = io.StringIO()
        return check_config(str(path), MIGRATOR, out), " ".join(out.getvalue().split())

    return check


def test_check_config_shows_source_options_and_state_of_migrations(
    check_migrator: Any, tmp_path: Path
) -> None:
    code, text = check_migrator(
        MIGRATION
        | {
            "prefix": "2019/",
            "older_than": 3600,
            "max_deletes": 1000,
            "max_deletes_percent": 5,
            "storage_policy": "gold",
            "propagate_account_metadata": True,
            "budget": {"requests_per_second": 20},
        },
        MIGRATION | {"aws_bucket": "/*", "account": "AUTH_every"},
        metrics_port=9745,
    )
    assert code == 0
    assert "hunter22" not in text
    for expected in (
        "Migrations (2) AUTH_new/photos (migrations[0]) source photos endpoint https://old/auth/v1.0",
        'prefix only names that begin with "2019/"',
        "objects are copied once unchanged for 1 hour; what is deleted at the source is deleted here",
        "at most 1,000 and 5 % of the container's migrated objects in a pass",
        "budget 20 requests per second",
        "account gets the metadata of the source's account",
        "storage_policy=gold",
        "AUTH_every/* (migrations[1]) source every bucket of the account",
        f"Daemon status_file {tmp_path}/status other state {tmp_path}/status.d",
        "metrics 127.0.0.1 port 9745",
    ):
        assert expected in text
    assert text.endswith("OK: 2 migrations can be used.")


def test_check_config_names_each_problem_of_migrations(check_migrator: Any) -> None:
    code, text = check_migrator(MIGRATION | {"max_deletes": -1}, MIGRATION, workers="ten")
    assert code == 1
    assert "migrations[0].max_deletes: " in text
    assert "migrator_settings.workers: " in text


def test_check_config_without_the_section_says_so(tmp_path: Path) -> None:
    path, out = tmp_path / "sync.json", io.StringIO()
    path.write_text("{}")
    assert check_config(str(path), MIGRATOR, out) == 1
    assert "  migrator_settings: is required\n" in out.getvalue()


def test_check_config_warns_of_secrets_of_migrations_that_everybody_may_read(
    check_migrator: Any, tmp_path: Path
) -> None:
    check_migrator(MIGRATION)
    (tmp_path / "sync.json").chmod(0o644)
    out = io.StringIO()
    assert check_config(str(tmp_path / "sync.json"), MIGRATOR, out) == 0
    assert "the file contains secrets and is readable by every user" in out.getvalue()

"""``archive_restore``: in either form of the file, and in the report."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from s3_sync.config.archive_restore import ArchiveRestore
from s3_sync.config.load import load
from s3_sync.config.report import SYNC, check_config

MAPPING = {
    "account": "AUTH_a",
    "container": "c",
    "aws_bucket": "b",
    "aws_identity": "id",
    "aws_secret": "secret",
    "merge_namespaces": True,
}
CREDENTIALS = {"a": {"provider": "s3", "identity": "id", "secret": "secret"}}
ENTRY = {"account": "AUTH_a", "container": "c", "bucket": "b", "credentials": "a", "profile": "p"}


def with_sections(write: Any, written: Any) -> Any:
    profiles = {"p": {"type": "lifecycle", "archive_restore": written}}
    path = write(credentials=CREDENTIALS, profiles=profiles, mappings=[ENTRY])
    content = json.loads(path.read_text())
    del content["containers"]
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ({}, ArchiveRestore(7, "Standard")),
        ({"days": 3}, ArchiveRestore(3, "Standard")),
        ({"days": 1, "tier": "Expedited"}, ArchiveRestore(1, "Expedited")),
        ({"tier": "Bulk"}, ArchiveRestore(7, "Bulk")),
        (None, None),
    ],
)
@pytest.mark.parametrize("form", ["flat", "sections"])
def test_value_of_the_option(write: Any, form: str, written: Any, value: ArchiveRestore | None) -> None:
    flat = MAPPING | {"archive_restore": written}
    loaded = load(write(flat) if form == "flat" else with_sections(write, written))
    assert loaded.problems == ()
    assert loaded.settings
    assert loaded.settings.mappings[0].profile.archive_restore == value


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"days": 0}, "archive_restore.days: must be at least 1"),
        ({"days": 1.5}, "archive_restore.days: must be a whole number"),
        ({"tier": "fast"}, "archive_restore.tier: must be one of"),
        ({"speed": 1}, "archive_restore.speed: is not a known key"),
        (True, "archive_restore: must be an object"),
    ],
)
def test_mistakes_in_the_option(write: Any, written: Any, message: str) -> None:
    loaded = load(with_sections(write, written))
    assert any(message in str(problem) for problem in loaded.problems), loaded.problems


def test_report_tells_what_a_read_costs(write: Any) -> None:
    out = io.StringIO()
    check_config(write(MAPPING | {"archive_restore": {"days": 3, "tier": "Bulk"}}), SYNC, out)
    text = " ".join(out.getvalue().split())
    assert "retrieved (Bulk) for 3 days; the store charges for it" in text

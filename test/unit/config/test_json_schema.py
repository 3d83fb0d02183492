"""The JSON Schema is that of the forms, and says the same as reading a file does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from s3_sync.config.json_schema import as_text, json_schema

ROOT = Path(__file__).parents[3]
FILE = {
    "devices": "/srv/node",
    "items_chunk": 1000,
    "status_dir": "/var/lib/swift-s3-sync",
    "credentials": {"aws": {"identity": "id", "secret": {"file": "/etc/secret"}}},
    "profiles": {"mirror": {"type": "sync"}},
    "mappings": [
        {"account": "AUTH_a", "container": "c", "bucket": "b", "credentials": "aws", "profile": "mirror"}
    ],
}


def mistakes(written: Any) -> list[str]:
    return sorted(error.json_path for error in Draft202012Validator(json_schema()).iter_errors(written))


def test_schema_in_docs_equals_generated_one() -> None:
    """If not: ``python -m s3_sync.config.json_schema > docs/configuration.schema.json``."""
    written = (ROOT / "docs" / "configuration.schema.json").read_text(encoding="utf-8")
    assert json.loads(written) == json.loads(as_text())


def test_generated_schema_is_valid_and_accepts_minimal_file() -> None:
    Draft202012Validator.check_schema(json_schema())
    assert mistakes(FILE) == []


@pytest.mark.parametrize("name", ["sample-config.json"])
def test_schema_accepts_sample_configuration(name: str) -> None:
    assert mistakes(json.loads((ROOT / name).read_text(encoding="utf-8"))) == []


def test_schema_rejects_each_mistake_at_its_place() -> None:
    written = json.loads(json.dumps(FILE))
    written["workers"] = "10"
    written["unknown"] = 1
    written["syslog"] = {"unknown": 1}
    written["credentials"]["aws"]["secret"] = {"vault": "x"}
    written["profiles"]["mirror"] = {"type": "sink", "delay_days": -1, "exclude": 1}
    written["mappings"][0]["copy_after"] = 1
    del written["mappings"][0]["bucket"]
    assert mistakes(written) == [
        "$",
        "$.credentials.aws.secret",
        "$.mappings[0]",
        "$.mappings[0]",
        "$.profiles.mirror",
        "$.profiles.mirror.delay_days",
        "$.profiles.mirror.type",
        "$.syslog",
        "$.workers",
    ]

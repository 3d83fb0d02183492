"""What the middlewares of a proxy take from the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.load import load_shunt_settings
from s3_sync.errors import ConfigError
from unit.config.written import MAPPING

MERGING = {**MAPPING, "merge_namespaces": True, "restore_object": True}


def test_load_shunt_settings_returns_merging_mappings_only(write: Any) -> None:
    served, problems = load_shunt_settings(
        write(MERGING, {**MAPPING, "container": "other", "custom_prefix": "o"})
    )
    assert [mapping.label for mapping in served.mappings] == ["AUTH_lab/scans"]
    assert served.mappings[0].profile.restore_object
    assert served.named == {("AUTH_lab", "scans")}
    assert problems == ()


def test_load_shunt_settings_without_daemon_options_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "sync.json"
    path.write_text(json.dumps({"containers": [MERGING], "workers": "many"}))
    served, problems = load_shunt_settings(path)
    assert len(served.mappings) == 1
    assert served.segment_size == 100_000_000
    assert problems == ()


def test_account_mapping_with_remote_delete_after_is_served(write: Any) -> None:
    every = {**MERGING, "container": "/*", "remote_delete_after": 86400}
    served, problems = load_shunt_settings(write(every))
    assert [mapping.container for mapping in served.mappings] == ["/*"]
    assert problems == ()


@pytest.mark.parametrize("size", [7, "7", True, 0, -1])
def test_invalid_segment_size_is_replaced_by_the_default(write: Any, size: Any) -> None:
    served, _ = load_shunt_settings(write(MERGING, migrator_settings={"segment_size": size}))
    assert served.segment_size == (7 if size == 7 and size is not True else 100_000_000)


def test_invalid_mapping_is_reported_and_keeps_its_container_named(write: Any) -> None:
    served, problems = load_shunt_settings(write(MERGING, {**MERGING, "container": "bad", "aws_bucket": 7}))
    assert [mapping.container for mapping in served.mappings] == ["scans"]
    assert served.named == {("AUTH_lab", "scans"), ("AUTH_lab", "bad")}
    assert [str(problem) for problem in problems] == ["containers[1].aws_bucket: must be text, not 7"]


def test_overlapping_mappings_first_one_is_served(write: Any) -> None:
    served, problems = load_shunt_settings(
        write({**MERGING, "custom_prefix": "a"}, {**MERGING, "container": "b", "custom_prefix": "a/b"})
    )
    assert [mapping.container for mapping in served.mappings] == ["scans"]
    assert len(problems) == 1


NEW = {
    "credentials": {"aws": {"identity": "id", "secret": "key"}, "other": {"secret": {"env": "NOT_HERE"}}},
    "profiles": {"archive": {"type": "lifecycle"}, "mirror": {"type": "sync"}, "unused": {"x": 1}},
    "mappings": [
        {
            "account": "AUTH_lab",
            "container": container,
            "bucket": "b",
            "credentials": credentials,
            "profile": profile,
        }
        for container, credentials, profile in (
            ("scans", "aws", "archive"),
            ("site", "other", "mirror"),
            ("lost", "aws", "archiv"),
        )
    ],
    "workers": "many",
    "unknown": 1,
}


def test_file_with_sections_serves_valid_merging_mappings(tmp_path: Path) -> None:
    """Credentials and profiles that no merging mapping names are not checked."""
    path = tmp_path / "sync.json"
    path.write_text(json.dumps(NEW))
    served, problems = load_shunt_settings(path)
    assert [mapping.label for mapping in served.mappings] == ["AUTH_lab/scans"]
    assert not served.mappings[0].profile.retain_local
    # what may have merged, before somebody mistyped the profile, stays in force
    assert served.named == {("AUTH_lab", "scans"), ("AUTH_lab", "lost")}
    assert [str(problem) for problem in problems] == [
        'mappings[2].profile: "archiv" is not in profiles; did you mean "archive"?'
    ]


@pytest.mark.parametrize(
    ("profile", "merges"),
    [
        ({"type": "lifecycle"}, True),
        ({"type": "lifecycle", "merge_namespaces": False}, False),
        ({"type": "sync"}, False),
        ({"type": "sync", "merge_namespaces": True}, True),
        ({"type": "sink"}, True),
        (7, True),
    ],
)
def test_container_is_named_unless_its_profile_does_not_merge(
    tmp_path: Path, profile: Any, merges: bool
) -> None:
    path = tmp_path / "sync.json"
    content = NEW | {"profiles": {"archive": profile, "mirror": {"type": "sync"}, "archiv": {"type": "sync"}}}
    path.write_text(json.dumps(content))
    served, _ = load_shunt_settings(path)
    assert (("AUTH_lab", "scans") in served.named) is merges


def test_file_that_mixes_formats_raises_config_error(tmp_path: Path) -> None:
    path = tmp_path / "sync.json"
    path.write_text(json.dumps(NEW | {"containers": [MERGING]}))
    with pytest.raises(ConfigError, match="mixes two formats"):
        load_shunt_settings(path)


def test_unreadable_secret_file_is_listed_in_secret_files(tmp_path: Path) -> None:
    path, secret = tmp_path / "sync.json", tmp_path / "secret"
    path.write_text(json.dumps({"containers": [{**MERGING, "aws_secret": {"file": str(secret)}}]}))
    served, problems = load_shunt_settings(path)
    assert [str(problem) for problem in problems] == [
        f"containers[0].aws_secret: {secret} cannot be read: No such file or directory"
    ]
    assert served.secret_files == {str(secret)}


@pytest.mark.parametrize("text", ["", "[]", '{"containers": 7}', '{"containers": [', "\udcff"])
def test_malformed_file_raises_config_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sync.json"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(ConfigError):
        load_shunt_settings(path)


def test_missing_file_or_directory_raises_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_shunt_settings(tmp_path / "absent")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_shunt_settings(tmp_path)

"""Credentials of a mounted share, and the mappings that name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.load import Loaded, load_written
from s3_sync.config.settings import Mapping
from unit.config.written import problems_of, warnings_of

ID = "5d41402abc4b2a76b9719d911017c592"


def loaded(path: object, **changes: Any) -> Loaded:
    entry = {
        "account": "AUTH_lab",
        "container": "scans",
        "aws_bucket": "archive",
        "protocol": "file",
        "path": path,
        "share_id": ID,
    }
    written = {key: value for key, value in {**entry, **changes}.items() if value is not None}
    top = {"devices": "/", "items_chunk": 1000, "status_dir": "/tmp/s"}
    return load_written({**top, "containers": [written]})


def mapping_of(path: object, **changes: Any) -> Mapping:
    found = loaded(path, **changes)
    assert found.settings is not None
    assert problems_of(found) == []
    return found.settings.mappings[0]


def test_share_needs_its_path_and_nothing_else(tmp_path: Path) -> None:
    found = loaded(tmp_path.as_posix())
    assert (problems_of(found), warnings_of(found)) == ([], [])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"path": None}, "path: is required: the directory where the share is mounted"),
        ({"path": "mnt/a"}, "path: must be the absolute path of a directory below /"),
        ({"path": "/"}, "path: must be the absolute path of a directory below /"),
        ({"path": "/mnt/.."}, "path: must be the absolute path of a directory below /"),
        ({"share_id": "mine"}, "share_id: must be the 32 hexadecimal digits that swift-s3-ctl share prints"),
        ({"aws_bucket": ".."}, 'aws_bucket: ".." is not the name of a directory that can be used'),
        ({"aws_bucket": "%tmp"}, 'aws_bucket: "%tmp" is not the name of a directory that can be used'),
        ({"aws_bucket": "x" * 256}, "aws_bucket: is longer than 255 bytes"),
        ({"tags": {"a": "b"}}, "tags: is not supported by file stores"),
        ({"container": "/*", "hashed_prefix": False}, "hashed_prefix: cannot be false with container"),
        ({"custom_prefix": "p/", "hashed_prefix": True}, "hashed_prefix: cannot be used with custom_prefix"),
        ({"remote_delete_after": 86400}, "remote_delete_after: a share has no rules by which files expire"),
    ],
)
def test_mistake_has_one_line_that_names_its_place(tmp_path: Path, changes: Any, problem: str) -> None:
    [found] = problems_of(loaded(**{"path": tmp_path.as_posix(), **changes}))
    assert found.startswith(f"containers[0].{problem}")


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"share_id": None}, "share_id: is missing, so any share that is mounted there"),
        ({"path": "/mnt/not-there"}, "path: /mnt/not-there is not a directory on this machine"),
        ({"aws_identity": "id"}, "aws_identity: has no effect with provider file"),
        ({"aws_endpoint": "https://x.example"}, "aws_endpoint: has no effect with provider file"),
        ({"storage_class": "COLD"}, "storage_class: has no effect with file stores"),
    ],
)
def test_what_has_no_effect_or_is_dangerous_gets_a_warning(
    tmp_path: Path, changes: Any, warning: str
) -> None:
    found = loaded(**{"path": tmp_path.as_posix(), **changes})
    assert problems_of(found) == []
    assert [each for each in warnings_of(found) if each.startswith(f"containers[0].{warning}")]


def test_keys_are_names_unless_a_hashed_prefix_is_demanded_or_needed(tmp_path: Path) -> None:
    assert mapping_of(tmp_path.as_posix()).namer.key("a/b") == "a/b"
    assert mapping_of(tmp_path.as_posix(), custom_prefix="p").namer.key("a") == "p/a"
    assert mapping_of(tmp_path.as_posix(), hashed_prefix=True).namer.key("a") == "a5bd39/AUTH_lab/scans/a"
    whole = mapping_of(tmp_path.as_posix(), container="/*")
    assert whole.of_container("scans").namer.key("a") == "a5bd39/AUTH_lab/scans/a"


def test_destination_is_the_path_and_the_id(tmp_path: Path) -> None:
    here = mapping_of(tmp_path.as_posix())
    assert here.location == f"file://{tmp_path};archive"
    assert here.lane == str(tmp_path)
    assert mapping_of(f"{tmp_path}/").fingerprint == here.fingerprint
    assert mapping_of(tmp_path.as_posix(), share_id="0" * 32).fingerprint != here.fingerprint
    assert (
        mapping_of(tmp_path.as_posix(), share_id=None).credentials.bucket_space
        == here.credentials.bucket_space
    )
    assert here.credentials.throttle_key == (str(tmp_path), None)

"""The mark by which a daemon recognises the copies of another one."""

from __future__ import annotations

import pytest

from s3_sync.model.copies import COPY_MARK_SIZE, Origin, copy_mark, origin_of, writer_id, writer_of
from s3_sync.model.timestamps import Timestamp

THEN, NOW = Timestamp.parse("1000000000.00000"), Timestamp.parse("1000000001.00000")
WRITER = writer_id("AUTH_a/c#0123")
MARK = copy_mark("c", "ü/1", WRITER)


def headers(mark: str = MARK, timestamp: str = THEN.internal) -> list[tuple[str, str]]:
    return [
        ("content-type", "a/b"),
        ("x-object-meta-swift-copy", mark),
        ("x-object-meta-swift-timestamp", timestamp),
    ]


def test_origin_of_a_copy_is_its_version_and_writer() -> None:
    assert origin_of(headers(), "c", "ü/1", NOW) == Origin(THEN, WRITER)
    assert origin_of(headers(), "c", "ü/1", THEN) == Origin(THEN, WRITER)


@pytest.mark.parametrize(
    ("sent", "container", "name"),
    [
        ([], "c", "ü/1"),
        (headers(), "c", "ü/2"),  # a client has copied it
        (headers(), "d", "ü/1"),
        (headers(mark=MARK[:-1]), "c", "ü/1"),
        (headers(mark=f"{MARK}0"), "c", "ü/1"),
        (headers(timestamp="never"), "c", "ü/1"),
        (headers(timestamp=NOW.after().internal), "c", "ü/1"),  # nothing is older than what it is a copy of
        (headers()[:2], "c", "ü/1"),
        (headers()[2:], "c", "ü/1"),
    ],
)
def test_other_objects_have_no_origin(sent: list[tuple[str, str]], container: str, name: str) -> None:
    assert origin_of(sent, container, name, NOW) is None


def test_mark_has_the_announced_size_and_names_its_writer() -> None:
    assert len("swift-copy" + MARK) == COPY_MARK_SIZE
    assert writer_of(MARK, "c", "ü/1") == WRITER

"""Any text in place of an answer of Swift or an entry of the journal: it is parsed, or a known error."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from s3_sync.cluster.client import LocalSwift
from s3_sync.errors import LocalUnavailable, ObjectRefused
from s3_sync.largeobject.manifest import Manifest, named_objects
from s3_sync.state.delete_count import DeleteCount, read_count
from unit.cluster.test_client import Pages
from unit.test_any_file import hostile

ENTRY = {"name": "o", "bytes": 1, "hash": "0" * 32, "last_modified": "2026-01-01T00:00:00.000000"}
SEGMENT = {"name": "/s/o", "bytes": 1, "hash": "0" * 32}


class Says(Pages):
    """An InternalClient that answers everything with these bytes."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self._body = body

    def make_request(
        self, method: str, path: str, headers: dict[str, str], statuses: object, body: object = None
    ) -> Any:
        self._answers = [[]]
        answer = super().make_request(method, path, headers, statuses, body)
        answer.headers = {"X-Backend-Record-Type": "shard"}
        answer.app_iter = iter([self._body])
        return answer


def test_listing_of_any_body_is_read_or_raises_local_unavailable() -> None:
    """What is no listing must not be taken for the end of one."""
    for body in hostile(json.dumps([ENTRY]).encode()):
        client = LocalSwift(Says(body))
        for ask in (
            lambda: list(client.containers("a")),  # noqa: B023 - called at once
            lambda: list(client.objects("a", "c", "")),  # noqa: B023
            lambda: client.shards("a", "c"),  # noqa: B023
        ):
            with contextlib.suppress(LocalUnavailable):
                ask()
    with pytest.raises(LocalUnavailable, match="does not advance after 'o'"):
        list(LocalSwift(Says(json.dumps([ENTRY]).encode())).objects("a", "c", ""))


def test_manifest_of_any_bytes_is_parsed_or_refused() -> None:
    for raw in hostile(json.dumps([SEGMENT, SEGMENT]).encode()):
        for container, name in named_objects(raw):
            f"{container}/{name}".encode()
        with contextlib.suppress(ObjectRefused):
            for segment in Manifest.parse(raw).segments:
                segment.path.encode("utf-8")


def test_read_count_of_any_text_gives_a_bounded_count() -> None:
    for text in hostile(DeleteCount(1.0, 2, 3, 4.0, 5.0, "x").as_text().encode()):
        with contextlib.suppress(UnicodeDecodeError):
            found = read_count(text.decode())
            assert found.used + found.limit < found.began + 2.0**64
            assert isinstance(found.held, bool)

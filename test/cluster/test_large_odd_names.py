"""Large objects whose names have characters that XML cannot hold: they arrive, and leave no upload open.
Metadata names with underscores arrive, too, whatever the store makes of them at first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from faults.proxy import Exchange
from faults.rewritten import edited, is_success, set_body
from faults.wire import Message
from servers.daemon import SyncDaemon
from servers.large import Large
from servers.moto import MotoServer
from servers.odd_store import Deviation, OddStore
from servers.operations import counting
from servers.pair import Store, new_pair
from servers.server import AnyServer
from servers.swift import SwiftCluster

NAMES = ("test\x07.txt", "a\x01b", "a\uffff", "\x1f", "plain")


def says_it_raw(exchange: Exchange, answer: Message) -> None:
    """As a store that knows no encoding-type."""
    if is_success(answer) and answer.body:
        decoded = re.sub(rb"(?<=<Key>)[^<]*|(?<=Marker>)[^<]+", lambda f: unquote_to_bytes(f[0]), answer.body)
        set_body(answer, decoded.replace(b"<EncodingType>url</EncodingType>", b""))


RAW = Deviation(
    edited(says_it_raw), ("CreateMultipartUpload", "CompleteMultipartUpload", "ListMultipartUploads")
)


@pytest.fixture(scope="module")
def cluster(start_server: Callable[[AnyServer], AnyServer]) -> Any:
    return start_server(SwiftCluster(min_part_size=1))


@pytest.fixture(params=["s3api", "moto", "a store that echoes names raw"])
def store(
    request: pytest.FixtureRequest, cluster: SwiftCluster, start_server: Callable[[AnyServer], AnyServer]
) -> Iterator[OddStore]:
    with ExitStack() as stack:
        if request.param == "s3api":
            yield stack.enter_context(OddStore(Store.s3api(cluster)))
            return
        odd = stack.enter_context(OddStore(Store.server(start_server(MotoServer(min_part=1)))))
        if request.param != "moto":
            odd.turn_on(RAW)
        yield odd


@pytest.mark.parametrize("moves", [False, True])
def test_large_objects_of_odd_names_arrive_and_leave_no_open_upload(
    cluster: SwiftCluster, store: OddStore, tmp_path: Path, moves: bool
) -> None:
    pair = new_pair(cluster, store.store, retain_local=not moves, propagate_delete=not moves)
    large = Large(pair)
    segments = [large.segment(str(number), 900 + number) for number in range(2)]
    whole = b"".join(segment.body for segment in segments)
    for name in NAMES:
        large.put_slo(name, segments)
    daemon = SyncDaemon(cluster, tmp_path, [pair.mapping])
    daemon.alter(limits={"min_part": 1}, retries={"attempts": 2, "base": 0.05})
    with counting(store.proxy) as requests:
        assert daemon.once().returncode == 0, daemon.log_text()
    assert requests["CreateMultipartUpload"] == len(NAMES)
    for name in NAMES:
        stored = pair.s3.get_object(Bucket=pair.bucket, Key=pair.prefix + name)
        assert stored["Body"].read() == whole
        assert pair.swift.ask("HEAD", pair.container, name).status == (404 if moves else 200)
    uploads = pair.s3.list_multipart_uploads(Bucket=pair.bucket, EncodingType="url")
    assert uploads.get("Uploads", []) == []
    with counting(store.proxy) as requests:
        assert daemon.once().returncode == 0, daemon.log_text()
    assert not requests.keys() & {"CreateMultipartUpload", "UploadPart", "PutObject", "CopyObject"}


def test_names_that_hide_one_another_arrive_one_after_the_other(
    cluster: SwiftCluster, tmp_path: Path
) -> None:
    """s3api fails to list the second upload of these, and does not say which one it has created."""
    pair = new_pair(cluster, Store.s3api(cluster))
    large = Large(pair)
    segments = [large.segment(str(number), 900 + number) for number in range(2)]
    names = [f"test\x07{number}" for number in range(4)]
    for name in names:
        large.put_slo(name, segments)
    daemon = SyncDaemon(cluster, tmp_path, [pair.mapping])
    daemon.alter(
        limits={"min_part": 1},
        retries={"attempts": 1},
        values={"s3_sync.sync.rows.upload_ledger:OPENING_TIMEOUT": 0.0},
    )
    for _ in range(12):
        done = daemon.once()
        if not done.returncode and not daemon.journal_rows("SELECT * FROM begins"):
            break
    assert done.returncode == 0, daemon.log_text()
    assert pair.arrived() == names
    for name in names:
        stored = pair.s3.head_object(Bucket=pair.bucket, Key=pair.prefix + name)
        assert stored["ContentLength"] == sum(len(segment.body) for segment in segments)
    uploads = pair.s3.list_multipart_uploads(Bucket=pair.bucket, EncodingType="url")
    assert uploads.get("Uploads", []) == []


@pytest.mark.parametrize("moves", [False, True])
def test_large_object_keeps_underscores_in_metadata_names(
    cluster: SwiftCluster, store: OddStore, tmp_path: Path, moves: bool
) -> None:
    """s3api makes hyphens of them when it completes an upload."""
    pair = new_pair(cluster, store.store, retain_local=not moves, propagate_delete=not moves)
    large = Large(pair)
    segments = [large.segment(str(number), 900 + number) for number in range(2)]
    large.put_slo("slo", segments, {"X-Object-Meta-Foo=5FBar": "1", "X-Object-Meta-A-B": "2"})
    daemon = SyncDaemon(cluster, tmp_path, [pair.mapping])
    daemon.alter(limits={"min_part": 1})
    with counting(store.proxy) as requests:
        assert daemon.once().returncode == 0, daemon.log_text()
    assert requests["CreateMultipartUpload"] == 1
    assert requests["CopyObject"] == (store.store.name == "s3api")
    stored = pair.s3.get_object(Bucket=pair.bucket, Key=pair.prefix + "slo")
    assert stored["Body"].read() == b"".join(segment.body for segment in segments)
    names = {"foo_bar", "foo-bar", "a-b"} & stored["Metadata"].keys()
    assert {name: stored["Metadata"][name] for name in names} == {"foo_bar": "1", "a-b": "2"}
    assert pair.swift.ask("HEAD", pair.container, "slo").status == (404 if moves else 200)

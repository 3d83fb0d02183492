"""DLOs in the cluster whose segments were moved: Swift's dlo, right of cloud-shunt, sees both sides."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from faults.proxy import FaultProxy, answers
from servers.pair import Store
from servers.raw_swift import RawSwift
from servers.shunted import Archive

PARTS = (b"a" * 100, b"b" * 200, b"c" * 300)
WHOLE = b"".join(PARTS)


def store_dlo(archive: Archive, container: str, name: str, body: bytes = b"") -> None:
    """``seg/1`` and ``seg/3`` are in the bucket, ``seg/2`` is in the cluster, all of them are in "all/"."""
    for number, data in enumerate(PARTS, start=1):
        if number == 2:
            archive.swift.put(archive.container, f"seg/{number}", data)
        else:
            archive.store(f"seg/{number}", data)
    archive.swift.put(container, name, body, {"X-Object-Manifest": f"{archive.container}/seg/"})
    archive.swift.put_container("whole")
    for number, data in enumerate(PARTS, start=1):
        archive.swift.put("whole", f"seg/{number}", data)
    archive.swift.put("whole", name, b"", {"X-Object-Manifest": "whole/seg/"})


@pytest.mark.parametrize("body", [b"", b"a manifest with a body" * 100])
def test_dlo_over_moved_segments_answers_like_one_over_local_segments(
    new_archive: Callable[..., Archive], body: bytes
) -> None:
    archive = new_archive()
    elsewhere = f"{archive.container}-elsewhere"  # in no mapping
    archive.swift.put_container(elsewhere)
    for container in (archive.container, elsewhere):
        store_dlo(archive, container, "dlo", body)
        for method, headers in (
            ("GET", {}),
            ("HEAD", {}),
            ("GET", {"Range": "bytes=50-349"}),
            ("GET", {"Range": "bytes=-1"}),
            ("GET", {"Range": "bytes=600-"}),
            ("GET", {"If-Match": "other"}),
        ):
            here = archive.swift.ask(method, "whole", "dlo", headers=headers)
            ours = archive.swift.ask(method, container, "dlo", headers=headers)
            assert (ours.status, ours.body) == (here.status, here.body), (method, headers)
            for header in ("content-length", "content-range", "etag"):
                assert ours.headers.get(header) == here.headers.get(header), (method, headers, header)
        assert archive.get("dlo").body == WHOLE
    # who wants the cluster alone gets what is there
    assert archive.get("dlo", X_Cloud_Sync_Shunt_Bypass="yes").body == PARTS[1]
    assert archive.swift.ask("COPY", elsewhere, "dlo", headers={"Destination": "whole/copy"}).status == 201
    assert archive.swift.request("GET", "whole", "copy").body == WHOLE


def test_dlo_over_copied_segments_has_only_the_local_ones(new_archive: Callable[..., Archive]) -> None:
    """Where nothing is moved, a segment that is only in the bucket was deleted in Swift."""
    archive = new_archive(retain_local=True)
    store_dlo(archive, archive.container, "dlo")
    assert archive.get("dlo").body == PARTS[1]


def test_dlo_over_moved_segments_with_failing_store_is_503(
    new_archive: Callable[..., Archive], s3api: Store, remote: FaultProxy
) -> None:
    archive = new_archive(s3api.behind(remote.endpoint), remote_listing_failure="local")
    store_dlo(archive, archive.container, "dlo")
    remote.when(answers(503, "SlowDown"))
    for method in ("GET", "HEAD"):
        assert archive.ask(method, "dlo").status == 503
    remote.heal()
    remote.when(answers(403, "AccessDenied"), key="/seg/1")
    assert archive.get("dlo").status == 503
    remote.heal()
    assert archive.get("dlo").body == WHOLE


def test_dlo_over_moved_segments_without_read_right_is_403(new_archive: Callable[..., Archive]) -> None:
    archive = new_archive()
    elsewhere = f"{archive.container}-public"
    archive.swift.put_container(elsewhere, {"X-Container-Read": "test:tester3"})
    store_dlo(archive, elsewhere, "dlo")
    colleague = RawSwift(archive.cluster, "test:tester3", archive.swift.account)
    assert colleague.ask("GET", elsewhere, "dlo").status == 403
    archive.swift.request("POST", archive.container, headers={"X-Container-Read": "test:tester3"})
    assert colleague.request("GET", elsewhere, "dlo").body == WHOLE

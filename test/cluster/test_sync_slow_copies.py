"""Copies inside the store that take longer than the time-out: the answer is 200 at once, and something comes
again and again until it is known what became of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest

from faults.alive import SignsOfLife, keeps_alive
from faults.proxy import Call, FaultProxy
from servers.daemon import NewDaemon
from servers.large import Large
from servers.operations import operation
from servers.pair import Store, new_pair
from servers.shunted import Archive
from servers.swift import SwiftCluster

#: seconds
PATIENCE, TAKES = 3.0, 4.0
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
#: operation -> the root of its answer
RESULTS = {
    "CopyObject": b"CopyObjectResult",
    "UploadPartCopy": b"CopyPartResult",
    "CompleteMultipartUpload": b"CompleteMultipartUploadResult",
}


def undeclared(document: bytes) -> bytes:
    return re.sub(rb"^\s*<\?xml.*?\?>\s*", b"", document)


def declared(document: bytes) -> bytes:
    return DECLARATION + undeclared(document)


def without_root(document: bytes) -> bytes:
    return undeclared(document).partition(b">")[2]


def progress(root: bytes) -> SignsOfLife:
    return SignsOfLife(DECLARATION + b"<%s>" % root, b"<Progress>4194304</Progress>", without_root)


BLANKS_FIRST = SignsOfLife(b" ", b"\n", declared)
#: name -> as S3 itself does it, and as Ceph does, within the document
FORMS = {
    "blanks first": dict.fromkeys(RESULTS, BLANKS_FIRST),
    "declaration first": dict.fromkeys(RESULTS, SignsOfLife(DECLARATION, b" ", undeclared)),
    "progress": {name: progress(root) for name, root in RESULTS.items()},
}


def of(name: str, *operations: str) -> Callable[[Call], bool]:
    return lambda call: call.path.endswith(f"/{name}") and operation(call) in operations


@pytest.mark.parametrize("store", ["moto_store"], indirect=True)
def test_copies_that_show_signs_of_life_are_waited_for(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, store.behind(proxy.endpoint), read_timeout=PATIENCE)
    large = Large(pair)
    daemon = new_daemon(pair, workers=16)
    daemon.alter(limits={"max_copy": 1000}, retries={"base": 0.05})
    for name in FORMS:
        pair.put(name, name.encode())
        pair.put(f"{name} in parts", name.encode() * 200)
    pair.put("refused", b"x")
    assert daemon.once().returncode == 0
    for name, signs in FORMS.items():
        proxy.when(keeps_alive(TAKES, signs["CopyObject"]), where=of(name, "CopyObject"))
        in_parts = of(f"{name} in parts", "UploadPartCopy")
        proxy.when(keeps_alive(TAKES, signs["UploadPartCopy"]), where=in_parts)
        slo = of(f"{name} slo", "CompleteMultipartUpload")
        proxy.when(keeps_alive(TAKES, signs["CompleteMultipartUpload"]), where=slo)
    for refused in ("refused", "refused slo"):
        proxy.when(keeps_alive(TAKES, BLANKS_FIRST, acts=False), where=of(refused, *RESULTS), times=1)
    before = len(proxy.calls())
    for name in (*FORMS, *(f"{name} in parts" for name in FORMS), "refused"):
        pair.post(name, {"X-Object-Meta-New": "yes"})
    for name in (*FORMS, "refused"):
        large.put_slo(f"{name} slo", [large.segment(name, 2000)])
    assert daemon.once().returncode == 0, daemon.log_text()
    calls = proxy.calls(since=before)
    for name in pair.swift.names(pair.container):
        pair.check_object(name)
    assert large.open_uploads() == []
    asked = Counter((call.path.rpartition("/")[2], operation(call)) for call in calls)
    for name in FORMS:
        assert asked[name, "CopyObject"] == 1
        assert asked[f"{name} in parts", "UploadPartCopy"] == 1
        assert asked[f"{name} slo", "CompleteMultipartUpload"] == 1
    assert asked["refused", "CopyObject"] >= 2
    assert asked["refused slo", "CompleteMultipartUpload"] >= 2
    assert "Failed" not in daemon.log_text()


def test_client_that_posts_to_an_archived_object_waits_for_the_copy(
    new_archive: Callable[..., Archive], moto_store: Store
) -> None:
    """Whose ``remote_timeout`` is two seconds."""
    with FaultProxy.before(moto_store.endpoint) as remote:
        archive = new_archive(store=moto_store.behind(remote.endpoint), propagate_post=True)
        archive.store("o", b"bytes")
        remote.when(keeps_alive(3.0, BLANKS_FIRST), where=of("o", "CopyObject"))
        assert archive.ask("POST", "o", X_Object_Meta_New="yes").status == 202
        head = archive.s3.head_object(Bucket=archive.bucket, Key=archive.prefix + "o")
        assert head["Metadata"]["new"] == "yes"
        assert sum(operation(call) == "CopyObject" for call in remote.calls()) == 1

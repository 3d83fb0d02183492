"""Archived large objects are for who may read their segments, as Swift has it for those in the cluster."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

import pytest

from servers.raw_swift import RawSwift
from servers.shunted import Archive

PARTS = (b"a" * 1000, b"b" * 2000)
WHOLE = b"".join(PARTS)
ALL = ".r:*,.rlistings,test:tester3,test2:tester2"

#: no other test gives it to the account, whose temporary URLs open all of its containers
KEY = "a key of this container"


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


JOINED = md5("".join(md5(part) for part in PARTS).encode())


class Both:
    """An SLO and a DLO in the cluster, and ones of the very same segments in the bucket."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.segments = f"{archive.container}_segments"
        swift = archive.swift
        swift.put_container(self.segments)
        swift.request("POST", archive.container, headers={"X-Container-Read": ALL})
        named = [(self.segments, f"seg/{number}", data) for number, data in enumerate(PARTS)]
        for container, name, data in named:
            swift.put(container, name, data)
        text = json.dumps([{"path": f"/{container}/{name}"} for container, name, _ in named]).encode()
        swift.request("PUT", archive.container, "here-slo", query="multipart-manifest=put", body=text)
        prefix = f"{self.segments}/seg/"
        swift.put(archive.container, "here-dlo", b"", {"X-Object-Manifest": prefix})
        archive.store_large("gone-slo", named)
        archive.store_large(
            "gone-dlo",
            named,
            x_static_large_object="",
            swift_slo_etag="",
            x_object_manifest=quote(prefix),
            swift_source_dlo_etag=JOINED,
        )

    @property
    def container(self) -> str:
        return self.archive.container

    def users(self) -> dict[str, RawSwift]:
        """Who may not read the account, but the container of the large objects."""
        account, cluster = self.archive.swift.account, self.archive.cluster
        anonymous = RawSwift(cluster, "test2:tester2", account)
        anonymous.token = ""
        return {"anonymous": anonymous, "colleague": RawSwift(cluster, "test:tester3", account)}

    def compare(self, user: RawSwift, method: str, kind: str, query: str, headers: dict[str, str]) -> None:
        here, gone = (
            user.ask(method, self.container, f"{place}-{kind}", query=query, headers=headers)
            for place in ("here", "gone")
        )
        assert gone.status == here.status, (method, kind, query, headers)
        if not query and "," not in str(headers):  # the boundary of several ranges, dates in a manifest
            assert gone.body == here.body, (method, kind, headers)

    def readable(self, acl: str) -> None:
        headers = {"X-Container-Read": acl} if acl else {"X-Remove-Container-Read": "x"}
        self.archive.swift.request("POST", self.segments, headers=headers)


@pytest.fixture
def both(new_archive: Callable[..., Archive]) -> Both:
    return Both(new_archive())


REQUESTS: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "", {}),
    ("GET", "", {"Range": "bytes=0-3"}),
    ("GET", "", {"Range": "bytes=9999-"}),
    ("GET", "", {"If-None-Match": f'"{JOINED}"'}),
    ("GET", "", {"If-Match": "other"}),
    ("GET", "", {"Referer": "http://www.example.org/"}),
    ("HEAD", "", {}),
]
#: of which Swift knows nothing for DLOs, and the middleware does for archived ones
SLO_ONLY: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "", {"Range": "bytes=0-3,2000-2003"}),
    ("GET", "part-number=2", {}),
    ("GET", "part-number=9", {}),
    ("HEAD", "part-number=2", {}),
    ("HEAD", "multipart-manifest=get", {}),
    ("GET", "multipart-manifest=get", {}),
]


#: the ACL of the segments, and who then asks for all that is above; the others ask for less
STEPS = [
    ("", "colleague"),
    (".r:*", "anonymous"),
    (".r:*,.rlistings", ""),
    (".r:.example.org", ""),
    ("test:tester3", ""),
]


def test_archived_large_object_answers_each_user_like_a_local_one(both: Both) -> None:
    for acl, thorough in STEPS:
        both.readable(acl)
        for who, user in both.users().items():
            for method, query, headers in REQUESTS + SLO_ONLY if who == thorough else REQUESTS[-2:]:
                for kind in ("slo", "dlo"):
                    if kind == "slo" or (method, query, headers) in REQUESTS:
                        both.compare(user, method, kind, query, headers)


def test_manifest_of_archived_dlo_without_right_to_segments_is_403(both: Both) -> None:
    """Swift's own answer does not name the segments."""
    colleague = both.users()["colleague"]
    ask = partial(colleague.ask, query="multipart-manifest=get")
    assert [ask(method, both.container, "gone-dlo").status for method in ("GET", "HEAD")] == [403, 403]
    both.readable("test:tester3")
    assert len(json.loads(ask("GET", both.container, "gone-dlo").body)) == 2


def test_copy_of_an_archived_large_object_needs_the_right_to_its_segments(both: Both) -> None:
    stranger = RawSwift(both.archive.cluster, "test2:tester2")
    stranger.put_container(both.container)
    source = {"X-Copy-From-Account": both.archive.swift.account}
    for kind in ("slo", "dlo"):
        statuses = [
            stranger.ask(
                "PUT",
                both.container,
                "copy",
                headers={**source, "X-Copy-From": f"/{both.container}/{place}-{kind}"},
            ).status
            for place in ("here", "gone")
        ]
        assert statuses[0] == statuses[1] >= 400, kind
    assert stranger.ask("HEAD", both.container, "copy").status == 404


def test_temporary_url_of_one_container_opens_no_segments_elsewhere(both: Both) -> None:
    headers = {"X-Container-Meta-Temp-Url-Key": KEY, "X-Remove-Container-Read": "x"}
    both.archive.swift.request("POST", both.container, headers=headers)
    anonymous = both.users()["anonymous"]

    def status(name: str) -> int:
        expires = int(time.time()) + 100
        text = f"GET\n{expires}\n/v1/{anonymous.account}/{both.container}/{name}".encode()
        signature = hmac.new(KEY.encode(), text, "sha256").hexdigest()
        query = f"temp_url_sig={signature}&temp_url_expires={expires}"
        return anonymous.ask("GET", both.container, name, query=query).status

    both.archive.store("plain")
    assert [status(name) for name in ("plain", "gone-slo", "here-slo")] == [200, 409, 409]
    assert status("gone-dlo") == status("here-dlo") == 401
    both.readable(".r:*,.rlistings")  # which a temporary URL has nothing to do with
    assert status("gone-slo") == status("here-slo") == 409


def test_read_by_user_without_right_to_segments_restores_nothing(new_archive: Callable[..., Archive]) -> None:
    both = Both(new_archive(restore_object=True))
    archive, colleague = both.archive, both.users()["colleague"]
    assert colleague.ask("GET", both.container, "gone-slo").status == 409
    archive.store_large("containerless", [(f"{both.container}+segments", "one", WHOLE)])
    assert colleague.request("GET", both.container, "containerless").body == WHOLE
    archive.store("after", WHOLE)
    assert colleague.request("GET", both.container, "after").body == WHOLE
    archive.restored("after")  # what had begun before is through
    assert not archive.is_local("gone-slo")
    assert not archive.is_local("containerless")
    both.readable("test:tester3")
    assert colleague.request("GET", both.container, "gone-slo").body == WHOLE
    archive.restored("gone-slo")
    archive.get("containerless")
    archive.restored("containerless")


def test_large_object_without_manifest_needs_the_right_to_the_account(both: Both) -> None:
    archive, colleague = both.archive, both.users()["colleague"]
    both.readable("test:tester3")
    for name in ("gone-slo", "gone-dlo"):
        archive.s3.delete_object(Bucket=archive.bucket, Key=archive.manifest_key(name))
        assert archive.get(name).body == WHOLE
    assert colleague.ask("GET", both.container, "gone-slo").status == 409
    # the description of a DLO says where its segments are
    assert colleague.ask("GET", both.container, "gone-dlo").status == 200

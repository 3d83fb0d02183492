"""Who may read an archived object, and what a remote store cannot do to whom."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from faults.proxy import Exchange, FaultProxy
from servers.pair import Store
from servers.raw_swift import RawSwift
from servers.shunted import Archive, Shunted

BODY = b"archived" * 1000
MD5 = hashlib.md5(BODY).hexdigest()


@pytest.fixture
def archive(behind: Archive) -> Archive:
    behind.store("o", BODY)
    return behind


def others(archive: Archive) -> dict[str, RawSwift]:
    """Users without a right of their own; by the name under which an ACL gives them one."""
    users = {
        ".r:*": RawSwift(archive.cluster, "test2:tester2", archive.swift.account),
        "test:tester3": RawSwift(archive.cluster, "test:tester3", archive.swift.account),
        "test2:tester2": RawSwift(archive.cluster, "test2:tester2", archive.swift.account),
    }
    users[".r:*"].token = ""
    return users


@pytest.mark.parametrize("who", [".r:*", "test:tester3", "test2:tester2"])
def test_client_without_read_right_is_refused_without_remote_request(
    archive: Archive, remote: FaultProxy, who: str
) -> None:
    user = others(archive)[who]
    before = len(remote.calls())
    refused = 401 if who == ".r:*" else 403
    for method in ("GET", "HEAD", "POST", "DELETE"):
        for name in ("o", "absent"):
            assert user.ask(method, archive.container, name).status == refused
    assert remote.calls(since=before) == []
    archive.swift.request("POST", archive.container, headers={"X-Container-Read": who})
    assert user.request("GET", archive.container, "o").body == BODY
    assert user.ask("GET", archive.container, "absent").status == 404
    # to read is not to write
    assert user.ask("DELETE", archive.container, "o").status == refused


def test_reseller_admin_reads_archived_object(archive: Archive) -> None:
    assert (
        RawSwift(archive.cluster, "admin:admin", archive.swift.account)
        .request("GET", archive.container, "o")
        .body
        == BODY
    )


def test_temporary_url_reads_archived_object_only_with_the_right_key(
    archive: Archive, remote: FaultProxy, shunted: Shunted
) -> None:
    shunted.client().post_account({"X-Account-Meta-Temp-Url-Key": "sesame"})
    path = quote(f"/v1/{archive.swift.account}/{archive.container}/o")

    def url(key: str) -> str:
        expires = int(time.time()) + 100
        text = f"GET\n{expires}\n{path}".encode()
        signature = hmac.new(key.encode(), text, "sha256").hexdigest()
        return f"{shunted.s3_endpoint}{path}?temp_url_sig={signature}&temp_url_expires={expires}"

    with urlopen(url("sesame")) as answer:
        assert answer.read() == BODY
        assert "filename" in answer.headers["Content-Disposition"]
    before = len(remote.calls())
    with pytest.raises(Exception, match="401"):
        urlopen(url("other"))
    assert remote.calls(since=before) == []


def test_archived_object_has_cors_headers_like_a_local_one(archive: Archive) -> None:
    origin = "http://example.org"
    headers = {"X-Container-Meta-Access-Control-Allow-Origin": origin}
    archive.swift.request("POST", archive.container, headers=headers)
    archive.swift.put(archive.container, "local")
    local, remote = archive.get("local", Origin=origin), archive.get("o", Origin=origin)
    for name in ("access-control-allow-origin", "vary"):
        assert remote.headers.get(name) == local.headers.get(name)
    assert "etag" in remote.headers["access-control-expose-headers"]


def test_s3_client_reads_and_copies_archived_objects(archive: Archive, shunted: Shunted) -> None:
    client = shunted.s3_client()
    place: dict[str, Any] = {"Bucket": archive.container, "Key": "o"}
    head = client.head_object(**place)
    assert (head["ETag"], head["ContentLength"]) == (f'"{MD5}"', len(BODY))
    got = client.get_object(**place, Range="bytes=8-15")
    assert got["Body"].read() == b"archived"
    assert client.get_object(**place)["Body"].read() == BODY
    with pytest.raises(ClientError, match="Not Modified"):
        client.get_object(**place, IfNoneMatch=MD5)
    with pytest.raises(client.exceptions.NoSuchKey):
        client.get_object(Bucket=archive.container, Key="absent")
    archive.store("other", BODY)
    client.copy_object(Bucket=archive.container, Key="copy", CopySource=f"{archive.container}/other")
    assert client.get_object(Bucket=archive.container, Key="copy")["Body"].read() == BODY


def test_s3_client_delete_removes_copies_and_manifest(
    new_archive: Callable[..., Archive], shunted: Shunted
) -> None:
    archive = new_archive(propagate_delete=True)
    archive.store("o", BODY)
    archive.store_large("slo", [("s", "one", b"1" * 10), ("s", "two", b"2" * 10)])
    archive.store("null", BODY)
    client = shunted.s3_client()
    for key in ("o", "slo"):
        client.delete_object(Bucket=archive.container, Key=key)
    client.delete_object(Bucket=archive.container, Key="null", VersionId="null")
    assert archive.stored() == []


EVIL = [
    ("Set-Cookie", "a=b"),
    ("X-Container-Sysmeta-Evil", "x"),
    ("X-Object-Sysmeta-Evil", "x"),
    ("X-Object-Transient-Sysmeta-Evil", "x"),
    ("X-Backend-Evil", "x"),
    ("X-Backend-Timestamp", "1.0"),
    ("X-Timestamp", "1.0"),
    ("X-Symlink-Target", "a/b"),
    ("X-Static-Large-Object", "True"),
    ("X-Delete-At", "1"),
    ("Upgrade", "h2c"),
    ("X-Account-Access-Control", "x"),
    ("x-amz-meta-evil", "=?UTF-8?Q?a=0D=0AX-Evil: yes?="),
    ("WWW-Authenticate", "Basic"),
    ("Location", "http://example.org/"),
]


def adds_headers(exchange: Exchange) -> None:
    exchange.read_body()
    exchange.forward()
    assert exchange.answer is not None
    exchange.answer.headers.extend(EVIL)
    exchange.reply()


def test_headers_of_the_store_do_not_reach_the_client(archive: Archive, remote: FaultProxy) -> None:
    archive.swift.put(archive.container, "local")
    usual = set(archive.get("local").headers)
    remote.when(adds_headers, key="/o")
    try:
        for method in ("GET", "HEAD"):
            answer = archive.ask(method, "o")
            assert answer.status == 200
            assert set(answer.headers) == usual
            assert float(answer.headers["x-timestamp"]) > 1
        archive.restored("o")
        # nor do they come with the restored object
        assert set(archive.get("o").headers) == usual
    finally:
        remote.heal()


def test_headers_of_the_client_do_not_reach_the_store(
    new_archive: Callable[..., Archive], s3api: Store, remote: FaultProxy
) -> None:
    archive = new_archive(s3api.behind(remote.endpoint), propagate_delete=True, propagate_post=True)
    archive.store("o", BODY)
    sent = dict.fromkeys(
        [
            "Cookie",
            "X_Storage_Token",
            "X_Container_Sysmeta_Evil",
            "X_Backend_Evil",
            "X_Amz_Acl",
        ]
        + ["X_Amz_Meta_Evil", "X_Amz_Security_Token", "X_Forwarded_For", "X_Openstack_Request_Id", "Upgrade"],
        "evil",
    )
    sent |= {"X_Timestamp": f"{time.time() + 1000:.5f}", "Connection": "close, x-amz-date"}
    for method, name, query in (
        ("GET", "o", ""),
        ("GET", "o", "evil=1&versionId=evil&uploadId=evil"),
        ("HEAD", "o", ""),
        ("GET", None, "evil=1"),
        ("POST", "o", "evil=1"),
        ("DELETE", "o", "evil=1"),
    ):
        assert archive.ask(method, name, query, **sent).status in (200, 202, 204)
    calls = remote.calls()
    assert {call.method for call in calls} == {"GET", "HEAD", "PUT", "POST"}
    for call in calls:
        said = f"{call.query} {call.headers}"
        assert "evil" not in said
        assert archive.swift.token not in said
        assert "x-timestamp" not in call.headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_by_the_store_is_not_followed(
    archive: Archive, remote: FaultProxy, s3api: Store, status: int
) -> None:
    with FaultProxy.before(s3api.endpoint) as third:

        def redirects(exchange: Exchange) -> None:
            exchange.read_body()
            location = f"{third.endpoint}{quote(exchange.call.path)}"
            document = b"<Error><Code>PermanentRedirect</Code><Endpoint>%s</Endpoint></Error>"
            body = b"" if exchange.call.method == "HEAD" else document % third.endpoint.encode()
            exchange.say(status, {"Location": location, "x-amz-bucket-region": "eu-west-9"}, body)

        remote.when(redirects, key="/o")
        try:
            for method in ("GET", "HEAD"):
                assert archive.ask(method, "o").status in (502, 503)
        finally:
            remote.heal()
        assert third.calls() == []


def test_anonymous_request_without_headers_gets_401(archive: Archive, shunted: Shunted) -> None:
    request = Request(f"{shunted.s3_endpoint}/v1/{archive.swift.account}/{archive.container}/o")
    with pytest.raises(Exception, match="401"):
        urlopen(request)

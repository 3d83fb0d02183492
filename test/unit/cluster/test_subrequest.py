"""Requests to the rest of a proxy's pipeline, and what their answers mean."""

from __future__ import annotations

from typing import Any

import pytest
from swift.common.swob import Request, Response

from s3_sync.cluster.subrequest import SubrequestWriter
from s3_sync.errors import BadDigest, LocalChanged, LocalUnavailable, ObjectRefused, RemoteUnavailable
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import BytesBody


class Pipeline:
    """What is right of the middleware. ``status``: of every answer."""

    def __init__(self, status: int = 201, **headers: str) -> None:
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        self.requests.append(request)
        body = b""
        try:
            while data := environ["wsgi.input"].read(4):
                body += data
        except OSError:  # as the proxy takes it
            self.status = 499
        self.bodies.append(body)
        return Response(status=self.status, headers=self.headers, request=request)(environ, start_response)


def writer(pipeline: Pipeline) -> SubrequestWriter:
    environ = Request.blank(
        "/v1/AUTH_a/c/o", environ={"swift.trans_id": "tx1", "REMOTE_USER": "reader"}
    ).environ
    environ["swift.authorize"] = lambda request: Response(status=403)
    return SubrequestWriter(pipeline, environ, "AUTH_ü", "source")


def test_put_object_sends_body_and_headers_with_its_own_authority() -> None:
    pipeline = Pipeline()
    headers = {"content-type": "a/b", "x-object-meta-k": "ü", "etag": "x"}
    writer(pipeline).put_object("c", "a/ü %2F", BytesBody(b"123456"), headers, "multipart-manifest=put")
    [request] = pipeline.requests
    assert request.method == "PUT"
    assert request.path_info.encode("latin-1").decode() == "/v1/AUTH_ü/c/a/ü %2F"
    assert request.params == {"multipart-manifest": "put"}
    assert (request.headers["Content-Type"], request.headers["Etag"]) == ("a/b", "x")
    assert request.headers["X-Object-Meta-K"].encode("latin-1").decode() == "ü"
    assert request.content_length == 6
    assert pipeline.bodies == [b"123456"]
    assert request.environ["swift.trans_id"] == "tx1"
    assert request.environ["swift.source"] == "source"
    # with an authority of its own, not the reader's
    assert request.environ["swift.authorize"](request) is None


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (202, LocalChanged),
        (404, LocalChanged),
        (409, LocalChanged),
        (412, LocalChanged),
        (422, BadDigest),
        (400, ObjectRefused),
        (413, ObjectRefused),
        (408, LocalUnavailable),
        (499, LocalUnavailable),
        (500, LocalUnavailable),
        (503, LocalUnavailable),
    ],
)
def test_put_object_with_an_error_status_raises_the_matching_error(
    status: int, error: type[Exception]
) -> None:
    with pytest.raises(error, match=str(status) if status != 422 else "MD5 of the bytes differs"):
        writer(Pipeline(status)).put_object("c", "o", BytesBody(b"x"), {})


def test_put_object_raises_the_error_of_its_body() -> None:
    class Breaking(BytesBody):
        def read(self, size: int = -1) -> bytes:
            raise RemoteUnavailable("gone")

    with pytest.raises(RemoteUnavailable, match="gone"):
        writer(Pipeline()).put_object("c", "o", Breaking(b"123"), {})


def test_put_container_accepts_201_and_202_but_not_503() -> None:
    for status in (201, 202):
        writer(Pipeline(status)).put_container("c")
    with pytest.raises(LocalUnavailable):
        writer(Pipeline(503)).put_container("c")


def test_find_returns_info_for_200_none_for_404_and_raises_for_503() -> None:
    given = {"Etag": '"abc"', "X_Object_Meta_Colour": "red", "X_Delete_At": "100", "X_Timestamp": "5.00000"}
    pipeline = Pipeline(200, **given)
    found = writer(pipeline).find("c", "o")
    assert found is not None
    assert (found.etag, found.size, found.timestamp) == ("abc", 0, Timestamp.parse("5.00000"))
    exact = writer(Pipeline(200, **given, X_Backend_Timestamp="5.00000_0001")).find("c", "o")
    assert exact is not None
    assert exact.timestamp == exact.data_timestamp == Timestamp.parse("5.00000_0001")
    posted = writer(Pipeline(200, **given, X_Backend_Data_Timestamp="4.00000")).find("c", "o")
    assert posted is not None
    assert (posted.data_timestamp, posted.timestamp) == (Timestamp.parse("4.00000"), found.timestamp)
    assert (found.meta.user, found.meta.marks) == ({"colour": "red"}, {"x-delete-at": "100"})
    assert pipeline.requests[0].method == "HEAD"
    assert writer(Pipeline(404)).find("c", "o") is None
    with pytest.raises(LocalUnavailable):
        writer(Pipeline(503)).find("c", "o")


def test_delete_object_accepts_404_and_409_but_not_503() -> None:
    for status in (204, 404, 409):
        pipeline = Pipeline(status)
        writer(pipeline).delete_object("c", "o", Timestamp.parse("1.0").after())
        assert pipeline.requests[0].headers["X-Timestamp"] == "0000000001.00000_0000000000000001"
    with pytest.raises(LocalUnavailable):
        writer(Pipeline(503)).delete_object("c", "o", Timestamp(1))


def test_put_container_in_a_broken_pipeline_raises_local_unavailable() -> None:
    def broken(environ: Any, start_response: Any) -> Any:
        raise OSError("no route")

    with pytest.raises(LocalUnavailable, match="no route"):
        SubrequestWriter(broken, Request.blank("/").environ, "a", "s").put_container("c")

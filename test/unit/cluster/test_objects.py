from __future__ import annotations

from types import SimpleNamespace

import pytest
from swift.common.exceptions import ChunkReadTimeout

from s3_sync.cluster.client import SwiftResponse
from s3_sync.cluster.objects import ClientStream, Found, LocalBody
from s3_sync.errors import LocalUnavailable
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import BytesBody, read_all

MD5 = "900150983cd24fb0d6963f7d28e17f72"


class Pieces:
    """A WSGI body: yields, perhaps fails, and wants to be closed."""

    def __init__(self, *pieces: bytes, error: BaseException | None = None) -> None:
        self._pieces = pieces
        self._error = error
        self.closed = 0

    def __iter__(self) -> object:
        yield from self._pieces
        if self._error:
            raise self._error

    def close(self) -> None:
        self.closed += 1


def stream(pieces: Pieces, length: int | None) -> ClientStream:
    response = SimpleNamespace(status_int=200, headers={}, app_iter=pieces)
    return ClientStream(SwiftResponse(response), length)


def found(*headers: tuple[str, str], is_link: bool = False) -> Found:
    return Found(headers, BytesBody(b"abc"), Timestamp(1), Timestamp(2), is_link)


@pytest.mark.parametrize("size", [1, 2, 3, 100, -1])
def test_client_stream_gives_the_same_bytes_for_any_read_size(size: int) -> None:
    pieces = Pieces(b"", b"abc", b"", b"de", b"f")
    body = stream(pieces, 6)
    assert body.read(0) == b""
    data = b"".join(iter(lambda: body.read(size), b""))
    assert data == b"abcdef"
    assert body.read(10) == b""
    body.close()
    assert pieces.closed == 1


@pytest.mark.parametrize("pieces", [Pieces(), Pieces(b"abc"), Pieces(b"ab", b"", b"c")])
def test_client_stream_that_ends_early_raises_local_unavailable(pieces: Pieces) -> None:
    body = stream(pieces, 4)
    with pytest.raises(LocalUnavailable, match="early"):
        body.read()


def test_client_stream_of_unknown_length_reads_to_the_end() -> None:
    assert stream(Pieces(b"abc"), None).read() == b"abc"


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), ChunkReadTimeout(None)])
def test_client_stream_that_breaks_raises_local_unavailable(error: BaseException) -> None:
    body = stream(Pieces(b"abc", error=error), 6)
    assert body.read(3) == b"abc"
    with pytest.raises(LocalUnavailable):
        body.read(3)


def test_response_headers_are_decoded_to_text_in_lower_case() -> None:
    """WSGI carries bytes as latin-1 characters; lower-casing these would break them."""
    wsgi = {"X-Object-Meta-Größe".encode().decode("latin-1"): "groß ☃".encode().decode("latin-1")}
    answer = SwiftResponse(SimpleNamespace(status_int=200, headers={**wsgi, "X-Raw": "\xe9"}, app_iter=[]))
    assert answer.headers == (("x-object-meta-größe", "groß ☃"), ("x-raw", "\xe9"))


@pytest.mark.parametrize(
    ("headers", "is_link", "kind"),
    [
        ([], False, "plain"),
        ([("x-static-large-object", "True")], False, "slo"),
        ([("x-static-large-object", "False")], False, "plain"),
        ([("x-object-manifest", "c/p")], False, "dlo"),
        ([("x-static-large-object", "True")], True, "symlink"),
    ],
)
def test_kind_follows_from_headers_and_symlink(
    headers: list[tuple[str, str]], is_link: bool, kind: str
) -> None:
    assert found(*headers, is_link=is_link).kind == kind


def test_info_takes_the_etag_as_md5_of_plain_objects_only() -> None:
    assert found(("etag", f'"{MD5}"')).info("o").md5 == MD5
    assert found(("etag", MD5), ("x-static-large-object", "True")).info("o").md5 is None
    assert found(("etag", MD5), ("x-object-manifest", "c/p")).info("o").md5 is None
    assert found(("etag", f"{MD5}-2")).info("o").md5 is None
    assert found().info("o").md5 is None


def test_size_of_a_range_is_that_of_the_whole_object() -> None:
    assert found(("content-length", "3"), ("content-range", "bytes 0-2/1000")).size == 1000
    assert found(("content-length", "3")).size == 3
    assert found().size == 3
    assert found(("content-range", "bytes 0-2/*"), ("content-length", "3")).size == 3


@pytest.mark.parametrize(
    "name", ["x-object-sysmeta-crypto-body-meta", "x-object-transient-sysmeta-crypto-meta"]
)
def test_is_ciphertext_is_true_only_with_crypto_metadata(name: str) -> None:
    assert found((name, "{}")).is_ciphertext
    assert not found(("x-object-meta-crypto", "{}")).is_ciphertext


def test_rewind_reopens_the_object_only_after_a_read() -> None:
    asked = []

    def reopen() -> BytesBody:
        asked.append(1)
        return BytesBody(b"abc")

    body = LocalBody(BytesBody(b"abc"), reopen)
    body.rewind()
    assert read_all(body) == b"abc"
    assert not asked
    body.rewind()
    body.rewind()
    assert read_all(body) == b"abc"
    assert len(asked) == 1

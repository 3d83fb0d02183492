"""The program of a sink: `python -m servers.sink_child IP PORT`. See servers.sink."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

from servers.sink_store import (
    KEPT,
    Bucket,
    Refusal,
    Stored,
    error_document,
    iso_date,
    listing_document,
)

CONTROL = "/-/"
STORED_HEADERS = (
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-language",
    "cache-control",
    "expires",
    "x-amz-storage-class",
)
Answer = tuple[int, tuple[tuple[str, str], ...], bytes]
_REASONS = {200: "OK", 204: "No Content", 404: "Not Found"}
_EMPTY_MD5 = hashlib.md5(b"", usedforsecurity=False).hexdigest()


class Request:
    """One request's head, and what is known of its body. ``data``: the body where it is small."""

    def __init__(self, head: bytes) -> None:
        line, *fields = head.decode("latin-1").split("\r\n")
        self.method, target, _ = line.split(" ", 2)
        self.path, _, query = target.partition("?")
        self.query = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        self.headers: dict[str, str] = {}
        for each in fields:
            name, _, value = each.partition(":")
            self.headers[name.lower()] = value.strip()
        self.length = int(self.headers.get("content-length", 0))
        self.left = self.length
        self.md5 = hashlib.md5(usedforsecurity=False)
        payload = self.headers.get("x-amz-content-sha256", "")
        self.sha256 = hashlib.sha256(usedforsecurity=False) if len(payload) == 64 else None
        self.data = bytearray() if self.length <= KEPT or self.method == "POST" else None

    def feed(self, piece: memoryview) -> None:
        self.left -= len(piece)
        self.md5.update(piece)
        if self.sha256 is not None:
            self.sha256.update(piece)
        if self.data is not None:
            self.data += piece

    def check(self) -> str:
        """The MD5 of the body; BadDigest for anything else than the client promised."""
        if self.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
            raise Refusal(501, "NotImplemented")
        if self.sha256 is not None and self.sha256.hexdigest() != self.headers["x-amz-content-sha256"]:
            raise Refusal(400, "XAmzContentSHA256Mismatch")
        promised = self.headers.get("content-md5")
        if promised and base64.b64decode(promised) != self.md5.digest():
            raise Refusal(400, "BadDigest")
        return self.md5.hexdigest()

    def stored_headers(self) -> tuple[tuple[str, str], ...]:
        return tuple(
            (name, value)
            for name, value in self.headers.items()
            if name in STORED_HEADERS or name.startswith("x-amz-meta-")
        )


class Sink:
    """Answers requests. Counts them by the operation's name in S3's API."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.counts: Counter[str] = Counter()
        #: PUTs with a digest that was checked, bytes taken, the times of the first and the last, refusals
        self.checked = 0
        self.taken = 0
        self.first = self.last = 0.0
        self.refused: Counter[str] = Counter()

    def answer(self, request: Request) -> Answer:
        try:
            if request.path.startswith(CONTROL):
                return self._control(request)
            name, _, key = request.path[1:].partition("/")
            if not key:
                return self._on_bucket(request, name)
            return self._on_key(request, self._bucket(name), unquote(key))
        except Refusal as refusal:
            self.refused[refusal.code] += 1
            return refusal.status, (("Content-Type", "application/xml"),), error_document(refusal.code)

    def _bucket(self, name: str) -> Bucket:
        bucket = self.buckets.get(name)
        if bucket is None:
            raise Refusal(404, "NoSuchBucket")
        return bucket

    def _control(self, request: Request) -> Answer:
        if request.method == "POST":  # /-/fill: JSON lines of bucket, and [key, size, etag] each
            assert request.data is not None
            wanted = json.loads(request.data)
            bucket = self.buckets.setdefault(wanted["bucket"], Bucket())
            bucket.fill(wanted["objects"], time.time() - wanted.get("age", 0))
            return 200, (), b""
        if request.path == CONTROL + "lap":
            self.first = 0.0
            return 200, (), b""
        if request.path == CONTROL + "stored":
            bucket = self._bucket(request.query["bucket"])
            times = {key: stored.modified for key, stored in bucket.objects.items()}
            return 200, (), json.dumps(times).encode()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        state = {
            "counts": self.counts,
            "cpu": usage.ru_utime + usage.ru_stime,
            "checked": self.checked,
            "taken": self.taken,
            "first": self.first,
            "last": self.last,
            "objects": {name: len(bucket.keys) for name, bucket in self.buckets.items()},
            "refused": self.refused,
            "uploads": sum(len(bucket.uploads) for bucket in self.buckets.values()),
        }
        return 200, (), json.dumps(state).encode()

    def _on_bucket(self, request: Request, name: str) -> Answer:
        if request.method == "PUT":
            self.counts["CreateBucket"] += 1
            self.buckets.setdefault(name, Bucket())
            return 200, (), b""
        bucket = self._bucket(name)
        if request.method == "POST" and "delete" in request.query:
            self.counts["DeleteObjects"] += 1
            request.check()
            assert request.data is not None
            document = ElementTree.fromstring(bytes(request.data))
            bucket.delete([element.text or "" for element in document.iter() if element.tag.endswith("Key")])
            return 200, (), b"<DeleteResult></DeleteResult>"
        if request.method == "HEAD":
            self.counts["HeadBucket"] += 1
            return 200, (), b""
        if "uploads" in request.query:
            self.counts["ListMultipartUploads"] += 1
            return 200, (), _uploads_document(bucket)
        if "location" in request.query:
            return 200, (), b"<LocationConstraint/>"
        self.counts["ListObjects"] += 1
        return 200, (("Content-Type", "application/xml"),), _listing(bucket, request.query)

    def _on_key(self, request: Request, bucket: Bucket, key: str) -> Answer:
        name = f"{request.method}{' part' if 'uploadId' in request.query else ''}"
        handler: dict[str, Callable[[Request, Bucket, str], Answer]] = {
            "PUT": self._put,
            "PUT part": self._put_part,
            "HEAD": self._head,
            "GET": self._get,
            "DELETE": self._delete,
            "DELETE part": self._abort,
            "POST": self._begin,
            "POST part": self._complete,
        }
        return handler[name](request, bucket, key)

    def _put(self, request: Request, bucket: Bucket, key: str) -> Answer:
        if "x-amz-copy-source" in request.headers:
            return self._copy(request, bucket, key)
        self.counts["PutObject"] += 1
        md5 = self._take(request)
        if request.headers.get("if-none-match") == "*" and key in bucket.objects:
            raise Refusal(412, "PreconditionFailed")
        data = None if request.data is None else bytes(request.data)
        bucket.put(key, Stored(request.length, md5, time.time(), request.stored_headers(), data))
        return 200, (("ETag", f'"{md5}"'),), b""

    def _copy(self, request: Request, bucket: Bucket, key: str) -> Answer:
        self.counts["CopyObject"] += 1
        source, _, name = unquote(request.headers["x-amz-copy-source"]).lstrip("/").partition("/")
        found = self._bucket(source).get(name)
        replace = request.headers.get("x-amz-metadata-directive") == "REPLACE"
        headers = request.stored_headers() if replace else found.headers
        stored = Stored(found.size, found.etag, time.time(), headers, found.data)
        bucket.put(key, stored)
        modified = iso_date(stored.modified)
        return (
            200,
            (("Content-Type", "application/xml"),),
            f"<CopyObjectResult><LastModified>{modified}</LastModified>"
            f"<ETag>&quot;{stored.etag}&quot;</ETag></CopyObjectResult>".encode(),
        )

    def _put_part(self, request: Request, bucket: Bucket, _: str) -> Answer:
        self.counts["UploadPart"] += 1
        upload = bucket.upload(request.query["uploadId"])
        md5 = self._take(request)
        upload.parts[int(request.query["partNumber"])] = (request.length, md5)
        return 200, (("ETag", f'"{md5}"'),), b""

    def _take(self, request: Request) -> str:
        md5 = request.check()
        self.taken += request.length
        self.last = time.time()
        self.checked += "content-md5" in request.headers
        return md5

    def _head(self, request: Request, bucket: Bucket, key: str) -> Answer:
        self.counts["HeadObject"] += 1
        stored = bucket.get(key)
        return 200, (*_described(stored), ("Content-Length", str(stored.size))), b""

    def _get(self, request: Request, bucket: Bucket, key: str) -> Answer:
        self.counts["GetObject"] += 1
        stored = bucket.get(key)
        if stored.data is None:
            raise Refusal(501, "NotKept")
        return 200, _described(stored), stored.data

    def _delete(self, _: Request, bucket: Bucket, key: str) -> Answer:
        self.counts["DeleteObject"] += 1
        bucket.delete([key])
        return 204, (), b""

    def _begin(self, request: Request, bucket: Bucket, key: str) -> Answer:
        self.counts["CreateMultipartUpload"] += 1
        upload_id = bucket.begin(key, request.stored_headers())
        return 200, (), _document("InitiateMultipartUploadResult", f"<UploadId>{upload_id}</UploadId>")

    def _complete(self, request: Request, bucket: Bucket, key: str) -> Answer:
        self.counts["CompleteMultipartUpload"] += 1
        assert request.data is not None
        document = ElementTree.fromstring(bytes(request.data))
        fields: dict[str, list[str]] = {"PartNumber": [], "ETag": []}
        for element in document.iter():
            tag = element.tag.rpartition("}")[2]
            if tag in fields:
                fields[tag].append((element.text or "").strip('"'))
        listed = [(int(n), etag) for n, etag in zip(fields["PartNumber"], fields["ETag"], strict=True)]
        stored = bucket.complete(request.query["uploadId"], listed)
        etag = f"<ETag>&quot;{stored.etag}&quot;</ETag>"
        return 200, (), _document("CompleteMultipartUploadResult", etag)

    def _abort(self, request: Request, bucket: Bucket, _: str) -> Answer:
        self.counts["AbortMultipartUpload"] += 1
        bucket.upload(request.query["uploadId"])
        del bucket.uploads[request.query["uploadId"]]
        return 204, (), b""


def _described(stored: Stored) -> tuple[tuple[str, str], ...]:
    return (
        ("ETag", f'"{stored.etag}"'),
        ("Last-Modified", formatdate(stored.modified, usegmt=True)),
        *stored.headers,
    )


def _listing(bucket: Bucket, query: dict[str, str]) -> bytes:
    after = unquote(query.get("continuation-token", "")) or query.get("start-after", "")
    after = after or query.get("marker", "")
    limit = min(1000, int(query.get("max-keys", 1000)))
    page = bucket.page(query.get("prefix", ""), after, query.get("delimiter", ""), limit)
    return listing_document(bucket, page, query.get("encoding-type") == "url")


def _uploads_document(bucket: Bucket) -> bytes:
    uploads = "".join(
        f"<Upload><Key>{upload.key}</Key><UploadId>{upload_id}</UploadId></Upload>"
        for upload_id, upload in bucket.uploads.items()
    )
    return _document("ListMultipartUploadsResult", uploads)


def _document(name: str, content: str) -> bytes:
    return f'<?xml version="1.0"?><{name}>{content}</{name}>'.encode()


class Connection(asyncio.BufferedProtocol):
    """One client. All connections receive into one buffer: each takes its bytes out at once."""

    _shared = bytearray(1024 * 1024)
    _view = memoryview(_shared)

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._head = b""
        self._request: Request | None = None
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def get_buffer(self, _: int) -> memoryview:
        return self._view

    def buffer_updated(self, count: int) -> None:
        piece = self._view[:count]
        while piece:
            if self._request is None:
                piece = self._receive_head(piece)
            else:
                size = min(self._request.left, len(piece))
                self._request.feed(piece[:size])
                piece = piece[size:]
            if self._request is not None and self._request.left == 0:
                request, self._request = self._request, None
                self._send(request, *self._sink.answer(request))

    def _receive_head(self, piece: memoryview) -> memoryview:
        known = len(self._head)
        data = self._head + bytes(piece[:65536])
        end = data.find(b"\r\n\r\n", max(0, known - 3))
        if end < 0:
            self._head = data
            return piece[65536:]
        self._head = b""
        self._request = Request(data[:end])
        if "expect" in self._request.headers:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self._sink.first and self._request.method == "PUT" and self._request.length:
            self._sink.first = time.time()
        return piece[end + 4 - known :]

    def _send(self, request: Request, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}"]
        if not any(name == "Content-Length" for name, _ in headers):
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in headers]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self._transport.write(head if request.method == "HEAD" else head + body)


async def serve(ip: str, port: int) -> None:
    sink = Sink()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(sink), ip, port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))

"""A strict fake of Google's XML API, as clients with HMAC keys and Amazon's signature see it.

It runs in a thread of this process, and refuses what Google's documents do not have: headers and parameters
of S3 that are not in them, chunked bodies, trailing checksums, conditions of writes. It answers as Google
does where that differs from S3: a DELETE of what is not there is 404, objects of parts have no MD5, gzip is
unpacked for who does not accept it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import time
from collections.abc import Callable, Mapping, Set
from typing import Any, final
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from servers import google_signature
from servers.google_listing import listing, stamp, uploads_listing
from servers.google_store import MAX_PARTS, GoogleStore, Object, Refusal
from servers.in_process import InProcessServer, QuietHandler
from servers.s3 import s3_client

_USUAL = {
    *("accept", "accept-encoding", "authorization", "connection", "content-length", "content-md5", "date"),
    *("expect", "host", "user-agent", "x-amz-date", "x-amz-content-sha256", "x-amz-project-id"),
    *("amz-sdk-invocation-id", "amz-sdk-request"),  # of SDKs: no header of a store
}
_READ = {"range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
_SYSTEM = {
    *("cache-control", "content-disposition", "content-encoding", "content-language", "content-type"),
    *("expires", "x-amz-storage-class", "x-amz-acl"),
}
_COPY = {
    *("x-amz-copy-source", "x-amz-metadata-directive", "x-amz-copy-source-if-match"),
    *("x-amz-copy-source-if-none-match", "x-amz-copy-source-if-modified-since"),
}
_LIST = {
    *("prefix", "delimiter", "marker", "max-keys", "list-type", "start-after", "continuation-token"),
    *("encoding-type", "fetch-owner"),
}
_UPLOADS = {
    "uploads",
    "prefix",
    "delimiter",
    "key-marker",
    "upload-id-marker",
    "max-uploads",
    "encoding-type",
}
_NONE: frozenset[str] = frozenset()
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@final
class FakeGoogle(InProcessServer):
    """``requests``: method and target of each. ``store.behaviour``: what tests change."""

    name = "google"
    access_key = "GOOG1EXAMPLE"
    secret_key = "hmac/secret+of=google"

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__(_Handler, google=self)
        self.store = GoogleStore(clock)
        self.requests: list[tuple[str, str]] = []

    def client(self) -> Any:
        """A boto3 client with this server's keys."""
        return s3_client(self.endpoint, self.access_key, self.secret_key)

    def create_bucket(self, name: str) -> str:
        self.store.create(name)
        return name


class _Handler(QuietHandler):
    google: FakeGoogle

    def handle_expect_100(self) -> bool:
        return True  # sent when the body is read

    def do_GET(self) -> None:
        self.google.requests.append((self.command, self.path))
        self.seen = {name.lower(): _decoded(value) for name, value in self.headers.items()}
        path, _, query = self.path.partition("?")
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        bucket, _, key = path.lstrip("/").partition("/")
        self.store, self.bucket, self.key = self.google.store, unquote(bucket), unquote(key)
        self.waits = self.seen.get("expect", "").lower() == "100-continue"
        self.body = b"" if self.waits else self._read()
        try:
            google = self.google
            google_signature.check(self.command, self.path, self.seen, google.access_key, google.secret_key)
            if self.waits:
                self.send_response_only(100)
                self.end_headers()
                self.body = self._read()
                self.waits = False
            self._check_body()
            self._answer()
        except Refusal as error:
            self._refuse(error)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def _answer(self) -> None:
        if not self.bucket:
            self._account()
        elif self.key:
            self._object()
        else:
            self._bucket_itself()

    # Requests about buckets

    def _account(self) -> None:
        self._only("GET")
        entries = "".join(
            f"<Bucket><Name>{name}</Name><CreationDate>{stamp(bucket.created)}</CreationDate></Bucket>"
            for name, bucket in sorted(self.store.buckets.items())
        )
        self._document("ListAllMyBucketsResult", f"<Buckets>{entries}</Buckets>")

    def _bucket_itself(self) -> None:
        if "lifecycle" in self.query:
            self._lifecycle()
        elif "delete" in self.query:
            self._only("POST", {"delete"}, {"content-type"})
            self._delete_many()
        elif self.command == "PUT":
            self._check(headers={"content-type"})
            self.store.create(self.bucket)
            self._send(200)
        elif self.command == "DELETE":
            self._check()
            self.store.remove(self.bucket)
            self._send(204)
        elif "uploads" in self.query:
            self._only("GET", _UPLOADS)
            self._document("ListMultipartUploadsResult", uploads_listing(self.store, self.bucket, self.query))
        elif self.command == "HEAD":
            self._check()
            self.store.bucket(self.bucket)
            self._send(200)
        else:
            self._only("GET", _LIST)
            self._document("ListBucketResult", listing(self.store, self.bucket, self.query))

    def _lifecycle(self) -> None:
        if self.command == "GET":
            self._check({"lifecycle"})
            self._send(200, self.store.bucket(self.bucket).rules, {"Content-Type": "application/xml"})
            return
        self._only("PUT", {"lifecycle"}, {"content-type"})
        self.store.set_rules(self.bucket, self.body)
        self._send(200)

    def _delete_many(self) -> None:
        self.store.bucket(self.bucket)
        if not self.store.behaviour.bulk_deletes:
            raise Refusal(400, "NotImplemented", "POST ?delete is not implemented for objects.")
        keys = [each.findtext(f"{_space(each)}Key", "") for each in ElementTree.fromstring(self.body)]
        found = [key for key in keys if key]
        if len(found) > 1000:
            raise Refusal(400, "MalformedXML")
        entries = []
        for key in found:
            try:
                self.store.delete(self.bucket, key)
                entries.append(f"<Deleted><Key>{escape(key)}</Key></Deleted>")
            except Refusal as error:
                entries.append(f"<Error><Key>{escape(key)}</Key><Code>{error.code}</Code></Error>")
        self._document("DeleteResult", "".join(entries))

    # Requests about objects

    def _object(self) -> None:
        upload_id = self.query.get("uploadId", "")
        if self.command in ("GET", "HEAD"):
            self._check(headers=_READ)
            self._read_object(self.store.object(self.bucket, self.key))
        elif self.command == "POST" and "uploads" in self.query:
            self._check({"uploads"}, _SYSTEM, user=True)
            upload_id = self.store.begin(self.bucket, self.key, self.seen)
            inner = (
                f"<Bucket>{self.bucket}</Bucket><Key>{escape(self.key)}</Key><UploadId>{upload_id}</UploadId>"
            )
            self._document("InitiateMultipartUploadResult", inner)
        elif self.command == "POST" and upload_id:
            self._check({"uploadId"}, {"content-type"})
            self._complete(upload_id)
        elif self.command == "PUT" and upload_id:
            self._check({"uploadId", "partNumber"}, {"content-type"})
            self._put_part(upload_id)
        elif self.command == "PUT":
            self._check(headers=_SYSTEM | _COPY, user=True)
            self._put()
        elif self.command == "DELETE" and upload_id:
            self._check({"uploadId"})
            self.store.upload(self.bucket, self.key, upload_id)
            del self.store.bucket(self.bucket).uploads[upload_id]
            self._send(204)
        else:
            self._only("DELETE")
            self.store.bucket(self.bucket)
            self.store.delete(self.bucket, self.key)
            self._send(204)

    def _put(self) -> None:
        self.store.bucket(self.bucket)
        source = self.seen.get("x-amz-copy-source")
        if source is None:
            written = self.store.put(self.bucket, self.key, self.body, self.seen)
            self._send(200, headers={"ETag": f'"{written.etag}"', **_google(written)})
            return
        bucket, _, key = unquote(source).lstrip("/").partition("/")
        found = self.store.object(bucket, key)
        wanted = self.seen.get("x-amz-copy-source-if-match", "").strip('"')
        if wanted and wanted != found.etag:
            raise Refusal(412, "PreconditionFailed")
        written = self.store.copy(self.bucket, self.key, found, self.seen)
        inner = f'<LastModified>{stamp(written.modified)}</LastModified><ETag>"{written.etag}"</ETag>'
        self._document("CopyObjectResult", inner)

    def _put_part(self, upload_id: str) -> None:
        number = int(self.query["partNumber"])
        if not 1 <= number <= MAX_PARTS:
            raise Refusal(400, "InvalidArgument", "partNumber")
        self.store.upload(self.bucket, self.key, upload_id).parts[number] = self.body
        self._send(200, headers={"ETag": f'"{hashlib.md5(self.body).hexdigest()}"'})

    def _complete(self, upload_id: str) -> None:
        listed = []
        for each in ElementTree.fromstring(self.body):
            space = _space(each)
            listed.append((int(each.findtext(f"{space}PartNumber", "0")), each.findtext(f"{space}ETag", "")))
        written = self.store.complete(self.bucket, self.key, upload_id, listed)
        inner = f'<Bucket>{self.bucket}</Bucket><Key>{escape(self.key)}</Key><ETag>"{written.etag}"</ETag>'
        self._document("CompleteMultipartUploadResult", inner)

    def _read_object(self, found: Object) -> None:
        quoted = f'"{found.etag}"'
        if self.seen.get("if-match", quoted) not in (quoted, "*"):
            raise Refusal(412, "PreconditionFailed")
        if self.seen.get("if-none-match") in (quoted, "*"):
            self._send(304, headers={"ETag": quoted})
            return
        headers = {**found.headers, "ETag": quoted, "Last-Modified": self._http_date(found.modified)}
        headers |= _google(found)
        is_packed = found.headers.get("content-encoding") == "gzip" and found.data[:2] == b"\x1f\x8b"
        if is_packed and "gzip" not in self.seen.get("accept-encoding", ""):
            del headers["content-encoding"]
            self._send_chunked(gzip.decompress(found.data), headers)
            return
        data, status, size = found.data, 200, len(found.data)
        if asked := _RANGE.fullmatch(self.seen.get("range", "")):
            first, last = int(asked[1]), min(int(asked[2] or size - 1), size - 1)
            if first >= size:
                raise Refusal(416, "InvalidRange")
            data, status = data[first : last + 1], 206
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self._send(status, data, headers)

    # What is asked, and how it is answered

    def _only(self, method: str, query: Set[str] = _NONE, headers: Set[str] = _NONE) -> None:
        if self.command != method:
            raise Refusal(405, "MethodNotAllowed")
        self._check(query, headers)

    def _check(self, query: Set[str] = _NONE, headers: Set[str] = _NONE, user: bool = False) -> None:
        """Raise Refusal for any parameter and any header that the request does not have."""
        if unknown := set(self.query) - query:
            raise Refusal(400, "InvalidArgument", f"parameters {sorted(unknown)}")
        named = {name for name in self.seen if not (user and name.startswith("x-amz-meta-"))}
        if unknown := named - _USUAL - headers:
            raise Refusal(400, "NotImplemented", f"headers {sorted(unknown)}")
        if "aws-chunked" in self.seen.get("content-encoding", ""):
            raise Refusal(400, "NotImplemented", "chunked bodies")

    def _read(self) -> bytes:
        return self.rfile.read(int(self.seen.get("content-length") or 0))

    def _check_body(self) -> None:
        if len(self.body) < int(self.seen.get("content-length") or 0):
            raise Refusal(400, "IncompleteBody")
        digest = self.seen.get("x-amz-content-sha256", "")
        if digest not in ("UNSIGNED-PAYLOAD", hashlib.sha256(self.body).hexdigest()):
            raise Refusal(400, "XAmzContentSHA256Mismatch", digest)
        if (md5 := self.seen.get("content-md5")) and md5 != _base64_md5(self.body):
            raise Refusal(400, "BadDigest")

    def _document(self, root: str, inner: str) -> None:
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        text = f"<?xml version='1.0' encoding='UTF-8'?><{root} xmlns='{space}'>{inner}</{root}>"
        self._send(200, text.encode(), {"Content-Type": "application/xml; charset=UTF-8"})

    def _refuse(self, error: Refusal) -> None:
        text = f"<Error><Code>{error.code}</Code><Message>A message.</Message>"
        document = (
            f"<?xml version='1.0' encoding='UTF-8'?>{text}<Details>{escape(error.details)}</Details></Error>"
        )
        headers = {"Content-Type": "application/xml; charset=UTF-8"}
        if self.waits:  # the body may still come
            headers["Connection"] = "close"
            self.close_connection = True
        self._send(error.status, document.encode(), headers)

    def _send(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self._begin(status, headers or {})
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def _send_chunked(self, body: bytes, headers: Mapping[str, str]) -> None:
        self._begin(200, {**headers, "Warning": "214 UploadServer gunzipped", "Transfer-Encoding": "chunked"})
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n")

    def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)
        self.send_header("Date", self._http_date(self.store.now()))
        self.send_header("Server", "UploadServer")
        self.send_header("X-GUploader-UploadID", "ABgVH8")
        for name, value in headers.items():
            self.send_header(name, value.encode("utf-8").decode("latin-1"))

    def _http_date(self, seconds: float) -> str:
        return self.date_time_string(int(seconds))


def _google(found: Object) -> dict[str, str]:
    return {
        "x-goog-generation": str(found.generation),
        "x-goog-metageneration": "1",
        "x-goog-hash": found.hashes,
        "x-goog-storage-class": found.storage_class,
        "x-goog-stored-content-encoding": found.headers.get("content-encoding", "identity"),
        "x-goog-stored-content-length": str(len(found.data)),
    }


def _decoded(value: str) -> str:
    return value.encode("latin-1").decode("utf-8")


def _base64_md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def _space(element: ElementTree.Element) -> str:
    """The namespace of an element, as the beginning of a tag."""
    return element.tag[: element.tag.find("}") + 1]

"""A strict blob service in this process, for what Azurite does not check: signatures as the service sorts
headers, CRC64, names of metadata, blocks of other writers, the archive tier, and faults on demand.

Source: "Blob service REST API". CRC64 is that of ``azure-storage-extensions``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from time import time
from typing import final
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from azure.storage.blob._shared.authentication import _storage_header_sort

from servers.fake_azure_answers import Answer, crc64_of, described, entry, xml_answer
from servers.fake_azure_store import (
    CONTAINER,
    MAX_NAME,
    TIERS,
    Blob,
    Container,
    Refused,
    Store,
    check_metadata,
)
from servers.in_process import InProcessServer, QuietHandler

ACCOUNT, KEY = "devaccount", base64.b64encode(b"a key for tests, of some 30 bytes").decode()
_SIGNED = (
    *("Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type", "Date"),
    *("If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"),
)
_PROPERTIES = ("content-type", "content-encoding", "content-language", "cache-control", "content-disposition")


@dataclass(frozen=True)
class Request:
    """One that arrived. ``status``: of its response."""

    method: str
    path: str
    query: dict[str, str]
    status: int
    received: int


@dataclass
class Faults:
    """How it differs from a service that is well. ``refuse``: called before a request is served; raises
    Refused. ``crc64``: changes the CRC64 of a response; None from it: leave it out. ``token``: that is
    accepted instead of signatures. ``skew``: of its clock in seconds."""

    refuse: Callable[[str, str, dict[str, str]], None] | None = None
    crc64: Callable[[str], str | None] | None = None
    token: str = ""
    sas: str = ""
    page_limit: int = 5000
    skew: float = 0.0


@final
class FakeAzure(InProcessServer):
    """``requests``: all that were answered."""

    def __init__(self) -> None:
        super().__init__(_Handler, azure=self)
        self.store = Store()
        self.faults = Faults()
        self.requests: list[Request] = []
        self.lock = threading.RLock()

    def count(self, method: str, comp: str | None = None) -> int:
        found = [each for each in self.requests if each.method == method]
        return len(found) if comp is None else sum(each.query.get("comp") == comp for each in found)


class _Handler(QuietHandler):
    azure: FakeAzure
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.raw_path, self.path_only = url.path, unquote(url.path)
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        size = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(size)
        try:
            if len(data) != size:
                raise Refused(400, "IncompleteBody")
            with self.azure.lock:
                answer = self._serve(data)
        except Refused as refused:
            body = (
                f"<?xml version='1.0'?><Error><Code>{refused.code}</Code><Message>{escape(refused.message)}\n"
            )
            document = (body + "RequestId:1\nTime:now</Message></Error>").encode()
            named = {name.replace("_", "-"): value for name, value in refused.headers.items()}
            answer = Answer(refused.status, {"x-ms-error-code": refused.code, **named}, document)
        path = self.path_only
        self.azure.requests.append(Request(self.command, path, self.query, answer.status, len(data)))
        self._send(answer)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("x-ms-request-id", "fake-request")
        self.send_header("x-ms-version", self.headers.get("x-ms-version", ""))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in answer.headers and answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD" and answer.status not in (204, 304):
            self.wfile.write(answer.body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate((timestamp or time()) + self.azure.faults.skew, usegmt=True)

    # Who asks

    def _authorize(self) -> None:
        faults = self.azure.faults
        given = self.headers.get("Authorization", "")
        if not self.headers.get("x-ms-version"):
            raise Refused(400, "MissingRequiredHeader")
        if faults.sas and self.query.get("sig"):
            if self.query["sig"] != faults.sas:
                raise Refused(403, "AuthenticationFailed", f"Signature {self.query['sig']} did not match.")
            return
        if faults.token:
            if given != f"Bearer {faults.token}":
                raise Refused(401, "InvalidAuthenticationInfo")
            return
        sent = parsedate_to_datetime(self.headers["x-ms-date"]).timestamp()
        if abs(sent - time() - faults.skew) > 900:
            raise Refused(403, "AuthenticationFailed", "Request date header too old")
        signature = base64.b64encode(
            hmac.new(base64.b64decode(KEY), self._string_to_sign().encode(), hashlib.sha256).digest()
        ).decode()
        if given != f"SharedKey {ACCOUNT}:{signature}":
            raise Refused(403, "AuthenticationFailed", "The MAC signature is not the same.")

    def _string_to_sign(self) -> str:
        values = {name: self.headers.get(name) or "" for name in _SIGNED}
        if values["Content-Length"] == "0":
            values["Content-Length"] = ""
        own = [(name.lower(), value) for name, value in self.headers.items()]
        own = _storage_header_sort([each for each in own if each[0].startswith("x-ms-")])
        lines = [
            self.command,
            *values.values(),
            *(f"{name}:{' '.join(value.split())}" for name, value in own),
        ]
        lines.append(f"/{ACCOUNT}{self.raw_path}")
        return "\n".join([*lines, *(f"{name}:{value}" for name, value in sorted(self.query.items()))])

    # What is asked for

    def _serve(self, data: bytes) -> Answer:
        if self.azure.faults.refuse is not None:
            self.azure.faults.refuse(self.command, self.path_only, self.query)
        self._authorize()
        container, _, name = self.path_only.lstrip("/").partition("/")
        if not container:
            return self._list_containers()
        if not name:
            return self._serve_container(container)
        if len(name.encode("utf-16-le")) // 2 > MAX_NAME:
            raise Refused(400, "InvalidResourceName")
        self._check_digest(data)
        return self._serve_blob(container, name, data)

    def _check_digest(self, data: bytes) -> None:
        md5, crc = self.headers.get("Content-MD5"), self.headers.get("x-ms-content-crc64")
        if md5 and crc:
            raise Refused(400, "InvalidHeaderValue")
        if md5 and md5 != base64.b64encode(hashlib.md5(data).digest()).decode():
            raise Refused(400, "Md5Mismatch")
        if crc and crc != crc64_of(data):
            raise Refused(400, "Crc64Mismatch")

    def _serve_container(self, name: str) -> Answer:
        store, comp = self.azure.store, self.query.get("comp")
        if self.query.get("restype") != "container":
            raise Refused(400, "InvalidQueryParameterValue")
        if comp == "list":
            return self._list_blobs(name)
        if self.command == "PUT":
            if not CONTAINER.fullmatch(name):
                raise Refused(400, "InvalidResourceName")
            if name in store.containers:
                raise Refused(409, "ContainerAlreadyExists")
            store.containers[name] = Container()
            return Answer(201)
        store.container(name)
        if self.command == "DELETE":
            del store.containers[name]
            return Answer(202)
        return Answer(200)

    def _list_containers(self) -> Answer:
        entries = "".join(
            f"<Container><Name>{name}</Name><Properties>"
            f"<Last-Modified>{formatdate(each.created, usegmt=True)}</Last-Modified></Properties></Container>"
            for name, each in sorted(self.azure.store.containers.items())
        )
        return xml_answer(f"<Containers>{entries}</Containers><NextMarker/>")

    def _list_blobs(self, container: str) -> Answer:
        query = self.query
        limit = min(int(query.get("maxresults", "5000")), self.azure.faults.page_limit)
        if not 1 <= limit <= 5000:
            raise Refused(400, "OutOfRangeQueryParameterValue")
        marker = query.get("marker", "")
        start = base64.b64decode(marker).decode() if marker else ""
        found = [
            each
            for each in self.azure.store.listing(
                container, query.get("prefix", ""), query.get("delimiter", "")
            )
            if each[0] >= start
        ]
        page, rest = found[:limit], found[limit:]
        following = base64.b64encode(rest[0][0].encode()).decode() if rest else ""
        listed = "".join(entry(name, blob) for name, blob in page)
        return xml_answer(f"<Blobs>{listed}</Blobs><NextMarker>{following}</NextMarker>")

    def _serve_blob(self, container: str, name: str, data: bytes) -> Answer:
        store, comp = self.azure.store, self.query.get("comp", "")
        blob = store.container(container).blobs.get(name)
        if comp != "block":
            self._check_conditions(blob)
        if self.command == "PUT":
            serve = {
                "": self._put_blob, "block": self._put_block, "blocklist": self._put_block_list,
                "metadata": self._put_metadata, "properties": self._put_properties, "tier": self._put_tier,
            }.get(comp)  # fmt: skip
            if serve is None:
                raise Refused(400, "InvalidQueryParameterValue")
            return serve(container, name, data)
        blob = store.blob(container, name)
        if self.command == "DELETE":
            if blob.leased:
                raise Refused(412, "LeaseIdMissing")
            if blob.snapshots and self.headers.get("x-ms-delete-snapshots") != "include":
                raise Refused(409, "SnapshotsPresent")
            del store.container(container).blobs[name]
            store.container(container).uncommitted.pop(name, None)
            return Answer(202)
        return self._read(blob)

    def _check_conditions(self, blob: Blob | None) -> None:
        match, none_match = self.headers.get("If-Match"), self.headers.get("If-None-Match")
        if match is not None and (blob is None or match not in ("*", f'"{blob.etag}"')):
            raise Refused(412, "ConditionNotMet")
        if none_match is not None and blob is not None and none_match in ("*", f'"{blob.etag}"'):
            if self.command in ("GET", "HEAD"):
                raise Refused(304, "ConditionNotMet")
            raise Refused(409, "BlobAlreadyExists")

    def _read(self, blob: Blob) -> Answer:
        if self.command == "GET" and blob.tier == "Archive":
            raise Refused(409, "BlobArchived")
        data, headers = blob.data, described(blob)
        asked = self.headers.get("Range")
        if self.command == "HEAD" or not asked:
            return Answer(200, {**headers, "Content-Length": str(len(data))}, data)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        if int(first) >= len(data):
            raise Refused(416, "InvalidRange")
        end = min(int(last or len(data) - 1), len(data) - 1)
        if "Content-MD5" in headers:
            headers["x-ms-blob-content-md5"] = headers.pop("Content-MD5")
        headers["Content-Range"] = f"bytes {first}-{end}/{len(data)}"
        return Answer(206, headers, data[int(first) : end + 1])

    def _put_blob(self, container: str, name: str, data: bytes) -> Answer:
        if self.headers.get("x-ms-blob-type") != "BlockBlob":
            raise Refused(400, "MissingRequiredHeader")
        properties = self._properties()
        properties.setdefault("content-md5", base64.b64encode(hashlib.md5(data).digest()).decode())
        blob = self._new_blob((("", data),), properties)
        self.azure.store.write(container, name, blob)
        return self._written(blob, data)

    def _put_block(self, container: str, name: str, data: bytes) -> Answer:
        identity = self.query.get("blockid", "")
        try:
            size = len(base64.b64decode(identity, validate=True))
        except ValueError:
            size = 0
        if not 1 <= size <= 64 or not data:
            raise Refused(400, "InvalidQueryParameterValue")
        self.azure.store.put_block(container, name, identity, data)
        return self._written(None, data)

    def _put_block_list(self, container: str, name: str, data: bytes) -> Answer:
        listed = [(each.tag, each.text or "") for each in ElementTree.fromstring(data)]
        blob = self._new_blob(self.azure.store.blocks(container, name, listed), self._properties())
        self.azure.store.write(container, name, blob)
        return self._written(blob, data)

    def _put_metadata(self, container: str, name: str, data: bytes) -> Answer:
        metadata, etag = self._metadata(), self.azure.store.new_etag()
        self.azure.store.change(container, name, metadata=metadata, etag=etag)
        return Answer(200, {"ETag": f'"{etag}"'})

    def _put_properties(self, container: str, name: str, data: bytes) -> Answer:
        etag = self.azure.store.new_etag()
        self.azure.store.change(container, name, properties=self._properties(), etag=etag)
        return Answer(200, {"ETag": f'"{etag}"'})

    def _put_tier(self, container: str, name: str, data: bytes) -> Answer:
        tier, blob = self.headers.get("x-ms-access-tier", ""), self.azure.store.blob(container, name)
        if tier not in TIERS or (self.headers.get("x-ms-rehydrate-priority") or "Standard") not in (
            "Standard",
            "High",
        ):
            raise Refused(400, "InvalidHeaderValue")
        if blob.pending:
            raise Refused(409, "BlobBeingRehydrated")
        if blob.tier == "Archive" and tier != "Archive":
            self.azure.store.change(container, name, pending=tier)
            return Answer(202)
        self.azure.store.change(container, name, tier=tier)
        return Answer(200)

    def _new_blob(self, blocks: tuple[tuple[str, bytes], ...], properties: dict[str, str]) -> Blob:
        tier = self.headers.get("x-ms-access-tier", "")
        if tier and tier not in TIERS:
            raise Refused(400, "InvalidHeaderValue")
        return Blob(blocks, self.azure.store.new_etag(), properties, self._metadata(), tier)

    def _properties(self) -> dict[str, str]:
        names = (*_PROPERTIES, "content-md5")
        found = {name: self.headers.get(f"x-ms-blob-{name}") for name in names}
        return {name: value for name, value in found.items() if value}

    def _metadata(self) -> dict[str, str]:
        prefix = "x-ms-meta-"
        found = {
            name[len(prefix) :]: value
            for name, value in self.headers.items()
            if name.lower().startswith(prefix)
        }
        check_metadata(found)
        return found

    def _written(self, blob: Blob | None, data: bytes) -> Answer:
        headers = {} if blob is None else {"ETag": f'"{blob.etag}"'}
        if not self.headers.get("Content-MD5"):
            crc: str | None = crc64_of(data)
            if self.azure.faults.crc64 is not None:
                crc = self.azure.faults.crc64(crc or "")
            if crc is not None:
                headers["x-ms-content-crc64"] = crc
        return Answer(201, headers)

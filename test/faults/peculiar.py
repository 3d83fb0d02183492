"""How stores are that differ from S3 in one property: faults of a `FaultProxy`, before a store that checks no
signatures.

They are strict: what such a store does not take it refuses, and what it does not know it leaves out.
"""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Callable
from urllib.parse import parse_qs, unquote, urlsplit

from faults.proxy import Exchange, Fault, answers, passes
from faults.rewritten import (
    edited,
    in_document,
    is_success,
    query_of,
    says,
    set_body,
    set_header,
    set_query,
)
from faults.wire import Message
from servers.operations import operation

#: the region that a store demands, and which no default is
REGION = "mars-1"
_SCOPE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/s3/aws4_request")
_META = "x-amz-meta-"


def unless(is_right: Callable[[Exchange], bool], status: int, code: str, otherwise: Fault = passes) -> Fault:
    """Refuses what is not right."""

    def judge(exchange: Exchange) -> None:
        (otherwise if is_right(exchange) else answers(status, code))(exchange)

    return judge


def header(exchange: Exchange, name: str) -> str:
    return exchange.call.headers.get(name, "")


def asks_for(exchange: Exchange, *operations: str) -> bool:
    return operation(exchange.call) in operations


def refuses(name: str, beginning: str = "", status: int = 400, code: str = "InvalidRequest") -> Fault:
    """Does not take this header, or no value of it that begins so."""

    def is_right(exchange: Exchange) -> bool:
        value = header(exchange, name)
        return not value or not value.startswith(beginning)

    return unless(is_right, status, code)


def demands(name: str, status: int = 403, code: str = "AccessDenied") -> Fault:
    return unless(lambda each: bool(header(each, name)), status, code)


# Addresses and keys


def in_the_host_name(bucket: str) -> Fault:
    """The bucket must be in the host's name."""

    def fault(exchange: Exchange) -> None:
        if not header(exchange, "host").startswith(f"{bucket}."):
            answers(400, "InvalidRequest")(exchange)
            return
        method, target, version = exchange.request.first.split(" ")
        exchange.request.first = f"{method} /{bucket}{target} {version}"
        set_header(exchange.request, "Host", "localhost")
        passes(exchange)

    return fault


def of_a_tenant(bucket: str) -> Fault:
    """``tenant:bucket`` is a bucket."""

    def fault(exchange: Exchange) -> None:
        first = exchange.request.first.replace("/tenant%3A", "/")
        exchange.request.first = first
        (answers(404, "NoSuchBucket") if f"/{bucket}" not in first else passes)(exchange)

    return fault


def signed_for(region: str) -> Fault:
    def is_right(exchange: Exchange) -> bool:
        found = _SCOPE.search(header(exchange, "authorization"))
        return found is not None and found[2] == region

    return unless(is_right, 400, "AuthorizationHeaderMalformed")


def region_told_by_the_bucket(region: str) -> Fault:
    """As Amazon's: a HEAD of the bucket is redirected, and names the region."""
    told = says(301, x_amz_bucket_region=region)

    def fault(exchange: Exchange) -> None:
        (told if asks_for(exchange, "HeadBucket") else signed_for(region))(exchange)

    return fault


def signed_by(access_key: str) -> Fault:
    def is_right(exchange: Exchange) -> bool:
        found = _SCOPE.search(header(exchange, "authorization"))
        return found is not None and found[1] == access_key

    return unless(is_right, 403, "InvalidAccessKeyId")


# Bodies and digests


class DeclaredChecksums:
    """An upload whose parts have checksums must declare their algorithm, and repeat them at its end (S3 API
    Reference, UploadPart and CompleteMultipartUpload)."""

    __name__ = "declared_checksums"

    def __init__(self) -> None:
        self._declared: set[str] = set()

    def __call__(self, exchange: Exchange) -> None:
        upload_id = parse_qs(exchange.call.query).get("uploadId", [""])[0]
        has_sums = any(name.startswith("x-amz-checksum-") for name in exchange.call.headers)
        if asks_for(exchange, "CreateMultipartUpload"):
            edited(self._note if header(exchange, "x-amz-checksum-algorithm") else _nothing)(exchange)
        elif asks_for(exchange, "UploadPart") and has_sums:
            (edited(_echo_checksum) if upload_id in self._declared else _refused)(exchange)
        elif asks_for(exchange, "CompleteMultipartUpload") and upload_id in self._declared:
            exchange.read_body()
            (_forwarded if b"<Checksum" in exchange.request.body else _refused_read)(exchange)
        else:
            passes(exchange)

    def _note(self, exchange: Exchange, answer: Message) -> None:
        if found := re.search(rb"<UploadId>([^<]+)<", answer.body):
            self._declared.add(found[1].decode())


_refused = answers(400, "InvalidRequest")


def _refused_read(exchange: Exchange) -> None:
    body = b"<Error><Code>InvalidRequest</Code><Message>a test</Message></Error>"
    exchange.say(400, {"Content-Type": "application/xml"}, body)


def _forwarded(exchange: Exchange) -> None:
    exchange.forward()
    exchange.reply()


def _nothing(exchange: Exchange, answer: Message) -> None:
    pass


def _echo_checksum(exchange: Exchange, answer: Message) -> None:
    for name, value in exchange.call.headers.items():
        if name.startswith("x-amz-checksum-"):
            set_header(answer, name, value)


def unpacks_gzip(exchange: Exchange) -> None:
    """For clients that do not accept it (Google, "Transcoding of gzip-compressed files")."""

    def unpack(exchange: Exchange, answer: Message) -> None:
        if answer.header("content-encoding").strip() == "gzip":
            answer.remove("content-encoding")
            set_body(answer, gzip.decompress(answer.body))

    (passes if "gzip" in header(exchange, "accept-encoding") else edited(unpack))(exchange)


# Conditions


class Conditions:
    """Compares ETags for the headers that it knows, by operation; all others it leaves out."""

    __name__ = "conditions"

    def __init__(self, known: dict[str, str]) -> None:
        self._known = known
        self._etags: dict[str, str] = {}
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        name = self._known.get(operation(exchange.call), "")
        wanted = header(exchange, name).strip('"') if name else ""
        path = exchange.call.path
        if wanted and wanted != self._etags.get(path, ""):
            answers(412, "PreconditionFailed")(exchange)
            return
        edited(self._note, _drop_conditions)(exchange)

    def _note(self, exchange: Exchange, answer: Message) -> None:
        if is_success(answer) and (etag := answer.header("etag").strip().strip('"')):
            with self._lock:
                self._etags[exchange.call.path] = etag


def _drop_conditions(request: Message) -> None:
    for name in ("if-match", "if-none-match", "x-amz-copy-source-if-match", "x-amz-copy-if-match"):
        request.remove(name)


ignores_conditions = edited(_nothing, _drop_conditions)


# Copies


def decodes_copy_sources_twice(exchange: Exchange) -> None:
    source = header(exchange, "x-amz-copy-source")
    if source:
        set_header(exchange.request, "x-amz-copy-source", unquote(source))
    passes(exchange)


# Limits


def key_of(exchange: Exchange) -> str:
    return exchange.call.path.lstrip("/").partition("/")[2]


def metadata_size(exchange: Exchange) -> int:
    found = [(name, value) for name, value in exchange.call.headers.items() if name.startswith(_META)]
    return sum(len(name) - len(_META) + len(value) for name, value in found)


def length(exchange: Exchange) -> int:
    return int(header(exchange, "content-length") or 0)


def part_number(exchange: Exchange) -> int:
    return int(parse_qs(exchange.call.query).get("partNumber", ["0"])[0])


class PartSizes:
    """Judges the sizes of the parts of an upload, when it is to be completed."""

    __name__ = "part_sizes"

    def __init__(self, are_right: Callable[[list[int]], bool]) -> None:
        self._are_right = are_right
        self._sizes: dict[str, dict[int, int]] = {}

    def __call__(self, exchange: Exchange) -> None:
        sizes = self._sizes.setdefault(parse_qs(exchange.call.query).get("uploadId", [""])[0], {})
        if asks_for(exchange, "UploadPart"):
            sizes[part_number(exchange)] = length(exchange)
        wrong = asks_for(exchange, "CompleteMultipartUpload") and not self._are_right(
            [sizes[number] for number in sorted(sizes)]
        )
        (answers(400, "EntityTooSmall") if wrong else passes)(exchange)


class Copies:
    """Takes copies of objects of at most so many bytes."""

    __name__ = "copies"

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._sizes: dict[str, int] = {}

    def __call__(self, exchange: Exchange) -> None:
        if asks_for(exchange, "PutObject"):
            self._sizes[exchange.call.path] = length(exchange)
        too_large = self._sizes.get(exchange.call.path, 0) > self._largest
        refuses = asks_for(exchange, "CopyObject") and too_large
        (answers(400, "InvalidRequest") if refuses else passes)(exchange)


def deletes_at_most(keys: int) -> Fault:
    """In one request."""

    def fault(exchange: Exchange) -> None:
        exchange.read_body()
        (_refused_read if exchange.request.body.count(b"<Key>") > keys else _forwarded)(exchange)

    return fault


# Listings


def forgets_where_version_2_starts(exchange: Exchange) -> None:
    """Any page of version 2 is the first one."""
    pairs = query_of(exchange.request)
    if "list-type=2" in pairs:
        dropped = ("start-after=", "continuation-token=")
        set_query(exchange.request, [pair for pair in pairs if not pair.startswith(dropped)])
    passes(exchange)


class GoogleRules:
    """Its lifecycle rules have actions and conditions, and no other form is taken."""

    __name__ = "google_rules"

    def __init__(self) -> None:
        self._rules = b"<LifecycleConfiguration/>"

    def __call__(self, exchange: Exchange) -> None:
        if not has_query(exchange, "lifecycle"):
            passes(exchange)
            return
        exchange.read_body()
        if exchange.call.method == "PUT":
            if exchange.request.body.count(b"<Rule>") != exchange.request.body.count(b"<Action>"):
                _refused_read(exchange)
                return
            self._rules = exchange.request.body
        exchange.say(200, {"Content-Type": "application/xml"}, self._rules)


# Metadata and storage classes


def _forget(exchange: Exchange, answer: Message) -> None:
    answer.headers = [header for header in answer.headers if not header[0].lower().startswith(_META)]


#: as after a restart
forgets_metadata = edited(_forget)


def hyphenates_metadata(exchange: Exchange) -> None:
    """Underscores in names become hyphens; two names that are the same then spoil the signature (Ceph)."""
    request = exchange.request
    names = [name.lower().replace("_", "-") for name, _ in request.headers]
    user = [name for name in names if name.startswith(_META)]
    if len(set(user)) < len(user):
        answers(403, "SignatureDoesNotMatch")(exchange)
        return
    request.headers = [
        (name.replace("_", "-") if name.lower().startswith(_META) else name, value)
        for name, value in request.headers
    ]
    passes(exchange)


def calls_class(real: str, name: str) -> Fault:
    """The storage class ``real`` of the store behind is called ``name`` here."""

    def ask(request: Message) -> None:
        if request.header("x-amz-storage-class").strip() == name:
            set_header(request, "x-amz-storage-class", real)

    rename = in_document(f"<StorageClass>{real}<".encode(), f"<StorageClass>{name}<".encode())

    def edit(exchange: Exchange, answer: Message) -> None:
        if answer.header("x-amz-storage-class").strip() == real:
            set_header(answer, "x-amz-storage-class", name)
        rename(exchange, answer)

    return edited(edit, ask)


def has_query(exchange: Exchange, name: str) -> bool:
    return name in parse_qs(urlsplit(f"/?{exchange.call.query}").query, keep_blank_values=True)

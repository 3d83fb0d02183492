"""What the fake Google keeps, and its rules: buckets, objects, uploads in parts, lifecycle rules.

Sources: Cloud Storage, "XML API" (its pages of each request, of headers, and of errors), "Quotas and limits",
"Hashes and ETags", "Transcoding of gzip-compressed files".
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from xml.etree import ElementTree

from awscrt.checksums import crc32c

MIN_PART = 5 * 1024 * 1024
MAX_PARTS = 10_000
MAX_KEY, MAX_METADATA = 1024, 8192
CLASSES = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
#: what an object keeps beside its user metadata; Expires is none of it
SYSTEM = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type")
ACTIONS = ("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload")
CONDITIONS = (
    *("Age", "CreatedBefore", "CustomTimeBefore", "DaysSinceCustomTime", "DaysSinceNoncurrentTime", "IsLive"),
    *(
        "MatchesPrefix",
        "MatchesSuffix",
        "MatchesStorageClass",
        "NoncurrentTimeBefore",
        "NumberOfNewerVersions",
    ),
)


class Refusal(Exception):
    """An error of the XML API."""

    def __init__(self, status: int, code: str, details: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.details = status, code, details


@dataclass
class Behaviour:
    """What differs between buckets, and what tests change."""

    #: DeleteObjects, which not every endpoint has yet
    bulk_deletes: bool = True
    #: a key of the customer's encrypts: ETags are no MD5s
    customer_key: bool = False
    #: writes of one name within a second are refused
    limits_writes: bool = False
    #: smallest part but the last
    min_part: int = MIN_PART
    #: conditions of lifecycle rules that are lost, as if they were unknown
    forgets: frozenset[str] = frozenset()


@dataclass
class Object:
    """``headers``: system and user metadata by lower-case name. ``composed``: of parts, and without MD5."""

    data: bytes
    headers: dict[str, str]
    etag: str
    generation: int
    modified: float
    composed: bool = False
    storage_class: str = "STANDARD"

    @cached_property
    def hashes(self) -> str:
        crc = base64.b64encode(crc32c(self.data).to_bytes(4, "big")).decode()
        md5 = base64.b64encode(hashlib.md5(self.data).digest()).decode()
        return f"crc32c={crc}" if self.composed else f"crc32c={crc}, md5={md5}"


@dataclass
class Upload:
    key: str
    headers: dict[str, str]
    storage_class: str
    begun: float
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Bucket:
    created: float
    objects: dict[str, Object] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    rules: bytes = b"<?xml version='1.0' encoding='UTF-8'?><LifecycleConfiguration/>"


class GoogleStore:
    """``clock``: seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.behaviour = Behaviour()
        self.buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()
        self._clock = clock
        self._generation = 1_700_000_000_000_000
        self._written: dict[tuple[str, str], float] = {}

    def now(self) -> float:
        return self._clock()

    def bucket(self, name: str) -> Bucket:
        if name not in self.buckets:
            raise Refusal(404, "NoSuchBucket")
        return self.buckets[name]

    def create(self, name: str) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", name):
            raise Refusal(400, "InvalidBucketName")
        if name in self.buckets:
            raise Refusal(409, "BucketNameUnavailable")
        self.buckets[name] = Bucket(self.now())

    def remove(self, name: str) -> None:
        if self.bucket(name).objects:
            raise Refusal(409, "BucketNotEmpty")
        del self.buckets[name]

    def object(self, bucket: str, key: str) -> Object:
        found = self.bucket(bucket).objects.get(key)
        if found is None:
            raise Refusal(404, "NoSuchKey")
        return found

    def put(
        self, bucket: str, key: str, data: bytes, headers: dict[str, str], composed: bool = False
    ) -> Object:
        """``headers``: all of the request's."""
        self.check_key(key)
        self._count_write(bucket, key)
        kept, number = kept_headers(headers), self._next()
        etag = f"-CK{number}EAE=" if composed else hashlib.md5(data).hexdigest()
        if self.behaviour.customer_key and not composed:
            etag = f"CK{number}EAE="
        written = Object(data, kept, etag, number, self.now(), composed, class_of(headers))
        self.bucket(bucket).objects[key] = written
        return written

    def copy(self, bucket: str, key: str, source: Object, headers: dict[str, str]) -> Object:
        """Within the store: bytes, digests and ETag of the source stay."""
        directive = headers.get("x-amz-metadata-directive", "COPY")
        asked = headers if directive == "REPLACE" else {**source.headers}
        if "x-amz-storage-class" in headers:
            asked = {**asked, "x-amz-storage-class": headers["x-amz-storage-class"]}
        written = self.put(bucket, key, source.data, asked, source.composed)
        written.etag = source.etag
        return written

    def delete(self, bucket: str, key: str) -> None:
        self.object(bucket, key)
        self._count_write(bucket, key)
        del self.bucket(bucket).objects[key]

    def check_key(self, key: str) -> None:
        if len(key.encode()) > MAX_KEY:
            raise Refusal(400, "KeyTooLong")
        if key in (".", "..") or "\r" in key or "\n" in key:
            raise Refusal(400, "InvalidObjectName")

    def _next(self) -> int:
        with self._lock:
            self._generation += 1
            return self._generation

    def _count_write(self, bucket: str, key: str) -> None:
        now = self.now()
        if self.behaviour.limits_writes and now < self._written.get((bucket, key), -1.0) + 1:
            raise Refusal(429, "SlowDown", "The object exceeded the rate limit for object mutations")
        self._written[bucket, key] = now

    # Uploads in parts

    def begin(self, bucket: str, key: str, headers: dict[str, str]) -> str:
        self.check_key(key)
        upload_id = f"ABPnz{self._next()}"
        self.bucket(bucket).uploads[upload_id] = Upload(
            key, kept_headers(headers), class_of(headers), self.now()
        )
        return upload_id

    def upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        found = self.bucket(bucket).uploads.get(upload_id)
        if found is None or found.key != key:
            raise Refusal(404, "NoSuchUpload")
        return found

    def complete(self, bucket: str, key: str, upload_id: str, listed: Sequence[tuple[int, str]]) -> Object:
        upload = self.upload(bucket, key, upload_id)
        numbers = [number for number, _ in listed]
        if not numbers or numbers != sorted(set(numbers)):
            raise Refusal(400, "InvalidPartOrder")
        for number, etag in listed:
            if number not in upload.parts or hashlib.md5(upload.parts[number]).hexdigest() != etag.strip('"'):
                raise Refusal(400, "InvalidPart")
        if any(len(upload.parts[number]) < self.behaviour.min_part for number in numbers[:-1]):
            raise Refusal(400, "EntityTooSmall")
        data = b"".join(upload.parts[number] for number in numbers)
        written = self.put(bucket, key, data, upload.headers, composed=True)
        written.storage_class = upload.storage_class
        del self.bucket(bucket).uploads[upload_id]
        return written

    # Lifecycle rules

    def set_rules(self, bucket: str, document: bytes) -> None:
        """Take a configuration of Google's form, and no other. What it forgets is left out."""
        try:
            root = ElementTree.fromstring(document)
        except ElementTree.ParseError as error:
            raise Refusal(400, "MalformedXML", str(error)) from error
        if root.tag != "LifecycleConfiguration" or len(root) > 100:
            raise Refusal(400, "InvalidArgument", "not a LifecycleConfiguration")
        for rule in root:
            if rule.tag != "Rule" or sorted(child.tag for child in rule) != ["Action", "Condition"]:
                raise Refusal(400, "InvalidArgument", "a rule has an Action and a Condition")
            action, condition = rule.find("Action"), rule.find("Condition")
            assert action is not None
            assert condition is not None
            if len(action) != 1 or action[0].tag not in ACTIONS or not len(condition):
                raise Refusal(400, "InvalidArgument", "no action, or no condition")
            for each in list(condition):
                if each.tag not in CONDITIONS or not (each.text or "").strip():
                    raise Refusal(400, "InvalidArgument", each.tag)
                if each.tag in self.behaviour.forgets:
                    condition.remove(each)
        self.bucket(bucket).rules = ElementTree.tostring(root)

    def expire(self, bucket: str, days: float) -> list[str]:
        """What the rules would delete if all objects were so many days old."""
        root = ElementTree.fromstring(self.bucket(bucket).rules)
        return sorted({key for rule in root for key in self._matching(bucket, rule, days)})

    def _matching(self, bucket: str, rule: ElementTree.Element, days: float) -> Iterator[str]:
        if rule.find("Action/Delete") is None or days < float(rule.findtext("Condition/Age", "0")):
            return
        today = time.strftime("%Y-%m-%d", time.gmtime(self.now()))
        if today >= rule.findtext("Condition/CreatedBefore", "9999-12-31"):
            return
        prefixes = tuple(each.text or "" for each in rule.iterfind("Condition/MatchesPrefix")) or ("",)
        yield from (key for key in self.bucket(bucket).objects if key.startswith(prefixes))


def kept_headers(headers: dict[str, str]) -> dict[str, str]:
    """What an object keeps of the headers of a request."""
    user = {name: value for name, value in headers.items() if name.startswith("x-amz-meta-")}
    if sum(len(name) - len("x-amz-meta-") + len(value) for name, value in user.items()) > MAX_METADATA:
        raise Refusal(400, "MetadataTooLarge")
    return {**{name: headers[name] for name in SYSTEM if headers.get(name)}, **user}


def class_of(headers: dict[str, str]) -> str:
    found = headers.get("x-amz-storage-class", "STANDARD")
    if found not in CLASSES:
        raise Refusal(400, "InvalidArgument", f"storage class {found}")
    return found

"""For each property of a dialect a store that is like that, and what must work with it.

``act`` of a case raises AssertionError or SyncError if the provider takes the store for another one.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

from conformance.samples import md5, names, put, read
from faults import peculiar
from faults.proxy import Fault, FaultProxy, answers, passes
from faults.rewritten import other_etags, reversed_digits
from s3_sync.config.load import Loaded
from s3_sync.errors import NotSupported, ObjectRefused, PreconditionFailed
from s3_sync.model.objects import ByteRange, LocalInfo, ObjectMeta, PutOptions
from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.providers.registry import Registry
from s3_sync.streams.reader import BytesBody
from s3_sync.transfer.large_object import read_large_object
from s3_sync.transfer.large_upload import upload_large
from s3_sync.transfer.metadata import update_metadata
from s3_sync.transfer.upload_session import Precondition, TransferContext
from servers.operations import operation
from unit.transfer.local_file import T1, T2, LocalFile, send
from unit.transfer.segments import FakeSegments, slo

DATA = b"data"
BODY = bytes(range(256)) * 10  # 2560 bytes
#: more than what is read before it is sent
STREAM = bytes(200_000)
OTHER = "0" * 32
DELETES = ("DeleteObjects",)
LIST = ("ListObjects",)
PUT = ("PutObject",)
READ_META = "x-amz-copy-source-if-match"


@dataclass
class Scene:
    """A mapping as it is loaded from a file, and the store behind the proxy that is the one of the case."""

    loaded: Loaded
    proxy: FaultProxy
    client: Any
    name: str
    registry: Registry = field(default_factory=lambda: Registry(retries=None))

    @cached_property
    def bucket(self) -> Bucket:
        assert not self.loaded.problems, self.loaded.problems
        assert self.loaded.settings
        return self.registry.open_bucket(self.loaded.settings.mappings[0])

    def calls(self, name: str) -> int:
        return sum(1 for call in self.proxy.calls() if operation(call) == name)

    def stored(self, key: str = "o") -> bytes:
        body: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def is_told(self, text: str) -> bool:
        """Whether the loader has said so."""
        return any(text in str(each) for each in (*self.loaded.problems, *self.loaded.warnings))

    def context(self) -> TransferContext:
        return TransferContext(self.bucket, lambda size: None)


@dataclass(frozen=True)
class Case:
    """``value``: of the property, for this store; ``other``: what it would be taken for. ``store``: its
    fault, given the name of the bucket, in the operations ``on``, which are all if it is empty. ``entry``:
    further keys of the mapping; ``dialect``: further properties.
    """

    property: str
    value: Any
    other: Any
    store: Callable[[str], Fault]
    act: Callable[[Scene], None]
    on: tuple[str, ...] = ()
    entry: Mapping[str, Any] = field(default_factory=dict)
    dialect: Mapping[str, Any] = field(default_factory=dict)


def fixed(fault: Fault) -> Callable[[str], Fault]:
    return lambda bucket: fault


# What must work


def put_and_read(scene: Scene) -> None:
    put(scene.bucket, "o", DATA)
    assert (scene.stored(), read(scene.bucket, "o")) == (DATA, DATA)


def put_and_list(scene: Scene) -> None:
    put_and_read(scene)
    assert names(scene.bucket) == ["o"]


def put_stream(scene: Scene) -> None:
    put(scene.bucket, "o", STREAM)
    assert scene.stored() == STREAM


def put_once(scene: Scene) -> None:
    put(scene.bucket, "o", DATA)
    assert scene.bucket.head_object("o").md5 == md5(DATA)
    assert scene.calls("PutObject") == 1


def send_in_parts(scene: Scene) -> None:
    local = LocalFile(BODY)
    send(scene.bucket, local)
    assert scene.stored() == BODY
    assert scene.bucket.head_object("o").md5 == local.info.md5


def refused_as(reason: str, name: str = "o") -> Callable[[Scene], None]:
    """Before anything is sent."""

    def act(scene: Scene) -> None:
        with pytest.raises(ObjectRefused) as refusal:
            send(scene.bucket, LocalFile(BODY, name))
        assert (refusal.value.reason, scene.proxy.calls()) == (reason, [])

    return act


def upload_two_parts(scene: Scene) -> None:
    upload = scene.bucket.create_upload("o", ObjectMeta())
    parts = [upload.upload_part(number, BytesBody(DATA), 4, md5(DATA)) for number in (1, 2)]
    upload.complete(parts)
    assert scene.stored() == DATA * 2


def send_slo(scene: Scene, **user: str) -> None:
    segments = FakeSegments()
    pieces = [BODY[:1000], BODY[1000:1700], BODY[1700:]]
    opened = slo([segments.put(f"s{number}", piece) for number, piece in enumerate(pieces)], **user)
    upload_large(scene.context(), read_large_object(opened, segments), Precondition())
    assert scene.stored() == BODY


def change_metadata(scene: Scene) -> None:
    put(scene.bucket, "o", BODY)
    meta = ObjectMeta(user={"colour": "red"})
    info = LocalInfo("o", len(BODY), md5=md5(BODY), meta=meta, data_timestamp=T1, timestamp=T2)
    assert update_metadata(scene.context(), info, scene.bucket.head_object("o"))
    assert scene.bucket.head_object("o").meta.user == meta.user
    assert scene.stored() == BODY


def never_replaces(**condition: Any) -> Callable[[Scene], None]:
    """A write whose condition does not hold is refused."""

    def act(scene: Scene) -> None:
        put(scene.bucket, "o", DATA)
        with pytest.raises(PreconditionFailed):
            scene.bucket.put_object("o", BytesBody(b"new!"), PutOptions(4, **condition))
        assert scene.stored() == DATA

    return act


def has_no_condition(**condition: Any) -> Callable[[Scene], None]:
    def act(scene: Scene) -> None:
        put(scene.bucket, "o", DATA)
        with pytest.raises(NotSupported):
            scene.bucket.put_object("o", BytesBody(b"new!"), PutOptions(4, **condition))
        assert scene.stored() == DATA

    return act


def copies_that_version_only(scene: Scene) -> None:
    put(scene.bucket, "o", DATA)
    etag = scene.bucket.head_object("o").etag
    with pytest.raises(PreconditionFailed):
        scene.bucket.post_object("o", ObjectMeta(user={"a": "1"}), if_match=OTHER)
    scene.bucket.post_object("o", ObjectMeta(user={"a": "2"}), if_match=etag)
    assert scene.bucket.head_object("o").meta.user == {"a": "2"}


def copies_no_part_of(name: str) -> Callable[[Scene], None]:
    def act(scene: Scene) -> None:
        put(scene.bucket, name, DATA)
        upload = scene.bucket.create_upload(name, ObjectMeta())
        with pytest.raises(NotSupported):
            upload.copy_part(1, ByteRange(0, 3))
        assert scene.calls("UploadPartCopy") == 0

    return act


def copies_part_of_odd_key(scene: Scene) -> None:
    put(scene.bucket, "a%20b?", DATA)
    upload = scene.bucket.create_upload("a%20b?", ObjectMeta())
    upload.complete([upload.copy_part(1, ByteRange(1, 2))])
    assert scene.stored("a%20b?") == DATA[1:3]


def delete_as_many_as_allowed(scene: Scene) -> None:
    for name in "abc":
        put(scene.bucket, name)
    some = "abc"[: scene.bucket.features.bulk_delete]
    assert scene.bucket.delete_objects(some) == {}
    assert names(scene.bucket) == [name for name in "abc" if name not in some]
    assert (scene.calls("DeleteObjects"), scene.calls("DeleteObject")) == (1, 0)


def delete_one_by_one(scene: Scene) -> None:
    put(scene.bucket, "o")
    assert scene.bucket.delete_object("o")
    assert names(scene.bucket) == []
    assert scene.calls("DeleteObjects") == 0


def list_in_pages(scene: Scene) -> None:
    for name in "abcde":
        put(scene.bucket, name)
    assert names(scene.bucket, ListQuery(limit=2)) == list("abcde")


def warned_or_put(text: str) -> Callable[[Scene], None]:
    return lambda scene: None if scene.is_told(text) else put_and_read(scene)


def has_rules(scene: Scene) -> None:
    if not scene.is_told("has no lifecycle rules"):
        assert scene.bucket.set_expiry_rule(1)


def sets_a_rule(scene: Scene) -> None:
    assert scene.bucket.set_expiry_rule(1)
    [rule] = scene.client.get_bucket_lifecycle_configuration(Bucket=scene.name)["Rules"]
    assert rule["Expiration"]["Days"] == 1


def keeps_its_rule(scene: Scene) -> None:
    assert scene.bucket.set_expiry_rule(1)
    assert not scene.bucket.set_expiry_rule(1)


def reads_packed_bytes(scene: Scene) -> None:
    packed = gzip.compress(BODY)
    put(scene.bucket, "o", packed, ObjectMeta({"content-encoding": "gzip"}))
    assert read(scene.bucket, "o") == packed


def metadata_stays_or_is_warned_of(scene: Scene) -> None:
    if not scene.is_told("forgets metadata"):
        put(scene.bucket, "o", DATA, ObjectMeta(user={"colour": "red"}))
        assert scene.bucket.head_object("o").meta.user == {"colour": "red"}


def names_come_back(scene: Scene) -> None:
    meta = ObjectMeta(user={"a=5fb": "1", "a-c": "2", "=5f": "3"})
    put(scene.bucket, "o", DATA, meta)
    assert scene.bucket.head_object("o").meta.user == meta.user
    with pytest.raises(ObjectRefused):
        put(scene.bucket, "o", DATA, ObjectMeta(user={"a=5fb": "1", "a-b": "2"}))


def names_of_slo_come_back_at_once(scene: Scene) -> None:
    """Where underscores may be lost, nobody looks for lost ones."""
    send_slo(scene, **{"a=5fb": "1"})
    assert scene.calls("HeadObject") == 0
    assert scene.bucket.head_object("o").meta.user == {"a=5fb": "1"}


def names_are_as_s3_clients_know_them(scene: Scene) -> None:
    put(scene.bucket, "o", DATA, ObjectMeta(user={"a=5fb": "1"}))
    assert scene.client.head_object(Bucket=scene.name, Key="o")["Metadata"] == {"a_b": "1"}


def is_no_archive(scene: Scene) -> None:
    put(scene.bucket, "o", DATA)
    info = scene.bucket.head_object("o")
    assert (info.storage_class, info.archived) == ("GLACIER", False)
    scene.bucket.post_object("o", ObjectMeta(user={"a": "1"}))
    assert read(scene.bucket, "o") == DATA


def is_an_archive(scene: Scene) -> None:
    put(scene.bucket, "o", DATA)
    info = scene.bucket.head_object("o")
    assert (info.storage_class, info.archived) == ("COLD", True)


SMALL = {"min_part": 1, "max_parts": 10_000}
_SIZES = peculiar.PartSizes

CASES = (
    Case("addressing", "virtual", "path", peculiar.in_the_host_name, put_and_list,
         entry={"aws_endpoint": "http://s3.test"}),
    Case("region", peculiar.REGION, "us-east-1", fixed(peculiar.signed_for(peculiar.REGION)), put_and_list),
    Case("buckets_have_regions", True, False,
         fixed(peculiar.region_told_by_the_bucket(peculiar.REGION)), put_and_read),
    Case("ambient_credentials", True, False, fixed(peculiar.signed_by("ambient")), put_and_list,
         entry={"aws_identity": None, "aws_secret": None}),
    Case("tenants", True, False, peculiar.of_a_tenant, put_and_list, entry={"aws_bucket": "tenant:{}"}),
    Case("signature_v2", False, True, fixed(peculiar.refuses("authorization", "AWS ")),
         warned_or_put("rejects signature version 2"), entry={"signature_version": "s3"}),
    Case("unsigned_over_http", False, True,
         fixed(peculiar.refuses("x-amz-content-sha256", "UNSIGNED")), put_stream),
    Case("trailing_checksums", False, True, fixed(peculiar.refuses("x-amz-trailer")), put_stream,
         entry={"checksum": "crc32"}),
    Case("declared_checksums", True, False, lambda bucket: peculiar.DeclaredChecksums(), upload_two_parts,
         entry={"checksum": "sha256"}),
    Case("encrypts", True, False, fixed(peculiar.demands("x-amz-server-side-encryption")), put_and_read,
         on=PUT),
    Case("encrypts", False, True, fixed(peculiar.refuses("x-amz-server-side-encryption")), put_and_read),
    Case("etag_is_md5", False, True, fixed(other_etags(reversed_digits, reversed_digits)), put_once),
    Case("multipart_etag_is_md5s", False, True, fixed(other_etags(
        lambda etag: reversed_digits(etag) if "-" in etag else etag)), upload_two_parts),
    Case("put_if_absent", True, False, fixed(passes), never_replaces(if_absent=True)),
    Case("put_if_absent", False, True, fixed(peculiar.ignores_conditions), has_no_condition(if_absent=True)),
    Case("put_if_match", True, False, lambda bucket: peculiar.Conditions({"PutObject": "if-match"}),
         never_replaces(if_match=OTHER)),
    Case("put_if_match", False, True, fixed(peculiar.ignores_conditions), has_no_condition(if_match=OTHER)),
    Case("copy_condition", "x-amz-copy-if-match", READ_META,
         lambda bucket: peculiar.Conditions({"CopyObject": "x-amz-copy-if-match"}), copies_that_version_only),
    Case("copy_condition", READ_META, "x-amz-copy-if-match",
         lambda bucket: peculiar.Conditions({"CopyObject": READ_META}), copies_that_version_only),
    Case("copies_parts", False, True, fixed(answers(500, "InternalError")), copies_no_part_of("o"),
         on=("UploadPartCopy",)),
    Case("copies_parts_of_any_key", False, True, fixed(peculiar.decodes_copy_sources_twice),
         copies_no_part_of("a%20b")),
    Case("copies_parts_of_any_key", True, False, fixed(passes), copies_part_of_odd_key),
    Case("multipart", False, True, fixed(answers(501, "NotImplemented")), refused_as("too_large"),
         on=("CreateMultipartUpload",), dialect={"max_put": 1000}),
    Case("one_stream", True, False, fixed(answers(501, "NotImplemented")), send_slo,
         on=("CreateMultipartUpload",), dialect=SMALL),
    Case("max_name", 20, 1024, fixed(peculiar.unless(
        lambda each: len(peculiar.key_of(each)) <= 20, 400, "KeyTooLongError")),
        refused_as("name_too_long", "n" * 21)),
    Case("max_metadata", 40, 2048, fixed(peculiar.unless(
        lambda each: peculiar.metadata_size(each) <= 40, 400, "MetadataTooLarge")),
        refused_as("metadata_too_large")),
    Case("max_put", 1000, 5000, fixed(peculiar.unless(
        lambda each: peculiar.length(each) <= 1000, 400, "EntityTooLarge")), send_in_parts,
        on=PUT, dialect=SMALL),
    Case("max_copy", 1000, 5000, lambda bucket: peculiar.Copies(1000), change_metadata, dialect=SMALL),
    Case("min_part", 1000, 1, lambda bucket: _SIZES(lambda sizes: min(sizes[:-1]) >= 1000), send_in_parts,
         dialect={"max_put": 500}),
    Case("max_part", 1000, 5000, lambda bucket: _SIZES(lambda sizes: max(sizes) <= 1000), send_in_parts,
         dialect={"max_put": 2000, **SMALL}),
    Case("max_parts", 3, 1000, fixed(peculiar.unless(
        lambda each: peculiar.part_number(each) <= 3, 400, "InvalidArgument")), send_in_parts,
        dialect={"max_put": 500, "min_part": 1}),
    Case("equal_parts", True, False, lambda bucket: _SIZES(
        lambda sizes: len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0]), send_slo, dialect=SMALL),
    Case("max_deletes", 4, 1000, fixed(peculiar.deletes_at_most(4)), delete_as_many_as_allowed, on=DELETES),
    Case("max_deletes", 0, 1000, fixed(answers(501, "NotImplemented")), delete_one_by_one, on=DELETES),
    Case("delete_needs_md5", True, False, fixed(peculiar.demands("content-md5", 400, "InvalidRequest")),
         delete_as_many_as_allowed, on=DELETES),
    Case("list_version", 1, 2, fixed(peculiar.forgets_where_version_2_starts), list_in_pages, on=LIST),
    Case("encodes_listings", False, True, fixed(peculiar.unless(
        lambda each: not peculiar.has_query(each, "encoding-type"), 400, "InvalidArgument")), list_in_pages,
        on=LIST),
    Case("expires", False, True, fixed(peculiar.unless(
        lambda each: not peculiar.has_query(each, "lifecycle"), 501, "NotImplemented")), has_rules,
        entry={"remote_delete_after": 86400}),
    Case("expires", True, False, fixed(passes), sets_a_rule, entry={"remote_delete_after": 86400}),
    Case("rule_form", "google", "s3", lambda bucket: peculiar.GoogleRules(), keeps_its_rule,
         entry={"remote_delete_after": 86400}),
    Case("unpacks_gzip", True, False, fixed(peculiar.unpacks_gzip), reads_packed_bytes, on=("GetObject",)),
    Case("keeps_metadata", False, True, fixed(peculiar.forgets_metadata), metadata_stays_or_is_warned_of,
         entry={"retain_local": False, "propagate_delete": False}),
    Case("keeps_underscores", False, True, fixed(peculiar.hyphenates_metadata), names_come_back),
    Case("keeps_underscores", False, True, fixed(peculiar.hyphenates_metadata),
         names_of_slo_come_back_at_once, dialect=SMALL),
    Case("keeps_underscores", True, False, fixed(passes), names_are_as_s3_clients_know_them),
    Case("storage_classes", ["STANDARD", "COLD"], [], fixed(
        peculiar.refuses("x-amz-storage-class", "GLACIER_IR", code="InvalidStorageClass")),
        warned_or_put("has no GLACIER_IR"), entry={"storage_class": "GLACIER_IR"}),
    Case("archive_classes", [], ["GLACIER"], fixed(peculiar.calls_class("STANDARD_IA", "GLACIER")),
         is_no_archive, entry={"storage_class": "GLACIER"}),
    Case("archive_classes", ["COLD"], [], fixed(peculiar.calls_class("GLACIER", "COLD")), is_an_archive,
         entry={"storage_class": "COLD"}),
)  # fmt: skip

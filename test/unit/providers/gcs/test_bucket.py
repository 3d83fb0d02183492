"""What is special about Google Cloud Storage as a bucket."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.errors import BadDigest, InvalidRequest, NotFound, PreconditionFailed
from s3_sync.model.headers import UNDERSCORE
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import STORED_HEADERS, ByteRange, GetOptions, ObjectMeta, PutOptions
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.gcs.bucket import GcsBucket
from s3_sync.providers.gcs.lifecycle import MARK
from s3_sync.providers.gcs.provider import GcsProvider
from s3_sync.providers.gcs.resource import read_resource, to_resource
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody, read_all
from servers.fake_gcs import FakeGcs, Refusal, Request


def meta(stamp: str, **user: str) -> ObjectMeta:
    return ObjectMeta(user=user, marks={"swift-timestamp": stamp})


def put(bucket: GcsBucket, data: bytes = b"data", **options: Any) -> str:
    return bucket.put_object("object", BytesBody(data), PutOptions(len(data), **options)).etag


OLD, NEW = "1700000000.00000", "1700000001.00000"


class TestConditions:
    def test_older_version_does_not_replace_a_newer_one_of_the_same_bytes(self, bucket: GcsBucket) -> None:
        etag = put(bucket, meta=meta(NEW))
        with pytest.raises(PreconditionFailed, match="newer version"):
            put(bucket, meta=meta(OLD), if_match=etag)
        with pytest.raises(PreconditionFailed, match="newer version"):
            bucket.post_object("object", meta(OLD), if_match=etag)
        assert dict(bucket.head_object("object").meta.marks) == {"swift-timestamp": NEW}

    @pytest.mark.parametrize("between", ["bytes", "metadata"])
    def test_write_of_another_client_in_between_fails_the_condition(
        self, bucket: GcsBucket, fake: FakeGcs, between: str
    ) -> None:
        etag = put(bucket, meta=meta(OLD))

        def interfere(request: Request) -> bool:
            if request.method == "POST" and fake.objects("bucket")["p/object"].metageneration == 1:
                stored = fake.objects("bucket")["p/object"]
                stored.metageneration += 1
                stored.generation += between == "bytes"
            return False

        fake.fail(Refusal(500), when=interfere)
        with pytest.raises(PreconditionFailed):
            put(bucket, b"other", meta=meta(NEW), if_match=etag)
        assert fake.objects("bucket")["p/object"].data == b"data"

    def test_post_is_repeated_when_the_metadata_changed_in_between(
        self, bucket: GcsBucket, fake: FakeGcs
    ) -> None:
        put(bucket)

        def interfere(request: Request) -> bool:
            stored = fake.objects("bucket")["p/object"]
            if request.method == "PATCH" and stored.metageneration == 1:
                stored.fields["metadata"] = {"theirs": "1"}
                stored.metageneration = 2
            return False

        fake.fail(Refusal(500), when=interfere)
        bucket.post_object("object", ObjectMeta(user={"ours": "1"}))
        assert fake.objects("bucket")["p/object"].fields["metadata"] == {"ours": "1"}

    def test_conditional_put_of_a_missing_object_fails(self, bucket: GcsBucket) -> None:
        with pytest.raises(PreconditionFailed):
            put(bucket, if_match="0" * 32)


class TestReads:
    def test_composite_object_is_read_and_compared_with_its_crc32c(
        self, bucket: GcsBucket, fake: FakeGcs
    ) -> None:
        put(bucket)
        stored = fake.compose("bucket", "p/both", ["p/object", "p/object"])
        info = bucket.head_object("both")
        assert (info.md5, info.etag, info.size) == (None, str(stored.generation), 8)
        with bucket.get_object("both", GetOptions(if_match=info.etag)) as result:
            assert read_all(result.body) == b"datadata"
            result.body.rewind()
            assert read_all(result.body) == b"datadata"

    def test_bytes_that_change_on_the_way_back_are_noticed(self, bucket: GcsBucket, fake: FakeGcs) -> None:
        put(bucket)

        def damage(request: Request) -> bool:
            if request.query.get("alt") == "media":
                fake.objects("bucket")["p/object"].data = b"dama"
            return False

        fake.fail(Refusal(500), when=damage)
        with bucket.get_object("object") as result, pytest.raises(BadDigest):
            read_all(result.body)

    def test_gzip_comes_back_as_it_was_stored(self, bucket: GcsBucket) -> None:
        for data in (gzip.compress(b"text" * 1000), b"no gzip at all"):
            put(bucket, data, meta=ObjectMeta({"content-type": "a/b", "content-encoding": "gzip"}))
            with bucket.get_object("object") as result:
                assert read_all(result.body) == data
            with bucket.get_object("object", GetOptions(ByteRange(3, 7))) as result:
                assert read_all(result.body) == data[3:8]

    def test_object_that_is_replaced_between_the_two_requests_is_read_anew(
        self, bucket: GcsBucket, fake: FakeGcs
    ) -> None:
        put(bucket)

        def replace(request: Request) -> bool:
            stored = fake.objects("bucket")["p/object"]
            if request.query.get("alt") == "media" and stored.data == b"data":
                stored.data, stored.generation = b"new!", stored.generation + 1
            return False

        fake.fail(Refusal(500), when=replace)
        with bucket.get_object("object") as result:
            assert (read_all(result.body), result.info.md5) == (b"new!", md5_hex(b"new!"))

    def test_rewound_read_of_a_replaced_object_fails(self, bucket: GcsBucket) -> None:
        put(bucket)
        with bucket.get_object("object") as result:
            put(bucket, b"other")
            with pytest.raises(PreconditionFailed):
                result.body.rewind()

    def test_range_behind_the_end_is_refused(self, bucket: GcsBucket) -> None:
        put(bucket)
        with pytest.raises(InvalidRequest) as refusal:
            bucket.get_object("object", GetOptions(ByteRange(4, 9)))
        assert refusal.value.status == 416


class TestWrites:
    def test_digests_precede_the_bytes(self, bucket: GcsBucket, fake: FakeGcs) -> None:
        """The store would take other bytes otherwise."""
        put(bucket, b"\r\n--data\0")
        assert fake.objects("bucket")["p/object"].data == b"\r\n--data\0"
        with pytest.raises(BadDigest):
            put(bucket, md5="0" * 32)

    def test_storage_class_is_that_of_the_profile_but_not_of_manifests(
        self, provider: GcsProvider, fake: FakeGcs
    ) -> None:
        bucket = provider.bucket("bucket", KeyNamer.literal("p/"), WriteOptions(storage_class="ARCHIVE"))
        put(bucket)
        bucket.manifests.put("object", b"[]")
        info = bucket.head_object("object")
        assert (info.storage_class, info.archived) == ("ARCHIVE", False)
        bucket.post_object("object", ObjectMeta(user={"a": "1"}))
        assert bucket.head_object("object").storage_class == "ARCHIVE"
        key = bucket.namer.manifest_key("object")
        assert "storageClass" not in fake.objects("bucket")[key].fields

    def test_delete_removes_the_manifest_too_and_tells_what_was_missing(
        self, bucket: GcsBucket, fake: FakeGcs
    ) -> None:
        put(bucket)
        bucket.manifests.put("object", b"[]")
        assert bucket.delete_object("object")
        assert not bucket.delete_object("object")
        assert fake.objects("bucket") == {}
        with pytest.raises(NotFound):
            bucket.manifests.get("object")


class TestExpiryRule:
    THEIRS = (
        {"action": {"type": "SetStorageClass", "storageClass": "NEARLINE"}, "condition": {"age": 30}},
        {"action": {"type": "Delete"}, "condition": {"age": 7, "matchesPrefix": ["p/"]}},
        {"action": {"type": "Delete"}, "condition": {"age": 7, "createdBefore": MARK, "isLive": True}},
    )

    def test_only_our_rule_is_touched(self, bucket: GcsBucket, fake: FakeGcs) -> None:
        stored = fake.buckets["bucket"]
        stored.lifecycle = {"rule": list(self.THEIRS)}
        for days in (30, 31):
            assert bucket.set_expiry_rule(days)
            condition = {"age": days, "createdBefore": MARK, "matchesPrefix": ["p/"]}
            ours = {"action": {"type": "Delete"}, "condition": condition}
            assert stored.lifecycle["rule"] == [*self.THEIRS, ours]
            assert not bucket.set_expiry_rule(days)
        assert bucket.set_expiry_rule(0)
        assert stored.lifecycle["rule"] == list(self.THEIRS)

    def test_rule_that_somebody_adds_meanwhile_survives(self, bucket: GcsBucket, fake: FakeGcs) -> None:
        stored = fake.buckets["bucket"]

        def interfere(request: Request) -> bool:
            if request.method == "PATCH" and not stored.lifecycle:
                stored.lifecycle = {"rule": [self.THEIRS[0]]}
                stored.metageneration += 1
            return False

        fake.fail(Refusal(500), when=interfere)
        assert bucket.set_expiry_rule(30)
        assert len(stored.lifecycle["rule"]) == 2
        assert stored.lifecycle["rule"][0] == self.THEIRS[0]

    def test_whole_bucket_and_hashed_keys_have_rules_for_each_prefix(
        self, provider: GcsProvider, fake: FakeGcs
    ) -> None:
        namers = KeyNamer.literal(""), KeyNamer.hashed("AUTH_a", "c")
        for namer in namers:
            assert provider.bucket("bucket", namer).set_expiry_rule(5)
        conditions = [rule["condition"] for rule in fake.buckets["bucket"].lifecycle["rule"]]
        prefixes = [condition.get("matchesPrefix") for condition in conditions]
        assert prefixes == [None, *([prefix] for prefix in namers[1].key_spaces)]


NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,10}[a-z0-9])?", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
USER = st.dictionaries(NAMES | NAMES.map(lambda name: f"a{UNDERSCORE}{name}"), TEXTS)


@settings(deadline=None)
@given(headers=st.dictionaries(st.sampled_from(STORED_HEADERS[1:]), TEXTS), user=USER)
def test_any_metadata_comes_back_from_the_resource(headers: dict[str, str], user: dict[str, str]) -> None:
    given = ObjectMeta({"content-type": "a/b", **headers}, user, {"swift-timestamp": OLD})
    document = {"size": "0", "generation": "1", **to_resource(given)}
    assert read_resource("what", "name", document).info.meta == given

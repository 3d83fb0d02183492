"""Every legal name arrives as it is, in every method, or is refused by the store with nothing stored."""

from __future__ import annotations

import pytest

from conformance.names import NAMES
from conformance.targets import IN_PARTS, Target
from s3_sync.errors import NotFound, RemoteError, UnexpectedAnswer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.streams.reader import BytesBody, read_all


def put(bucket: Bucket, name: str, data: bytes = b"x") -> None:
    bucket.put_object(name, BytesBody(data), PutOptions(len(data)))


@pytest.mark.parametrize("name_id", NAMES)
def test_hostile_name_works_in_every_method_or_is_refused(
    bucket: Bucket, target: Target, name_id: str
) -> None:
    name = NAMES[name_id]
    if name_id in target.quirks.refused_names:
        with pytest.raises(RemoteError) as refusal:
            put(bucket, name, name_id.encode())
        # moto's server breaks, with a page or, for a HEAD, without one
        is_broken = target.store == "moto" and refusal.value.status == 500
        assert not refusal.value.transient or isinstance(refusal.value, UnexpectedAnswer) or is_broken
        assert bucket.list_objects(ListQuery()).objects == ()
        return
    put(bucket, name, name_id.encode())
    if name_id in target.quirks.renamed:
        there = target.quirks.renamed[name_id]
        assert [info.name for info in bucket.list_objects(ListQuery()).objects] == ([there] if there else [])
        return
    assert bucket.head_object(name).size == len(name_id)
    with bucket.get_object(name) as result:
        assert read_all(result.body) == name_id.encode()
    page = bucket.list_objects(ListQuery())
    assert [info.name for info in page.objects] == [name]
    bucket.post_object(name, ObjectMeta(user={"color": "blue"}))
    posted = bucket.head_object(name).meta
    assert posted
    assert posted.user == {"color": "blue"}
    assert bucket.delete_object(name)
    with pytest.raises(NotFound):
        bucket.head_object(name)
    assert bucket.list_objects(ListQuery()).objects == ()


@pytest.mark.parametrize("target", IN_PARTS, indirect=True)
@pytest.mark.parametrize(
    "name_id", ["double slash", "percent encoded", "plus", "nfd", "four bytes", "ampersand"]
)
def test_hostile_name_works_in_a_multipart_upload_or_is_refused(
    bucket: Bucket, target: Target, name_id: str
) -> None:
    name = NAMES[name_id]
    if name_id in target.quirks.refused_names:
        with pytest.raises(RemoteError):
            bucket.create_upload(name, ObjectMeta())
        return
    upload = bucket.create_upload(name, ObjectMeta())
    part = upload.upload_part(1, BytesBody(b"part"), 4)
    upload.complete([part])
    with bucket.get_object(name) as result:
        assert read_all(result.body) == b"part"


def test_names_that_differ_only_in_their_normal_form_are_two_objects(bucket: Bucket) -> None:
    put(bucket, NAMES["nfc"], b"composed")
    put(bucket, NAMES["nfd"], b"decomposed")
    with bucket.get_object(NAMES["nfc"]) as result:
        assert read_all(result.body) == b"composed"
    with bucket.get_object(NAMES["nfd"]) as result:
        assert read_all(result.body) == b"decomposed"


@pytest.mark.parametrize("character", ["k", "\u00e9", "\U0001f600"])
def test_name_with_the_longest_key_is_stored_and_deleted(bucket: Bucket, character: str) -> None:
    width = len(character.encode())
    room = bucket.limits.max_name - len(bucket.namer.prefix)
    part = character * (200 // width) + "/"
    name = part * (room // len(part.encode()))
    name += "x" * (room - len(name.encode()))
    assert len(bucket.namer.key(name).encode()) == 1024
    put(bucket, name)
    assert [info.name for info in bucket.list_objects(ListQuery()).objects] == [name]
    assert bucket.delete_object(name)
    assert bucket.list_objects(ListQuery()).objects == ()

"""Objects in archive classes, and the way back: what is retrieved can be read, for some days."""

from __future__ import annotations

import time

import pytest

from conformance.known_quirks import quirks_of
from conformance.samples import put, read
from conformance.targets import STORES, Target
from s3_sync.config.credentials.s3_dialects import CLONE
from s3_sync.errors import Archived, NotFound, NotSupported
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta
from s3_sync.providers.base import Bucket, Provider, Retrieval, WriteOptions

DAY = 86400
ARCHIVING = [store for store in STORES if quirks_of(store).archives]
#: what is retrieved goes back by itself
FOR_SOME_DAYS = [store for store in ARCHIVING if not store.startswith("azur")]


@pytest.mark.parametrize("target", FOR_SOME_DAYS, indirect=True)
@pytest.mark.parametrize("storage_class", CLONE.archive_classes)
def test_object_in_an_archive_class_is_readable_once_it_is_retrieved(
    provider: Provider, namer: KeyNamer, storage_class: str
) -> None:
    bucket = provider.bucket("conformance", namer, WriteOptions(storage_class=storage_class))
    put(bucket, "object", b"data")
    info = bucket.head_object("object")
    assert (info.archived, info.retrieving, info.retrieved_until) == (True, False, None)
    with pytest.raises(Archived), bucket.get_object("object"):
        pass
    assert bucket.retrieve_object("object", 3, "Standard") is Retrieval.BEGUN
    info = bucket.head_object("object")
    assert (info.storage_class, info.archived, info.retrieving) == (storage_class, False, False)
    assert info.retrieved_until == pytest.approx(time.time() + 3 * DAY, abs=DAY)
    assert read(bucket, "object") == b"data"
    assert bucket.retrieve_object("object", 9, "Bulk") is Retrieval.READABLE
    assert bucket.head_object("object").retrieved_until == pytest.approx(time.time() + 9 * DAY, abs=DAY)


@pytest.mark.parametrize("target", FOR_SOME_DAYS, indirect=True)
def test_new_metadata_of_a_retrieved_object_leaves_it_archived_again(
    provider: Provider, namer: KeyNamer
) -> None:
    bucket = provider.bucket("conformance", namer, WriteOptions(storage_class="GLACIER"))
    put(bucket, "object", b"data")
    bucket.retrieve_object("object", 3, "Standard")
    bucket.post_object("object", ObjectMeta(user={"a": "1"}))
    info = bucket.head_object("object")
    assert (info.archived, info.retrieved_until, info.meta.user) == (True, None, {"a": "1"})


def test_retrieving_an_object_in_no_archive_class_changes_nothing(bucket: Bucket, target: Target) -> None:
    put(bucket, "object", b"data")
    if target.quirks.archives:
        assert bucket.retrieve_object("object", 3, "Standard") is Retrieval.READABLE
        assert bucket.head_object("object").retrieved_until is None
    else:
        with pytest.raises(NotSupported):
            bucket.retrieve_object("object", 3, "Standard")
    assert read(bucket, "object") == b"data"
    with pytest.raises(NotFound):
        bucket.retrieve_object("missing", 3, "Standard")

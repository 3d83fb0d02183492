"""What a store cannot hold is refused with a reason, before any byte moves."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.errors import ObjectRefused
from s3_sync.model.copies import COPY_MARK_SIZE
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta
from s3_sync.providers.base import Features
from s3_sync.providers.limits import check_limits
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.store_limits import GIB, ItemLimits, Limits

S3 = MemoryProvider()


def bucket(prefix: str = "", **limits: Any) -> Any:
    return MemoryProvider(limits=Limits(**limits)).bucket("b", KeyNamer.literal(prefix))


def refused(bucket: Any, name: str = "name", meta: ObjectMeta | None = None, size: int = 0) -> str:
    with pytest.raises(ObjectRefused) as refusal:
        check_limits(bucket, name, meta or ObjectMeta(), size)
    assert str(refusal.value)
    return refusal.value.reason


def test_ordinary_object_is_accepted() -> None:
    check_limits(bucket(), "name", ObjectMeta({"content-type": "a/b"}, {"color": "gr\u00fcn"}), 123)


def test_key_of_more_than_1024_bytes_with_prefix_is_refused() -> None:
    check_limits(bucket(), "k" * 1024, ObjectMeta(), 0)
    check_limits(bucket(), "\u00e9" * 512, ObjectMeta(), 0)
    check_limits(bucket("12345678/"), "k" * 1015, ObjectMeta(), 0)
    assert refused(bucket(), "k" * 1025) == "name_too_long"
    assert refused(bucket(), "\u00e9" * 513) == "name_too_long"
    assert refused(bucket("12345678/"), "k" * 1016) == "name_too_long"


def test_name_that_is_not_utf8_is_refused() -> None:
    assert refused(bucket(), "a\udcffb") == "name_encoding"


def test_name_with_the_form_of_a_manifest_key_is_refused() -> None:
    """Only where names and manifests share a space of keys."""
    namer = KeyNamer.literal("p/")
    taken = namer.manifest_key("another object")[len("p/") :]
    assert taken.startswith(".manifests/")
    assert refused(bucket("p/"), taken) == "name_reserved"
    for name in (".manifests/", ".manifests/x", taken[:-1], f"{taken}x", f"a/{taken}", ".manifests"):
        check_limits(bucket("p/"), name, ObjectMeta(), 0)
    hashed = S3.bucket("b", KeyNamer.hashed("AUTH_a", "c"))
    check_limits(hashed, taken, ObjectMeta(), 0)


@pytest.mark.parametrize("name", ["a b", "a\tb", "a\x01", "a:b", "", "a\x7f"])
def test_metadata_name_that_another_swift_would_not_get_is_refused(name: str) -> None:
    swift = bucket(metadata_items=ItemLimits())
    assert refused(swift, meta=ObjectMeta(user={name: "v"})) == "metadata_name"
    check_limits(swift, "n", ObjectMeta(user={'gr\u00fcn\u00a0("': "a\x01\u2028"}), 0)


@pytest.mark.parametrize("value", ["a\0b", "a\rb", "a\n"])
def test_value_that_is_none_of_a_header_is_refused(value: str) -> None:
    swift = bucket(metadata_items=ItemLimits())
    assert refused(swift, meta=ObjectMeta(user={"a": value})) == "metadata_value"
    for any_store in (swift, bucket()):
        assert refused(any_store, meta=ObjectMeta({"cache-control": value})) == "metadata_value"
    check_limits(bucket(), "n", ObjectMeta(user={"a": value}), 0)  # it is encoded


def test_names_that_the_store_takes_for_the_same_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    there = bucket()
    both = ObjectMeta(user={"foo=5fbar": "1", "foo-bar": "2"})
    check_limits(there, "n", both, 0)
    monkeypatch.setattr(there, "features", Features(keeps_underscores=False))
    check_limits(there, "n", ObjectMeta(user={"foo=5fbar": "1"}), 0)
    assert refused(there, meta=both) == "metadata_name_clash"


def test_metadata_too_large_in_its_encoded_form_is_refused() -> None:
    check_limits(bucket(), "n", ObjectMeta(user={"key": "v" * 2045}), 0)
    assert refused(bucket(), "n", ObjectMeta(user={"key": "v" * 2046})) == "metadata_too_large"
    # 600 characters that need three bytes each become 2,400 of base64 and more
    assert refused(bucket(), "n", ObjectMeta(user={"key": "\u20ac" * 600})) == "metadata_too_large"
    marked = ObjectMeta(user={"key": "v" * 2045}).marked(swift_timestamp="0000000001.00000")
    assert refused(bucket(), "n", marked) == "metadata_too_large"


@pytest.mark.parametrize(
    "name", ["gr\u00fcn", "a b", "a:b", "", "a\x01", "a(b)", 'a"b', "a=b", "a=41", "a=5", "a=5=5fb"]
)
def test_metadata_name_that_is_no_header_name_is_refused(name: str) -> None:
    assert refused(bucket(), "n", ObjectMeta(user={name: "1"})) == "metadata_name"


def test_metadata_name_that_is_a_header_name_is_accepted() -> None:
    check_limits(
        bucket(),
        "n",
        ObjectMeta(user=dict.fromkeys(["a-b", "a_b", "a=5fc", "a.b", "1", "a!b'c|d~e"], "1")),
        0,
    )


def test_object_larger_than_all_parts_can_hold_is_refused() -> None:
    largest = 10_000 * 5 * GIB
    check_limits(bucket(), "n", ObjectMeta(), largest)
    assert refused(bucket(), "n", size=largest + 1) == "too_large"
    check_limits(bucket(max_put=10, max_part=5, max_parts=3), "n", ObjectMeta(), 15)
    assert refused(bucket(max_put=10, max_part=5, max_parts=3), "n", size=16) == "too_large"


def test_object_too_large_for_one_put_without_multipart_is_refused() -> None:
    single = bucket()
    single.features = Features(multipart=False)
    check_limits(single, "n", ObjectMeta(), 5 * GIB)
    assert refused(single, "n", size=5 * GIB + 1) == "too_large"


class TestItemsAsInSwift:
    """Metadata of another Swift: names and values are sent as they are, in UTF-8."""

    VERSION = "1000000002.00000"

    def refuses(self, meta: ObjectMeta, total: int = 4096) -> bool:
        there = bucket(max_metadata=total, metadata_items=ItemLimits())
        try:
            check_limits(there, "n", meta, 0)
        except ObjectRefused as error:
            return error.reason == "metadata_too_large"
        return False

    def test_items_are_counted_with_the_marks_that_the_copy_gets(self) -> None:
        user = {f"n{number}": "v" for number in range(90)}
        assert not self.refuses(ObjectMeta(user=user))
        assert self.refuses(ObjectMeta(user={**user, "one-more": "v"}))
        marked = ObjectMeta(user=dict(list(user.items())[:88])).marked(swift_timestamp=self.VERSION)
        assert not self.refuses(marked)  # swift-timestamp and swift-copy
        assert self.refuses(ObjectMeta(user={**marked.user, "one-more": "v"}, marks=marked.marks))

    @pytest.mark.parametrize("letter", ["a", "\u00e9", "\u20ac"])
    def test_names_and_values_are_limited_in_bytes(self, letter: str) -> None:
        size = len(letter.encode())
        assert not self.refuses(ObjectMeta(user={letter * (128 // size): letter * (256 // size)}))
        assert self.refuses(ObjectMeta(user={letter * (128 // size + 1): "v"}))
        assert self.refuses(ObjectMeta(user={"n": letter * (256 // size + 1)}))

    def test_total_counts_names_and_values_and_the_mark_of_a_copy(self) -> None:
        user = {f"n{number:02}": "v" * 97 for number in range(10)}
        assert not self.refuses(ObjectMeta(user=user), total=1000)
        assert self.refuses(ObjectMeta(user=user), total=999)
        total = 1000 + len("swift-timestamp") + len(self.VERSION) + COPY_MARK_SIZE
        marked = ObjectMeta(user=user).marked(swift_timestamp=self.VERSION)
        assert not self.refuses(marked, total=total)
        assert self.refuses(marked, total=total - 1)

    @pytest.mark.parametrize("name", ["a b", "gr\u00fcn", "a(b)"])
    def test_name_that_no_header_of_s3_could_have_is_accepted(self, name: str) -> None:
        assert not self.refuses(ObjectMeta(user={name: "v"}))

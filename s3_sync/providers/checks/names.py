"""Which names and metadata the store keeps, and how it lists names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from s3_sync.config.credentials.permissions import Operation
from s3_sync.errors import CopyUnproven
from s3_sync.model.objects import ObjectMeta
from s3_sync.providers.base import Bucket
from s3_sync.providers.checks.base import Check, Finding, Site
from s3_sync.providers.checks.probes import (
    BODY,
    check_bytes,
    exists,
    list_names,
    marked,
    metadata,
    odd_refusal,
    post,
    put,
    put_and_check,
    refusal,
)
from s3_sync.providers.limits import metadata_size

#: none of them leads out of its folder where a store takes dots for one
NAMES: Mapping[str, str] = {
    "leading slash": "/leading",
    "double slash": "a//b",
    "trailing slash": "folder/",
    "dot segment": "a/./c",
    "two dots": "a/../d",
    "name below a name": "file/below",
    "trailing blank": "blank ",
    "percent": "a%2Fe",
    "plus": "a+f",
    "question mark": "a?g",
    "backslash": "a\\h",
    "accent in two forms": "e\u0301",
    "four bytes": "\U0001f600",
    "control character": "a\x01i",
    "line break": "a\nj",
    "U+FFFF": "a\uffffk",
}
_LISTED = ("a b", "a%20b", "a+b", "a/1", "a/2", "b", "b&<c>", "\u00e9", "\U0001f600")
VALUES: Mapping[str, str] = {
    "umlaut": "gr\u00fcn",
    "four bytes": "\U0001f600",
    "outer blanks": "  outer  ",
    "encoded word": "=?UTF-8?B?w6k=?=",
    "control character": "a\x04b",
    "long": "x" * 250,
}
_LONGEST_STEP = 200
_CONTROL = "c\x01d"


def listings(site: Site) -> Finding:
    """Whether pages are complete, in order and readable, also with names that XML cannot hold."""
    for name in _LISTED:
        put(site.bucket(), f"list/{name}")
    own = site.properties.get("encodes_listings")
    needed: dict[str, object] = {}
    bucket = site.bucket()
    first = refusal(lambda: _check_listing(bucket))
    if first is not None:
        bucket = site.bucket(encodes_listings=not own)
        if bucket is site.bucket() or refusal(lambda: _check_listing(bucket)) is not None:
            return Finding(f"cannot be used: {first}", wrong=True)
        needed = {"encodes_listings": not own}
    odd = f"list/{_CONTROL}"
    if odd_refusal(lambda: put(bucket, odd)):
        return Finding("complete and in order", needed)
    broken = odd_refusal(lambda: list_names(bucket, "list/"))
    bucket.delete_object(odd)
    if not broken:
        return Finding("complete and in order", needed)
    text = "complete and in order, but not beside a name with a control character"
    return Finding(text, needed, noted=True)


def _check_listing(bucket: Bucket) -> None:
    """Raises CopyUnproven, ListingUnusable."""
    whole = sorted(_LISTED)
    for limit in (1000, 2):
        found = [name[len("list/") :] for name in list_names(bucket, "list/", limit)]
        if found != whole:
            raise CopyUnproven(f"a listing shows {found}, written were {whole}")
    grouped = [name[len("list/") :] for name in list_names(bucket, "list/", 3, "/")]
    if grouped != sorted({name.partition("/")[0] + "/" * ("/" in name) for name in _LISTED}):
        raise CopyUnproven(f"a listing with a delimiter shows {grouped}")


def names(site: Site) -> Finding:
    """Which names of objects do not come back, and are on record instead."""
    bucket = site.bucket()
    put(bucket, "names/file")
    odd = {label: why for label, name in NAMES.items() if (why := _trouble(bucket, f"names/{name}"))}
    return _of_kinds(odd)


def _of_kinds(odd: Mapping[str, str]) -> Finding:
    text = "; ".join(f"{label}: {why}" for label, why in odd.items())
    return Finding(text or "of all kinds", noted=bool(odd))


def _trouble(bucket: Bucket, name: str) -> str:
    refused = odd_refusal(lambda: put(bucket, name))
    if refused:
        return refused
    lost = odd_refusal(lambda: check_bytes(bucket, name, BODY))
    stays = odd_refusal(lambda: bucket.delete_object(name))
    if lost:
        return "lost"
    return "cannot be deleted" if stays or exists(bucket, name) else ""


def longest_name(site: Site) -> Finding:
    """Whether a key can be as long as the store's properties say."""
    bucket = site.bucket()
    limit = bucket.limits.max_name
    if _holds_name(bucket, limit):
        return Finding(f"{limit:,} bytes")
    longest = _search(_shortest(bucket), limit, lambda length: _holds_name(bucket, length))
    return Finding(f"{longest:,} bytes", advised=site.changed(max_name=longest))


def _shortest(bucket: Bucket) -> int:
    return len(bucket.namer.prefix.encode("utf-8")) + 1


def _holds_name(bucket: Bucket, length: int) -> bool:
    """A key of so many bytes, in steps that a file system could hold."""
    left = length - len(bucket.namer.prefix.encode("utf-8"))
    steps = "/".join("n" * _LONGEST_STEP for _ in range(left // (_LONGEST_STEP + 1) + 1))
    name = (steps + "n")[:left]
    if name.endswith("/"):
        name = name[:-1] + "n"
    refused = odd_refusal(lambda: put_and_check(bucket, name))
    if not refused:
        bucket.delete_object(name)
    return not refused


def metadata_values(site: Site) -> Finding:
    """Which metadata does not come back, after a PUT and after a POST."""
    bucket = site.bucket()
    odd: dict[str, str] = {}
    for label, value in VALUES.items():
        odd |= _lost(bucket, f"value, {label}", {"colour": value})
    odd |= _lost(bucket, "name with _", {"colour=5fof": "blue"})
    return _of_kinds(odd)


def _lost(bucket: Bucket, label: str, user: dict[str, str]) -> dict[str, str]:
    def replace() -> None:
        put(bucket, "metadata")
        post(bucket, "metadata", metadata(user))

    for what, write in (("PUT", lambda: put(bucket, "metadata", meta=metadata(user))), ("POST", replace)):
        if refused := odd_refusal(write):
            return {label: f"{refused} in a {what}"}
        if dict(bucket.head_object("metadata").meta.user) != user:
            return {label: f"changed by a {what}"}
    return {}


def metadata_limit(site: Site) -> Finding:
    """How many bytes of metadata an object can have."""
    bucket = site.bucket()
    limit = bucket.limits.max_metadata

    def takes(size: int) -> bool:
        return _holds_metadata(bucket, size)

    if not takes(limit):
        most = _search(metadata_size(marked(bucket), keeps_underscores=True) + 20, limit, takes)
        return Finding(f"{most:,} bytes", advised=site.changed(max_metadata=most))
    if "max_metadata" not in site.properties or not takes(2 * limit):
        return Finding(f"{limit:,} bytes and more")
    return Finding(f"{2 * limit:,} bytes and more", advised={"max_metadata": 2 * limit})


def _holds_metadata(bucket: Bucket, size: int) -> bool:
    meta = sized_metadata(size - metadata_size(marked(bucket), keeps_underscores=True))

    def write() -> None:
        put(bucket, "large metadata", meta=meta)
        if dict(bucket.head_object("large metadata").meta.user) != dict(meta.user):
            raise CopyUnproven("other metadata comes back")

    return not odd_refusal(write)


def sized_metadata(left: int) -> ObjectMeta:
    """Metadata of so many bytes as sent, in values that Swift takes, too."""
    user: dict[str, str] = {}
    while left > 0:
        name = f"key-{len(user):03d}"
        length = min(200, left) - len(name)
        if 0 < left - 200 < 10:  # the rest would be shorter than a name
            length -= 10
        user[name] = "v" * max(1, length)
        left -= len(name) + len(user[name])
    return metadata(user)


def _search(taken: int, refused: int, takes: Callable[[int], bool]) -> int:
    """The highest number that the store takes, from one that it takes to one that it does not."""
    while refused - taken > 1:
        middle = (taken + refused) // 2
        taken, refused = (middle, refused) if takes(middle) else (taken, middle)
    return taken


NAMES_AND_METADATA = (
    Check("listings", listings, Operation.LIST),
    Check("kinds of names", names, Operation.PUT),
    Check("length of names", longest_name, Operation.PUT),
    Check("kinds of metadata", metadata_values, Operation.POST),
    Check("size of metadata", metadata_limit, Operation.PUT),
)

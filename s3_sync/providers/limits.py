"""Checks an object against the limits of its store before any byte is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping

from s3_sync.errors import ObjectRefused
from s3_sync.model.copies import COPY_MARK_SIZE
from s3_sync.model.headers import is_field_name, is_field_value, to_user_metadata
from s3_sync.model.objects import ObjectMeta
from s3_sync.providers.base import Bucket
from s3_sync.providers.store_limits import ItemLimits, Limits

#: RFC 9110 section 5.6.2: the syntax of a field name
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def check_limits(
    bucket: Bucket, name: str, meta: ObjectMeta, size: int, limits: Limits | None = None
) -> None:
    """Raise ObjectRefused if ``bucket`` can never store this object; ``meta`` includes the marks to be sent.
    ``limits`` None: those of the bucket.

    Reasons: ``name_too_long`` (the key), ``name_encoding`` (not UTF-8), ``name_unsafe`` (the store would make
    another key of it), ``name_reserved`` (a key of the form of stored manifests), ``metadata_name`` (not a
    valid header name), ``metadata_value`` (not a valid header value), ``metadata_name_clash`` (see
    ``to_user_metadata``), ``metadata_too_large``,
    ``too_large``.
    """
    limits = limits or bucket.limits
    key = bucket.namer.key(name)
    _check_name(key, limits)
    if bucket.namer.is_manifest(key):
        raise ObjectRefused("name_reserved", f"the key {key!r} is reserved for stored manifests")
    _check_metadata(limits, meta, bucket.features.keeps_underscores)
    largest = limits.max_put
    if bucket.features.multipart:
        largest = limits.max_object or max(largest, limits.max_part * limits.max_parts)
    if size > largest:
        raise ObjectRefused("too_large", f"{size} bytes; the store's limit is {largest}")


def _check_metadata(limits: Limits, meta: ObjectMeta, keeps_underscores: bool) -> None:
    for header, value in meta.headers.items():
        _check_value(header, value)
    if limits.metadata_items is not None:
        total = _check_items(limits.metadata_items, meta)
    else:
        given = to_user_metadata(meta, keeps_underscores)
        sent = {limits.metadata_name(key): value for key, value in given.items()}
        for key in sent:
            if not _TOKEN.fullmatch(key):
                raise ObjectRefused("metadata_name", f"metadata name {key!r} cannot be sent as a header")
        total = _size(sent)
    if total > limits.max_metadata:
        raise ObjectRefused(
            "metadata_too_large", f"{total} bytes of metadata; the store's limit is {limits.max_metadata}"
        )


def _check_items(limits: ItemLimits, meta: ObjectMeta) -> int:
    """Check metadata that is kept as it is in Swift. Returns its size in bytes."""
    sizes = {
        name: (len(name.encode("utf-8")), len(value.encode("utf-8")))
        for name, value in {**meta.user, **meta.marks}.items()
    }
    marked = "swift-timestamp" in meta.marks  # the provider adds swift-copy to it
    count = len(sizes) + marked
    if count > limits.count:
        raise ObjectRefused("metadata_too_large", f"{count} metadata headers; the limit is {limits.count}")
    for name, value in meta.user.items():
        if not is_field_name(name):
            raise ObjectRefused("metadata_name", f"metadata name {name!r} cannot be sent as a header")
        _check_value(f"metadata {name}", value)
    for name, (length, size) in sizes.items():
        if length > limits.name or size > limits.value:
            raise ObjectRefused("metadata_too_large", f"{size} bytes of metadata {name!r}")
    return sum(map(sum, sizes.values())) + marked * COPY_MARK_SIZE


def _check_value(what: str, value: str) -> None:
    if not is_field_value(value):
        raise ObjectRefused("metadata_value", f"{what} has a NUL or a line break, {value[:100]!r}")


def metadata_size(meta: ObjectMeta, keeps_underscores: bool) -> int:
    """Bytes of user metadata and marks as sent, names and values."""
    return _size(to_user_metadata(meta, keeps_underscores))


def _size(sent: Mapping[str, str]) -> int:
    return sum(len(key) + len(value) for key, value in sent.items())


def _check_name(key: str, limits: Limits) -> None:
    try:
        length = limits.key_length(key)
    except UnicodeEncodeError as error:
        raise ObjectRefused("name_encoding", f"key {key!r} is not UTF-8") from error
    if length > limits.max_name:
        unit = "characters" if limits.counts_characters else "bytes"
        detail = f"the key has {length} {unit}; the store's limit is {limits.max_name}"
        raise ObjectRefused("name_too_long", detail)
    if limits.unsafe_name is not None and limits.unsafe_name.search(key):
        raise ObjectRefused("name_unsafe", f"the store would change the key {key!r}")

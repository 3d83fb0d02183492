"""The table in docs/stores.md of what each provider can: ``python -m s3_sync.providers.abilities_page``.

It is made from the ``features`` and ``limits`` of buckets, without a connection to any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from s3_sync.config.credentials.base import Credentials
from s3_sync.config.credentials.kinds import KINDS
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.s3_dialects_page import written
from s3_sync.config.secret import Secret
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import ANY_SIZE, Bucket
from s3_sync.providers.registry import build_provider
from s3_sync.providers.store_limits import ItemLimits

_LOGIN: Mapping[str, Any] = {
    "endpoint": "https://store.example.org",
    "identity": "nobody",
    "secret": Secret("nothing"),
}
#: further values of the credentials of a kind, with which it can do all that it ever can
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "azure": {
        "secret": None,
        "azure_login": "managed_identity",
        "subscription_id": "lab",
        "resource_group": "lab",
    }
}

FEATURES = {
    "multipart": "uploads in parts",
    "open_uploads": "uploads are begun at the store, and stay open there",
    "one_stream": "large objects are sent as one PUT, up to its limit",
    "put_if_absent": "writes only if nothing is there",
    "put_if_match": "writes only over what was seen",
    "bulk_delete": "objects deleted by one request",
    "keeps_underscores": "metadata names keep their underscores",
    "archive_classes": "classes from which objects must be retrieved",
    "x_timestamp": "objects have an X-Timestamp",
    "native_large_objects": "SLO and DLO stay what they are",
    "symlinks": "symlinks stay symlinks",
    "container_metadata": "metadata and ACLs of containers",
    "reads_parts": "the parts of an object are read one by one",
}
LIMITS = {
    "max_name": "length of a key",
    "counts_characters": "it is in characters, not in bytes",
    "unsafe_name": "what keys must not have",
    "metadata_name": "names of metadata",
    "max_metadata": "bytes of user metadata",
    "metadata_items": "limits of each item of metadata",
    "max_put": "bytes of one PUT",
    "max_copy": "bytes of an object whose metadata is changed by one copy",
    "min_part": "bytes of each part but the last",
    "max_part": "bytes of each part",
    "max_parts": "parts of one upload",
    "equal_parts": "all parts but the last must have the same size",
    "max_object": "bytes of an object, in however many parts",
}


def table() -> str:
    """Return the table."""
    stores = {name: (credentials, _bucket(credentials)) for name, credentials in _stores()}
    lines = [f"| | {' | '.join(stores)} |", "|---|" + "---|" * len(stores)]
    for part, texts in (("features", FEATURES), ("limits", LIMITS)):
        for field, text in texts.items():
            values = (getattr(getattr(bucket, part), field) for _, bucket in stores.values())
            lines.append(f"| {text} (`{field}`) | {' | '.join(map(_written, values))} |")
    expires = (_expires(credentials) for credentials, _ in stores.values())
    lines.append(f"| copies that expire (`remote_delete_after`) | {' | '.join(expires)} |")
    return "\n".join(lines)


def _stores() -> Iterator[tuple[str, Credentials]]:
    """The S3 stores that differ most, then each other kind."""
    yield "Amazon S3", S3Credentials(identity="nobody", secret=Secret("nothing"), region="us-east-1")
    yield "any other S3", S3Credentials(**_LOGIN)
    yield "`google`", S3Credentials(**_LOGIN, store="google")
    for name, kind in KINDS.items():
        if kind.provider and name != "s3":
            values = {**_LOGIN, "provider": name, **EXAMPLES.get(name, {})}
            yield f"`{name}`", kind.credentials.model_construct(**values)


def _bucket(credentials: Credentials) -> Bucket:
    return build_provider(credentials, 1).bucket("bucket", KeyNamer.literal(""))


def _expires(credentials: Credentials) -> str:
    if credentials.expires_objects:
        return "by a header of each"
    return "no" if credentials.no_expiry_rules else "by a rule of the bucket"


def _written(value: object) -> str:
    if value is None:
        return "–"
    if value == ANY_SIZE:
        return "what it takes"
    if isinstance(value, re.Pattern):
        return "backslashes, control characters, dots before a slash or at the end"
    if callable(value):
        return "as they are" if value is str else "encoded"
    if isinstance(value, ItemLimits):
        return f"{value.count} items, names of {value.name}, values of {value.value} bytes"
    return written(tuple(sorted(value)) if isinstance(value, frozenset) else value)


if __name__ == "__main__":
    print(table())

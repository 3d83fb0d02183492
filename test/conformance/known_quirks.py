"""What each store that the suite runs against does differently.

Every row of QUIRKS is something that the store does not do as S3 does. The tests assert the difference,
so that a store that mends its ways fails a test here.
"""

from __future__ import annotations

from dataclasses import replace

from conformance.quirks import Quirks
from s3_sync.providers.checks.base import Finding

_GOOGLE = Quirks(
    tells_parts=False,
    refused_names=frozenset({"newline", "carriage return"}),
    lost_headers=frozenset({"expires"}),
    metadata_limit=8192,
    opaque_parts=True,
    copies_no_parts=True,
    copies_no_encoded_parts=True,
    storage_classes=False,
    conditions=(False, False),
    takes_trailers=False,
    archives=False,
    found={
        "checksums": Finding("md5"),
        "kinds of names": Finding("line break: refused (400 InvalidObjectName)", noted=True),
    },
)
_UNCONDITIONAL = Finding(
    "not enforced: a newer version could get older metadata, for as long as both are sent", noted=True
)
_MORE_METADATA = Finding("4,096 bytes and more", advised={"max_metadata": 4096})
_MORE_PARTS = Finding("10,000", advised={"max_parts": 10_000})

_CEPH = Quirks(
    ignores_if_match=frozenset({"copy_part"}),
    # it would copy them from another object, or crash
    copies_no_encoded_parts=True,
    # If-Match of a PUT holds without quotes only, and a completion looks at neither
    conditions=(False, False),
    takes_trailers=False,
    # it knows no part numbers, and gives the whole object
    tells_parts=False,
    # GLACIER is a pool like any other
    archives=False,
    forgets_group_of_start=True,
    found={
        "conditional metadata": Finding("enforced (x-amz-copy-if-match)"),
        "size of metadata": _MORE_METADATA,
    },
)

#: neither the header for conditions of copies is known, nor what becomes of underscores
_UNKNOWN_CEPH = replace(_CEPH, ignores_if_match=frozenset({"copy", "copy_part"}), hyphenates_metadata=True)

#: refused before they are sent: the service would make other names of them
_UNSAFE = (
    *("dot", "dots", "dot segments", "leading dot segment", "trailing dot", "backslash", "newline"),
    *("carriage return", "tab", "control", "delete", "noncharacter"),
)
_AZURE = Quirks(
    tells_parts=False,
    refused_names=frozenset(_UNSAFE),
    opaque_etags=True,
    lists_uploads=False,
    forgets_group_of_start=True,
    small_parts=True,
    copies_no_parts=True,
    copies_no_encoded_parts=True,
    metadata_limit=8192,
    expires=False,
    classes=("Cool", "Archive"),
    found={
        "ETags": Finding("the store's own, beside the MD5"),
        "kinds of names": Finding(
            "; ".join(
                f"{label}: refused (400 InvalidResourceName)"
                for label in (
                    *("dot segment", "two dots", "backslash", "control character", "line break", "U+FFFF"),
                )
            ),
            noted=True,
        ),
    },
)
#: Swift's own API
_NATIVE = Quirks(
    parts=False,
    stores_manifests=False,
    creates_buckets=True,
    conditions=(True, False),
    ignores_storage_classes=True,
    archives=False,
    expires=False,
    metadata_limit=4096,
    changed_values={"outer blanks": "outer"},
    found={"kinds of metadata": Finding("value, outer blanks: changed by a PUT", noted=True)},
)

QUIRKS: dict[str, Quirks] = {
    "azure": _AZURE,
    "azurite": replace(_AZURE, sorts_utf16=True, breaks_ranges=True),
    "memory": Quirks(),
    "toy": Quirks(),
    "swift": Quirks(
        underscores_lost_in_parts=True,
        constant_creation=True,
        storage_classes=False,
        archives=False,
        expires=False,
        conditions=(True, False),
        found={"size of metadata": _MORE_METADATA},
    ),
    "swift-native": _NATIVE,
    "keystone-native": _NATIVE,
    "nodes-native": _NATIVE,
    "moto": Quirks(
        tells_parts=False,
        refused_names=frozenset({"newline"}),
        checks_nothing=True,
        breaks_without_upload=True,
        ignores_if_match=frozenset({"copy", "copy_part", "complete"}),
        conditions=(True, False),
        constant_begin=True,
        forgets_group_of_start=True,
        found={
            "digests": Finding(
                "Content-MD5 is not checked: only ETags show that bytes arrived damaged", noted=True
            ),
            "conditional writes": Finding(
                "If-None-Match: enforced; If-Match: not enforced", needed={"put_if_match": False}
            ),
            "conditional metadata": _UNCONDITIONAL,
            "number of parts": _MORE_PARTS,
            "kinds of names": Finding("line break: refused (404)", noted=True),
            "size of metadata": _MORE_METADATA,
        },
    ),
    "rclone": Quirks(
        tells_parts=False,
        # an object is a file, a slash separates directories
        refused_names=frozenset(
            {"double slash", "leading slash", "dot", "dots", "dot segments", "leading dot segment"}
        ),
        unlisted_uploads=frozenset({"noncharacter"}),
        renamed={"trailing slash": "folder", "only slashes": None},
        ignores_if_match=frozenset({"get", "copy"}),
        conditions=(False, False),
        lost_headers=frozenset({"expires"}),
        metadata_limit=2000,
        archives=False,
        expires=False,
        names_below_names=False,
        only_slashes_delimit=True,
        forgets_group_of_start=True,
        parts_once=True,
        forgets_parts=True,
        copies_no_parts=True,
        copies_no_encoded_parts=True,
        small_parts=True,
        found={
            "conditional metadata": _UNCONDITIONAL,
            "sizes of parts": Finding("parts of any size", advised={"min_part": 1}),
            "number of parts": _MORE_PARTS,
            "kinds of names": Finding(
                "leading slash: refused (400 InvalidArgument); double slash: refused (400 InvalidArgument);"
                " trailing slash: cannot be deleted; dot segment: refused (400 InvalidArgument);"
                " two dots: refused (400 InvalidArgument); name below a name: refused (500 InternalError)",
                noted=True,
            ),
            "size of metadata": Finding("1,665 bytes", advised={"max_metadata": 1665}),
        },
    ),
    # a strict server of our own
    "gcs": Quirks(
        parts=False,
        has_identity=False,
        refused_names=frozenset({"newline", "carriage return"}),
        metadata_limit=8192,
        # has others than Amazon
        storage_classes=False,
        archives=False,
        found={"kinds of names": Finding("line break: refused (400 invalid)", noted=True)},
    ),
    # fake-gcs-server
    "emulator": Quirks(
        parts=False,
        metadata_limit=8192,
        archives=False,
        expires=False,
        forgets_group_of_start=True,
        has_identity=False,
        merges_metadata=True,
        hides_missing_buckets=True,
    ),
    "google": _GOOGLE,
    "file": Quirks(
        tells_parts=False,
        ignores_storage_classes=True,
        archives=False,
        expires=False,
        forgets_parts=True,
        small_parts=True,
    ),
    "ceph": _CEPH,
    "ceph-sdk": _UNKNOWN_CEPH,
    "ceph-v2": _UNKNOWN_CEPH,
}


def quirks_of(target_id: str) -> Quirks:
    return QUIRKS.get(target_id) or QUIRKS[target_id.partition("-")[0]]

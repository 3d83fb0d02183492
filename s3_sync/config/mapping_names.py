"""Finds the mapping that the operator names on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from s3_sync.config.settings import EVERY_CONTAINER, Mapping
from s3_sync.errors import UsageError

_NUMBER = re.compile(r"(?:([a-z]+)\[)?(\d+)\]?")
#: the list of the migrations in the file; all others have mappings
_MIGRATIONS = "migrations"
#: minimum number of fingerprint digits
_MIN_DIGITS = 4


def number_of(mapping: Mapping) -> int | None:
    """Return the mapping's index in its list in the file: 3 for ``containers[3]``."""
    found = _NUMBER.fullmatch(mapping.place)
    return int(found[2]) if found else None


def select(mappings: Sequence[Mapping], name: str) -> Mapping:
    """Find a mapping by ``account/container`` (``account/*`` for every container of an account), by its
    number in the file, or, if several mappings have the same container, by ``account/container#destination``,
    where destination is the first digits of its fingerprint. A number is that of a migration if it is written
    ``migrations[3]``, or if there are only migrations.

    Raises UsageError if there is none, or more than one.
    """
    numbered = _NUMBER.fullmatch(name)
    if numbered:
        wants = numbered[1] == _MIGRATIONS or (not numbered[1] and all(each.migration for each in mappings))
        found = [
            each
            for each in mappings
            if number_of(each) == int(numbered[2]) and (each.migration is not None) == wants
        ]
    else:
        wanted = name.replace(f"/{EVERY_CONTAINER}", EVERY_CONTAINER)
        found = [each for each in mappings if each.label == wanted]
        label, _, digits = wanted.rpartition("#")
        if not found and len(digits) >= _MIN_DIGITS:
            found = [each for each in mappings if each.label == label and each.fingerprint.startswith(digits)]
    if not found:
        raise UsageError(f"there is no usable mapping {name}; `swift-s3-ctl status` lists all mappings")
    if len(found) > 1:
        names = " or ".join(f"{each.label}#{each.fingerprint[:8]}" for each in found)
        raise UsageError(f"{name} has {len(found)} mappings; use {names}")
    return found[0]

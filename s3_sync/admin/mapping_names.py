"""How an operator names a mapping."""

from __future__ import annotations

import re
from collections.abc import Sequence

from s3_sync.config.settings import EVERY_CONTAINER, Mapping
from s3_sync.errors import UsageError

_NUMBER = re.compile(r"(?:[a-z]+\[)?(\d+)\]?")
#: so many digits of a fingerprint are enough
_SHORTEST = 4


def number_of(mapping: Mapping) -> int | None:
    """Which entry of its list in the file it is, from 0; what messages call ``containers[3]`` is 3."""
    found = _NUMBER.fullmatch(mapping.place)
    return int(found[1]) if found else None


def select(mappings: Sequence[Mapping], name: str) -> Mapping:
    """The one that is meant by ``account/container`` (``account/*`` for every container of an account), by
    its number in the file, or, where several have the same container, by ``account/container#destination``:
    the first digits of its fingerprint.

    Raises UsageError when there is none, or more than one.
    """
    numbered = _NUMBER.fullmatch(name)
    if numbered:
        found = [each for each in mappings if number_of(each) == int(numbered[1])]
    else:
        wanted = name.replace(f"/{EVERY_CONTAINER}", EVERY_CONTAINER)
        found = [each for each in mappings if each.label == wanted]
        label, _, digits = wanted.rpartition("#")
        if not found and len(digits) >= _SHORTEST:
            found = [each for each in mappings if each.label == label and each.fingerprint.startswith(digits)]
    if not found:
        raise UsageError(f"there is no usable mapping {name}; `swift-s3-ctl status` lists all")
    if len(found) > 1:
        names = " or ".join(f"{each.label}#{each.fingerprint[:8]}" for each in found)
        raise UsageError(f"{name} is the container of {len(found)} mappings; say {names}")
    return found[0]

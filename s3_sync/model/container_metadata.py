"""Metadata of a container: which of it is copied, and how to tell whether it has changed.

Swift keeps, for each header, its value and when it was set; a header that was removed has an empty value
until it is reclaimed. What is not copied would give a container's owner rights at the remote, which only the
operator may give, or hinder copies; docs/configuration.md tells the reasons.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from s3_sync.model.headers import is_field_name, is_field_value

PREFIX = "x-container-meta-"
READ_ACL = "x-container-read"
#: who may read and write; the last one lets clients that may read a public container list it, too
_ACCESS = frozenset({READ_ACL, "x-container-write", f"{PREFIX}web-listings"})
#: keys for temporary URLs, which need no account at the remote; quotas, which copies would have to respect
_NEVER = (f"{PREFIX}temp-url-key", f"{PREFIX}quota-")


def is_copied(header: str, acl: bool) -> bool:
    """Return whether a container's header, in lower case, is copied; ``acl``: who may access it, too. No
    header is that cannot be sent: all others would wait for it."""
    if header in _ACCESS:
        return acl
    return header.startswith(PREFIX) and not header.startswith(_NEVER) and is_field_name(header)


@dataclass(frozen=True, slots=True)
class ContainerMetadata:
    """The metadata of one container that is copied: lower-case header -> value, empty if it was removed."""

    headers: Mapping[str, str]

    @classmethod
    def of(cls, stored: Mapping[str, str], acl: bool) -> ContainerMetadata:
        """``stored``: the metadata of a container database."""
        return cls({name: value for name, value in stored.items() if is_copied(name, acl)})

    @property
    def present(self) -> dict[str, str]:
        """The headers that the container has."""
        return {name: value for name, value in self.headers.items() if value}

    @property
    def digest(self) -> str:
        """Identifies headers and values; empty if there are none, and never were."""
        return _digest(sorted(self.headers.items()))

    @property
    def read_acl(self) -> str:
        """Identifies the ACL for reading; empty if there is none."""
        acl = self.headers.get(READ_ACL)
        return _digest([acl]) if acl else ""

    def changes(self, sent: Iterable[str], acl: bool) -> dict[str, str]:
        """Return the headers to send, if those of ``sent`` have been sent before: some of them may have been
        removed so long ago that the container does not know it any more."""
        removed = {name: "" for name in sent if is_copied(name, acl)}
        return removed | {name: value for name, value in self.headers.items() if is_field_value(value)}


def _digest(value: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(value).encode("ascii")).hexdigest()[:16] if value else ""

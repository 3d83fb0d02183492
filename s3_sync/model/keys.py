"""Swift object names <-> keys in a remote bucket.

Existing deployments store data under these keys: the results of this module must never change.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

MANIFEST_SUFFIX = ".swift_slo_manifest"
_MANIFEST = re.compile(r"[0-9a-f]{64}" + re.escape(MANIFEST_SUFFIX))


def hash_prefix(account: str, container: str) -> str:
    """Return the hashed part of the default key prefix: lower-case hex *without* zero padding.

    The MD5 of ``account/container`` as an integer, modulo 16**6. AUTH_account/container -> 62506b.
    """
    digest = hashlib.md5(f"{account}/{container}".encode(), usedforsecurity=False).hexdigest()
    return f"{int(digest, 16) % 16**6:x}"


@dataclass(frozen=True, slots=True)
class KeyNamer:
    """Maps the Swift names of one mapping to keys.

    ``prefix`` precedes every name. ``manifest_prefix`` precedes the stored manifests of large objects; with a
    literal prefix they are inside the mapping's own key space.
    """

    prefix: str
    manifest_prefix: str

    @classmethod
    def hashed(cls, account: str, container: str) -> KeyNamer:
        """The default layout, in which many containers share one bucket without collisions."""
        hashed = hash_prefix(account, container)
        return cls(f"{hashed}/{account}/{container}/", f"{hashed}/.manifests/{account}/{container}/")

    @classmethod
    def literal(cls, prefix: str) -> KeyNamer:
        """Key = prefix + name, with nothing added or stripped."""
        return cls(prefix, f"{prefix}.manifests/")

    @classmethod
    def directory(cls, prefix: str) -> KeyNamer:
        """``custom_prefix`` of the old configuration format: outer slashes stripped, joined with one
        slash."""
        stripped = prefix.strip("/")
        return cls.literal(f"{stripped}/" if stripped else "")

    @classmethod
    def plain(cls) -> KeyNamer:
        """Key = name, of stores that keep manifests in their own way: no key is that of a stored manifest."""
        return cls("", "\0")  # no name begins like this, as those are reserved in Swift

    @classmethod
    def source(cls, prefix: str) -> KeyNamer:
        """Key = prefix + name, of a bucket that this product has not written: every key is that of an
        object."""
        return cls(prefix, cls.plain().manifest_prefix)

    @property
    def key_spaces(self) -> tuple[str, ...]:
        """Prefixes that cover all keys of objects and manifests; none is a prefix of another."""
        if self.manifest_prefix.startswith(self.prefix):
            return (self.prefix,)
        return (self.prefix, self.manifest_prefix)

    @property
    def manifests(self) -> ManifestNamer:
        """Maps the same names to the keys of their stored manifests."""
        return ManifestNamer(self.manifest_prefix, self.manifest_prefix)

    def key(self, name: str) -> str:
        return self.prefix + name

    def manifest_key(self, name: str) -> str:
        digest = hashlib.sha256(name.encode("utf-8")).hexdigest()
        return f"{self.manifest_prefix}{digest}{MANIFEST_SUFFIX}"

    def name(self, key: str) -> str | None:
        """Return the Swift name that is stored under ``key``; None for a stored manifest or a foreign key."""
        if not key.startswith(self.prefix) or len(key) == len(self.prefix):
            return None
        return None if self.is_manifest(key) else key[len(self.prefix) :]

    def is_manifest(self, key: str) -> bool:
        """Return whether this is the key of a stored manifest of this mapping."""
        if not key.startswith(self.manifest_prefix):
            return False
        return _MANIFEST.fullmatch(key, len(self.manifest_prefix)) is not None


class ManifestNamer(KeyNamer):
    """Maps the Swift names of one mapping to the keys of their stored manifests.

    Such a key holds a digest of the name, so ``name`` cannot return the name: it returns what follows the
    prefix, of any key that begins with it.
    """

    __slots__ = ()

    def key(self, name: str) -> str:
        return self.manifest_key(name)

    def name(self, key: str) -> str | None:
        return key[len(self.prefix) :] or None if key.startswith(self.prefix) else None

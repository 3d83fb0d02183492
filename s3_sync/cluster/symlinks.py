"""Symlinks: their targets, how far the daemon follows them, and which of them it copies as links.

Any user who may write a container can store a symlink to any object of any account, without the right to read
that object: Swift checks this right when the link is read. The daemon reads with an operator's rights, which
no server checks, so it follows a link only to where the link's writer could have read anyway. A store with
symlinks gets the link itself, and no byte of its target.

Headers of a link: ``swift.common.middleware.symlink``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from s3_sync.errors import ObjectRefused

#: ``container``: within the container of the link; ``account``: within its account; ``never``: nowhere
Follow = Literal["container", "account", "never"]
#: where the targets of links must be that are copied as links: in what the mapping copies
Within = Literal["container", "account"]

#: the object server's header, and the symlink middleware's for ``?symlink=get``
_NAMES = ("x-object-sysmeta-symlink-target", "x-symlink-target")
SYMLINK_TARGET = _NAMES[0]
#: hops within a chain of links; Swift's proxies follow two by default (``symloop_max``)
MAX_HOPS = 8
#: swift.common.request_helpers.get_reserved_name("versions", container)
_VERSIONS = "\0versions\0"


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """``etag``: the one that a static link is bound to; empty for other links."""

    account: str
    container: str
    name: str
    etag: str = ""

    @property
    def path(self) -> str:
        return f"{self.account}/{self.container}/{self.name}"


def is_link(headers: Iterable[tuple[str, str]]) -> bool:
    """Return whether an object is itself a symlink. ``headers``: with lower-case names."""
    return any(name in _NAMES and value for name, value in headers)


def link_target(headers: Iterable[tuple[str, str]], account: str) -> LinkTarget:
    """Return the target of a symlink in ``account``. Raises ObjectRefused (``symlink_broken``)."""
    found = dict(headers)

    def field(suffix: str = "") -> str:
        return next((found[name + suffix] for name in _NAMES if found.get(name + suffix)), "")

    container, _, name = unquote(field()).lstrip("/").partition("/")
    if not (container and name):
        raise ObjectRefused("symlink_broken", "the symlink does not name a container and an object")
    return LinkTarget(unquote(field("-account")) or account, container, name, field("-etag").strip('"'))


def check_followed(follow: Follow, account: str, container: str, target: LinkTarget) -> None:
    """Raise ObjectRefused (``symlink_elsewhere``) unless a link in this container may be followed to
    ``target``.

    Objects of a container with versions are links into a hidden container, which counts as the same one.
    """
    if target.account == account:
        if target.container == _VERSIONS + container:
            return
        if follow == "account" or (follow == "container" and target.container == container):
            return
    raise ObjectRefused(
        "symlink_elsewhere",
        f'a symlink into {_place(target, account)} is not followed, because follow_symlinks is "{follow}"',
    )


def check_kept(within: Within, account: str, container: str, target: LinkTarget) -> None:
    """Raise ObjectRefused (``symlink_elsewhere``) unless the mapping of this container, or of the account,
    copies the container that a link leads to: only then is it known where a copy of the link must lead."""
    is_copied = within == "account" or target.container == container
    if is_copied and target.account == account and not target.container.startswith("\0"):
        return
    raise ObjectRefused(
        "symlink_elsewhere",
        f"a symlink into {_place(target, account)}, which this mapping does not copy",
    )


def is_version_of(container: str, account: str, target: LinkTarget) -> bool:
    """Return whether a link leads to a version of an object of this container, which is the object itself to
    clients."""
    return target.account == account and target.container == _VERSIONS + container


def is_versions_container(container: str) -> bool:
    """Return whether this is the hidden container for another one's versions."""
    return container.startswith(_VERSIONS)


def visible_container(container: str) -> str:
    """Return the container that clients see: the versioned container itself for its hidden one."""
    return container.removeprefix(_VERSIONS)


def _place(target: LinkTarget, account: str) -> str:
    """Return the container, with its account if that is another one."""
    return target.container if target.account == account else f"{target.account}/{target.container}"

"""Checks across mappings that are valid on their own: overlapping keys, loops, moved objects."""

from __future__ import annotations

import bisect
import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from s3_sync.config.container_overlaps import ContainerSpaces
from s3_sync.config.coverage import EVERYWHERE, SEGMENTS, Coverage
from s3_sync.config.findings import Diagnostics, join
from s3_sync.config.settings import Mapping
from s3_sync.model.keys import KeyNamer

Space = tuple[str, Mapping]  # a key prefix and its owner

#: copy_after in seconds after which uploads of an older version have most likely ended
MIN_SAFE_COPY_AFTER = 300
#: first component, or a part of it, of a key in the default layout
_HASHED = re.compile(r"[0-9a-f]{0,6}")


def find_overlaps(mappings: Sequence[Mapping], findings: Diagnostics) -> None:
    """Report a problem for every mapping whose keys could collide with those of an earlier one.

    Keys of one mapping inside another's prefix would appear in its listings, and be overwritten and deleted
    by it. The earlier mapping stays usable, so adding a bad mapping stops no other.
    """
    spaces: dict[tuple[str, str, str], _KeySpaces] = defaultdict(_KeySpaces)
    containers: dict[tuple[str, str], ContainerSpaces] = defaultdict(ContainerSpaces)
    for mapping in mappings:
        credentials = mapping.credentials
        store, account = credentials.bucket_space
        if credentials.shares_bucket:
            other = spaces[store, account, mapping.bucket].add(mapping)
            where = f'under {_stored_under(mapping)} in bucket "{mapping.bucket}"'
        else:
            other = containers[store, account].add(mapping)
            where = _stored_under(mapping)
        if other is not None:
            findings.problem(
                mapping.place,
                f"{mapping.label} stores {where}, which overlaps with {_stored_under(other)} of "
                f"{other.place} ({other.label})",
            )


def check_loops(mappings: Sequence[Mapping], local_address: str, findings: Diagnostics) -> None:
    """Warn of mappings that could copy their own results if an endpoint is this cluster's own.

    Whether it is, and which account it means, can rarely be determined here. If it can, a mapping into its
    own source is a problem.
    """
    by_source = {(mapping.credentials.store_id, mapping.container): mapping for mapping in mappings}
    for mapping in mappings:
        credentials = mapping.credentials
        endpoint = credentials.maybe_this_cluster
        if endpoint is None or not credentials.may_hold_account(mapping.account):
            continue
        loop = _loop(mapping, by_source)
        local = _is_local(endpoint, local_address)
        if len(loop) > 1 or (loop and local):
            path = " -> ".join(step.container for step in (*loop, mapping))
        elif mapping.is_account_wide and not credentials.shares_bucket and local:
            path = f"a -> {mapping.bucket}a -> {mapping.bucket}{mapping.bucket}a -> ..."
        else:
            continue
        if local and len(loop) < 2 and credentials.names_account(mapping.account):
            findings.problem(mapping.place, f"{mapping.label} is copied into itself: {path}")
        else:
            where = f"if {endpoint} is this cluster's own"
            findings.warning(mapping.place, f"{where}, objects are copied in a loop: {path}")


def check_moves(mappings: Sequence[Mapping], findings: Diagnostics) -> None:
    """Check mappings that move objects."""
    coverage = Coverage(mappings)
    for mapping in mappings:
        if mapping.profile.retain_local:
            continue
        if mapping.container.endswith(SEGMENTS):
            findings.problem(
                mapping.place,
                f"{mapping.container} contains segments, which cannot be moved without their large objects",
            )
            continue
        if not mapping.profile.merge_namespaces:
            findings.warning(
                mapping.place,
                f"objects of {mapping.label} are removed from this cluster once they are copied; without "
                "merge_namespaces, and cloud-shunt in the proxy servers, Swift clients cannot read them",
            )
        is_soon = mapping.profile.copy_after < MIN_SAFE_COPY_AFTER
        if is_soon and not mapping.credentials.has_conditional_writes:
            findings.warning(
                join(mapping.place, "copy_after"),
                f"is below {MIN_SAFE_COPY_AFTER}: a stalled upload of an older version could complete after "
                "a newer one was moved, and overwrite its only copy",
            )
        for option, message in mapping.credentials.move_warnings():
            findings.warning(join(mapping.place, option), message)
        for other in coverage.all_for(mapping.account, mapping.container):
            if other.place != mapping.place:
                findings.warning(
                    other.place,
                    f"{mapping.place} moves objects out of the same container: objects that it moves first "
                    "are not copied by this mapping",
                )


def warn_of_idle(mappings: Sequence[Mapping], findings: Diagnostics) -> None:
    """Warn of options that have no effect, most of them of cloud-shunt without another one."""
    for mapping in mappings:
        profile = mapping.profile
        if profile.follow_symlinks != "container" and mapping.credentials.keeps_links:
            message = "has no effect: another Swift gets symlinks as symlinks"
            findings.warning(join(mapping.place, "follow_symlinks"), message)
        for option, is_set, required, has_required in (
            ("restore_on_range", profile.restore_on_range, "restore_object", profile.restore_object),
            (
                "archive_restore",
                profile.archive_restore is not None,
                "merge_namespaces",
                profile.merge_namespaces,
            ),
            ("protect_containers", profile.protect_containers, "merge_namespaces", profile.merge_namespaces),
        ):
            if is_set and not has_required:
                findings.warning(join(mapping.place, option), f"has no effect without {required}")
        archive = profile.archive_restore
        if archive and archive.tier == "Expedited" and profile.storage_class == "DEEP_ARCHIVE":
            message = "Expedited does not exist for storage_class DEEP_ARCHIVE: nothing will be retrieved"
            findings.warning(join(mapping.place, "archive_restore"), message)


def warn_of_trust(mappings: Sequence[Mapping], findings: Diagnostics) -> None:
    """Warn of what users can do on whose behalf a mapping reads every container of the account, or changes
    who may access the remote container."""
    for mapping in mappings:
        if mapping.profile.sync_container_acl:
            findings.warning(
                join(mapping.place, "sync_container_acl"),
                f"whoever may set the ACL of {mapping.label} determines who may read, replace and delete its "
                "copies: users of the remote cluster by those names, or everybody",
            )
        writers = f"any user who may write to {mapping.label} can have any object of {mapping.account}"
        if EVERYWHERE in mapping.profile.segment_containers:
            what = "copied" if mapping.profile.retain_local else "moved away"
            findings.warning(join(mapping.place, "segment_containers"), f"{writers} {what} as a segment")
        if mapping.profile.follow_symlinks == "account" and not mapping.credentials.keeps_links:
            findings.warning(
                join(mapping.place, "follow_symlinks"),
                f"{writers} copied as the target of a symlink",
            )


def warn_of_both(mappings: Sequence[Mapping], findings: Diagnostics) -> None:
    """Warn of a container that has its own mapping and an account-wide one."""
    coverage = Coverage(mappings)
    for mapping in mappings:
        for whole in () if mapping.is_account_wide else coverage.account_wide(mapping.account):
            other = f"{whole.place} ({whole.label})"
            if coverage.for_container(whole, mapping.container) is not None:
                what = f"{mapping.label} is copied twice, by {other} and by this mapping"
            elif whole.profile.retain_local:
                what = f"replaces {other} for {mapping.label}: both would write the same keys"
            else:
                what = f"replaces {other} for {mapping.label}: a container is moved by its own mapping only"
            findings.warning(mapping.place, f"{what}; cloud-shunt uses this mapping")


def check_expiry(mappings: Sequence[Mapping], findings: Diagnostics) -> None:
    """Warn of what the bucket's expiry rule will delete; report a store that has no such rules."""
    for mapping in mappings:
        if not mapping.rule_days:
            continue
        here = join(mapping.place, "remote_delete_after")
        if reason := mapping.credentials.no_expiry_rules:
            findings.problem(here, reason)
            continue
        days, prefix = mapping.rule_days, mapping.namer.prefix
        what = f"everything under {_stored_under(mapping)}" if prefix else "EVERYTHING, also foreign objects,"
        life = f"{days} day{'' if days == 1 else 's'}"
        rounded = "" if mapping.profile.remote_delete_after % 86400 == 0 else " (rounded up to whole days)"
        findings.warning(
            here,
            f'the store will delete {what} in bucket "{mapping.bucket}" {life}{rounded} after it was stored, '
            "including existing objects",
        )


class _KeySpaces:
    """The key prefixes of one bucket that mappings own."""

    def __init__(self) -> None:
        self._spaces: list[Space] = []
        self._wholes: list[Mapping] = []

    def add(self, mapping: Mapping) -> Mapping | None:
        """Add the prefixes of ``mapping``, unless they collide with those of another one, which is
        returned."""
        prefixes = mapping.namer.key_spaces
        other = next(self._collisions(mapping, prefixes), None)
        if other is None and mapping.is_account_wide:
            self._wholes.append(mapping)
        elif other is None:
            for prefix in prefixes:
                bisect.insort(self._spaces, (prefix, mapping), key=_prefix_of)
        return other

    def _collisions(self, mapping: Mapping, prefixes: Sequence[str]) -> Iterator[Mapping]:
        if mapping.is_account_wide:
            yield from (each for each in self._wholes if each.account == mapping.account)
            yield from (each for _, each in self._spaces if _overlaps_account(each, mapping))
            return
        yield from (whole for whole in self._wholes if _overlaps_account(mapping, whole))
        yield from (owner for prefix in prefixes if (owner := _owner(self._spaces, prefix)))


def _overlaps_account(mapping: Mapping, whole: Mapping) -> bool:
    """Returns whether the mapping's keys may be those of a container that the account-wide mapping covers.

    A mapping of the same account in the default layout does not collide: it replaces the account-wide one for
    its container.
    """
    if mapping.account == whole.account and mapping.namer == KeyNamer.hashed(
        mapping.account, mapping.container
    ):
        return False
    return any(_overlaps_layout(prefix, whole.account) for prefix in mapping.namer.key_spaces)


def _overlaps_layout(prefix: str, account: str) -> bool:
    """Returns whether keys with this prefix may be keys of a container of ``account`` in the default
    layout."""
    head, slash, rest = prefix.partition("/")
    if not _HASHED.fullmatch(head):
        return False
    spaces = (f"{account}/", f".manifests/{account}/")
    return not slash or any(rest.startswith(space) or space.startswith(rest) for space in spaces)


def _stored_under(mapping: Mapping) -> str:
    if not mapping.credentials.shares_bucket:
        return f'container "{mapping.bucket}{"<container>" if mapping.is_account_wide else ""}"'
    if mapping.is_account_wide:
        return f'"<hash>/{mapping.account}/<container>/"'
    return f'"{mapping.namer.prefix}"'


def _prefix_of(space: Space) -> str:
    return space[0]


def _owner(spaces: list[Space], prefix: str) -> Mapping | None:
    """Return the owner of a space that contains ``prefix`` or lies inside it.

    ``spaces`` is sorted and none contains another, so only the two neighbours are candidates.
    """
    index = bisect.bisect_left(spaces, prefix, key=_prefix_of)
    for taken, owner in spaces[max(index - 1, 0) : index + 1]:
        if taken.startswith(prefix) or prefix.startswith(taken):
            return owner
    return None


def _loop(start: Mapping, by_source: dict[tuple[str, str], Mapping]) -> list[Mapping]:
    """Return the mappings from ``start`` back to its container, as if each bucket were a container of that
    name; empty if there is no loop."""
    path = [start]
    while not start.is_account_wide and path[-1].bucket != start.container:
        onward = by_source.get((start.credentials.store_id, path[-1].bucket))
        if onward is None or onward in path:
            return []
        path.append(onward)
    return path


def _is_local(endpoint: str, local_address: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    if host in ("localhost", local_address):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""What can be wrong between mappings that are each fine: shared keys, circles, objects moved away."""

from __future__ import annotations

import bisect
import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from s3_sync.config.coverage import EVERYWHERE, SEGMENTS, Coverage
from s3_sync.config.findings import Diagnostics, join
from s3_sync.config.settings import Mapping
from s3_sync.model.keys import KeyNamer

Space = tuple[str, Mapping]  # a key prefix, and whose it is

#: seconds by which whatever was still under way for an older version has most likely landed
SETTLED = 300
#: what a key of the default layout may begin with
_HASHED = re.compile(r"[0-9a-f]{0,6}")


def find_overlaps(mappings: Sequence[Mapping], findings: Diagnostics) -> None:
    """Note a problem for every mapping whose keys could meet those of an earlier one.

    Keys of one mapping inside another's prefix would show up in its listings, and be overwritten and
    deleted by it. The earlier one goes on, so that adding a bad mapping stops nothing.
    """
    taken: dict[tuple[str, str], _Taken] = defaultdict(_Taken)
    for mapping in mappings:
        other = taken[mapping.credentials.store, mapping.bucket].take(mapping)
        if other is not None:
            findings.problem(
                mapping.place,
                f'{mapping.label} stores under {_stored_under(mapping)} in bucket "{mapping.bucket}", and '
                f"{other.place} ({other.label}) under {_stored_under(other)}: one lies inside the other",
            )


def warn_of_circles(mappings: Sequence[Mapping], local_address: str, findings: Diagnostics) -> None:
    """Warn where mappings could feed on their own results, should an endpoint be this cluster's own S3 API.

    That the two are the same cluster cannot be known here, so it is no more than a warning.
    """
    by_source = {(mapping.credentials.store, mapping.container): mapping for mapping in mappings}
    for mapping in mappings:
        endpoint = mapping.credentials.endpoint or ""
        if mapping.credentials.is_aws:
            continue
        circle = _circle(mapping, by_source)
        if len(circle) > 1 or (circle and _is_local(endpoint, local_address)):
            path = " -> ".join(step.container for step in (*circle, mapping))
            findings.warning(
                mapping.place,
                f"if {endpoint} is this cluster's own S3 API, objects go round in a circle: {path}",
            )


def check_moves(mappings: Sequence[Mapping], findings: Diagnostics) -> None:
    """What is special about mappings that do not retain local objects."""
    coverage = Coverage(mappings)
    for mapping in mappings:
        if mapping.profile.retain_local:
            continue
        if mapping.container.endswith(SEGMENTS):
            findings.problem(
                mapping.place,
                f"{mapping.container} holds segments of large objects, which cannot be moved without them",
            )
            continue
        if not mapping.profile.merge_namespaces:
            findings.warning(
                mapping.place,
                f"objects of {mapping.label} leave this cluster once they are copied; without "
                "merge_namespaces, and cloud-shunt in the proxy servers, Swift clients cannot reach them",
            )
        honours = mapping.credentials.is_aws or mapping.credentials.conditional_put
        if mapping.profile.copy_after < SETTLED and not honours:
            findings.warning(
                join(mapping.place, "copy_after"),
                f"is below {SETTLED}: an upload of an older version that hangs could land after a newer one "
                "has moved, and replace its only copy",
            )
        if mapping.credentials.checksum == "none":
            findings.warning(
                join(mapping.place, "checksum"),
                'is "none": where ETags are no MD5s, as with KMS, nothing proves that the bytes arrived as '
                "they were before the local ones go",
            )
        for other in coverage.of(mapping.account, mapping.container):
            if other.place != mapping.place:
                findings.warning(
                    other.place,
                    f"{mapping.place} moves objects out of the same container: what it is done with first "
                    "is not copied by this mapping",
                )


def warn_of_idle(mappings: Sequence[Mapping], findings: Diagnostics) -> None:
    """Say which options of cloud-shunt do nothing without another one."""
    for mapping in mappings:
        profile = mapping.profile
        for option, told, needed, there in (
            ("restore_on_range", profile.restore_on_range, "restore_object", profile.restore_object),
            ("protect_containers", profile.protect_containers, "merge_namespaces", profile.merge_namespaces),
        ):
            if told and not there:
                findings.warning(join(mapping.place, option), f"does nothing without {needed}")


def warn_of_trust(mappings: Sequence[Mapping], findings: Diagnostics) -> None:
    """Say what users can cause where the operator vouches for all of an account."""
    for mapping in mappings:
        writers = f"whoever may write {mapping.label} can have any object of {mapping.account}"
        if EVERYWHERE in mapping.profile.segment_containers:
            what = "copied" if mapping.profile.retain_local else "moved away"
            findings.warning(join(mapping.place, "segment_containers"), f"{writers} {what} as a segment")
        if mapping.profile.follow_symlinks == "account":
            findings.warning(
                join(mapping.place, "follow_symlinks"),
                f"{writers} copied as the target of a symlink",
            )


def warn_of_both(mappings: Sequence[Mapping], findings: Diagnostics) -> None:
    """Say what counts for a container that has a mapping of its own beside that of its account."""
    coverage = Coverage(mappings)
    for mapping in mappings:
        for whole in () if mapping.is_whole else coverage.whole(mapping.account):
            share = coverage.share(whole, mapping.container)
            if share is not None:
                what = f"{mapping.label} is copied twice, as {whole.place} ({whole.label}) says and as this"
            elif whole.profile.retain_local:
                what = f"stands in for {whole.place} ({whole.label}), which would write the same keys"
            else:
                what = f"stands in for {whole.place} ({whole.label}), which leaves {mapping.label} alone"
            findings.warning(mapping.place, f"{what}; cloud-shunt shows what this mapping says")


def check_expiry(mappings: Sequence[Mapping], findings: Diagnostics) -> None:
    """Say what a rule in the bucket is going to delete; refuse one that cannot be set."""
    for mapping in mappings:
        if not mapping.profile.remote_delete_after:
            continue
        here = join(mapping.place, "remote_delete_after")
        if mapping.credentials.is_google:
            findings.problem(
                here, "Google's interoperability endpoint has no such rules; set one in the Google console"
            )
            continue
        days, prefix = mapping.profile.remote_days, mapping.namer.prefix
        what = f"everything under {_stored_under(mapping)}" if prefix else "EVERYTHING, whoever stored it,"
        life = f"{days} day{'' if days == 1 else 's'}"
        rounded = "" if mapping.profile.remote_delete_after % 86400 == 0 else " (rounded up to whole days)"
        findings.warning(
            here,
            f'the store deletes {what} in bucket "{mapping.bucket}" {life}{rounded} after it was stored '
            "there, including what is there already",
        )


class _Taken:
    """The keys of one bucket that belong to somebody."""

    def __init__(self) -> None:
        self._spaces: list[Space] = []
        self._wholes: list[Mapping] = []

    def take(self, mapping: Mapping) -> Mapping | None:
        """For ``mapping``, unless they meet those of another, which is the answer then."""
        prefixes = mapping.namer.key_spaces
        other = next(self._in_the_way(mapping, prefixes), None)
        if other is None and mapping.is_whole:
            self._wholes.append(mapping)
        elif other is None:
            for prefix in prefixes:
                bisect.insort(self._spaces, (prefix, mapping), key=_prefix_of)
        return other

    def _in_the_way(self, mapping: Mapping, prefixes: Sequence[str]) -> Iterator[Mapping]:
        if mapping.is_whole:
            yield from (each for each in self._wholes if each.account == mapping.account)
            yield from (each for _, each in self._spaces if _reaches_into(each, mapping))
            return
        yield from (whole for whole in self._wholes if _reaches_into(mapping, whole))
        yield from (owner for prefix in prefixes if (owner := _owner(self._spaces, prefix)))


def _reaches_into(mapping: Mapping, whole: Mapping) -> bool:
    """Whether its keys may be those of a container that the mapping of a whole account covers.

    Of the same account and in the default layout, it takes the other's place for its container.
    """
    if mapping.account == whole.account and mapping.namer == KeyNamer.hashed(
        mapping.account, mapping.container
    ):
        return False
    return any(_meets(prefix, whole.account) for prefix in mapping.namer.key_spaces)


def _meets(prefix: str, account: str) -> bool:
    """Whether keys that begin like that may be, or lie below, those of a container of ``account``."""
    head, slash, rest = prefix.partition("/")
    if not _HASHED.fullmatch(head):
        return False
    spaces = (f"{account}/", f".manifests/{account}/")
    return not slash or any(rest.startswith(space) or space.startswith(rest) for space in spaces)


def _stored_under(mapping: Mapping) -> str:
    return f'"<hash>/{mapping.account}/<container>/"' if mapping.is_whole else f'"{mapping.namer.prefix}"'


def _prefix_of(space: Space) -> str:
    return space[0]


def _owner(spaces: list[Space], prefix: str) -> Mapping | None:
    """Whose space ``prefix`` lies in, or has inside it.

    ``spaces`` is sorted and none of them lies in another, so only the two neighbours can be it.
    """
    index = bisect.bisect_left(spaces, prefix, key=_prefix_of)
    for taken, owner in spaces[max(index - 1, 0) : index + 1]:
        if taken.startswith(prefix) or prefix.startswith(taken):
            return owner
    return None


def _circle(start: Mapping, by_source: dict[tuple[str, str], Mapping]) -> list[Mapping]:
    """Mappings from ``start`` that lead back to its container, were every bucket a container of that name."""
    path = [start]
    while not start.is_whole and path[-1].bucket != start.container:
        onward = by_source.get((start.credentials.store, path[-1].bucket))
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

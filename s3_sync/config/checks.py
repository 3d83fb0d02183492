"""What can be wrong between mappings that are each fine: shared keys, circles, objects moved away."""

from __future__ import annotations

import bisect
import ipaddress
from collections import defaultdict
from collections.abc import Sequence
from urllib.parse import urlsplit

from s3_sync.config.findings import Findings, join
from s3_sync.config.schema import Mapping

Space = tuple[str, Mapping]  # a key prefix, and whose it is

#: seconds by which whatever was still under way for an older version has most likely landed
SETTLED = 300
#: how the containers that clients and Swift's s3api keep segments in are called
SEGMENTS = ("_segments", "+segments")


def find_overlaps(mappings: Sequence[Mapping], findings: Findings) -> None:
    """Note a problem for every mapping whose keys could meet those of an earlier one.

    Keys of one mapping inside another's prefix would show up in its listings, and be overwritten and
    deleted by it. The earlier one goes on, so that adding a bad mapping stops nothing.
    """
    taken: dict[tuple[str, str], list[Space]] = defaultdict(list)
    for mapping in mappings:
        spaces = taken[mapping.credentials.store, mapping.bucket]
        namer = mapping.namer
        prefixes = namer.key_spaces
        other = next((owner for prefix in prefixes if (owner := _owner(spaces, prefix))), None)
        if other is None:
            for prefix in prefixes:
                bisect.insort(spaces, (prefix, mapping), key=_prefix_of)
            continue
        findings.problem(
            mapping.place,
            f'{mapping.label} stores under "{namer.prefix}" in bucket "{mapping.bucket}", and '
            f'{other.place} ({other.label}) under "{other.namer.prefix}": one lies inside the other',
        )


def warn_of_circles(mappings: Sequence[Mapping], local_address: str, findings: Findings) -> None:
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


def check_moves(mappings: Sequence[Mapping], findings: Findings) -> None:
    """What is special about mappings that do not retain local objects."""
    sharing: dict[tuple[str, str], list[Mapping]] = defaultdict(list)
    for mapping in mappings:
        sharing[mapping.account, mapping.container].append(mapping)
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
        for other in sharing[mapping.account, mapping.container]:
            if other is not mapping:
                findings.warning(
                    other.place,
                    f"{mapping.place} moves objects out of the same container: what it is done with first "
                    "is not copied by this mapping",
                )


def check_expiry(mappings: Sequence[Mapping], findings: Findings) -> None:
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
        what = f'everything under "{prefix}"' if prefix else "EVERYTHING, whoever stored it,"
        rounded = "" if mapping.profile.remote_delete_after % 86400 == 0 else " (rounded up to whole days)"
        findings.warning(
            here,
            f'the store deletes {what} in bucket "{mapping.bucket}" {days} days{rounded} after it was stored '
            "there, including what is there already",
        )


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
    while path[-1].bucket != start.container:
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

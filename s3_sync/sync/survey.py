"""Looking up many names at the remote with few requests: listings where names are dense, HEADs elsewhere."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.sync.views import Before, Listed, View

#: fewer names than this are not worth a listing
FEW = 8
#: a page that settles fewer names than this was not worth it; so many names are left to HEADs after it
WORTH = 16
SKIP = 200
#: the last character that may stand in an XML document, where some stores repeat what they were asked
_LAST = "\U0010fffd"


def survey(bucket: Bucket, names: Iterable[str]) -> dict[str, View]:
    """A view for every name.

    Requests never exceed the number of names: every page settles at least the name that it starts at.
    A page of 1,000 keys costs about as much as ten HEADs, which is why sparse stretches are left out.
    Names that are too long for a key stay unknown: nothing can be asked about them.
    """
    views: dict[str, View] = dict.fromkeys(names, Before.UNKNOWN)
    longest = bucket.limits.max_name - len(bucket.namer.prefix.encode("utf-8"))
    keys = sorted(key for name in views if len(key := name.encode("utf-8")) <= longest)
    ordered = [key.decode("utf-8") for key in keys]
    position = 0
    after: str | None = None
    while len(ordered) - position >= FEW:
        page = bucket.list_objects(
            ListQuery(start_after=_just_before(ordered[position], longest) if after is None else after)
        )
        end = len(ordered) if page.next_after is None else bisect_right(keys, page.next_after.encode("utf-8"))
        found = {info.name: info for info in page.objects}
        for name in ordered[position:end]:
            views[name] = Listed(found.get(name))
        settled = end - position
        position = max(position, end)
        after = page.next_after
        if after is None:
            break
        if settled < WORTH:
            position += SKIP
            after = None
    return views


def _just_before(name: str, longest: int) -> str:
    """A name that sorts before ``name`` with next to nothing in between, to list from inclusively."""
    last = ord(name[-1]) - 1
    if last < 0x21 or 0xD800 <= last <= 0xDFFF:
        return name[:-1]
    before = name[:-1] + chr(last)
    # all that begins like this sorts before ``name``, too, and may be much
    return before + _LAST if len((before + _LAST).encode("utf-8")) <= longest else before

"""What a listing must hold: Swift's rules over one flat, sorted list of names, written down once more."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice

from hypothesis import strategies as st

from s3_sync.listing.query import ListingQuery
from s3_sync.model.objects import ListedObject
from s3_sync.providers.base import ListPage, ListQuery


def expected(names: Iterable[str], query: ListingQuery) -> list[str]:
    """The names and groups of a page, in its order."""
    shown: list[str] = []
    for name in sorted(names, key=str.encode):
        if not name.startswith(query.prefix):
            continue
        if name.encode() <= query.after.encode() or (query.before and name.encode() >= query.before.encode()):
            continue
        rest = name[len(query.prefix) :]
        if query.level:
            if rest and "/" not in rest[:-1]:
                shown.append(name)
        elif query.delimiter and query.delimiter in rest:
            group = query.prefix + rest.partition(query.delimiter)[0] + query.delimiter
            if group != query.after and group not in shown:
                shown.append(group)
        else:
            shown.append(name)
    return (shown[::-1] if query.reverse else shown)[: query.limit]


#: few characters, so that names meet: delimiters, both ends of the alphabet, and what sorts around "/"
ALPHABET = "a/b.0-\u00fc\uffef\U0001f600"
NAMES = st.text(ALPHABET, min_size=1, max_size=6)
WORDS = st.one_of(st.just(""), st.text(ALPHABET, max_size=4))
DELIMITERS = st.one_of(st.sampled_from(["", "/", "/", "a", "//", "a/", "/a", "b.", "\u00fc"]))


@st.composite
def parameters(draw: st.DrawFn, names: Sequence[str] = ()) -> dict[str, str]:
    """The parameters of a listing as a client may write them; markers are often names, or parts of them."""
    known = st.sampled_from(list(names) or [""])
    cut = st.builds(lambda name, end: name[:end], known, st.integers(1, 5))
    somewhere = st.one_of(WORDS, known, cut)
    asked = {
        "marker": draw(somewhere),
        "end_marker": draw(somewhere),
        "prefix": draw(st.one_of(st.just(""), WORDS, cut)),
        "delimiter": draw(DELIMITERS),
    }
    if draw(st.integers(0, 3)) == 0:
        asked["path"] = draw(st.one_of(WORDS, cut))
    return asked


@st.composite
def queries(draw: st.DrawFn, names: Sequence[str] = ()) -> ListingQuery:
    limit = draw(st.one_of(st.integers(0, 6), st.just(10_000)))
    return ListingQuery.from_request(draw(parameters(names)), limit, draw(st.booleans()))


class Store:
    """Pages of a bucket with these names, as a real store gives them.

    ``page``: at most so many lines. ``obeys``: a delimiter is looked at; else all names come flat.
    ``forgets``: the group of a start in its middle is left out. ``hidden``: keys that take up room in
    pages and are not shown. ``asked``: the requests so far.
    """

    def __init__(
        self,
        names: Iterable[str],
        *,
        page: int = 1000,
        obeys: bool = True,
        forgets: bool = False,
        hidden: Iterable[str] = (),
    ) -> None:
        self.hidden = frozenset(hidden)
        self.names = sorted({*names, *self.hidden})
        self.page, self.obeys, self.forgets = page, obeys, forgets
        self.asked: list[ListQuery] = []

    def __call__(self, prefix: str, start_after: str, delimiter: str, limit: int) -> ListPage:
        assert limit > 0
        self.asked.append(ListQuery(prefix, start_after, delimiter, limit))
        passed = ListingQuery(prefix, delimiter).group(start_after)
        whole = ListingQuery(prefix, delimiter if self.obeys else "")
        skipped = passed if passed and (self.forgets or passed == start_after) else None
        lines: dict[str, bool] = {}
        first = max(bisect_left(self.names, prefix), bisect_right(self.names, start_after))
        for name in islice(self.names, first, None):
            if not name.startswith(prefix):
                break
            if skipped and name.startswith(skipped):
                continue
            group = whole.group(name)
            if len(lines) == min(limit, self.page) and (group or name) not in lines:
                return self._answer(lines, list(lines)[-1])
            lines[group or name] = group is not None
        return self._answer(lines, None)

    def _answer(self, lines: dict[str, bool], last: str | None) -> ListPage:
        infos = [
            ListedObject(name, len(name), f"etag of {name}")
            for name, is_group in lines.items()
            if not is_group and name not in self.hidden
        ]
        return ListPage(tuple(infos), tuple(name for name, is_group in lines.items() if is_group), last)

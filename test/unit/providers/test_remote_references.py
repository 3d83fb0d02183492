"""Which objects of another Swift name a segment: nothing is believed to be all that is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from s3_sync.errors import NotFound, RemoteUnavailable
from s3_sync.largeobject.naming import Named, Place
from s3_sync.providers.large_objects import ManifestPage
from s3_sync.providers.remote_references import RemoteReferences

SEGMENT: Place = ("segments", "1")


class Account:
    """``pages``: of each container's listing. Every object listed names the segment."""

    def __init__(self, **pages: Sequence[ManifestPage]) -> None:
        self.pages = pages
        self.listed = [*sorted(pages), "segments"]
        self.then: list[str] | None = None
        self.segments = ManifestPage((), total=0)

    def containers(self) -> Sequence[str]:
        listed, self.listed = self.listed, self.listed if self.then is None else self.then
        return listed

    def list_manifests(self, container: str, after: str) -> ManifestPage:
        if container == "segments":
            return self.segments
        pages = self.pages[container]
        if not pages:
            raise NotFound("no such container", status=404)
        return pages[int(after or 0)]

    def named_by(self, container: str, name: str) -> Named:
        return Named(frozenset({SEGMENT}))


def page(*names: str, more: str | None = None, listed: int | None = None, total: int | None) -> ManifestPage:
    count = len(names) if listed is None else listed
    return ManifestPage(tuple((name, "stamp") for name in names), more, count, total)


def walk(account: Any, last: Sequence[str] = ("segments",)) -> set[Place]:
    found = RemoteReferences().walk(account, {SEGMENT}, last)
    return {each.namer for each in found if each.places}


@pytest.mark.parametrize(
    "pages",
    [
        [page("a", total=1)],
        [page("a", total=None)],
        [page("a", more="1", total=2), page("b", total=2)],
        # something was written, and something deleted, meanwhile
        [page("a", more="1", listed=20, total=41), page("b", listed=20, total=45)],
        [page("a", more="1", listed=20, total=50), page("b", listed=20, total=40)],
    ],
)
def test_complete_listing_shows_what_names_the_segment(pages: list[ManifestPage]) -> None:
    assert walk(Account(c=pages)) == {("c", name) for each in pages for name, _ in each.objects}


@pytest.mark.parametrize(
    "pages",
    [
        [page(total=None)],
        [page(total=1)],
        [page(total=1_000_000)],
        [page("a", total=2)],
        [page("a", more="1", listed=100, total=1000), page(total=1000)],
    ],
)
def test_listing_that_lacks_what_the_store_counts_proves_nothing(pages: list[ManifestPage]) -> None:
    with pytest.raises(RemoteUnavailable, match="container c lists"):
        walk(Account(c=pages))


def test_container_that_is_listed_and_not_found_proves_nothing() -> None:
    with pytest.raises(RemoteUnavailable, match="container c is listed, but cannot be found"):
        walk(Account(c=[]))
    deleted_meanwhile = Account(c=[])
    deleted_meanwhile.then = ["segments"]
    assert walk(deleted_meanwhile) == set()


def test_container_that_is_not_listed_and_does_not_say_that_it_is_empty_proves_nothing() -> None:
    account = Account(c=[page(total=0)])
    account.listed = ["c"]
    assert walk(account) == set()
    account.segments = ManifestPage(())
    with pytest.raises(RemoteUnavailable, match="does not list container segments"):
        walk(account)


def test_container_that_never_existed_is_empty() -> None:
    account = Account(c=[])
    account.listed = ["segments"]
    assert walk(account, ("c", "segments")) == set()

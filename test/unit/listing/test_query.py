"""A query of ours and Swift's own database agree on what a listing holds."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from swift.common.utils import Timestamp
from swift.container.backend import ContainerBroker

from s3_sync.listing.query import ListingQuery
from unit.listing.oracle import NAMES, expected, parameters


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_expected_names_of_any_query_equal_those_swift_lists(data: st.DataObject) -> None:
    names = data.draw(st.lists(NAMES, max_size=15, unique=True))
    asked, reverse = data.draw(parameters(names)), data.draw(st.booleans())
    limit = data.draw(st.sampled_from([1, 2, 5, 10_000]))
    query = ListingQuery.from_request(asked, limit, reverse)
    assume(not (query.level and _is_odd(names, reverse)))
    with tempfile.TemporaryDirectory() as directory:
        found = _listed(Path(directory), names, asked, limit, reverse)
    assert found == expected(names, query)


def _listed(directory: Path, names: list[str], asked: dict[str, str], limit: int, reverse: bool) -> list[str]:
    broker = ContainerBroker(str(directory / "container.db"), account="a", container="c")
    now = Timestamp.now().internal
    broker.initialize(now, 0)
    for name in names:
        broker.put_object(name, now, 1, "text/plain", "etag")
    lines = broker.list_objects_iter(
        limit,
        asked["marker"],
        asked["end_marker"],
        asked["prefix"] or None,
        asked["delimiter"] or None,
        asked.get("path"),
        reverse=reverse,
    )
    return [line[0] for line in lines]


def _is_odd(names: list[str], reverse: bool) -> bool:
    """Where Swift itself leaves a name out of a listing with ``path``.

    It passes what is below ``a/`` by going on *behind* ``a0``; and in reverse, by going on before ``a/``.
    """
    if reverse:
        return any(name.endswith("/") for name in names)
    return any(name.endswith("0") for name in names)

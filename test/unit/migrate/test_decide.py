from __future__ import annotations

from dataclasses import replace

import pytest

from s3_sync.migrate.decide import Action, LocalEntry, decide
from s3_sync.model.objects import ListedObject

THERE = ListedObject("name", 3, "aa", 1000.25)
HERE = LocalEntry("name", 3, "aa", 1000.25)


@pytest.mark.parametrize(
    ("source", "local", "action"),
    [
        (None, HERE, Action.LOCAL_ONLY),
        (THERE, None, Action.COPY),
        (THERE, HERE, Action.NONE),
        # a difference below Swift's precision is none
        (THERE, replace(HERE, last_modified=1000.250001), Action.NONE),
        (THERE, replace(HERE, last_modified=1000.25001), Action.NONE),
        (THERE, replace(HERE, last_modified=1000.24999), Action.UPDATE),
        (THERE, replace(HERE, last_modified=1000.24999, etag="bb"), Action.COPY),
        (THERE, replace(HERE, last_modified=1000.24999, size=4), Action.COPY),
        # a client has written other bytes later
        (THERE, replace(HERE, last_modified=2000.0, etag="bb"), Action.NONE),
        (THERE, replace(HERE, etag="bb"), Action.COMPARE),
        (THERE, replace(HERE, size=4), Action.COMPARE),
        (THERE, replace(HERE, etag="bb", s3_etag="aa"), Action.NONE),
        (replace(THERE, etag=""), HERE, Action.COMPARE),
        (THERE, replace(HERE, last_modified=1.0, is_static=True), Action.REPLACE),
    ],
)
def test_decide_compares_times_before_bytes(
    source: ListedObject | None, local: LocalEntry | None, action: Action
) -> None:
    assert decide(source, local, None) is action


SECOND = replace(THERE, last_modified=1000.0)


@pytest.mark.parametrize(
    ("local", "action"),
    [
        # the source may have been written twice within the second, or a client here after it
        (replace(HERE, last_modified=1000.0, etag="bb"), Action.COMPARE),
        (replace(HERE, last_modified=1000.00001, etag="bb"), Action.COMPARE),
        (replace(HERE, last_modified=1000.99999, etag="bb"), Action.COMPARE),
        (replace(HERE, last_modified=1001.0, etag="bb"), Action.NONE),
        (replace(HERE, last_modified=1000.5), Action.NONE),
    ],
)
def test_decide_compares_what_a_source_of_whole_seconds_may_have_written_later(
    local: LocalEntry, action: Action
) -> None:
    assert decide(SECOND, local, None) is action


@pytest.mark.parametrize("local", [None, replace(HERE, last_modified=1.0)])
def test_decide_leaves_objects_that_are_too_young(local: LocalEntry | None) -> None:
    assert decide(THERE, local, 1000.2) is Action.NONE
    assert decide(THERE, local, 1000.25) is not Action.NONE
    assert decide(None, HERE, 0.0) is Action.LOCAL_ONLY


@pytest.mark.parametrize(
    ("shown", "entry"),
    [
        ("aa", HERE),
        ("aa; slo_etag=cc", replace(HERE, is_static=True)),
        ("aa; s3_etag=bb-2; slo_etag=cc", replace(HERE, is_static=True, s3_etag="bb-2")),
        ("aa; symlink_target=c/o", HERE),
    ],
)
def test_local_entry_is_read_from_a_row_as_containers_have_it(shown: str, entry: LocalEntry) -> None:
    row = {"name": "name", "bytes": 3, "hash": shown, "last_modified": "1970-01-01T00:16:40.250000"}
    assert LocalEntry.of(row) == entry

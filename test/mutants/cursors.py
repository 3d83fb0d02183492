"""Whose row it is, and what a cursor is good for: rules of their own, part of those in `rules.py`."""

from __future__ import annotations

from mutants.mutant import Mutant

CURSORS = (
    # whose row it is
    Mutant(
        "each row has the owner that earlier versions give it",
        "model/rows.py",
        "% replicas",
        "% replicas ^ 1",
        "test/unit/model/test_rows.py",
    ),
    Mutant(
        "the owner sends first, the others verify",
        "model/rows.py",
        "owner_ordinal(name, replicas) == ordinal",
        "owner_ordinal(name, replicas) != ordinal",
        "test/unit/sync/test_container_crawl_nodes.py",
    ),
    Mutant(
        "a cursor is good only for the rows that it was saved for",
        "state/checkpoint.py",
        "return self.tail is None or self.tail.is_of(db.last_rows(self.end, LENGTH))",
        "return True",
        "test/unit/sync/test_container_crawl_crashes.py",
    ),
    Mutant(
        "a row that is younger than all that a cursor has passed is none of its",
        "state/tail.py",
        "return not last or last[0].timestamp <= self.newest",
        "return True",
        "test/unit/state/test_tail.py",
    ),
    Mutant(
        "large objects are looked for again in an older copy of a database",
        "sync/passes/cursors.py",
        "            self._segment_index.restart(db.id)\n",
        "",
        "test/unit/sync/lifecycle/test_segment_index.py",
    ),
)

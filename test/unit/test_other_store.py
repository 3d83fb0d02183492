"""The tests that `bin/test ceph` leaves out exist."""

from __future__ import annotations

from pathlib import Path

from other_store import LEFT_OUT

CLUSTER = Path(__file__).parents[1] / "cluster"


def test_every_test_that_is_left_out_exists() -> None:
    for begin in (begin for begins in LEFT_OUT.values() for begin in begins):
        file, *names = begin.partition("[")[0].split("::")
        text = (CLUSTER / file).read_text(encoding="utf-8")
        for name in filter(None, names):
            assert f"def {name}(" in text or f"class {name}:" in text, begin

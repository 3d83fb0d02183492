"""Which tests run with another store, `--store ceph`, and why others do not."""

from __future__ import annotations

from collections.abc import Hashable

import pytest

#: fixtures that give the other store
FIXTURES = ("s3api", "moto_store", "rclone_store")
LEFT_OUT: dict[str, str] = {}


def choose(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what does not depend on the store, what runs with it already, and LEFT_OUT."""
    chosen: list[pytest.Item] = []
    seen: set[Hashable] = set()
    for item in items:
        what = _what(item)
        if what is not None and what not in seen and not left_out(item.nodeid):
            seen.add(what)
            chosen.append(item)
    kept = set(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = chosen


def left_out(nodeid: str) -> str:
    """Why a test is left out; empty if it is not."""
    short = nodeid.removeprefix("test/")
    return next((reason for begin, reason in LEFT_OUT.items() if short.startswith(begin)), "")


def _what(item: pytest.Item) -> Hashable | None:
    """What a test shows with the other store, which is the same for all stores in whose place that comes."""
    assert isinstance(item, pytest.Function)
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if item.nodeid.startswith("test/conformance/"):
        target = str(params.get("target", params.get("server", "")))
        return item.nodeid if target.startswith("ceph") else None
    names = [name for name, value in params.items() if value in FIXTURES]
    if not names and not {*FIXTURES, "store"} & set(item.fixturenames):
        return None
    others = {name: repr(value) for name, value in params.items() if name not in names}
    return item.nodeid.partition("[")[0], tuple(sorted(others.items()))

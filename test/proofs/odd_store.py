"""What daemon and middleware make of each document of somebody else, for each verb alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults.odd_matrix import Stage
from faults.odd_reads import ASKED, Reads
from faults.rewritten import OTHER_DOCUMENT, PORTAL, REFUSED, says
from servers.moto import MotoServer
from servers.odd_store import DEVIATIONS, HTML, READS, TOLD, WRITES, XML, Deviation
from servers.pair import Store
from servers.shunted import Shunted
from servers.swift import SwiftCluster

_DOCUMENTS = {
    "a portal's page": says(200, PORTAL, HTML),
    "an empty 200": says(200),
    "202 and nothing done": says(202),
    "another document": says(200, OTHER_DOCUMENT, XML),
    "an error with 200": says(200, REFUSED, XML),
    "204": says(204),
    "a page with 404": says(404, PORTAL, HTML),
    "a page with 403": says(403, PORTAL, HTML),
    "a page with 302": says(302, PORTAL, HTML, Location="http://localhost/sign-in"),
}
_ONLY_TOLD = ("another document", "an error with 200")
#: so many containers at a time: each is a store of its own for the daemon
_AT_ONCE = 24


def prove(words: list[str]) -> bool:
    """``words``: only deviations with one of them in their names."""
    deviations = {name: each for name, each in _every_one().items() if not words or _has(name, words)}
    names = list(deviations)
    problems: dict[str, list[str]] = {name: [] for name in names}
    with _known(deviations):
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            _copy(some, problems)
            _read([name for name in some if set(deviations[name].on) & ASKED], problems)
            for name in some:
                print("wrong" if problems[name] else "right", name, *problems[name], sep="\n    ", flush=True)
    wrong = [name for name in names if problems[name]]
    print(f"{len(names)} deviations, {len(wrong)} of them are not borne")
    return not wrong


def _has(name: str, words: list[str]) -> bool:
    return any(word in name for word in words)


def _every_one() -> dict[str, Deviation]:
    found = {name: each for name, each in DEVIATIONS.items() if not each.odd_only}
    for what, fault in _DOCUMENTS.items():
        for verb in TOLD if what in _ONLY_TOLD else WRITES + READS:
            found[f"{what}: {verb}"] = Deviation(fault, (verb,))
    return found


@contextmanager
def _known(deviations: dict[str, Deviation]) -> Iterator[None]:
    """To those who look them up by their names."""
    before = dict(DEVIATIONS)
    DEVIATIONS.update(deviations)
    try:
        yield
    finally:
        DEVIATIONS.clear()
        DEVIATIONS.update(before)


def _copy(names: list[str], problems: dict[str, list[str]]) -> None:
    with (
        SwiftCluster(min_part_size=1) as cluster,
        MotoServer(min_part=1) as moto,
        tempfile.TemporaryDirectory() as directory,
        Stage(cluster, Store.server(moto), Path(directory) / "daemon", names) as stage,
    ):
        stage.run()
        for name in names:
            problems[name] += stage.cells[name].problems


def _read(names: list[str], problems: dict[str, list[str]]) -> None:
    with Shunted(options={"remote_timeout": 2}) as cluster, MotoServer() as moto:
        reads = [Reads.of(name, cluster, Store.server(moto)) for name in names]
        for each in reads:
            each.during()
        for each in reads:
            each.afterwards()
            each.odd.close()
            problems[each.name] += [f"cloud-shunt, {problem}" for problem in each.problems]

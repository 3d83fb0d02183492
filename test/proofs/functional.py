"""Swift's own functional tests, asked through cloud-shunt: clients notice nothing but what is explained.

The tests are those of a checkout of openstack/swift that the user brings. They are run against a proxy
without the middleware, with it but without a mapping, and with mappings of whole accounts: of both kinds,
with an empty bucket, and with a daemon that fills it meanwhile. What is not as without it must be in
`functional-explained.tsv`; docs/shunt.md shows the same list.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from proofs.functional_servers import MODES, Mode, serving
from proofs.functional_suite import FAILED, PASSED, SKIPPED, Outcome, Results, Suite, install, read
from servers.scratch import ScratchDir

EXPLAINED = Path(__file__).with_name("functional-explained.tsv")
LOGS = Path(__file__).parents[1] / "logs" / "functional"
PLAIN = MODES[0]
ABSENT = Outcome("absent")


@dataclass(frozen=True)
class Explained:
    """A line of the list. ``modes``: those in which the test differs; a question mark behind one says "not
    each time": a daemon that moves objects meanwhile may or may not have been there first."""

    modes: str
    test: str
    reason: str

    def explains(self, mode: str, test: str) -> bool:
        names = self.modes.replace("?", "").split(", ")
        return mode in names and fnmatchcase(test, self.test)

    def is_certain(self, mode: str) -> bool:
        """Whether it has to differ in this mode."""
        return mode in self.modes.split(", ")


@dataclass(frozen=True)
class Difference:
    test: str
    without: Outcome
    outcome: Outcome


def explained(text: str) -> list[Explained]:
    """Lines of modes, test (a pattern of the shell) and reason, with tabs between them."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [Explained(*line.split("\t")) for line in lines]


def differences(without: Results, outcomes: Results) -> list[Difference]:
    """Tests that did not end as they do without the middleware, in their order."""
    tests = [*without, *(test for test in outcomes if test not in without)]
    pairs = [(test, without.get(test, ABSENT), outcomes.get(test, ABSENT)) for test in tests]
    return [Difference(*pair) for pair in pairs if pair[1].state != pair[2].state]


def stale(mode: str, known: Sequence[Explained], found: Sequence[Difference]) -> list[Explained]:
    """Lines of the list that should have differed in this mode, and did not."""
    mine = [line for line in known if line.is_certain(mode)]
    return [line for line in mine if not any(line.explains(mode, each.test) for each in found)]


def prove(checkout: Path, modes: Sequence[str], logs: Path = LOGS) -> bool:
    """``modes``: their names. The others are compared with the last run of "plain", which is made first if
    there is none."""
    logs.mkdir(parents=True, exist_ok=True)
    if not (logs / f"{PLAIN.name}.xml").exists():
        modes = [PLAIN.name, *modes]
    scratch = ScratchDir("functional-packages")
    try:
        install(scratch.path)
        suite = Suite(checkout.resolve(), scratch.path)
        print(f"Swift's tests are those of {suite.version}; logs are in {logs}", flush=True)
        wanted = [mode for mode in MODES if mode.name in modes]
        return all([_prove_one(suite, mode, logs) for mode in wanted])
    finally:
        scratch.remove()


def _prove_one(suite: Suite, mode: Mode, logs: Path) -> bool:
    begun = time.monotonic()
    with serving(mode) as site:
        try:
            outcomes = suite.run(site.test_conf, logs / mode.name)
        finally:
            site.save_logs(logs / f"{mode.name}-servers")
    _tell(mode, outcomes, time.monotonic() - begun)
    if mode is PLAIN:
        return True
    return _judge(mode, differences(read(logs / f"{PLAIN.name}.xml"), outcomes))


def _tell(mode: Mode, outcomes: Results, seconds: float) -> None:
    counts = Counter(outcome.state for outcome in outcomes.values())
    numbers = ", ".join(f"{counts[state]} {state}" for state in (PASSED, FAILED, SKIPPED))
    print(f"{mode.name}: {numbers}; {seconds:.0f} s", flush=True)
    if mode is PLAIN:
        for test, outcome in outcomes.items():
            if outcome.state == FAILED:
                print(f"  {test}: {outcome.reason}")
        reasons = Counter(outcome.reason for outcome in outcomes.values() if outcome.state == SKIPPED)
        for reason, count in reasons.most_common():
            print(f"  {count} skipped: {reason}", flush=True)


def _judge(mode: Mode, found: Sequence[Difference]) -> bool:
    known = explained(EXPLAINED.read_text(encoding="utf-8"))
    good = True
    for each in found:
        reasons = [line.reason for line in known if line.explains(mode.name, each.test)]
        good &= bool(reasons)
        why = reasons[0] if reasons else f"NOT EXPLAINED: {each.outcome.reason or each.without.reason}"
        print(f"  {each.test}: {each.without.state} -> {each.outcome.state}: {why}")
    for line in stale(mode.name, known, found):
        good = False
        print(f"  {line.test}: AS WITHOUT THE MIDDLEWARE, although explained: {line.reason}")
    print(f"  {'as it should be' if good else 'NOT AS IT SHOULD BE'}", flush=True)
    return good

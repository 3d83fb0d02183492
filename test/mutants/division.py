"""The rules by which nodes divide a migration, and by which one that ends leaves nothing out."""

from __future__ import annotations

from mutants.mutant import Mutant

_UNIT = "test/unit/migrate"
_DIVISION, _CRASHES = f"{_UNIT}/test_division.py", f"{_UNIT}/test_crashes.py"
_JOB, _PASS = "migrate/container_migration.py", "migrate/current_pass.py"

DIVISION = (
    Mutant(
        "each name of a migration has one owner, and an order of helpers",
        "migrate/division.py",
        "(self.ordinal - owner_ordinal(name, self.nodes)) % self.nodes",
        "int(self.ordinal != owner_ordinal(name, self.nodes))",
        _DIVISION,
    ),
    Mutant(
        "the first helper begins at the end of a page",
        "migrate/division.py",
        "items[::-1] if rank else items",
        "items",
        _DIVISION,
    ),
    Mutant(
        "further helpers go through a page in random order",
        "migrate/division.py",
        "    random.Random(rank).shuffle(shuffled)\n",
        "",
        _DIVISION,
    ),
    Mutant(
        "where one name needs no download, the following ones are looked up",
        "migrate/division.py",
        "            self._more = SAMPLE\n",
        "            pass\n",
        _DIVISION,
    ),
    Mutant(
        "what other nodes own is theirs for two poll intervals",
        _JOB,
        "seconds = current.left_at + self._time_for_others - self._context.clock.now()",
        "seconds = 0.0",
        _DIVISION,
    ),
    Mutant(
        "what other nodes have left undone is done in the same pass",
        _PASS,
        "        if has_left:\n            self._leave(batch, now)\n",
        "",
        _DIVISION,
    ),
    Mutant("a helper looks up every name", _PASS, "        self.lookups.always = True\n", "", _DIVISION),
    Mutant(
        "a pass that ends while it helps begins from the first name again",
        _JOB,
        '"" if current.rank else landed.last or ""',
        'landed.last or ""',
        _DIVISION,
    ),
    Mutant(
        "the first node creates the container",
        _JOB,
        "            or not share.ordinal\n",
        "            or True\n",
        _DIVISION,
    ),
    Mutant(
        "the first node deletes what is gone at the source",
        _JOB,
        "        if not time_for_others:\n",
        "        if True:\n",
        _DIVISION,
    ),
    Mutant(
        "a container that is gone at the source is left to the first node for a while",
        "migrate/account_migration.py",
        "if share is not None and now >= since + share.ordinal * GONE_TIME_FOR_OTHERS:",
        "if share is not None:",
        f"{_UNIT}/test_account_migration.py",
    ),
    Mutant(
        "the marker of a migration never passes a batch that is under way",
        _JOB,
        "while current.flights and not (current.flights[0].remaining or current.flights[0].is_skipped):",
        "while current.flights:",
        _CRASHES,
    ),
    Mutant(
        "what a pass has not met again has not failed any more",
        _JOB,
        "self._context.failures.settle(self.mapping.journal_key, current.failed_before)",
        "pass",
        _DIVISION,
    ),
    Mutant(
        "a run that ends by itself tries again what has failed",
        "migrate/objects.py",
        "self._context.once or self._context.failures.is_due(",
        "self._context.failures.is_due(",
        _DIVISION,
    ),
    Mutant(
        "an object overwritten at the source within one second is copied again",
        "migrate/objects.py",
        "            return copied\n",
        "            raise\n",
        _DIVISION,
    ),
    Mutant(
        "objects in flight end before a daemon does",
        "daemon/lane.py",
        "self.running + self.workers.busy + ",
        "self.running + ",
        "test/cluster/test_migrator_kill.py",
    ),
)

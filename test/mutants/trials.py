"""Trials of rows further on, while a store refuses those at a cursor: part of `rules.py`."""

from __future__ import annotations

from mutants.mutant import Mutant

_TESTS = "test/unit/sync/test_container_crawl_refusals.py"

TRIALS = (
    Mutant(
        "a row that the store takes proves that the failures before it are their own",
        "sync/passes/trial.py",
        "            self._batches.tolerate(proved)\n",
        "            pass\n",
        _TESTS,
    ),
    Mutant(
        "each trial reaches farther than the one before",
        "sync/passes/trial.py",
        "REACH_FACTOR = 4",
        "REACH_FACTOR = 1",
        _TESTS,
    ),
    Mutant(
        "failures are tolerated only up to the row that was taken",
        "sync/rows/batch.py",
        "            self._tolerated -= len(result.done)\n",
        "            pass\n",
        _TESTS,
    ),
    Mutant(
        "a row that was taken long ago proves nothing",
        "sync/rows/batch.py",
        " and self._context.clock.now() < self._tolerant_until",
        "",
        _TESTS,
    ),
    Mutant(
        "a row that was tried early is looked up before it is sent again",
        "sync/passes/primary.py",
        "max(last, window)",
        "last",
        _TESTS,
    ),
    Mutant(
        "failures of a trial stay out of the journal",
        "sync/passes/trial.py",
        "if outcome.settled or outcome.reason == LARGE",
        "if outcome.reason",
        _TESTS,
    ),
    Mutant(
        "failures that are the objects' own are not retried when the backoff ends",
        "sync/container_crawl.py",
        "self._backoff.succeeded() and not self._was_none",
        "self._backoff.succeeded()",
        _TESTS,
    ),
    Mutant(
        "a store that does not answer gets no trials",
        "sync/container_crawl.py",
        "self._outage.reason not in SILENT_REASONS",
        "True",
        _TESTS,
    ),
)

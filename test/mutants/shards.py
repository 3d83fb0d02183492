"""The rules about sharded containers, whose rows Swift copies from one database to another."""

from __future__ import annotations

from mutants.mutant import Mutant

_SYNC = "test/unit/sync"
_CLUSTER = "test/unit/cluster"

SHARDS = (
    Mutant(
        "the retiring database is read until it goes",
        "cluster/databases.py",
        "        return found + [replace(",
        "        return found or [replace(",
        f"{_CLUSTER}/test_databases.py",
    ),
    Mutant(
        "what may have been sent from another database is compared",
        "sync/passes/primary.py",
        "compare = elsewhere | shared",
        "compare = set(shared)",
        f"{_SYNC}/test_shards.py",
    ),
    Mutant(
        "what was fresh is not, while rows are moved",
        "sync/passes/cursors.py",
        "        return is_moving or row.rowid",
        "        return row.rowid",
        f"{_SYNC}/test_shards.py",
    ),
    Mutant(
        "nothing is fresh in a shard that is being filled",
        "sync/passes/cursors.py",
        "self._moved_until <= begun and ",
        "",
        f"{_SYNC}/test_shards.py",
    ),
    Mutant(
        "nothing is moved out of shards before a walk through all of them",
        "sync/lifecycle/account_segment_index.py",
        "if written < seen <= now <= seen + self._ttl:",
        "if True:",
        f"{_SYNC}/test_shards.py",
    ),
)

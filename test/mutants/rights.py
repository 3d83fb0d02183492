"""The rules about whose rights count: what users write must not lend them an operator's rights."""

from __future__ import annotations

from mutants.mutant import Mutant

_SYNC = "test/unit/sync"
_CLUSTER = "test/unit/cluster"

RIGHTS = (
    Mutant(
        "a link is followed within its container only",
        "cluster/symlinks.py",
        'if follow == "account" or (follow == "container" and target.container == container):',
        "if True:",
        f"{_CLUSTER}/test_symlinks.py",
    ),
    Mutant(
        "no link is followed into another account",
        "cluster/symlinks.py",
        "    if target.account == account:",
        "    if True:",
        f"{_CLUSTER}/test_symlinks.py",
    ),
    Mutant(
        "segments count where a writer of the manifest could write",
        "cluster/segments.py",
        "        if not may_hold_segments(container, self.container, self.allowed):",
        "        if False:",
        f"{_SYNC}/test_segments_elsewhere.py",
    ),
    Mutant(
        "and are deleted nowhere else",
        "sync/lifecycle/segment_cleanup.py",
        "        if not self._may_hold(segment.container):",
        "        if False:",
        f"{_SYNC}/test_segments_elsewhere.py",
    ),
    Mutant(
        "a segment that is an object of the container keeps its name",
        "sync/lifecycle/segment_cleanup.py",
        "if each.segment.container == mapping.container]",
        "if False]",
        f"{_SYNC}/lifecycle/test_segment_index.py",
    ),
)

"""The result of one run of a pass."""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.model.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class PassResult:
    """``has_more``: whether there may be more to do right away. ``attempted``: outcomes of the rows or
    expiries that required work. The sum of two results is that of both runs."""

    has_more: bool = False
    attempted: tuple[Outcome, ...] = ()

    def __add__(self, other: PassResult) -> PassResult:
        if other is NOTHING:
            return self
        return PassResult(self.has_more or other.has_more, self.attempted + other.attempted)


#: the result of a pass that had nothing to do, which is what most passes of an idle mapping return
NOTHING = PassResult()

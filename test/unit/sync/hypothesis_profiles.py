"""How long the stories are that Hypothesis tells: short and always the same in a usual run of the tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

#: how many times as many as usual, none of them told before
LONGER = int(os.environ.get("STORIES", "0"))


def stories(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples * (LONGER or 1),
        stateful_step_count=steps,
        deadline=None,
        derandomize=not LONGER,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
    )

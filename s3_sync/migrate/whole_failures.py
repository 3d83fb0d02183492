"""What stands in the way of a whole container, or of all of a source: on record like failed objects, with an
empty name, so that --status can tell it."""

from __future__ import annotations

from collections.abc import Callable

from s3_sync.config.settings import Mapping
from s3_sync.daemon.job import StepResult
from s3_sync.errors import StateError, SyncError
from s3_sync.migrate.services import Context

WHOLE = ""


def recorded(context: Context, mapping: Mapping, step: Callable[[], StepResult]) -> StepResult:
    """Take a step of a job. Raises what it raises, once that is on record; a step that succeeds ends it."""
    key = mapping.journal_key
    try:
        result = step()
    except StateError:
        raise  # this cannot be recorded either
    except SyncError as error:
        context.failures.record(key, WHOLE, error.reason, str(error), context.clock.now())
        raise
    context.failures.settle(key, (WHOLE,))
    return result

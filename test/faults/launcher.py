"""`swift-s3-sync` that ends itself at a named step, or runs with other constants.

    SyncDaemon(..., faults={"kill": {"at": "s3_sync.state.journal:Journal.settle", "call": 2}})
    SyncDaemon(..., faults={"values": {"s3_sync.sync.daemon:GRACE": 1.0}})

The product knows nothing of this. The faults are JSON in $SYNC_FAULTS; everything is named where it is
looked up, as `package.module:Class.method`: a function that a module imported by name is that module's.

`values`  place -> new value
`kill`    SIGKILL to itself: `at` which function, `call` at which of its calls (1 = the first), `moment`
          `before` it does anything (the default) or `after` it has returned
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
from collections.abc import Callable
from typing import Any


def main() -> None:
    faults = json.loads(os.environ["SYNC_FAULTS"])

    from s3_sync import launch
    from s3_sync.runtime.concurrency import patch

    patch()  # before the modules below are imported, as `launch` does
    for place, value in faults.get("values", {}).items():
        owner, name = _find(place)
        setattr(owner, name, value)
    if "kill" in faults:
        _kill(**faults["kill"])
    launch.sync()


def _kill(at: str, call: int = 1, moment: str = "before") -> None:
    owner, name = _find(at)
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        ours = calls == call
        if ours and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if ours:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, wrapper)


def _find(place: str) -> tuple[Any, str]:
    """The owner and the name; ends the process when there is no such thing, so that no plan goes stale."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    if not hasattr(owner, name):
        raise SystemExit(f"there is no {place}")
    return owner, name


if __name__ == "__main__":
    main()

"""`swift-s3-sync` with something about it altered: python altered.py ARGUMENTS

The environment variable ALTERED says what, as a JSON object:

- `dialect` and `limits`: fields of `Dialect`, for stores of which nothing is known
- `clock`: seconds that the daemon's clock is ahead; or the path of a file that holds them, while there is one
- `noted`: place of a function -> a file that grows by a byte with each call
- `patience`: seconds that an object server gets for an answer; it is asked again at once after that
- `fails`: place of a function -> a file with a JSON object: name of a bucket -> name of an error of the
  system, and how many calls for that bucket fail with it; each adds the bucket's name as a line to FILE.hits
- `retries`: fields of `RetryPolicy`, for every request to a store
- `values`: place -> another value for a constant
- `largest_file`: bytes; no file may grow beyond, as on a disk that is full
- `pauses`: place of a function that says how long to wait -> seconds, always the same
- `in_use`: a file that gets a line for each pool of connections when it is closed, with the number of those
  that were never given back
- `kill`: SIGKILL to itself: `at` the place of a function, `call` at which of its calls (1 = the first),
  `moment` `before` it does anything (the default) or `after` it has returned

A place is `package.module:Class.name`, where the name is looked up: a function that a module imported by
name is that module's.
"""

from __future__ import annotations

import errno
import functools
import importlib
import json
import os
import resource
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any


def change_dialect(fields: dict[str, Any]) -> None:
    from s3_sync.config.credentials import s3_dialects

    s3_dialects.CLONE = s3_dialects.CLONE.model_copy(update=fields)


def move_clock(ahead: float | str) -> None:
    from s3_sync.runtime.concurrency import Clock

    def seconds() -> float:
        if not isinstance(ahead, str):
            return ahead
        try:
            return float(Path(ahead).read_text())
        except FileNotFoundError:
            return 0.0

    now = Clock.now
    Clock.now = lambda self: now(self) + seconds()  # type: ignore[method-assign]


def note_calls(files: dict[str, str]) -> None:
    for place, path in files.items():
        _note_calls(path, *_find(place))


def _note_calls(path: str, owner: Any, name: str) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    def noted(*args: Any, **kwargs: Any) -> Any:
        with Path(path).open("ab") as file:
            file.write(b".")
        return original(*args, **kwargs)

    setattr(owner, name, noted)


def fail_calls(plans: dict[str, str]) -> None:
    for place, path in plans.items():
        _fail_calls(Path(path), *_find(place))


def _fail_calls(plan: Path, owner: Any, name: str) -> None:
    original: Callable[..., Any] = getattr(owner, name)
    hits: Counter[str] = Counter()

    @functools.wraps(original)
    def failing(*args: Any, **kwargs: Any) -> Any:
        faults = json.loads(plan.read_text()) if plan.exists() else {}
        paths = [path for arg in args for path in _paths(arg)] if faults else []
        for bucket, (error, times) in faults.items():
            if hits[bucket] < times and any(bucket in path for path in paths):
                hits[bucket] += 1
                with plan.with_suffix(".hits").open("a") as file:
                    file.write(f"{bucket}\n")
                number = getattr(errno, error)
                raise OSError(number, os.strerror(number))
        return original(*args, **kwargs)

    setattr(owner, name, failing)


def _paths(arg: Any) -> list[str]:
    """Where a name, an open file, or what has a bucket, is."""
    if isinstance(arg, str):
        return [arg]
    if isinstance(arg, int):
        with suppress(OSError):
            return [os.readlink(f"/proc/self/fd/{arg}")]
    return _paths(arg.bucket) if hasattr(arg, "bucket") else []


def change_retries(fields: dict[str, Any]) -> None:
    from s3_sync.providers.registry import Registry

    defaults = Registry.__init__.__kwdefaults__  # type: ignore[misc]
    defaults["retries"] = replace(defaults["retries"], **fields)


def change_values(values: dict[str, Any]) -> None:
    for place, value in values.items():
        setattr(*_find(place), value)


def change_pauses(pauses: dict[str, float]) -> None:
    for place, seconds in pauses.items():
        setattr(*_find(place), lambda attempts, seconds=seconds: seconds)


def fill_the_disk(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def note_connections(path: str) -> None:
    from urllib3 import PoolManager

    from s3_sync.http.pool import ConnectionPool

    close, clear = ConnectionPool.close, PoolManager.clear

    def note(kind: str, in_use: int) -> None:
        with Path(path).open("a") as file:
            file.write(f"{kind} {in_use}\n")

    def closed(pool: Any) -> None:
        note("own", pool._slots._initial_value - pool._slots._value)
        close(pool)

    def cleared(manager: Any) -> None:
        for pool in map(manager.pools.get, manager.pools.keys()):
            note("SDK", pool.pool.maxsize - pool.pool.qsize())
        clear(manager)

    ConnectionPool.close = closed  # type: ignore[method-assign]
    PoolManager.clear = cleared  # type: ignore[method-assign]


def change_patience(seconds: float) -> None:
    from s3_sync.cluster import servers

    servers._TIMEOUTS = replace(servers._TIMEOUTS, read=seconds)
    servers._TIMEOUT_PENALTY = 0.0


def kill_itself(plan: dict[str, Any]) -> None:
    owner, name = _find(plan["at"])
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    @functools.wraps(original)
    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        this_one = calls == plan.get("call", 1)
        if this_one and plan.get("moment", "before") == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if this_one:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, counted)


def _find(place: str) -> tuple[Any, str]:
    """Ends the process when there is no such thing, so that no test goes stale unnoticed."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    if not hasattr(owner, name):
        raise SystemExit(f"there is no {place}")
    return owner, name


ALTERATIONS: dict[str, Callable[[Any], None]] = {
    "dialect": change_dialect,
    "limits": change_dialect,
    "clock": move_clock,
    "noted": note_calls,
    "fails": fail_calls,
    "retries": change_retries,
    "values": change_values,
    "largest_file": fill_the_disk,
    "pauses": change_pauses,
    "patience": change_patience,
    "in_use": note_connections,
    "kill": kill_itself,
}


def main() -> None:
    """`swift-s3-sync`."""
    _run("sync")


def migrator() -> None:
    """`swift-s3-migrator`."""
    _run("migrator")


def ctl() -> None:
    """`swift-s3-ctl`."""
    _run("ctl")


def _run(program: str) -> None:
    from s3_sync import launch
    from s3_sync.runtime.concurrency import patch

    patch()  # before the modules above are imported, as `launch` does
    for name, value in json.loads(os.environ["ALTERED"]).items():
        ALTERATIONS[name](value)
    getattr(launch, program)()


if __name__ == "__main__":
    main()

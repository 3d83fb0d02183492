"""The shunt's logger and metrics, through Swift's logger and statsd client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from swift.common.utils import get_logger

from s3_sync.errors import Archived, NotFound, PreconditionFailed, RemoteError
from s3_sync.providers.wrappers.bulkhead import BulkheadListener
from s3_sync.providers.wrappers.circuit_breaker import State
from s3_sync.runtime.logs import EscapingFilter

#: not the logger's name: a colon would end a metric's name
_METRICS = "proxy-server.s3_sync.shunt"
_EXPECTED = (NotFound, PreconditionFailed, Archived)


class SwiftLogger(Protocol):
    """Swift's logger: log lines with a transaction id, and metrics for statsd."""

    #: the transaction id and the client's address, kept per green thread
    thread_locals: object

    def info(self, message: str, /, *args: object) -> None: ...

    def warning(self, message: str, /, *args: object) -> None: ...

    def error(self, message: str, /, *args: object) -> None: ...

    def exception(self, message: str, /, *args: object) -> None: ...

    def increment(self, metric: str, /) -> None: ...

    def timing(self, metric: str, milliseconds: float, /) -> None: ...


def shunt_logger(conf: Mapping[str, str]) -> SwiftLogger:
    """Return Swift's logger: lines carry the transaction id, and ``increment`` and ``timing`` go to
    statsd. Names of objects, which may contain anything, cannot control who reads the log."""
    log = _swift_logger(conf)
    log.logger.addFilter(EscapingFilter())
    found: SwiftLogger = log
    return found


def _swift_logger(conf: Mapping[str, str]) -> Any:
    names = {"name": "proxy-server:s3_sync.shunt", "log_route": "s3_sync.shunt"}
    try:
        log = get_logger(conf, statsd_tail_prefix=_METRICS, **names)
    except TypeError:  # before Swift 2.32
        log = get_logger(conf, **names)
        log.set_statsd_prefix(_METRICS)
    return log


class RemoteWatcher(BulkheadListener):
    """Logs and counts the requests to one remote account, called ``name`` in the log."""

    def __init__(self, name: str, log: SwiftLogger) -> None:
        self._name = name
        self._log = log

    def answered(self, seconds: float, error: RemoteError | None) -> None:
        self._log.timing("remote.timing", seconds * 1000)
        if error is not None and not isinstance(error, _EXPECTED):
            self._log.increment(f"remote.errors.{error.reason}")

    def changed(self, state: State) -> None:
        self._log.increment(f"breaker.{state}")
        if state == "open":
            self._log.error("%s does not respond: sending it no requests for a while", self._name)
        elif state == "closed":
            self._log.warning("%s responds again", self._name)

"""``swift-s3-sync``: from the command line to a running daemon."""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from s3_sync import __version__
from s3_sync.config.file_watch import FileWatch
from s3_sync.config.load import load
from s3_sync.config.report import check_config
from s3_sync.daemon.arguments import parse
from s3_sync.daemon.process_shard import Share
from s3_sync.daemon.sd_notify import ServiceManager, Watchdog
from s3_sync.daemon.supervisor import Board, Workers
from s3_sync.errors import ConfigError, Problem, StateError, SyncError
from s3_sync.sync.app import Reading, Start, open_journal, serve
from s3_sync.sync.convert_config import convert_config
from s3_sync.sync.lifecycle.notice import announce

log = logging.getLogger("s3-sync")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0, also when there is no configuration file; 1 when something failed."""
    arguments = parse("swift-s3-sync", argv)
    if arguments.check_config:
        return check_config(arguments.config)
    if arguments.convert_config is not None:
        return convert_config(arguments.config, arguments.convert_config, arguments.force)
    if not os.path.exists(arguments.config):
        # not an error, so that a process supervisor does not restart us in a loop
        print("Configuration file does not exist")
        return 0
    try:
        return run(Start(arguments.config, arguments.once, arguments.log_level, arguments.console))
    except SyncError as error:
        problems = error.problems if isinstance(error, ConfigError) else [error]
        for problem in problems:
            print(f"swift-s3-sync: {problem}", file=sys.stderr)
        return 1


def run(start: Start) -> int:
    """In one process, or in several: then this is what every one of them returns. Raises SyncError."""
    before = FileWatch(start.config).looks()
    loaded = load(start.config)
    settings = loaded.settings
    if settings is None:
        raise ConfigError(loaded.problems)
    start.configure_logs(settings)
    for problem in loaded.problems:
        log.error("Mapping left out: %s", problem)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    announce(settings.mappings)
    with ExitStack() as stack:
        _claim(settings.status_dir, stack)
        if settings.processes == 1:
            return serve(start, Reading(loaded, before), Share(), ServiceManager())
        open_journal(settings).close()  # made, or set aside, by one
        return _Several(start, Reading(loaded, before), settings.processes).run()


class _Several:
    """Several processes, each with its share of the containers. This one does nothing but look after them."""

    def __init__(self, start: Start, reading: Reading, count: int) -> None:
        self._start = start
        self._reading = reading
        self._watch = FileWatch(start.config)
        self._watch.also(reading.loaded.secret_files)
        self._watch.changed()
        self._count = count
        self._manager = ServiceManager()
        self._workers = Workers(count, self._serve, start.once, self._tick)
        self._told = False
        patience = self._manager.watchdog or 0.0
        self._watchdog = Watchdog(self._manager, lambda: self._workers.are_well(patience), time.monotonic)

    def run(self) -> int:
        log.info("swift-s3-sync %s: %d processes", __version__, self._count)
        return self._workers.run()

    def _serve(self, number: int) -> int:
        """In a new process."""
        self._start.configure_logs(self._reading.settings)
        manager = _Reports(self._workers.board, number, self._manager.watchdog)
        return serve(self._start, self._reading, Share(number, self._count), manager)

    def _tick(self) -> None:
        self._watchdog.tick()
        if not self._told and self._workers.are_ready():
            self._told = True
            self._manager.ready(f"{self._count} processes, {len(self._reading.settings.mappings)} mappings")
        if self._watch.changed():
            self._read_again()

    def _read_again(self) -> None:
        """Workers do so by themselves; one that is begun later begins with the last file that was usable."""
        before = self._watch.looks()
        loaded = load(self._start.config)
        self._watch.also(loaded.secret_files)  # of a file that is refused, too: a secret may come later
        if loaded.settings is None or loaded.problems:
            return
        if loaded.settings.status_dir == self._reading.settings.status_dir:
            self._reading = Reading(loaded, before)
            self._told = False


class _Reports:
    """What a worker tells about itself goes to its parent."""

    def __init__(self, board: Board, number: int, watchdog: float | None) -> None:
        self.watchdog = watchdog
        self._board = board
        self._number = number

    def ready(self, status: str) -> None:
        self._board.report(self._number)

    def alive(self) -> None:
        self._board.report(self._number)


def _claim(status_dir: str, stack: ExitStack) -> None:
    """Two daemons over one status_dir would undo each other's progress."""
    try:
        with suppress(FileExistsError):
            os.mkdir(status_dir)  # not what it is in: that may be a disk which is not mounted
        lock = os.open(os.path.join(status_dir, ".lock"), os.O_CREAT | os.O_WRONLY, 0o600)
        stack.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        message = f"another swift-s3-sync is using {status_dir}"
        raise ConfigError([Problem("status_dir", message)]) from None
    except OSError as error:
        raise StateError(f"status_dir: cannot use {status_dir}: {error}") from error

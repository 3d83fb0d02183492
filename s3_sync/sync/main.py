"""``swift-s3-sync``: from the command line to a running daemon."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from functools import partial

from s3_sync.config.file_watch import FileWatch
from s3_sync.config.load import load
from s3_sync.config.report import SYNC, check_config
from s3_sync.daemon.answer import answer
from s3_sync.daemon.arguments import Arguments, parse
from s3_sync.daemon.instance_lock import instance_lock
from s3_sync.daemon.processes import run_processes
from s3_sync.daemon.start import LoadedConfig, StartOptions
from s3_sync.errors import ConfigError, SyncError
from s3_sync.sync.app import open_journal, serve
from s3_sync.sync.convert_config import convert_config
from s3_sync.sync.lifecycle.notice import announce

log = logging.getLogger("s3-sync")

PROGRAM = "swift-s3-sync"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, also if there is no configuration file; 1 if anything failed."""
    arguments = parse(PROGRAM, argv)
    if arguments.check_config or arguments.convert_config is not None:
        return answer(PROGRAM, partial(_answer, arguments))
    if not os.path.exists(arguments.config):
        # not an error: a process supervisor would restart the daemon in a loop
        print("Configuration file does not exist")
        return 0
    options = StartOptions(PROGRAM, arguments.config, arguments.once, arguments.log_level, arguments.console)
    try:
        return run(options)
    except SyncError as error:
        problems = error.problems if isinstance(error, ConfigError) else [error]
        for problem in problems:
            print(f"{PROGRAM}: {problem}", file=sys.stderr)
        return 1


def _answer(arguments: Arguments) -> int:
    if arguments.convert_config is None:
        return check_config(arguments.config, SYNC)
    return convert_config(arguments.config, arguments.convert_config, arguments.force)


def run(options: StartOptions) -> int:
    """Run the daemon. Every process returns its exit code. Raises SyncError."""
    before = FileWatch(options.config).stat_signature()
    loaded = load(options.config)
    settings = loaded.settings
    if settings is None:
        raise ConfigError(loaded.problems)
    options.configure_logs(settings)
    for problem in loaded.problems:
        log.error("Mapping left out: %s", problem)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    announce(settings.mappings)
    with instance_lock(settings.status_dir, PROGRAM):
        if settings.processes > 1:
            open_journal(settings).close()  # create it, or set a damaged one aside, in one process only
        return run_processes(options, LoadedConfig(loaded, before), serve)

"""``swift-s3-migrator``: from the command line to a running daemon."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from functools import partial

from s3_sync import __version__
from s3_sync.config.file_watch import FileWatch, StatSignature
from s3_sync.config.load import Loaded, load_migrator
from s3_sync.config.report import MIGRATOR, check_config
from s3_sync.daemon.answer import answer
from s3_sync.daemon.arguments import add_run_options
from s3_sync.daemon.instance_lock import instance_lock
from s3_sync.daemon.processes import run_processes
from s3_sync.daemon.start import LoadedConfig, StartOptions
from s3_sync.errors import ConfigError, SyncError
from s3_sync.migrate.app import serve
from s3_sync.migrate.operations import add_operations, check_operations, is_operation, operate

log = logging.getLogger("swift-s3-migrator")

PROGRAM = "swift-s3-migrator"
#: exit codes of earlier versions: -1, and -ENOENT
NO_SECTION, NO_STATUS_FILE = 255, 254


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, also if there is no configuration file; 1 if anything failed; 254 and 255 if
    the configuration is not one for a migrator."""
    arguments = _parse(argv)
    if arguments.check_config:
        return answer(PROGRAM, partial(check_config, arguments.config, MIGRATOR))
    if not os.path.exists(arguments.config):
        # not an error: a process supervisor would restart the daemon in a loop
        print("Configuration file does not exist")
        return 1 if is_operation(arguments) else 0
    options = StartOptions(PROGRAM, arguments.config, arguments.once, arguments.log_level, arguments.console)
    before = FileWatch(options.config).stat_signature()
    loaded = load_migrator(options.config)
    if code := _missing(loaded):
        return code
    try:
        if (done := operate(loaded, arguments)) is not None:
            return done
        return _run(options, loaded, before, arguments.dry_run)
    except SyncError as error:
        for problem in error.problems if isinstance(error, ConfigError) else [error]:
            print(f"{PROGRAM}: {problem}", file=sys.stderr)
        return 1


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=PROGRAM)
    add_run_options(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="with --once: count and log what would be copied; write nothing",
    )
    add_operations(parser)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    arguments = parser.parse_args(argv)
    if arguments.dry_run and not arguments.once:
        parser.error("--dry-run requires --once")
    check_operations(parser, arguments)
    return arguments


def _missing(loaded: Loaded) -> int:
    """Report a configuration without the section or without its status file; 0 if it has both."""
    problems = [str(problem) for problem in loaded.problems]
    if "migrator_settings: is required" in problems:
        print("Missing migrator settings section")
        return NO_SECTION
    if "migrator_settings.status_file: is required" in problems:
        print("Missing status file location!")
        return NO_STATUS_FILE
    return 0


def _run(options: StartOptions, loaded: Loaded, before: StatSignature, dry_run: bool) -> int:
    settings = loaded.settings
    if settings is None:
        raise ConfigError(loaded.problems)
    options.configure_logs(settings)
    for problem in loaded.problems:
        log.error("Migration left out: %s", problem)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    with instance_lock(settings.status_dir, PROGRAM):
        return run_processes(options, LoadedConfig(loaded, before), partial(serve, dry_run=dry_run))

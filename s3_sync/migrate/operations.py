"""What swift-s3-migrator does instead of running: it reports, and it compares."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from s3_sync.config.load import Loaded
from s3_sync.errors import ConfigError
from s3_sync.migrate.compare import command
from s3_sync.migrate.report import status
from s3_sync.state.owner import become_owner_of

#: options that need --compare
_OF_COMPARE = ("every", "strict", "resume", "report")


def add_operations(parser: ArgumentParser) -> None:
    parser.add_argument("--status", action="store_true", help="print how far each migration is, then exit")
    command.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="with --status or --compare: print JSON")


def check_operations(parser: ArgumentParser, arguments: Namespace) -> None:
    """End the program with code 2 if the options do not go together."""
    compares = arguments.compare is not None
    for name in _OF_COMPARE:
        if getattr(arguments, name) and not compares:
            parser.error(f"--{name} requires --compare")
    chosen = [arguments.status, compares, arguments.once]
    if sum(chosen) > 1:
        parser.error("--status, --compare and --once exclude each other")
    if arguments.json and not (arguments.status or compares):
        parser.error("--json requires --status or --compare")


def is_operation(arguments: Namespace) -> bool:
    """Whether the command line asks for something else than to run."""
    return bool(arguments.status) or arguments.compare is not None


def operate(loaded: Loaded, arguments: Namespace) -> int | None:
    """Do what the command line asks for; None: to run. Returns the exit code. Raises SyncError."""
    if not is_operation(arguments):
        return None
    settings = loaded.settings
    if settings is None:
        raise ConfigError(loaded.problems)
    if arguments.status:
        become_owner_of(settings.status_dir)
        code = status(settings, arguments.json)
    else:
        code = command.compare(settings, arguments, arguments.json)
    for problem in loaded.problems:
        print(f"left out: {problem}", file=sys.stderr)
    return code or int(bool(loaded.problems))

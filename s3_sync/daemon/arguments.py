"""The command line that all daemons share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from s3_sync import __version__

LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Arguments:
    """``log_level`` None: use the configuration's. ``convert_config``: output file; ``-`` is standard
    output."""

    config: str
    once: bool = False
    log_level: str | None = None
    console: bool = False
    check_config: bool = False
    convert_config: str | None = None
    force: bool = False


def parse(program: str, argv: Sequence[str] | None = None) -> Arguments:
    """Parse ``argv`` (default: the process's own). Invalid arguments end the process with code 2.

    Options may be abbreviated, since existing start scripts do so.
    """
    parser = argparse.ArgumentParser(prog=program)
    add_run_options(parser)
    _add_config_options(parser)
    parser.add_argument("--version", action="version", version=f"{program} {__version__}")
    return Arguments(**vars(parser.parse_args(argv)))


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add what every daemon has: its configuration, how long it runs, and where it logs."""
    parser.add_argument("--config", metavar="PATH", required=True, help="configuration file (JSON)")
    parser.add_argument("--once", action="store_true", help="make one pass, then exit")
    parser.add_argument(
        "--log-level",
        choices=LEVELS,
        metavar="LEVEL",
        help=f"{', '.join(LEVELS)}; overrides the configuration",
    )
    parser.add_argument("--console", action="store_true", help="log to stderr instead of the log file")
    parser.add_argument(
        "--check-config",
        action="store_true",
        help="print the effective configuration and any problems, then exit with 0 or 1",
    )


def _add_config_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--convert-config",
        nargs="?",
        const="-",
        metavar="FILE",
        help="convert a configuration of an earlier version, write it to FILE (default: stdout), then exit",
    )
    parser.add_argument("--force", action="store_true", help="let --convert-config overwrite FILE")

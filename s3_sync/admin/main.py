"""``swift-s3-ctl``: parses the command line, runs the command, and reports errors."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from s3_sync import __version__
from s3_sync.admin import exit_codes as codes
from s3_sync.admin.node import open_node
from s3_sync.errors import ConfigError, SyncError, UsageError
from s3_sync.runtime.output import Output, printable

PROGRAM = "swift-s3-ctl"
CONFIG = "/etc/swift-s3-sync/sync.json"
#: modules of ``s3_sync.admin.commands``, in the order of the help
COMMANDS = (
    "status", "failed", "explain", "reset", "pause", "resume", "allow_deletes", "verify_data", "restore",
    "share", "cutover",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns one of ``exit_codes``."""
    parser = _parser()
    options = parser.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the terminal's encoding may lack a name's letters
    output = Output(options.json)
    try:
        _check_encoding(sys.argv[1:] if argv is None else argv)
        with open_node(options.config) as node:
            code: int = options.run(node, options, output)
        output.flush()
        return code
    except ConfigError as error:
        return _refuse(*(f"{options.config}: {problem}" for problem in error.problems))
    except UsageError as error:
        _refuse(str(error))
        return codes.USAGE
    except SyncError as error:
        return _refuse(str(error))
    except OSError as error:  # mostly of stdout: a full disk, or `| head`; the output is incomplete
        if sys.stdout is not None:  # so that the interpreter cannot fail on flushing it at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return codes.FAILED
        return _refuse(f"{error.filename or 'stdout'}: {error.strerror or error}")
    except KeyboardInterrupt:
        return codes.FAILED


def _refuse(*reasons: str) -> int:
    for reason in reasons:
        print(f"{PROGRAM}: {printable(reason)}", file=sys.stderr)
    return codes.FAILED


def _check_encoding(arguments: Sequence[str]) -> None:
    """Check that arguments are UTF-8, as names in Swift must be. Raises UsageError."""
    for argument in arguments:
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            raise UsageError(f"{argument}: not UTF-8") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Inspect and control swift-s3-sync on this node, whether or not its daemon is running.",
        epilog="Exit codes: 0 success, nothing is wrong; 1 the command failed; 2 invalid arguments;"
        " 3 success, but problems were found.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--config", metavar="PATH", default=CONFIG, help=f"configuration file ({CONFIG})")
    parser.add_argument("--json", action="store_true", help="print JSON")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        module: ModuleType = importlib.import_module(f"s3_sync.admin.commands.{name}")
        command = commands.add_parser(module.NAME, help=module.HELP, description=module.HELP)
        # also accepted after the command
        command.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
        command.add_argument("--config", metavar="PATH", default=argparse.SUPPRESS, help="configuration file")
        module.arguments(command)
        command.set_defaults(run=module.run)
    return parser

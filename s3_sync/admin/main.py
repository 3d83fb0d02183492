"""``swift-s3-ctl``: from the command line to a use case, and to what is shown of its answer."""

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
from s3_sync.admin.output import Output, printable
from s3_sync.errors import ConfigError, SyncError, UsageError

PROGRAM = "swift-s3-ctl"
CONFIG = "/etc/swift-s3-sync/sync.json"
#: modules of ``s3_sync.admin.commands``, in the order of the help
COMMANDS = ("status", "failed", "explain", "reset", "pause", "resume", "allow_deletes", "verify_data")


def main(argv: Sequence[str] | None = None) -> int:
    """Returns one of ``codes``."""
    parser = _parser()
    options = parser.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names have letters that not every terminal knows
    output = Output(options.json)
    try:
        _check_encoding(sys.argv[1:] if argv is None else argv)
        with open_node(options.config) as site:
            code: int = options.run(site, options, output)
        output.flush()
        return code
    except ConfigError as error:
        return _refuse(*(f"{options.config}: {problem}" for problem in error.problems))
    except UsageError as error:
        _refuse(str(error))
        return codes.USAGE
    except SyncError as error:
        return _refuse(str(error))
    except OSError as error:  # mostly of stdout: a full disk, or `| head`; what nobody heard was not told
        if sys.stdout is not None:  # so that nothing is written to it when this process ends
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
    """Names in Swift are UTF-8, and everything that takes one relies on it. Raises UsageError."""
    for argument in arguments:
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            raise UsageError(f"{argument}: not UTF-8") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Look after swift-s3-sync on this node, whether its daemon runs or not.",
        epilog="Exit codes: 0 all is well; 1 it could not be done; 2 wrong arguments; 3 something was found"
        " that is not as it should be.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--config", metavar="PATH", default=CONFIG, help=f"configuration file ({CONFIG})")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        module: ModuleType = importlib.import_module(f"s3_sync.admin.commands.{name}")
        command = commands.add_parser(module.NAME, help=module.HELP, description=module.HELP)
        # allowed behind the command, too, where one writes it
        command.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="answer as JSON")
        command.add_argument("--config", metavar="PATH", default=argparse.SUPPRESS, help="configuration file")
        module.arguments(command)
        command.set_defaults(run=module.run)
    return parser

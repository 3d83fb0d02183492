"""``swift-s3-ctl share``"""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from contextlib import closing
from typing import Protocol, cast

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.confirmation import is_confirmed
from s3_sync.admin.node import NodeView
from s3_sync.errors import UsageError
from s3_sync.providers.registry import build_provider
from s3_sync.runtime.output import Output

NAME = "share"
HELP = "make a mounted directory the share of a mapping with provider file, and print its id"


class _Share(Protocol):
    """What a provider of mounted shares has beside the methods of ``Provider``."""

    def is_set_up(self) -> bool: ...

    def set_up(self, sidecars: bool | None = None) -> str: ...

    def create_bucket(self, name: str) -> None: ...

    def close(self) -> None: ...


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("mapping", help="account/container, account/*, or its number")
    parser.add_argument(
        "--sidecars",
        action="store_true",
        help="keep metadata in files, even if there are extended attributes",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask whether the share is mounted")


def run(node: NodeView, options: Namespace, output: Output) -> int:
    mapping = node.mapping(options.mapping)
    if not mapping.credentials.needs_set_up:
        raise UsageError(f"{mapping.label} has provider {mapping.credentials.provider}: nothing to set up")
    where = mapping.credentials.described_endpoint()
    with closing(cast(_Share, build_provider(mapping.credentials, 1))) as share:
        if not share.is_set_up() and not options.yes:
            question = f"{_described(where)} Is the share mounted, so that it may be set up?"
            if not is_confirmed(question, NAME):
                output.line("Nothing was set up.")
                return codes.FAILED
        found = share.set_up(True if options.sidecars else None)
        share.create_bucket(mapping.bucket)
    output.answer({"mapping": mapping.label, "path": where, "share_id": found, "bucket": mapping.bucket})
    output.line(f"{where} is the share {found}, and {mapping.bucket} a directory for objects in it.")
    output.line(f'Add it to the credentials: "share_id": "{found}"')
    return codes.FINE


def _described(path: str) -> str:
    mounted = os.path.realpath(path)
    while not os.path.ismount(mounted):
        mounted = os.path.dirname(mounted)
    return f"{path} is part of what is mounted at {mounted}."

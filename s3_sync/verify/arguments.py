"""The command line, which is that of earlier versions, with additions."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

from s3_sync import __version__
from s3_sync.config.credentials.kinds import KINDS

PROGRAM = "swift-s3-verify"
#: holds the password, so that no other user of the machine sees it among the arguments
PASSWORD = "SWIFT_S3_VERIFY_PASSWORD"
#: every container of the account
EVERY_BUCKET = "/*"
_REQUIRED = ("protocol", "endpoint", "username", "password")
#: the kinds of stores that require less: their credentials name the account, or are looked up
_REQUIRED_BY = dict.fromkeys(("azure", "file", "gcs"), ("protocol",))
_OF_STORE = (
    *_REQUIRED, "account", "bucket", "prefix", "auth_type", "tenant_name", "project_name",
    "project_domain_name", "user_domain_name", "storage_policy", "option",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arguments:
    """``config`` None: the store is named by the other arguments. ``mapping`` None: all of them. ``prefix``
    None: a hashed one."""

    protocol: str | None
    endpoint: str | None
    username: str | None
    password: str | None
    account: str | None
    bucket: str | None
    prefix: str | None
    auth_type: str | None
    tenant_name: str | None
    project_name: str | None
    project_domain_name: str | None
    user_domain_name: str | None
    storage_policy: str | None
    option: list[str]
    read_only: bool
    config: str | None
    mapping: int | None
    all: bool
    quick: bool
    json: bool


def parse(argv: Sequence[str] | None = None) -> Arguments:
    """Parse ``argv`` (default: the process's own). Invalid arguments end the process with code 2."""
    parser = _parser()
    found = Arguments(**vars(parser.parse_args(argv)))
    given = [name for name in _OF_STORE if getattr(found, name) not in (None, [])]
    if found.config is not None:
        if given:
            parser.error(f"argument {_option(given[0])}: not allowed with argument --config")
        if found.all and found.mapping is not None:
            parser.error("argument --all: not allowed with argument --mapping")
        return found
    if found.mapping is not None or found.all:
        parser.error("argument --mapping and --all require --config")
    required = _REQUIRED_BY.get(found.protocol or "", _REQUIRED)
    missing = [_option(name) for name in required if name not in given]
    if "--password" in missing and os.environ.get(PASSWORD):
        missing.remove("--password")
    if missing:
        parser.error(f"the following arguments are required: {', '.join(missing)} (or --config)")
    return found


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Check what a remote store, or all that a configuration uses, can do and permits.",
        epilog="Exit codes: 0 everything works; 1 something does not, as the output says; 2 invalid"
        " arguments. What is written for a check is removed again.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--read-only", action="store_true", help="write nothing: read an object that is there"
    )
    parser.add_argument("--quick", action="store_true", help="check the permissions only")
    used = parser.add_argument_group("what a configuration uses")
    used.add_argument("--config", metavar="PATH", help="check the mappings of this configuration file")
    used.add_argument("--mapping", metavar="N", type=int, help="only this one; the first one is 0")
    used.add_argument("--all", action="store_true", help="all mappings (the default)")
    store = parser.add_argument_group("one store")
    store.add_argument("--protocol", choices=list(KINDS), help="its kind")
    store.add_argument("--endpoint", metavar="URL", help="of the store, or of its login")
    store.add_argument("--username", metavar="NAME", help="access key, or user")
    password = f"secret key, or password; others can see it: better set {PASSWORD}, or use --config"
    store.add_argument("--password", metavar="SECRET", help=password)
    store.add_argument("--account", metavar="NAME", help="account in another Swift")
    store.add_argument("--bucket", metavar="NAME", help=f'bucket or container, or "{EVERY_BUCKET}"')
    store.add_argument("--prefix", metavar="PREFIX", help="prefix of keys; absent: a hashed one")
    store.add_argument("--auth-type", metavar="TYPE", help="kind of login: keystone_v2, keystone_v3, ...")
    for name in ("tenant-name", "project-name", "project-domain-name", "user-domain-name"):
        store.add_argument(f"--{name}", metavar="NAME", help="of a login at Keystone, or at Google")
    store.add_argument("--storage-policy", metavar="NAME", help="for containers that are created")
    store.add_argument(
        "--option", metavar="KEY=VALUE", action="append", default=[],
        help="any other key of credentials in a configuration; may be repeated",
    )  # fmt: skip
    return parser

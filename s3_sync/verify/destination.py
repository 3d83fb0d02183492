"""What is checked: the bucket of a mapping, from a configuration or from the command line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from s3_sync.config.credentials.kinds import KINDS
from s3_sync.config.load import load_written
from s3_sync.config.settings import Mapping
from s3_sync.errors import ConfigError, Problem, UsageError
from s3_sync.model.keys import KeyNamer
from s3_sync.verify.arguments import EVERY_BUCKET, PASSWORD, Arguments

#: the mapping of earlier versions; a letter of two bytes, because some stores refuse those of four
ACCOUNT, CONTAINER = "verify-auth", "testing-\u00ef"
#: keys and names of its object
_KEY, _NAME = "cloud_sync_test", "cloud_sync_test_object"
_FOLDER = "fabcab/"
#: the container of earlier versions where a mapping has one for each local container
TEST_CONTAINER = ".cloudsync_test_container-\u00ef"
#: probes of a configuration's mappings
_PROBES = ".swift-s3-verify"
_PLACE = "containers[0]"
#: keys whose arguments have the same name
_SAME = (
    *("auth_type", "tenant_name", "project_name", "project_domain_name", "user_domain_name"),
    "storage_policy",
)
#: the argument for a key; any other one is given by --option
_OPTIONS = {
    "protocol": "--protocol",
    "aws_endpoint": "--endpoint",
    "aws_identity": "--username",
    "aws_secret": "--password",
    "aws_bucket": "--bucket",
    "custom_prefix": "--prefix",
    "remote_account": "--account",
    **{name: f"--{name.replace('_', '-')}" for name in _SAME},
}
_REQUIRED_WITH = re.compile(r"is required with auth_type (\w+)")


@dataclass(frozen=True, slots=True)
class Destination:
    """``folder``: key prefix of this host's probes. ``namer`` and ``name``: of the object that the
    permissions are tried with. ``creates_bucket``: there may be no such bucket; then it is created, and
    deleted again. ``is_configured``: from a configuration, whose properties have to be right."""

    mapping: Mapping
    folder: str
    namer: KeyNamer
    name: str
    creates_bucket: bool = False
    is_configured: bool = False

    def with_own_bucket(self) -> Destination:
        """This destination with a bucket that is created, for a mapping whose own one does not exist yet."""
        return replace(self, mapping=replace(self.mapping, bucket=TEST_CONTAINER), creates_bucket=True)

    @property
    def title(self) -> str:
        mapping = self.mapping
        where = f"bucket {mapping.bucket} at {mapping.credentials.described_endpoint()}"
        return f"{mapping.label} ({mapping.place}): {where}" if self.is_configured else where

    @property
    def manifest(self) -> str:
        """The name whose stored manifest is written."""
        return f"{_PROBES}.{host_id()}"


def host_id() -> str:
    """Eight digits of this machine, so that the probes of several ones do not meet."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def of_mapping(mapping: Mapping) -> Destination:
    """The destination of a mapping; of one for a whole account, that of a container which nobody has."""
    whole = mapping.is_account_wide
    if whole:
        mapping = replace(mapping.of_container(TEST_CONTAINER), place=mapping.place)
    folder = f"{mapping.namer.prefix}{_PROBES}.{host_id()}/"
    creates = whole and not mapping.credentials.shares_bucket
    return Destination(mapping, folder, KeyNamer.literal(folder), "object", creates, is_configured=True)


def of_arguments(arguments: Arguments) -> Destination:
    """Raises UsageError, with the lines of earlier versions, and ConfigError."""
    _check(arguments)
    whole = arguments.bucket == EVERY_BUCKET
    bucket = TEST_CONTAINER if whole else arguments.bucket or "bucket"
    mapping = _mapping(arguments, bucket)
    namer, name = mapping.namer, _NAME
    if mapping.credentials.shares_bucket:
        name = _KEY
        if not arguments.prefix:
            namer = KeyNamer.literal(namer.prefix + _FOLDER)
    folder = f"{namer.prefix}{name}.{host_id()}/"
    return Destination(mapping, folder, namer, name, creates_bucket=whole)


def _check(arguments: Arguments) -> None:
    kind = KINDS[arguments.protocol or ""].credentials
    if arguments.account is not None and "remote_account" not in kind.model_fields:
        raise UsageError("Invalid argument: account is only valid with swift protocol")
    if arguments.auth_type is not None and "auth_type" not in kind.model_fields:
        raise UsageError("Keystone auth requires swift protocol.")
    whole = arguments.bucket == EVERY_BUCKET and (arguments.read_only or not kind.shares_bucket)
    if "/" in (arguments.bucket or "") and not whole:
        raise UsageError("Invalid argument: slash is not allowed in container name")


def _mapping(arguments: Arguments, bucket: str) -> Mapping:
    entry: dict[str, Any] = {
        "account": ACCOUNT,
        "container": CONTAINER,
        "protocol": arguments.protocol,
        "aws_endpoint": _endpoint(arguments.endpoint or ""),
        "aws_identity": arguments.username,
        "aws_secret": arguments.password or os.environ.get(PASSWORD),
        "aws_bucket": bucket,
        "custom_prefix": arguments.prefix,
        "remote_account": arguments.account,
    }
    entry |= {name: getattr(arguments, name) for name in _SAME}
    entry |= dict(map(_option, arguments.option))
    written = {key: value for key, value in entry.items() if value is not None}
    top = {"devices": "/srv/node", "items_chunk": 1, "status_dir": "/var/lib/swift-s3-sync"}
    loaded = load_written({**top, "containers": [written]})
    options = {f"{_PLACE}.{text.partition('=')[0]}" for text in arguments.option}
    unused = [each for each in loaded.warnings if each.place in options and "no effect" in each.message]
    problems = [*loaded.problems, *unused]
    if loaded.settings is None or problems:
        raise ConfigError([_of_command_line(problem) for problem in problems])
    return loaded.settings.mappings[0]


def _endpoint(endpoint: str) -> str | None:
    """None for Amazon, as in earlier versions: each bucket is then looked for in its own region."""
    try:
        host = urlsplit(endpoint).hostname or ""
    except ValueError:
        return endpoint
    return None if host.endswith(".amazonaws.com") else endpoint


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"Invalid argument: --option {key} has no value: write KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _of_command_line(problem: Problem) -> Problem:
    key = problem.place.removeprefix(f"{_PLACE}.")
    option = _OPTIONS.get(key) or f"--option {key}"
    if required := _REQUIRED_WITH.fullmatch(problem.message):
        return Problem("", f"argument {option} is required when --auth-type={required[1]}")
    return Problem("", f"Invalid argument: {option} {problem.message}")

"""Which entry of the migrator's status file belongs to which migration."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from s3_sync.config.settings import EVERY_CONTAINER, Mapping
from s3_sync.streams.small_files import is_text, parse_json

#: what identifies the objects of a migration, beside bucket and container. Every other option says how they
#: are migrated: changing it does not start anything over
SOURCE = (
    "account", "protocol", "aws_endpoint", "aws_identity", "remote_account", "tenant_name", "project_name",
    "project_domain_name", "prefix",
)  # fmt: skip
SECRETS = ("aws_secret", "aws_session_token", "secret", "session_token")

Entry = dict[str, Any]


class Key(NamedTuple):
    """What entries are looked up by: their source, as JSON, and its bucket; "/*": all of them."""

    source: str
    bucket: str

    @property
    def of_all(self) -> Key:
        return self._replace(bucket=EVERY_CONTAINER)


def configuration(mapping: Mapping) -> Entry:
    """Return the keys by which a migration is known in the file, without what is secret."""
    written = parse_json(mapping.migration.entry) if mapping.migration else {}
    entry: Entry = {key: written[key] for key in written if key not in SECRETS}
    entry["account"] = mapping.account
    entry["aws_bucket"] = mapping.bucket or EVERY_CONTAINER
    entry["container"] = mapping.container
    entry["custom_prefix"] = mapping.custom_prefix or ""
    if mapping.is_account:
        entry["all_buckets"] = True
    return entry


def has_names(entry: Entry) -> bool:
    return all(entry.get(key) is None or is_text(entry[key]) for key in ("aws_bucket", "container"))


def key_of(entry: Entry) -> Key:
    source = json.dumps([value_of(entry, key) for key in SOURCE])
    return Key(source, str(entry.get("aws_bucket") or EVERY_CONTAINER))


def value_of(entry: Entry, key: str) -> object:
    """Return a value; an empty one counts as absent."""
    return entry.get(key) or None


def is_same(entry: Entry, wanted: Entry) -> bool:
    """Whether both, of one source, are about the same bucket and container. "/*" is about all of them; a
    container that only one names does not matter."""
    if EVERY_CONTAINER in (entry.get("aws_bucket"), wanted.get("aws_bucket")):
        return True
    containers = {value_of(entry, "container"), value_of(wanted, "container")} - {None, EVERY_CONTAINER}
    return entry.get("aws_bucket") == wanted.get("aws_bucket") and len(containers) < 2

"""The configuration as the rest of the program sees it: frozen values, complete and checked.

``load`` builds them from either format of the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import quote, urlsplit

from s3_sync.config.archive_restore import ArchiveRestore
from s3_sync.config.budgets import AccountBudget, Budget, DeleteBudget
from s3_sync.config.credentials.base import Credentials
from s3_sync.config.criteria import MATCH_ALL, Criteria
from s3_sync.config.file.options import MigratorForm
from s3_sync.config.secret import Secret
from s3_sync.model.copies import writer_id
from s3_sync.model.keys import KeyNamer
from s3_sync.model.lifetime import FOR_EVER, Lifetime
from s3_sync.model.segment_names import SegmentNamer

EVERY_CONTAINER = "/*"


@dataclass(frozen=True, slots=True)
class Profile:
    """The policy for a mapping's objects. Times in seconds, sizes in bytes.

    ``exclude``: objects whose names match at their start are ignored, and so are their deletes. ``criteria``:
    only objects whose headers match are copied. ``encryption``: request encryption at rest from AWS (SSE-S3);
    ``kms_key``, which takes precedence: by a key of its key service. ``tags``: keys and values, sorted.
    ``remote_listing_failure`` None: depends on the mode. ``segment_containers``: containers that may have
    segments, in addition to a manifest's own container and its segment containers; ``"*"`` = all of the
    account."""

    copy_after: int = 0
    retain_local: bool = True
    retain_local_segments: bool = False
    segment_containers: tuple[str, ...] = ()
    follow_symlinks: Literal["container", "account", "never"] = "container"
    propagate_delete: bool = True
    merge_namespaces: bool = False
    restore_object: bool = False
    restore_on_range: bool = False
    archive_restore: ArchiveRestore | None = None
    protect_containers: bool = False
    propagate_post: bool = False
    remote_listing_failure: Literal["fail", "local"] | None = None
    criteria: Criteria = MATCH_ALL
    exclude: re.Pattern[str] | None = None
    encryption: bool = True
    kms_key: str | None = None
    acl: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    storage_class: str | None = None
    storage_policy: str | None = None
    remote_delete_after: int = 0
    remote_delete_after_addition: int = 86400
    propagate_expiration: bool = False
    propagate_expiration_offset: int = 0
    sync_container_metadata: bool = False
    sync_container_acl: bool = False
    convert_dlo: bool = False
    min_segment_size: int = 0
    budget: Budget | None = None
    delete_budget: DeleteBudget | None = None

    @property
    def remote_days(self) -> int:
        """``remote_delete_after`` in whole days, rounded up; 0 = forever."""
        return math.ceil(self.remote_delete_after / 86400)

    @property
    def mode(self) -> Literal["sync", "lifecycle"]:
        return "sync" if self.retain_local else "lifecycle"

    @property
    def expires_copies(self) -> bool:
        """Whether copies of moved objects are deleted at the objects' expiry. ``remote_delete_after`` takes
        precedence, unless ``propagate_expiration_offset`` is set too."""
        return self.propagate_expiration and not (
            self.remote_delete_after and not self.propagate_expiration_offset
        )

    @property
    def lifetime(self) -> Lifetime:
        """How long copies live, where the store keeps an X-Delete-At for each."""
        offset = self.propagate_expiration_offset if self.expires_copies else None
        addition = self.remote_delete_after_addition if self.remote_delete_after else 0
        return Lifetime(self.remote_delete_after, offset, addition)

    @property
    def lists_local_alone(self) -> bool:
        """Whether a listing is answered with the local part if the remote part is unavailable.

        In lifecycle mode moved objects would then look lost; in sync mode, every object is local.
        """
        return (self.remote_listing_failure or ("local" if self.retain_local else "fail")) == "local"


@dataclass(frozen=True, slots=True)
class MigrationOptions:
    """The options that only migrations have. ``prefix``: only source names with it are migrated.

    ``older_than``: an object must have been unchanged for that many seconds; None: for none.
    ``max_deletes`` and ``max_deletes_percent``: of what one pass may delete in a container; None: any number.
    ``entry``: the entry as it is in the file, as JSON, without what is secret; status files contain it.
    """

    prefix: str = ""
    older_than: float | None = None
    propagate_account_metadata: bool = False
    max_deletes: int | None = None
    max_deletes_percent: float | None = None
    entry: str = field(default="{}", compare=False)


@dataclass(frozen=True, slots=True)
class Mapping:
    """A local container, or every container of an account, mapped to a bucket and key prefix.

    ``bucket``: of an account-wide mapping whose containers do not share one, what the names of their buckets
    begin with; ``bucket_prefix``: the same, in the mapping of one of those containers. ``custom_prefix``: as
    in the file (None = hashed prefix); ``namer`` follows from it. ``place``: location in the file, such as
    ``containers[3]``. ``parent_key``: for a container of an account-wide mapping, the ``journal_key`` of that
    mapping; otherwise empty. ``account_budget``: shared by all mappings with the same credentials; the
    profile's budget applies to this mapping alone. ``migration``: the bucket is the source, from which
    objects are pulled into Swift; None: Swift is the source."""

    account: str
    container: str
    bucket: str
    credentials: Credentials
    profile: Profile
    namer: KeyNamer
    custom_prefix: str | None = None
    cloud_connector: bool = True
    place: str = ""
    parent_key: str = field(default="", compare=False)
    bucket_prefix: str = ""
    account_budget: AccountBudget | None = None
    migration: MigrationOptions | None = None

    @property
    def is_account(self) -> bool:
        """Whether its entry in the file is account-wide."""
        return bool(self.parent_key) or self.container == EVERY_CONTAINER

    @property
    def covers_account(self) -> bool:
        """Whether its entry covers every container of the account; not so for the container of older versions
        that a single migration takes with it, although that has a ``parent_key``."""
        return self.is_account_wide or self.parent_key.startswith(f"{self.account}{EVERY_CONTAINER}#")

    @property
    def lane(self) -> str:
        """Key of the lane whose threads serve this mapping: one per store, and one per budget within a store,
        so that a mapping that waits for its budget does not block others."""
        own = self.control_key if self.profile.budget is not None else ""
        account = self.account_budget.name if self.account_budget is not None else ""
        return " ".join((self.credentials.store_id, *filter(None, (account, own))))

    @property
    def is_account_wide(self) -> bool:
        """Whether this covers every container of the account."""
        return self.container == EVERY_CONTAINER

    @property
    def label(self) -> str:
        if self.is_account_wide:
            return f"{self.account}{EVERY_CONTAINER}"
        return f"{self.account}/{self.container}"

    @property
    def remote(self) -> str:
        """The remote side for reports and metrics: ``store/bucket``, and the prefix of keys or names if the
        configuration has one. ``*``: every bucket is a source."""
        store = self.credentials.store_id
        if self.migration is not None:
            prefix = self.custom_prefix or self.migration.prefix
            return "/".join(filter(None, (store, self.bucket or "*", prefix)))
        written = "" if self.custom_prefix is None else f"/{self.custom_prefix}"
        return f"{store}/{self.bucket}{written}"

    def same_config(self, other: Mapping) -> bool:
        """Returns whether both are equal except for their places in the file."""
        return self is other or replace(self, place="") == replace(other, place="")

    def of_container(self, container: str) -> Mapping:
        """Return the mapping that this account-wide mapping makes for one container."""
        mapping = replace(self, container=container, parent_key=self.journal_key)
        if self.migration is not None:
            return replace(mapping, bucket=container)
        if self.credentials.shares_bucket:
            return replace(mapping, namer=KeyNamer.hashed(self.account, container))
        return replace(mapping, bucket=self.bucket + container, bucket_prefix=self.bucket)

    @property
    def configured_bucket(self) -> str:
        """The bucket as in the file, which status files and statsd names rely on."""
        return self.bucket_prefix or self.bucket

    @property
    def writer(self) -> str:
        """What copies in another Swift are marked with."""
        return writer_id(self.control_key)

    @property
    def rule_days(self) -> int:
        """``remote_delete_after`` as the days of a rule of the bucket; 0: none is needed."""
        return 0 if self.credentials.expires_objects else self.profile.remote_days

    @property
    def expires_copies(self) -> bool:
        """Whether the daemon deletes copies of moved objects at the objects' expiry."""
        return self.profile.expires_copies and not self.credentials.expires_objects

    @property
    def segments(self) -> SegmentNamer | None:
        """Where segments of large objects are, if the store is another Swift."""
        if self.credentials.shares_bucket:
            return None
        return SegmentNamer(self.container, self.bucket, self.bucket_prefix if self.covers_account else None)

    @property
    def lifetime(self) -> Lifetime:
        """After which the store itself deletes a copy, as each copy says."""
        return self.profile.lifetime if self.credentials.expires_objects else FOR_EVER

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that identify the destination, independent of secrets, identity and policy.

        Status files contain it, so the computation must not change.
        """
        credentials = self.credentials
        parts = (
            credentials.provider,
            credentials.store_id,
            self.bucket,
            self.namer.prefix,
            credentials.account,
            *([self.migration.prefix] if self.migration is not None else ()),
        )
        return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()[:16]

    @property
    def source_digest(self) -> str:
        """16 hexadecimal digits that identify the source of a migration, independent of secrets, identity and
        of which of its names are migrated. Objects and containers contain it: the computation must not
        change."""
        credentials = self.credentials
        parts = (
            credentials.provider,
            credentials.store_id,
            self.bucket,
            self.namer.prefix,
            credentials.account,
        )
        return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()[:16]

    @property
    def journal_key(self) -> str:
        """The mapping's key in journals: container and destination, so it differs for two mappings of one
        container, and after a change of destination."""
        return f"{self.label}#{self.fingerprint}"

    @property
    def control_key(self) -> str:
        """The key of operator requests: the ``journal_key`` of the mapping in the file."""
        return self.parent_key or self.journal_key

    @property
    def location(self) -> str:
        """The place of the remote objects, as ``content_location`` in listings.

        Clients rely on the format: ``<store>;<bucket>[;<key prefix>]``.
        """
        return ";".join(filter(None, (self.credentials.location, self.bucket, self.namer.prefix)))

    @property
    def stats_prefix(self) -> str:
        """The mapping's part of statsd names: endpoint, account, bucket and prefix, container.

        Dashboards rely on it. The container comes last, so that metrics of one account can be pruned from the
        right.
        """
        bucket = self.configured_bucket
        if self.custom_prefix:
            bucket = f"{bucket}/{self.custom_prefix}"
        parts = (self.credentials.stats_name, self.account, bucket, self.container)
        # earlier versions quoted "~" too, which quote() has not done since Python 3.7
        quoted = (quote(part, safe="").replace("~", "%7E") for part in parts)
        return ".".join(part.replace(".", "%2E") for part in quoted)


@dataclass(frozen=True, slots=True)
class ShuntSettings:
    """The settings of a proxy's middlewares: the mappings that merge namespaces.

    ``segment_size``: segment size in bytes of restored objects that are too large for one. ``named``: account
    and container of every entry that merges namespaces, including invalid ones. ``secret_files``: to be
    watched for changes, too."""

    mappings: tuple[Mapping, ...]
    segment_size: int
    named: frozenset[tuple[str, str]]
    secret_files: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Syslog:
    """A syslog server that receives the log lines, in addition to the log file."""

    host: str = "localhost"
    port: int = 514
    proto: Literal["udp", "tcp"] = "udp"


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration; times in seconds. docs/configuration.md explains every value."""

    devices: str
    items_chunk: int
    status_dir: str
    mappings: tuple[Mapping, ...] = ()
    processes: int = 1
    workers: int = 10
    enumerator_workers: int = 10
    poll_interval: float = 5.0
    verification_slack_seconds: float = 3600.0
    swift_bind_ip: str = "0.0.0.0"
    swift_dir: str = "/etc/swift"
    internal_client_path: str = "/etc/swift/internal-client.conf"
    internal_client_logname: str = "ContainerCrawler"
    log_file: str | None = None
    log_level: str = "info"
    syslog: Syslog | None = None
    statsd_host: str | None = None
    statsd_port: int = 8125
    statsd_prefix: str = ""
    metrics_port: int | None = None
    metrics_bind_ip: str = "127.0.0.1"
    recon_cache_path: str | None = None
    http_proxy: str | None = field(default=None, repr=False)
    https_proxy: str | None = field(default=None, repr=False)
    migrations: tuple[Mapping, ...] = ()
    migrator: MigratorForm | None = None

    def secrets(self) -> Iterator[Secret]:
        """Iterate over every secret of the configuration, which log lines must never show."""
        for mapping in (*self.mappings, *self.migrations):
            yield from mapping.credentials.secrets()
        for url in filter(None, (self.http_proxy, self.https_proxy)):
            if password := urlsplit(url).password:
                yield Secret(password)

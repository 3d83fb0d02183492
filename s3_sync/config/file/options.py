"""Types and defaults of every key of the file, except for credentials. docs/configuration.md explains them.

``null`` means that a key is absent (it is removed before validation), and so does an empty text for an
optional key, except for ``custom_prefix``. ``build`` and ``checks`` check what depends on more than one key.

Both formats of the file share these models; ``section_models`` has the names of the keys in the new one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from s3_sync.config.archive_restore import ArchiveRestore
from s3_sync.config.file.base import FileModel
from s3_sync.config.file.budgets import BudgetForm, DeleteBudgetForm
from s3_sync.config.file.types import (
    Account,
    Bucket,
    Bytes,
    CannedAcl,
    Container,
    LogLevel,
    Minutes,
    OptionalHeader,
    OptionalText,
    OptionalUrl,
    Port,
    Prefix,
    Rows,
    Seconds,
    SegmentContainers,
    StatsdPrefix,
    Tags,
    Text,
    Threads,
    WholeSeconds,
    lower,
)


class PlaceForm(FileModel):
    """The container, and the bucket and key prefix to which it is mapped."""

    account: Account
    container: Container
    aws_bucket: Bucket
    custom_prefix: Prefix | None = None
    prefix_join: Literal["directory", "literal"] = "directory"
    #: None: as usual for the provider
    hashed_prefix: bool | None = None


class ArchiveRestoreForm(FileModel):
    """``archive_restore`` of a mapping or a profile."""

    days: Annotated[int, Field(ge=1, le=36500)] = 7
    tier: Literal["Standard", "Bulk", "Expedited"] = "Standard"

    def archive_restore(self) -> ArchiveRestore:
        return ArchiveRestore(self.days, self.tier)


class PolicyForm(FileModel):
    """The policy for the objects of a mapping: the options of a profile."""

    copy_after: WholeSeconds = 0
    retain_local: bool = True
    retain_local_segments: bool = False
    segment_containers: SegmentContainers = ()
    follow_symlinks: Literal["container", "account", "never"] = "container"
    propagate_delete: bool = True
    merge_namespaces: bool = False
    restore_object: bool = False
    restore_on_range: bool = False
    archive_restore: ArchiveRestoreForm | None = None
    protect_containers: bool = False
    propagate_post: bool = False
    remote_listing_failure: Literal["fail", "local"] | None = None
    cloud_connector: bool = True
    selection_criteria: dict[str, Any] = Field(default_factory=dict)
    exclude_pattern: str = ""
    encryption: bool = True
    kms_key: OptionalHeader = None
    acl: CannedAcl = None
    tags: Tags = Field(default_factory=dict)
    storage_class: OptionalText = None
    storage_policy: OptionalText = None
    remote_delete_after: WholeSeconds = 0
    remote_delete_after_addition: WholeSeconds = 86400
    propagate_expiration: bool = False
    propagate_expiration_offset: WholeSeconds = 0
    sync_container_metadata: bool = False
    sync_container_acl: bool = False
    convert_dlo: bool = False
    min_segment_size: Bytes = 0
    budget: BudgetForm | None = None
    delete_budget: DeleteBudgetForm | None = None


class MappingForm(PolicyForm, PlaceForm):
    """One entry of ``containers``, which has the keys of credentials, too."""


class MigrationForm(FileModel):
    """One entry of ``migrations``, which has the keys of credentials, too."""

    account: Account
    aws_bucket: Bucket
    container: Container | None = None
    prefix: Prefix = ""
    custom_prefix: Prefix = ""
    older_than: Seconds | None = None
    propagate_account_metadata: bool = False
    storage_policy: OptionalText = None
    segment_containers: SegmentContainers = ()
    restore_object: bool = True
    archive_restore: ArchiveRestoreForm | None = None
    budget: BudgetForm | None = None
    max_deletes: Annotated[int, Field(ge=0, le=2**53)] | None = None
    max_deletes_percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None


class SyslogForm(FileModel):
    """``syslog``, at the top level and in ``migrator_settings``."""

    host: Text = "localhost"
    port: Port = 514
    proto: Annotated[Literal["udp", "tcp"], BeforeValidator(lower)] = "udp"


class MigratorForm(FileModel):
    """``migrator_settings``."""

    status_file: Text
    items_chunk: Rows
    workers: Threads = 10
    poll_interval: Seconds = 5.0
    segment_size: Annotated[int, Field(ge=1, le=2**53)] = 100_000_000
    ring_name: Text = "container"
    metrics_port: Port | None = None
    log_file: OptionalText = None
    log_level: LogLevel = "info"
    syslog: SyslogForm | None = None
    statsd_prefix: StatsdPrefix = ""
    #: options of earlier versions; accepted and not used
    process: int | None = None
    processes: int | None = None


class ShuntForm(FileModel):
    """The top-level keys that the middlewares of a proxy use. The others are not validated, because a copy of
    the file on a proxy may lack them."""

    http_proxy: OptionalUrl = None
    https_proxy: OptionalUrl = None
    containers: list[Any] = Field(default_factory=list)
    credentials: dict[str, Any] = Field(default_factory=dict)
    profiles: dict[str, Any] = Field(default_factory=dict)
    mappings: list[Any] = Field(default_factory=list)
    migrations: list[Any] = Field(default_factory=list)
    migrator_settings: dict[str, Any] | None = None


class MigratorTopForm(FileModel):
    """The top-level keys that swift-s3-migrator uses. The others are not validated, because a file for it
    alone may lack them."""

    processes: Annotated[int, Field(ge=1, le=64)] = 1
    swift_bind_ip: Text = "0.0.0.0"
    swift_dir: Text = "/etc/swift"
    internal_client_path: OptionalText = None
    internal_client_logname: Text = "ContainerCrawler"
    statsd_host: OptionalText = None
    statsd_port: Port = 8125
    metrics_bind_ip: Text = "127.0.0.1"
    recon_cache_path: OptionalText = None
    http_proxy: OptionalUrl = None
    https_proxy: OptionalUrl = None
    migrations: list[Any] = Field(default_factory=list)
    migrator_settings: dict[str, Any] | None = None


class TopForm(FileModel):
    """The top level. Its sections are read one by one, so that one mistake does not hide others."""

    devices: Text
    items_chunk: Rows
    status_dir: Text
    workers: Threads = 10
    enumerator_workers: Threads = 10
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    poll_interval: Seconds = 5.0
    verification_slack: Minutes = 60.0
    bulk_process: bool = False
    swift_bind_ip: Text = "0.0.0.0"
    swift_dir: Text = "/etc/swift"
    internal_client_path: OptionalText = None
    internal_client_logname: Text = "ContainerCrawler"
    log_file: OptionalText = None
    log_level: LogLevel = "info"
    syslog: SyslogForm | None = None
    statsd_host: OptionalText = None
    statsd_port: Port = 8125
    statsd_prefix: StatsdPrefix = ""
    metrics_port: Port | None = None
    metrics_bind_ip: Text = "127.0.0.1"
    recon_cache_path: OptionalText = None
    http_proxy: OptionalUrl = None
    https_proxy: OptionalUrl = None
    migrations: list[Any] = Field(default_factory=list)
    migrator_settings: dict[str, Any] | None = None


class FlatFileModel(TopForm):
    """The top level of the format of earlier versions."""

    containers: list[Any] = Field(default_factory=list)

"""Types, defaults and ranges of every key of the file. docs/configuration.md explains them.

Types are strict: ``"10"`` is not a number, ``1`` is not true. ``null`` means that a key is absent (it is
removed before validation), and so does an empty text for an optional key, except for ``custom_prefix``.
``build`` and ``checks`` check what depends on more than one key.

Both formats of the file share these models; ``section_models`` has the names of the keys in the new one.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from s3_sync.config.file.base import FileModel
from s3_sync.config.file.base import wrong as _wrong
from s3_sync.config.file.budgets import BudgetForm, DeleteBudgetForm
from s3_sync.config.secret import SECRET_SCHEMA, Secret

#: about a hundred years; a longer duration is a mistake in the unit
MAX_SECONDS = 100 * 366 * 86400
_STATSD_PREFIX = re.compile(r"[A-Za-z0-9_.-]*")


def _empty_is_absent(value: Any) -> Any:
    return None if value == "" else value


def _whole(value: Any) -> Any:
    """Accept 3600.0 as an integer; 0.5 stays as it is and is refused."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _secret(value: Any) -> Secret:
    """Make a Secret; references have already been resolved."""
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "text")
    if not value:
        raise _wrong("must not be empty")
    return Secret(value)


def _plain(value: str) -> str:
    """Refuse characters that would break a path, a header or a log line."""
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise _wrong("must not contain control characters")
    return value


def _swift_name(value: str) -> str:
    """Validate the name of an account or container; Swift allows any characters, even "." and ".."."""
    if len(value.encode("utf-8")) > 256:
        raise _wrong("must be at most 256 bytes long")
    return value


def _account(value: str) -> str:
    if "/" in value:
        raise _wrong('must not contain "/"')
    return value


def _container(value: str) -> str:
    if "/" in value and value != "/*":
        raise _wrong('must not contain "/" (except for "/*", every container of the account)')
    return value


def _segment_container(value: str) -> str:
    if "/" in value:
        raise _wrong('must be the name of a container, or "*" for every container of the account')
    return value


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _bucket(value: str) -> str:
    if "/" in value and value != "/*":
        raise _wrong('must not contain "/"; the prefix of keys is a separate option')
    return value


def _url(value: str) -> str:
    try:
        url = urlsplit(value)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0 and " " not in value
    except ValueError:  # a port that is not a number, an invalid IPv6 address
        usable = False
    if not usable:
        raise _wrong("must be a URL such as https://host:port")
    return value


def _endpoint(value: str) -> str:
    url = urlsplit(_url(value))
    if url.username is not None or url.password is not None:
        raise _wrong("must not contain a user name or password; they are separate options")
    if url.query or url.fragment:
        raise _wrong("must not contain a query or fragment")
    return value


def _statsd_prefix(value: str) -> str:
    if not _STATSD_PREFIX.fullmatch(value):
        raise _wrong('may contain only letters, digits and "_.-"')
    return value


Text = Annotated[str, Field(min_length=1), AfterValidator(_plain)]
OptionalText = Annotated[Text | None, BeforeValidator(_empty_is_absent)]
Url = Annotated[Text, AfterValidator(_url)]
OptionalUrl = Annotated[Url | None, BeforeValidator(_empty_is_absent)]
Endpoint = Annotated[Annotated[Text, AfterValidator(_endpoint)] | None, BeforeValidator(_empty_is_absent)]
SecretText = Annotated[Secret, PlainValidator(_secret), WithJsonSchema(SECRET_SCHEMA)]
Account = Annotated[Text, AfterValidator(_swift_name), AfterValidator(_account)]
Container = Annotated[Text, AfterValidator(_swift_name), AfterValidator(_container)]
SegmentContainers = Annotated[
    tuple[Annotated[Text, AfterValidator(_swift_name), AfterValidator(_segment_container)], ...],
    BeforeValidator(_as_tuple),
]
Bucket = Annotated[Text, AfterValidator(_bucket)]
Prefix = Annotated[str, AfterValidator(_plain)]
WholeSeconds = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=MAX_SECONDS)]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
ReadTimeout = Annotated[float, Field(ge=1, le=900, allow_inf_nan=False)]
Minutes = Annotated[float, Field(ge=0, le=MAX_SECONDS / 60, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=0, le=2**53)]
Threads = Annotated[int, Field(ge=1, le=10_000)]
Rows = Annotated[int, Field(ge=1, le=1_000_000)]
Port = Annotated[int, Field(ge=1, le=65535)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
StatsdPrefix = Annotated[str, AfterValidator(_statsd_prefix)]


class RemoteForm(FileModel):
    """The keys that mappings and migrations share: the remote account and its connection options."""

    protocol: Literal["s3", "swift", "azure", "gcs"] = "s3"
    aws_endpoint: Endpoint = None
    aws_identity: Text | None = None
    aws_secret: SecretText | None = None
    aws_session_token: SecretText | None = None
    region: OptionalText = None
    signature_version: Literal["s3v4", "s3"] = "s3v4"
    addressing_style: Literal["path", "virtual"] | None = None
    verify_tls: bool = True
    ca_bundle: OptionalText = None
    checksum: Literal["md5", "none", "crc32", "crc64nvme", "sha256"] = "md5"
    conditional_put: bool | None = None
    read_timeout: ReadTimeout = 60.0
    auth_type: Literal["swift", "keystone_v2", "keystone_v3"] = "swift"
    tenant_name: OptionalText = None
    project_name: OptionalText = None
    project_domain_name: OptionalText = None
    user_domain_name: OptionalText = None
    remote_account: OptionalText = None


class PlaceForm(FileModel):
    """The container, and the bucket and key prefix to which it is mapped."""

    account: Account
    container: Container
    aws_bucket: Bucket
    custom_prefix: Prefix | None = None
    prefix_join: Literal["directory", "literal"] = "directory"


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
    protect_containers: bool = False
    propagate_post: bool = False
    remote_listing_failure: Literal["fail", "local"] | None = None
    cloud_connector: bool = True
    selection_criteria: dict[str, Any] = Field(default_factory=dict)
    exclude_pattern: str = ""
    encryption: bool = True
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


class MappingForm(PolicyForm, RemoteForm, PlaceForm):
    """One entry of ``containers``."""


class MigrationForm(RemoteForm):
    """One entry of ``migrations``."""

    account: Account
    aws_bucket: Bucket
    container: Container | None = None
    prefix: Prefix = ""
    custom_prefix: Prefix = ""
    older_than: Seconds | None = None
    propagate_account_metadata: bool = False
    storage_policy: OptionalText = None
    restore_object: bool = True


class SyslogForm(FileModel):
    """``syslog``, at the top level and in ``migrator_settings``."""

    host: Text = "localhost"
    port: Port = 514
    proto: Annotated[Literal["udp", "tcp"], BeforeValidator(_lower)] = "udp"


class MigratorForm(FileModel):
    """``migrator_settings``."""

    status_file: Text
    items_chunk: Rows
    workers: Threads = 10
    poll_interval: Seconds = 5.0
    segment_size: Annotated[int, Field(ge=1, le=2**53)] = 100_000_000
    ring_name: Text = "container"
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

"""What the rest of the program knows of the configuration: frozen values, complete and checked.

Built by ``load``; whichever form the file is written in, this is what comes out.
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

from s3_sync.config.budgets import AccountBudget, Budget, DeleteBudget
from s3_sync.config.criteria import EVERYTHING, Criteria
from s3_sync.config.file.fields import MigrationForm, MigratorForm
from s3_sync.config.secret import Secret
from s3_sync.model.keys import KeyNamer

__all__ = ["Credentials", "Mapping", "Profile", "Secret", "ShuntSettings", "Settings", "Syslog"]

EVERY_CONTAINER = "/*"
_GOOGLE = "https://storage.googleapis.com"
_AWS_HOST = re.compile(r"(?:.+\.)?amazonaws\.com(?:\.cn)?")


@dataclass(frozen=True, slots=True)
class Credentials:
    """One remote account, and how to talk to it. Equal values may share connections.

    ``endpoint`` None is AWS; without ``identity`` and ``secret`` (AWS only) the SDK's default chain of
    credentials is used. ``addressing_style`` None leaves the choice to the SDK, which is right for AWS.
    """

    provider: Literal["s3"] = "s3"
    endpoint: str | None = None
    identity: str | None = None
    secret: Secret | None = None
    session_token: Secret | None = None
    region: str | None = None
    signature_version: Literal["s3v4", "s3"] = "s3v4"
    addressing_style: Literal["path", "virtual"] | None = None
    verify_tls: bool = True
    ca_bundle: str | None = None
    checksum: Literal["md5", "none", "crc32", "crc64nvme", "sha256"] = "md5"
    #: True: use conditions of writes if the store turns out to honour them; None: what is known of it
    conditional_put: bool | None = None
    #: seconds that the daemon waits for an answer, or for the next piece of one
    read_timeout: float = 60.0
    # a proxy's URL may hold a password
    http_proxy: str | None = field(default=None, repr=False)
    https_proxy: str | None = field(default=None, repr=False)
    remote_account: str | None = None

    @property
    def is_aws(self) -> bool:
        if self.endpoint is None:
            return True
        return _AWS_HOST.fullmatch(urlsplit(self.endpoint).hostname or "") is not None

    @property
    def is_google(self) -> bool:
        """Google Cloud Storage's interoperability endpoint."""
        return urlsplit(self.endpoint or "").hostname == "storage.googleapis.com"

    @property
    def store(self) -> str:
        """Which store this is: equal for two endpoints of which we know that they hold the same buckets.

        A clone's host, port and path; for AWS, where bucket names are global, the partition.
        """
        url = urlsplit(self.endpoint or "")
        if self.is_aws:
            where = f"{url.hostname or ''} {self.region or ''}"
            return next((f"aws-{name}" for name in ("cn", "us-gov") if f"{name}-" in where), "aws")
        default_port = 443 if url.scheme == "https" else 80
        port = f":{url.port}" if url.port not in (None, default_port) else ""
        return f"{url.hostname}{port}{url.path.rstrip('/')}"


@dataclass(frozen=True, slots=True)
class Profile:
    """What to do with a mapping's objects. Times are in seconds, sizes in bytes.

    ``exclude``: names at whose start it matches are left alone, deletes of them too. ``criteria``: only
    objects whose headers match are copied. ``encryption``: ask AWS to encrypt what is stored (SSE-S3).
    ``remote_listing_failure`` None leaves it to the mode. ``segment_containers``: those that may hold
    segments beside a manifest's own container and its segment containers; ``"*"`` = all of the account.
    """

    copy_after: int = 0
    retain_local: bool = True
    retain_local_segments: bool = False
    segment_containers: tuple[str, ...] = ()
    follow_symlinks: Literal["container", "account", "never"] = "container"
    propagate_delete: bool = True
    merge_namespaces: bool = False
    restore_object: bool = False
    restore_on_range: bool = False
    protect_containers: bool = False
    propagate_post: bool = False
    remote_listing_failure: Literal["fail", "local"] | None = None
    criteria: Criteria = EVERYTHING
    exclude: re.Pattern[str] | None = None
    encryption: bool = True
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
        """``remote_delete_after`` in whole days, never less than was asked for; 0 = for ever."""
        return math.ceil(self.remote_delete_after / 86400)

    @property
    def mode(self) -> Literal["sync", "lifecycle"]:
        return "sync" if self.retain_local else "lifecycle"

    @property
    def expires_copies(self) -> bool:
        """Whether copies of moved objects are deleted when the objects would have expired: not where
        ``remote_delete_after`` says how long they are kept, unless both are asked for."""
        return self.propagate_expiration and not (
            self.remote_delete_after and not self.propagate_expiration_offset
        )

    @property
    def lists_local_alone(self) -> bool:
        """Whether a listing whose remote part cannot be had is answered with the local part.

        A hole where objects were moved away would look as if they were lost; in sync, everything is here.
        """
        return (self.remote_listing_failure or ("local" if self.retain_local else "fail")) == "local"


@dataclass(frozen=True, slots=True)
class Mapping:
    """One local container, and the bucket and keys that it goes to.

    ``custom_prefix`` is what the file says (None = hashed prefix); ``namer`` is what follows from it.
    ``place`` is where the file says it, such as ``containers[3]``. ``origin``: of what a mapping of every
    container comes to for one of them, that mapping's ``journal_key``; else empty. ``account_budget`` is
    shared by all mappings that name the same credentials; the profile's is this mapping's alone.
    """

    account: str
    container: str
    bucket: str
    credentials: Credentials
    profile: Profile
    namer: KeyNamer
    custom_prefix: str | None = None
    cloud_connector: bool = True
    place: str = ""
    origin: str = field(default="", compare=False)
    account_budget: AccountBudget | None = None

    @property
    def is_account(self) -> bool:
        """Whether its entry in the file maps every container of the account."""
        return bool(self.origin) or self.container == EVERY_CONTAINER

    @property
    def lane(self) -> str:
        """What has threads of its own: a store; within it whatever has a budget, so that who has to wait for
        one keeps nobody else waiting."""
        own = self.control_key if self.profile.budget is not None else ""
        account = self.account_budget.name if self.account_budget is not None else ""
        return " ".join((self.credentials.store, *filter(None, (account, own))))

    @property
    def is_whole(self) -> bool:
        """Whether this is about every container of the account."""
        return self.container == EVERY_CONTAINER

    @property
    def label(self) -> str:
        return f"{self.account}{EVERY_CONTAINER}" if self.is_whole else f"{self.account}/{self.container}"

    def same_config(self, other: Mapping) -> bool:
        """Whether they mean the same: where in the file they stand makes no difference."""
        return self is other or replace(self, place="") == replace(other, place="")

    def of_container(self, container: str) -> Mapping:
        """What a mapping of every container says about one of them."""
        namer = KeyNamer.hashed(self.account, container)
        return replace(self, container=container, namer=namer, origin=self.journal_key)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of what decides where bytes land: not secrets, identity or policy.

        Status files hold it, so how it is computed may not change.
        """
        credentials = self.credentials
        parts = (
            credentials.provider,
            credentials.store,
            self.bucket,
            self.namer.prefix,
            credentials.remote_account or "",
        )
        return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()[:16]

    @property
    def journal_key(self) -> str:
        """This mapping's name in journals: different for two mappings of one container, and for the same
        one with another destination."""
        return f"{self.label}#{self.fingerprint}"

    @property
    def control_key(self) -> str:
        """What the operator's wishes are filed under: the ``journal_key`` of the mapping in the file."""
        return self.origin or self.journal_key

    @property
    def location(self) -> str:
        """Where the remote objects are, in the words of ``content_location`` in listings.

        Clients rely on the form: ``<store>;<bucket>[;<key prefix>]``.
        """
        endpoint = self.credentials.endpoint
        where = "Google Cloud Storage" if endpoint == _GOOGLE else endpoint or "AWS S3"
        return ";".join(filter(None, (where, self.bucket, self.namer.prefix)))

    @property
    def stats_prefix(self) -> str:
        """This mapping's part of a metric's name: endpoint, account, bucket and prefix, container.

        Dashboards rely on it. The container stands last, so that metrics of one account can be pruned
        from the right.
        """
        bucket = f"{self.bucket}/{self.custom_prefix}" if self.custom_prefix else self.bucket
        parts = (self.credentials.endpoint or "S3", self.account, bucket, self.container)
        # earlier versions quoted "~" too, which quote() has left alone since Python 3.7
        quoted = (quote(part, safe="").replace("~", "%7E") for part in parts)
        return ".".join(part.replace(".", "%2E") for part in quoted)


@dataclass(frozen=True, slots=True)
class ShuntSettings:
    """What the middlewares of a proxy use of the file: mappings that merge namespaces.

    ``segment_size``: of restored objects that are too large for one, in bytes. ``named``: account and
    container of every entry that merges namespaces, whether or not it can be used. ``secret_files``: what
    else to look at, to see a change.
    """

    mappings: tuple[Mapping, ...]
    segment_size: int
    named: frozenset[tuple[str, str]]
    secret_files: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Syslog:
    """Where log lines are sent beside the log file."""

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
    migrations: tuple[MigrationForm, ...] = ()
    migrator: MigratorForm | None = None

    def secrets(self) -> Iterator[Secret]:
        """Every secret of the configuration: what log lines must never show."""
        for mapping in self.mappings:
            yield from filter(None, (mapping.credentials.secret, mapping.credentials.session_token))
        for migration in self.migrations:
            yield from filter(None, (migration.aws_secret, migration.aws_session_token))
        for url in filter(None, (self.http_proxy, self.https_proxy)):
            if password := urlsplit(url).password:
                yield Secret(password)

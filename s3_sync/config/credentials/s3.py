"""Credentials of Amazon S3 and of stores with the same API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from s3_sync.config.credentials.base import Credentials, Place
from s3_sync.config.credentials.permissions import Operation, google_permissions, s3_statement
from s3_sync.config.credentials.s3_dialects import CLONE, DIALECTS, GOOGLE, Dialect, StoreName, dialect_at
from s3_sync.config.file.types import SecretText
from s3_sync.config.secret import Secret

_GOOGLE = "https://storage.googleapis.com"
#: every name that was ever valid (Amazon S3 User Guide, "Bucket naming rules", including those before 2018),
#: and Ceph's tenant:bucket
_BUCKET = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._:-]{1,255}")

#: properties that are options of the credentials themselves
_OPTIONS = frozenset({"addressing_style", "region", "signature_version", "checksum"})

_UNVERIFIED = (
    'is "none": if ETags are not MD5s, as with KMS, nothing verifies the copy before the local object is '
    "deleted"
)
_FORGETFUL = (
    "forgets metadata when it is restarted: moved objects, and large objects among them, then come back "
    "without theirs"
)


class S3Credentials(Credentials):
    """``endpoint`` None means AWS. Where the dialect allows that, ``identity`` and ``secret`` may be absent:
    then the SDK looks credentials up."""

    write_options: ClassVar[frozenset[str]] = frozenset({"kms_key", "acl", "tags"})

    provider: Literal["s3"] = "s3"
    session_token: SecretText | None = None
    signature_version: Literal["s3v4", "s3"] = "s3v4"
    addressing_style: Literal["path", "virtual"] | None = None
    checksum: Literal["md5", "none", "crc32", "crc64nvme", "sha256"] = "md5"
    #: True: use conditional writes if a probe shows that the store supports them; None: as known for the
    #: store
    conditional_put: bool | None = None
    #: accept the costs of requests to buckets whose owners do not pay for them
    requester_pays: bool = False
    #: None: as the endpoint tells
    store: StoreName | None = None
    #: properties that differ from those of the store
    dialect: Dialect | None = None

    @property
    def is_aws(self) -> bool:
        """Whether the endpoint is Amazon's, whatever dialect is configured."""
        return dialect_at(self.endpoint).name == "aws"

    @property
    def known_store(self) -> Dialect:
        """The dialect of the store, without the configured changes."""
        return dialect_at(self.endpoint) if self.store is None else DIALECTS[self.store]

    @property
    def effective_dialect(self) -> Dialect:
        """The properties of the store, with the configured changes."""
        known = self.known_store
        if self.conditional_put is False:
            known = known.model_copy(update={"put_if_absent": False, "put_if_match": False})
        return known.with_changes(self.dialect)

    @property
    def store_id(self) -> str:
        """As of every store; for AWS, where bucket names are global, the partition."""
        if not self.is_aws:
            return super().store_id
        where = f"{urlsplit(self.endpoint or '').hostname or ''} {self.region or ''}"
        return next((f"aws-{name}" for name in ("cn", "us-gov") if f"{name}-" in where), "aws")

    @property
    def location(self) -> str:
        return "Google Cloud Storage" if self.endpoint == _GOOGLE else self.endpoint or "AWS S3"

    @property
    def stats_name(self) -> str:
        return self.endpoint or "S3"

    @property
    def short_name(self) -> str:
        if self.is_aws:
            return "aws"
        return "google" if self.known_store is GOOGLE else super().short_name

    @property
    def has_conditional_writes(self) -> bool:
        dialect = self.effective_dialect
        return (dialect.put_if_absent and dialect.put_if_match) or self.wants_conditional_writes

    @property
    def wants_conditional_writes(self) -> bool:
        return bool(self.conditional_put)

    @property
    def no_expiry_rules(self) -> str:
        if self.effective_dialect.expires:
            return ""
        return f"the store ({self.known_store.name}) has no lifecycle rules"

    @property
    def maybe_this_cluster(self) -> str | None:
        return None if self.is_aws else self.endpoint

    @property
    def properties(self) -> Mapping[str, object]:
        """The dialect, and the options of the credentials that choose among what a store offers."""
        known = self.effective_dialect
        options = {
            "addressing_style": self.addressing_style or known.addressing,
            "region": self.region or known.region,
            "signature_version": self.signature_version,
            "checksum": self.checksum,
        }
        return {**known.model_dump(exclude={"name", "addressing", "region"}), **options}

    def with_properties(self, changes: Mapping[str, object]) -> S3Credentials:
        own = {name: value for name, value in changes.items() if name in _OPTIONS}
        return self.model_copy(update={**own, "dialect": self._changed_dialect(changes)})

    def lines(self, changes: Mapping[str, object]) -> Mapping[str, Any]:
        found: dict[str, Any] = {name: value for name, value in changes.items() if name in _OPTIONS}
        if len(found) < len(changes):
            dialect = self._changed_dialect(changes)
            found["dialect"] = dialect.model_dump(mode="json", exclude_unset=True) if dialect else {}
        return found

    def _changed_dialect(self, changes: Mapping[str, object]) -> Dialect | None:
        set_before = self.dialect.model_dump(exclude_unset=True) if self.dialect else {}
        properties = {name: value for name, value in changes.items() if name not in _OPTIONS}
        return Dialect(**{**set_before, **properties}) if properties else self.dialect

    def grant(self, operation: Operation, bucket: str) -> str:
        if self.known_store is GOOGLE:
            return google_permissions(operation, bucket)
        return s3_statement(operation, bucket, self.store_id if self.is_aws else "aws")

    def secrets(self) -> Iterator[Secret]:
        yield from super().secrets()
        if self.session_token is not None:
            yield self.session_token

    def check(self, place: Place) -> None:
        if self.effective_dialect.ambient_credentials:
            self._check_optional_keys(place)
        else:
            where = "" if self.is_aws else " with an endpoint that is not AWS"
            self.require(place, ("identity", "secret"), f"is required{where}")
        super().check(place)
        if self.is_aws and self.endpoint and urlsplit(self.endpoint).scheme == "http":
            place.warning("endpoint", "objects are sent to AWS unencrypted; use https")
        self._check_store(place)
        dialect = self.effective_dialect
        if dialect.min_part > dialect.max_part:
            parts = f"{dialect.min_part:,} and {dialect.max_part:,} bytes"
            place.problem("dialect", f"min_part is above max_part: no part has a legal size ({parts})")
        if self._needs_checksums:
            self._check_checksum(place)
        if self.signature_version == "s3" and not dialect.signature_v2:
            name = "AWS" if self.is_aws else dialect.name
            place.warning("signature_version", f"{name} rejects signature version 2; use s3v4")

    @property
    def _needs_checksums(self) -> bool:
        return self.checksum not in ("md5", "none")

    def _check_checksum(self, place: Place) -> None:
        """Check one that is neither of those that every store understands."""
        dialect = self.effective_dialect
        if self.known_store is GOOGLE:  # it refuses the header, whether or not it can have a trailer
            place.problem("checksum", f'cannot be "{self.checksum}": Google takes "md5" or "none"')
        elif dialect.declared_checksums and not dialect.trailing_checksums:
            place.problem(
                "dialect", f"declared_checksums needs trailing_checksums, or no part has its {self.checksum}"
            )
        elif not dialect.trailing_checksums:
            place.warning(
                "checksum", f"has no effect without trailing_checksums ({dialect.name}): md5 is used"
            )

    def _check_store(self, place: Place) -> None:
        """Check what the credentials claim about the store against what else is known of it."""
        told = dialect_at(self.endpoint)
        if self.store is not None and told is not CLONE and told.name != self.store:
            where = self.endpoint or "AWS"
            place.warning(
                "store", f"is {self.store}, but {where} is an address of {told.name}: check which one it is"
            )
        dialect = self.effective_dialect
        if not (dialect.put_if_absent or dialect.put_if_match) or self.is_aws:
            return
        if self.conditional_put is False:
            place.warning(
                "conditional_put", "is false, but conditions of writes are used: the dialect says so"
            )
        elif self.conditional_put is None and dialect.put_if_match:
            is_override = self.dialect is not None and "put_if_match" in self.dialect.model_fields_set
            place.warning(
                "dialect" if is_override else "store",
                f"is believed to enforce conditions of writes at {self.endpoint}; with conditional_put true, "
                "each start probes that",
            )

    def _check_optional_keys(self, place: Place) -> None:
        """Both may be absent: the SDK then uses its own chain of credentials."""
        identity, secret = place.key("identity"), place.key("secret")
        if (self.identity is None) != (self.secret is None):
            missing = "identity" if self.identity is None else "secret"
            place.problem(missing, f"is required: give both {identity} and {secret}, or neither")
        elif self.session_token and self.identity is None:
            place.problem("session_token", f"requires {identity} and {secret}")

    def check_bucket(self, bucket: str) -> str:
        tenants = self.effective_dialect.tenants
        if _BUCKET.fullmatch(bucket) and (tenants or ":" not in bucket):
            return ""
        colon = ', ":"' if tenants else ""
        return f'"{bucket}" is not a valid bucket name; use letters, digits, ".", "_", "-"{colon}'

    def check_storage_class(self, storage_class: str) -> str:
        known = self.effective_dialect.storage_classes
        if not known or storage_class in known:
            return ""
        return f"{self.known_store.name} has no {storage_class}; its storage classes are {', '.join(known)}"

    def described_store(self) -> str:
        known = self.known_store
        how = "by its endpoint" if self.store is None else "as configured"
        text = "not known, careful values apply" if known is CLONE else f"{known.name}, {how}"
        changes = [f"{name}={value}" for name, value in self._changes()]
        return f"{text}; {', '.join(changes)}" if changes else text

    def _changes(self) -> Iterator[tuple[str, object]]:
        for name in sorted(self.dialect.model_fields_set) if self.dialect else ():
            value = getattr(self.dialect, name)
            yield name, str(value).lower() if isinstance(value, bool) else value

    def move_warnings(self) -> Iterator[tuple[str, str]]:
        if self.checksum == "none":
            yield "checksum", _UNVERIFIED
        if not self.effective_dialect.keeps_metadata:
            yield "store", _FORGETFUL

    def described(self) -> str:
        if self.identity is None:
            return "looked up by the AWS SDK (environment, shared files, web identity, instance role)"
        token = f", session token {self.session_token}" if self.session_token else ""
        return super().described() + token

    def described_endpoint(self) -> str:
        region = f", region {self.region}" if self.region else ""
        return f"{self.endpoint or 'AWS'}{region}"

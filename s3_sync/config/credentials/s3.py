"""Credentials of Amazon S3 and of stores with the same API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

from s3_sync.config.credentials.base import Credentials, Place
from s3_sync.config.file.types import SecretText
from s3_sync.config.secret import Secret

_GOOGLE = "https://storage.googleapis.com"
_AWS_HOST = re.compile(r"(?:.+\.)?amazonaws\.com(?:\.cn)?")
#: every name that was ever valid (Amazon S3 User Guide, "Bucket naming rules", including those before 2018),
#: and Ceph's tenant:bucket
_BUCKET = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._:-]{1,255}")

_UNVERIFIED = (
    'is "none": if ETags are not MD5s, as with KMS, nothing verifies the copy before the local object is '
    "deleted"
)


class S3Credentials(Credentials):
    """``endpoint`` None means AWS. Without ``identity`` and ``secret`` (AWS only) the SDK's default chain of
    credentials applies."""

    provider: Literal["s3"] = "s3"
    session_token: SecretText | None = None
    signature_version: Literal["s3v4", "s3"] = "s3v4"
    addressing_style: Literal["path", "virtual"] | None = None
    checksum: Literal["md5", "none", "crc32", "crc64nvme", "sha256"] = "md5"
    #: True: use conditional writes if a probe shows that the store supports them; None: as known for the
    #: store
    conditional_put: bool | None = None

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
        """As of every store; for AWS, where bucket names are global, the partition."""
        if not self.is_aws:
            return super().store
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
        return "google" if self.is_google else super().short_name

    @property
    def has_conditional_writes(self) -> bool:
        return self.is_aws or self.wants_conditional_writes

    @property
    def wants_conditional_writes(self) -> bool:
        return bool(self.conditional_put)

    @property
    def no_expiry_rules(self) -> str:
        if not self.is_google:
            return ""
        return "Google's interoperability endpoint has no lifecycle rules; set one in Google's console"

    @property
    def maybe_this_cluster(self) -> str | None:
        return None if self.is_aws else self.endpoint

    def secrets(self) -> Iterator[Secret]:
        yield from super().secrets()
        if self.session_token is not None:
            yield self.session_token

    def check(self, place: Place) -> None:
        if self.is_aws:
            self._check_aws_keys(place)
        else:
            self.require(place, ("identity", "secret"), "is required with an endpoint that is not AWS")
        super().check(place)
        if self.is_aws and self.endpoint and urlsplit(self.endpoint).scheme == "http":
            place.warning("endpoint", "objects are sent to AWS unencrypted; use https")
        if self.is_aws and self.signature_version == "s3":
            place.warning("signature_version", "AWS rejects signature version 2; use s3v4")

    def _check_aws_keys(self, place: Place) -> None:
        """On AWS both may be absent: the SDK then uses its own chain of credentials."""
        identity, secret = place.key("identity"), place.key("secret")
        if (self.identity is None) != (self.secret is None):
            missing = "identity" if self.identity is None else "secret"
            place.problem(missing, f"is required: give both {identity} and {secret}, or neither")
        elif self.session_token and self.identity is None:
            place.problem("session_token", f"requires {identity} and {secret}")

    def check_bucket(self, bucket: str) -> str:
        if _BUCKET.fullmatch(bucket):
            return ""
        return f'"{bucket}" is not a valid bucket name; use letters, digits, ".", "_", "-", ":"'

    def move_warnings(self) -> Iterator[tuple[str, str]]:
        if self.checksum == "none":
            yield "checksum", _UNVERIFIED

    def described(self) -> str:
        if self.identity is None:
            return "looked up by the AWS SDK (environment, shared files, instance role)"
        token = f", session token {self.session_token}" if self.session_token else ""
        return super().described() + token

    def described_endpoint(self) -> str:
        region = f", region {self.region}" if self.region else ""
        return f"{self.endpoint or 'AWS'}{region}"

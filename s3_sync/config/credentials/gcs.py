"""Credentials of Google Cloud Storage through its JSON API."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from s3_sync.config.credentials.base import Credentials, Place
from s3_sync.config.credentials.permissions import Operation, gcs_permissions
from s3_sync.config.file.types import OptionalText

ENDPOINT = "https://storage.googleapis.com"
#: kinds of credentials in a JSON file (google-auth, "User guide"): key of a service account, workload
#: identity federation, impersonation, and a user's own
KINDS = ("service_account", "external_account", "impersonated_service_account", "authorized_user")
STORAGE_CLASSES = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE", "MULTI_REGIONAL", "REGIONAL")
#: Cloud Storage documentation, "About Cloud Storage buckets": bucket names
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


class GcsCredentials(Credentials):
    """``secret``: JSON credentials, or the absolute path of a file with them; None: application default
    credentials. ``endpoint`` None: Google's own. ``project_name``: of the buckets that are listed and
    created; None: that of the credentials. ``region``: the location of new buckets."""

    write_options: ClassVar[frozenset[str]] = frozenset({"kms_key"})

    provider: Literal["gcs"]
    project_name: OptionalText = None

    @property
    def service(self) -> str:
        """The URL of the JSON API, without a slash at its end."""
        return (self.endpoint or ENDPOINT).rstrip("/")

    @property
    def key_path(self) -> str | None:
        """The path of the file of credentials; None if they are in the configuration, or nowhere."""
        text = self.secret.reveal() if self.secret is not None else "{"
        return None if text.lstrip().startswith("{") else text

    @property
    def store_id(self) -> str:
        """As of every store; Google's own endpoint has the buckets of its S3 interoperability, too."""
        return "storage.googleapis.com" if self.endpoint is None else super().store_id

    @property
    def location(self) -> str:
        return "Google Cloud Storage" if self.service == ENDPOINT else self.service

    @property
    def stats_name(self) -> str:
        return self.service

    @property
    def short_name(self) -> str:
        return "google" if self.service == ENDPOINT else super().short_name

    @property
    def throttle_key(self) -> tuple[str, str | None]:
        return self.store_id, self.project_name

    @property
    def has_conditional_writes(self) -> bool:
        return True

    @property
    def maybe_this_cluster(self) -> str | None:
        return None

    def grant(self, operation: Operation, bucket: str) -> str:
        return gcs_permissions(operation, bucket)

    def check(self, place: Place) -> None:
        super().check(place)
        if self.identity is not None:
            place.warning("identity", "has no effect with gcs: the credentials name their account")
        if self.endpoint and urlsplit(self.endpoint).scheme == "http":
            place.warning("endpoint", "tokens and objects are sent unencrypted; use https")
        if self.secret is None:
            return
        if (path := self.key_path) is None:
            if problem := inline_problem(self.secret.reveal()):
                place.problem("secret", problem)
        elif not os.path.isabs(path):
            place.problem("secret", "must be JSON, or the absolute path of a file with JSON credentials")
        elif not os.path.isfile(path):
            place.warning("secret", "the file of credentials does not exist on this machine")

    def check_bucket(self, bucket: str) -> str:
        if _BUCKET.fullmatch(bucket) and ".." not in bucket:
            return ""
        return f'"{bucket}" is not a valid bucket name; use lower-case letters, digits, ".", "_", "-"'

    def check_storage_class(self, storage_class: str) -> str:
        if storage_class in STORAGE_CLASSES:
            return ""
        return f"Google has no {storage_class}; its storage classes are {', '.join(STORAGE_CLASSES[:4])}"

    def described(self) -> str:
        if self.secret is None:
            return "looked up by Google's rules (GOOGLE_APPLICATION_CREDENTIALS, gcloud, metadata server)"
        return f"credentials in {self.key_path}" if self.key_path else f"credentials {self.secret}"

    def described_endpoint(self) -> str:
        region = f", location of new buckets {self.region}" if self.region else ""
        return f"{self.location}{region}"


def inline_problem(text: str) -> str:
    """What is wrong with JSON credentials; empty if nothing is known to be. Never quotes them."""
    found: Any
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return "begins like JSON, but is not valid JSON"
    kind = found.get("type")
    if kind not in KINDS:
        return f'needs a "type", one of {", ".join(KINDS)}'
    missing = [key for key in _required(kind) if not isinstance(found.get(key), str)]
    return f"the {kind} lacks {', '.join(missing)}" if missing else ""


def _required(kind: str) -> Iterator[str]:
    if kind == "service_account":
        yield from ("client_email", "private_key", "token_uri")
    elif kind == "external_account":
        yield from ("audience", "subject_token_type", "token_url")

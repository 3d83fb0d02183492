"""Builds the settings from the models of the file, with the checks that are common to both formats."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from s3_sync.config.criteria import MATCH_ALL, Criteria, compile_criteria
from s3_sync.config.file.options import MappingForm, MigrationForm, MigratorForm, RemoteForm, TopForm
from s3_sync.config.findings import Diagnostics, join
from s3_sync.config.secret import Secret
from s3_sync.config.settings import EVERY_CONTAINER, Credentials, Mapping, Profile, Settings, Syslog
from s3_sync.errors import ConfigError
from s3_sync.model.keys import KeyNamer

#: maximum length of an S3 key in bytes of UTF-8 (AWS, "Naming Amazon S3 objects")
_MAX_KEY_BYTES = 1024
#: every name that was ever valid (Amazon S3 User Guide, "Bucket naming rules", including those before 2018),
#: and Ceph's tenant:bucket
_S3_BUCKET = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._:-]{1,255}")
_KEYSTONE_KEYS = {
    "swift": (),
    "keystone_v2": ("tenant_name",),
    "keystone_v3": ("project_name", "project_domain_name", "user_domain_name"),
}
_BUDGETS = ("budget", "delete_budget")
_PROFILE_KEYS = [
    key.name for key in fields(Profile) if key.name in MappingForm.model_fields and key.name not in _BUDGETS
]
#: options of the top level that the settings have under the same name; the sections are read on their own
_SETTINGS_KEYS = [
    key.name for key in fields(Settings) if key.name in TopForm.model_fields and key.name != "migrations"
]


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of the top level, which apply to every remote store."""

    http: str | None = None
    https: str | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """The objects that a mapping selects: ``selection_criteria`` and ``exclude_pattern``."""

    criteria: Criteria = MATCH_ALL
    exclude: re.Pattern[str] | None = None


def read_conditions(
    written: dict[str, Any], keys: tuple[str, str], place: str, findings: Diagnostics
) -> Conditions:
    """Read the conditions from the two ``keys`` of ``written``; mistakes are added to ``findings``."""
    criteria, exclude = keys
    return Conditions(
        _criteria(written.get(criteria), join(place, criteria), findings),
        _pattern(written.get(exclude), join(place, exclude), findings),
    )


def build_mapping(
    form: MappingForm,
    conditions: Conditions,
    places: tuple[str, str],
    proxies: Proxies,
    findings: Diagnostics,
) -> Mapping | None:
    """Build a mapping from a form whose remote account has been checked; None if its provider is unsupported.

    ``places``: of the mapping, and of its policy.
    """
    place, policy = places
    _check_names(form, place, findings)
    if form.propagate_expiration and form.retain_local and form.protocol == "s3":
        findings.warning(
            join(policy, "propagate_expiration"),
            "has no effect while retain_local is true; use propagate_delete",
        )
    if form.protocol != "s3":
        return None  # already reported; no other provider exists
    options: dict[str, Any] = {key: getattr(form, key) for key in _PROFILE_KEYS}
    options |= {key: given.budget() for key in _BUDGETS if (given := getattr(form, key)) is not None}
    return Mapping(
        account=form.account,
        container=form.container,
        bucket=form.aws_bucket,
        credentials=_credentials(form, proxies),
        profile=Profile(criteria=conditions.criteria, exclude=conditions.exclude, **options),
        namer=_namer(form),
        custom_prefix=form.custom_prefix,
        cloud_connector=form.cloud_connector,
        place=place,
    )


def read_migration(written: Any, place: str, findings: Diagnostics) -> MigrationForm | None:
    """Read one entry of ``migrations``. It may be used only if ``findings`` has no problem for its place."""
    form = findings.read(MigrationForm, written, place)
    if form is not None:
        check_remote(form, place, findings)
    return form


def build_settings(
    form: TopForm,
    mappings: tuple[Mapping, ...],
    migrations: tuple[MigrationForm, ...],
    migrator: MigratorForm | None,
) -> Settings:
    default_client = os.path.join(form.swift_dir, "internal-client.conf")
    options: dict[str, Any] = {key: getattr(form, key) for key in _SETTINGS_KEYS}
    options |= {
        "verification_slack_seconds": form.verification_slack * 60,
        "internal_client_path": form.internal_client_path or default_client,
        "syslog": Syslog(form.syslog.host, form.syslog.port, form.syslog.proto) if form.syslog else None,
    }
    return Settings(mappings=mappings, migrations=migrations, migrator=migrator, **options)


def _criteria(written: Any, place: str, findings: Diagnostics) -> Criteria:
    if not isinstance(written, dict):
        return MATCH_ALL  # absent, or already reported as having the wrong type
    try:
        return compile_criteria(written, place)
    except ConfigError as error:
        for problem in error.problems:
            findings.problem(problem.place, problem.message)
        return MATCH_ALL


def _pattern(written: Any, place: str, findings: Diagnostics) -> re.Pattern[str] | None:
    if not isinstance(written, str) or written in ("", "^$"):  # names are never empty
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # FutureWarning and DeprecationWarning about syntax
            return re.compile(written)
    except (re.error, OverflowError, RecursionError) as error:
        findings.problem(place, f"is not a valid regular expression: {error}")
        return None


def check_remote(form: RemoteForm, place: str, findings: Diagnostics) -> None:
    """Check that the form has the keys that its kind of remote account requires."""
    is_aws = form.protocol == "s3" and Credentials(endpoint=form.aws_endpoint).is_aws
    if is_aws:
        _check_aws_keys(form, place, findings)
    elif form.protocol == "s3":
        _require(
            form,
            ("aws_identity", "aws_secret"),
            "is required with an endpoint that is not AWS",
            place,
            findings,
        )
    elif form.protocol == "swift":
        keys = ("aws_endpoint", "aws_identity", "aws_secret", *_KEYSTONE_KEYS[form.auth_type])
        _require(form, keys, f"is required with auth_type {form.auth_type}", place, findings)
    if form.protocol != "swift":
        for key in ("tenant_name", "project_name", "project_domain_name", "user_domain_name"):
            if getattr(form, key) is not None:
                how = f"{form.key('protocol')} {form.protocol}"
                findings.warning(join(place, key), f"has no effect with {how}")
    for key in ("aws_identity", "aws_secret", "aws_session_token"):
        value = getattr(form, key)
        text = value.reveal() if isinstance(value, Secret) else value or ""
        if text != text.strip():
            findings.warning(join(place, form.key(key)), "begins or ends with white space; is that intended?")
    _check_transport(form, is_aws, place, findings)


def _check_aws_keys(form: RemoteForm, place: str, findings: Diagnostics) -> None:
    """On AWS both may be absent: the SDK then uses its own chain of credentials."""
    identity, secret = form.key("aws_identity"), form.key("aws_secret")
    if (form.aws_identity is None) != (form.aws_secret is None):
        missing = identity if form.aws_identity is None else secret
        findings.problem(join(place, missing), f"is required: give both {identity} and {secret}, or neither")
    elif form.aws_session_token and form.aws_identity is None:
        findings.problem(join(place, form.key("aws_session_token")), f"requires {identity} and {secret}")


def _require(form: RemoteForm, keys: Iterable[str], why: str, place: str, findings: Diagnostics) -> None:
    for key in keys:
        if getattr(form, key) is None:
            findings.problem(join(place, form.key(key)), why)


def _check_transport(form: RemoteForm, is_aws: bool, place: str, findings: Diagnostics) -> None:
    if form.ca_bundle is not None:
        if not form.verify_tls:
            findings.warning(join(place, "ca_bundle"), "has no effect while verify_tls is false")
        elif not os.path.isfile(form.ca_bundle):
            findings.warning(join(place, "ca_bundle"), f"{form.ca_bundle} does not exist on this machine")
    elif not form.verify_tls:
        findings.warning(
            join(place, "verify_tls"), "is off: anyone on the network path can read and modify all traffic"
        )
    if is_aws and form.aws_endpoint and urlsplit(form.aws_endpoint).scheme == "http":
        findings.warning(
            join(place, form.key("aws_endpoint")), "objects are sent to AWS unencrypted; use https"
        )
    if is_aws and form.signature_version == "s3":
        findings.warning(join(place, "signature_version"), "AWS rejects signature version 2; use s3v4")


def _check_names(form: MappingForm, place: str, findings: Diagnostics) -> None:
    prefix = form.custom_prefix
    if form.container == EVERY_CONTAINER and form.account.startswith("."):
        findings.problem(join(place, "account"), "is a Swift system account; its containers cannot be mapped")
    bucket = join(place, form.key("aws_bucket"))
    if form.aws_bucket == EVERY_CONTAINER:
        findings.problem(bucket, 'cannot be "/*", which is for migrations only')
    elif form.protocol == "s3" and not _S3_BUCKET.fullmatch(form.aws_bucket):
        wrong = f'"{form.aws_bucket}" is not a valid bucket name; use letters, digits, ".", "_", "-", ":"'
        findings.problem(bucket, wrong)
    if prefix is None:
        if "prefix_join" in form.model_fields_set:
            findings.warning(join(place, "prefix_join"), f"has no effect without {form.key('custom_prefix')}")
        return
    here = join(place, form.key("custom_prefix"))
    if form.container == EVERY_CONTAINER and form.protocol != "swift":
        findings.problem(
            here, 'cannot be used with container "/*": objects of the same name would overwrite each other'
        )
    if len(_namer(form).prefix.encode("utf-8")) >= _MAX_KEY_BYTES:
        findings.problem(here, f"leaves no room for object names: keys have at most {_MAX_KEY_BYTES} bytes")
    if form.prefix_join == "literal" and prefix and not prefix.endswith("/"):
        findings.warning(here, f'does not end with "/": object "a" becomes key "{prefix}a", not "{prefix}/a"')


def _credentials(form: RemoteForm, proxies: Proxies) -> Credentials:
    is_aws = Credentials(endpoint=form.aws_endpoint).is_aws
    return Credentials(
        endpoint=form.aws_endpoint,
        identity=form.aws_identity,
        secret=form.aws_secret,
        session_token=form.aws_session_token,
        region=form.region,
        signature_version=form.signature_version,
        addressing_style=form.addressing_style or (None if is_aws else "path"),
        verify_tls=form.verify_tls,
        ca_bundle=form.ca_bundle,
        checksum=form.checksum,
        conditional_put=form.conditional_put,
        read_timeout=form.read_timeout,
        http_proxy=proxies.http,
        https_proxy=proxies.https,
        remote_account=form.remote_account,
    )


def _namer(form: MappingForm) -> KeyNamer:
    if form.custom_prefix is None:
        return KeyNamer.hashed(form.account, form.container)
    if form.prefix_join == "literal":
        return KeyNamer.literal(form.custom_prefix)
    return KeyNamer.directory(form.custom_prefix)

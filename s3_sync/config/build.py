"""Builds the settings from the models of the file, with the checks that are common to both formats."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass, fields
from typing import Any

from s3_sync.config.credentials.base import Credentials, Place, Proxies
from s3_sync.config.criteria import MATCH_ALL, Criteria, compile_criteria
from s3_sync.config.file.base import FileModel
from s3_sync.config.file.options import MappingForm, MigratorForm, MigratorTopForm, TopForm
from s3_sync.config.findings import Diagnostics, join
from s3_sync.config.settings import EVERY_CONTAINER, Mapping, Profile, Settings, Syslog
from s3_sync.errors import ConfigError
from s3_sync.model.keys import KeyNamer

#: options that are objects -> the method of their form that builds the value
_OBJECTS = {"budget": "budget", "delete_budget": "budget", "archive_restore": "archive_restore"}
_PROFILE_KEYS = [
    key.name
    for key in fields(Profile)
    if key.name in MappingForm.model_fields and key.name not in (*_OBJECTS, "tags")
]
_COLLISION = 'with container "/*": objects of the same name would overwrite each other'
#: options that only some kinds of stores support
_STORE_OPTIONS = ("kms_key", "acl", "tags", "sync_container_metadata", "sync_container_acl")
#: options of the top level that the settings have under the same name; the sections are read on their own
_SETTINGS_KEYS = [
    key.name for key in fields(Settings) if key.name in TopForm.model_fields and key.name != "migrations"
]

#: follows the path of swift-s3-migrator's status file in the name of the directory of its other state
STATE_SUFFIX = ".d"


@dataclass(frozen=True, slots=True)
class Conditions:
    """The objects that a mapping selects: ``selection_criteria`` and ``exclude_pattern``."""

    criteria: Criteria = MATCH_ALL
    exclude: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Where a mapping and its policy are in the file."""

    mapping: str
    policy: str


def read_conditions(
    written: dict[str, Any], criteria_key: str, place: str, findings: Diagnostics
) -> Conditions:
    """Read the conditions of ``written``; mistakes are added to ``findings``."""
    return Conditions(
        _criteria(written.get(criteria_key), join(place, criteria_key), findings),
        _pattern(written.get("exclude_pattern"), join(place, "exclude_pattern"), findings),
    )


def build_mapping(
    form: MappingForm,
    credentials: Credentials,
    conditions: Conditions,
    places: Places,
    findings: Diagnostics,
) -> Mapping:
    """Build a mapping from a form and checked credentials.

    It may be used only if ``findings`` has no problem for its place.
    """
    _check_names(form, credentials, places.mapping, findings)
    _check_options(form, credentials, places, findings)
    options: dict[str, Any] = {key: getattr(form, key) for key in _PROFILE_KEYS}
    options["tags"] = tuple(sorted(form.tags.items()))
    for key, build in _OBJECTS.items():
        if (given := getattr(form, key)) is not None:
            options[key] = getattr(given, build)()
    return Mapping(
        account=form.account,
        container=form.container,
        bucket=form.aws_bucket,
        credentials=credentials,
        profile=Profile(criteria=conditions.criteria, exclude=conditions.exclude, **options),
        namer=_namer(form, credentials) if credentials.shares_bucket else KeyNamer.plain(),
        custom_prefix=form.custom_prefix,
        cloud_connector=form.cloud_connector,
        place=places.mapping,
    )


def _check_options(
    form: MappingForm, credentials: Credentials, places: Places, findings: Diagnostics
) -> None:
    """Report options that the store does not have, or that have no effect with it."""
    if form.propagate_expiration and form.retain_local and not credentials.expires_objects:
        findings.warning(
            join(places.policy, "propagate_expiration"),
            "has no effect while retain_local is true; use propagate_delete",
        )
    if form.storage_class and (wrong := credentials.check_storage_class(form.storage_class)):
        findings.warning(join(places.mapping, "storage_class"), wrong)
    if form.storage_policy and not credentials.has_storage_policies:
        message = f"has no effect with {credentials.provider} stores"
        findings.warning(join(places.mapping, "storage_policy"), message)
    for key in ("convert_dlo", "min_segment_size"):
        if getattr(form, key) and credentials.shares_bucket:
            message = f"has no effect with {credentials.provider} stores, which join the segments"
            findings.warning(join(places.policy, key), message)
    for key in _STORE_OPTIONS:
        if getattr(form, key) and key not in credentials.write_options:
            _refuse_option(key, f"is not supported by {credentials.provider} stores", places, findings)
    if form.sync_container_acl and not form.sync_container_metadata:
        _refuse_option("sync_container_acl", "requires sync_container_metadata", places, findings)


def _refuse_option(key: str, message: str, places: Places, findings: Diagnostics) -> None:
    """Report a problem with an option of the policy. A profile of other mappings may be right for them, so
    the problem is at the mapping, which it makes unusable."""
    if places.policy == places.mapping:
        findings.problem(join(places.mapping, key), message)
    else:
        findings.problem(join(places.mapping, "profile"), f"{key} {message}")


def build_credentials(
    form: FileModel, kind: type[Credentials], place: str, proxies: Proxies, findings: Diagnostics
) -> Credentials:
    """Build credentials of one kind from a valid form that has their keys, and check them."""
    credentials = kind.from_form(form, proxies)
    credentials.check(Place(place, form.key, findings))
    return credentials


def build_settings(
    form: TopForm,
    mappings: tuple[Mapping, ...],
    migrations: tuple[Mapping, ...],
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


def build_migrator_settings(
    form: MigratorTopForm, section: MigratorForm, migrations: tuple[Mapping, ...]
) -> Settings:
    """Build the settings of swift-s3-migrator, whose mappings are the migrations. Its state is in a directory
    beside its status file."""
    default_client = os.path.join(form.swift_dir, "internal-client.conf")
    options: dict[str, Any] = {
        key.name: getattr(each, key.name)
        for each in (form, section)
        for key in fields(Settings)
        if hasattr(each, key.name)
    }
    options |= {
        "devices": "",
        "status_dir": section.status_file + STATE_SUFFIX,
        "internal_client_path": form.internal_client_path or default_client,
        "syslog": Syslog(**section.syslog.model_dump()) if section.syslog else None,
        "processes": 1,
        "mappings": migrations,
        "migrations": (),
        "migrator": section,
    }
    return Settings(**options)


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


def _check_names(form: MappingForm, credentials: Credentials, place: str, findings: Diagnostics) -> None:
    prefix = form.custom_prefix
    if form.container == EVERY_CONTAINER and form.account.startswith("."):
        findings.problem(join(place, "account"), "is a Swift system account; its containers cannot be mapped")
    bucket = join(place, form.key("aws_bucket"))
    if form.aws_bucket == EVERY_CONTAINER:
        findings.problem(bucket, 'cannot be "/*", which is for migrations only')
    elif wrong := credentials.check_bucket(form.aws_bucket):
        findings.problem(bucket, wrong)
    if prefix is None:
        if "prefix_join" in form.model_fields_set:
            findings.warning(join(place, "prefix_join"), f"has no effect without {form.key('custom_prefix')}")
        if form.hashed_prefix is False and form.container == EVERY_CONTAINER:
            findings.problem(join(place, "hashed_prefix"), f"cannot be false {_COLLISION}")
        return
    if form.hashed_prefix:
        findings.problem(join(place, "hashed_prefix"), f"cannot be used with {form.key('custom_prefix')}")
    _check_prefix(form, credentials, prefix, place, findings)


def _check_prefix(
    form: MappingForm, credentials: Credentials, prefix: str, place: str, findings: Diagnostics
) -> None:
    here = join(place, form.key("custom_prefix"))
    if not credentials.shares_bucket:
        findings.warning(here, f"has no effect with {credentials.provider} stores: objects keep their names")
        return
    if form.container == EVERY_CONTAINER:
        findings.problem(here, f"cannot be used {_COLLISION}")
    if len(_namer(form, credentials).prefix.encode("utf-8")) >= credentials.max_key_bytes:
        limit = credentials.max_key_bytes
        findings.problem(here, f"leaves no room for object names: keys have at most {limit} bytes")
    if form.prefix_join == "literal" and prefix and not prefix.endswith("/"):
        findings.warning(here, f'does not end with "/": object "a" becomes key "{prefix}a", not "{prefix}/a"')


def _namer(form: MappingForm, credentials: Credentials) -> KeyNamer:
    if form.custom_prefix is None:
        hashed = credentials.hashes_keys if form.hashed_prefix is None else form.hashed_prefix
        if hashed or form.container == EVERY_CONTAINER:
            return KeyNamer.hashed(form.account, form.container)
        return KeyNamer.literal("")
    if form.prefix_join == "literal":
        return KeyNamer.literal(form.custom_prefix)
    return KeyNamer.directory(form.custom_prefix)

"""Reads the entries of ``migrations``, and checks them against each other and against the mappings.

A migration is a mapping whose source is the bucket: the same values describe the place of its objects on both
sides, so that scheduling, rate limits, operator requests and cloud-shunt work for both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from s3_sync.config.build import build_credentials
from s3_sync.config.coverage import Coverage
from s3_sync.config.credentials.base import Credentials, Proxies
from s3_sync.config.credentials.kinds import kind_of, with_credentials
from s3_sync.config.file.base import FileModel
from s3_sync.config.file.options import MigrationForm
from s3_sync.config.file.section_models import flat_key
from s3_sync.config.findings import Diagnostics, join
from s3_sync.config.secret import Secret
from s3_sync.config.settings import EVERY_CONTAINER, Mapping, MigrationOptions, Profile
from s3_sync.model.keys import KeyNamer

#: the policy by which cloud-shunt shows the source's objects until they are migrated
MIGRATED = Profile(retain_local=False, propagate_delete=False, merge_namespaces=True)
#: aws_bucket of a migration of every bucket of an account
EVERY_BUCKET = EVERY_CONTAINER


def read_migration(written: Any, place: str, proxies: Proxies, findings: Diagnostics) -> Mapping | None:
    """Read one entry of ``migrations``. It may be used only if ``findings`` has no problem for its place."""
    kind = kind_of(written.get("protocol") if isinstance(written, dict) else None)
    form = findings.read(with_credentials(MigrationForm, kind, flat_key), written, place)
    if form is None:
        return None
    credentials = build_credentials(form, kind, place, proxies, findings)
    _check(form, credentials, place, findings)
    every = form.aws_bucket == EVERY_BUCKET
    return Mapping(
        account=form.account,
        container=EVERY_CONTAINER if every else form.container or form.aws_bucket,
        bucket="" if every else form.aws_bucket,
        credentials=credentials,
        profile=_profile(form),
        namer=KeyNamer.source(form.custom_prefix),
        custom_prefix=form.custom_prefix,
        place=place,
        migration=MigrationOptions(
            prefix=form.prefix,
            older_than=form.older_than,
            propagate_account_metadata=form.propagate_account_metadata,
            max_deletes=form.max_deletes,
            max_deletes_percent=form.max_deletes_percent,
            entry=_entry(form, written),
        ),
    )


def check_migrations(
    migrations: Sequence[Mapping], mappings: Sequence[Mapping], findings: Diagnostics
) -> None:
    """Report migrations into the same names, which would delete each other's objects, and warn of mappings
    that do not see a migration's deletes."""
    coverage = Coverage(mappings)
    for number, migration in enumerate(migrations):
        options = migration.migration
        assert options is not None
        for other in migrations[:number]:
            if (other.account, other.container) == (migration.account, migration.container):
                _check_names(migration, other, findings)
        for mapping in coverage.all_for(migration.account, migration.container):
            if mapping.profile.propagate_delete:
                findings.warning(
                    migration.place,
                    f"{mapping.place} copies {migration.label} further, but does not propagate what this "
                    "migration deletes because it was deleted at the source",
                )


def _check_names(migration: Mapping, other: Mapping, findings: Diagnostics) -> None:
    first, second = (each.migration.prefix if each.migration else "" for each in (other, migration))
    if first.startswith(second) or second.startswith(first):
        findings.problem(
            migration.place,
            f"{migration.label} is the destination of {other.place}, too, for the same names: each would "
            "delete the other's objects",
        )


def _check(form: MigrationForm, credentials: Credentials, place: str, findings: Diagnostics) -> None:
    bucket = join(place, form.key("aws_bucket"))
    if form.aws_bucket == EVERY_BUCKET:
        if form.container not in (None, EVERY_CONTAINER):
            findings.problem(
                join(place, "container"), 'cannot be used with aws_bucket "/*": all keep their names'
            )
        if form.account.startswith("."):
            findings.problem(join(place, "account"), "is a Swift system account; it cannot be migrated to")
    elif form.container == EVERY_CONTAINER:
        findings.problem(join(place, "container"), 'cannot be "/*" with a single aws_bucket')
    elif wrong := credentials.check_bucket(form.aws_bucket):
        findings.problem(bucket, wrong)
    if form.propagate_account_metadata and credentials.shares_bucket:
        findings.warning(
            join(place, "propagate_account_metadata"),
            f"has no effect with {credentials.provider} stores, whose accounts have no metadata",
        )


def _profile(form: MigrationForm) -> Profile:
    return replace(
        MIGRATED,
        restore_object=form.restore_object,
        storage_policy=form.storage_policy,
        segment_containers=form.segment_containers,
        archive_restore=form.archive_restore.archive_restore() if form.archive_restore else None,
        budget=form.budget.budget() if form.budget else None,
    )


def _entry(form: FileModel, written: dict[str, Any]) -> str:
    """Return the entry as JSON without keys that are unknown or secret."""
    names = form.names()
    known = {key: names[key] for key in written if key in names}
    shown = {key: written[key] for key, name in known.items() if not isinstance(getattr(form, name), Secret)}
    return json.dumps(shown, sort_keys=True)

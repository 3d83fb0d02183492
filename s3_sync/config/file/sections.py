"""The format with ``credentials``, ``profiles`` and ``mappings``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from s3_sync.config.budgets import AccountBudget
from s3_sync.config.build import Conditions, Places, build_credentials, build_mapping, read_conditions
from s3_sync.config.credentials.base import Credentials
from s3_sync.config.credentials.kinds import kind_of
from s3_sync.config.file.flat import Reading, listed
from s3_sync.config.file.options import PlaceForm, PolicyForm
from s3_sync.config.file.section_models import (
    IN_DAYS,
    PRESETS,
    MappingEntry,
    ProfileForm,
    ResolvedMapping,
    SectionedFileModel,
    credentials_form,
)
from s3_sync.config.findings import join
from s3_sync.config.settings import Mapping

#: options of both a mapping and its profile; the mapping's value takes precedence
_OVERRIDES = [name for name in MappingEntry.model_fields if name in PolicyForm.model_fields]


@dataclass(frozen=True, slots=True)
class Policy:
    """A valid profile: every field of PolicyForm with its value."""

    values: dict[str, Any]
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class Remote:
    """Valid credentials, and the budget that all their mappings share."""

    credentials: Credentials
    budget: AccountBudget | None


class SectionedFile:
    """Reads the entries of one file, and each of the credentials and profiles once."""

    top = SectionedFileModel
    section = "mappings"

    def __init__(self, written: dict[str, Any], reading: Reading) -> None:
        self._written = written
        self._findings = reading.findings
        self._reading = reading
        self._remotes: dict[str, Remote | None] = {}
        self._policies: dict[str, Policy | None] = {}

    def entries(self) -> Iterator[tuple[str, Any]]:
        """Iterate over every entry with its place."""
        return listed(self._written.get(self.section), self.section)

    def merges(self, written: Any) -> bool:
        """Returns whether an entry merges namespaces; True if that cannot be determined."""
        name = written.get("profile") if isinstance(written, dict) else None
        profile = self._section("profiles").get(name) if isinstance(name, str) else None
        if not isinstance(profile, dict):
            return True
        merges = profile.get("merge_namespaces")
        return bool(profile.get("type") != "sync" if merges is None else merges)

    def read(self, written: Any, place: str) -> Mapping | None:
        """Read one entry; None if no mapping can be built.

        The mapping may be used only if ``findings`` has no problem for its place.
        """
        findings = self._findings
        form = findings.read(MappingEntry, written, place)
        if not isinstance(written, dict):
            return None
        remote = self._resolve(written.get("credentials"), "credentials", self._remote, place, "credentials")
        policy = self._resolve(written.get("profile"), "profiles", self._policy, place, "profile")
        if form is None or remote is None or policy is None:
            return None
        values = {name: getattr(form, name) for name in PlaceForm.model_fields}
        values |= policy.values
        values |= {name: value for name in _OVERRIDES if (value := getattr(form, name)) is not None}
        resolved = ResolvedMapping.model_construct(_fields_set=form.model_fields_set, **values)
        places = Places(place, join("profiles", form.profile))
        mapping = build_mapping(resolved, remote.credentials, policy.conditions, places, findings)
        return replace(mapping, account_budget=remote.budget)

    def secret_holders(self) -> Iterator[Any]:
        """Iterate over the objects that may contain a secret as text."""
        return iter(self._section("credentials").values())

    def read_rest(self) -> None:
        """Also check the credentials and profiles that no mapping names."""
        for name in self._section("credentials"):
            self._remote(name)
        for name in self._section("profiles"):
            self._policy(name)

    def _section(self, section: str) -> dict[str, Any]:
        found = self._written.get(section)
        return found if isinstance(found, dict) else {}  # anything else was reported with the top level

    def _resolve(self, name: Any, section: str, read: Any, place: str, key: str) -> Any:
        """Return the object in ``section`` that the entry at ``place`` names; None after adding a problem."""
        if not isinstance(name, str) or not name:
            return None  # reported with the entry
        known = self._section(section)
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f'; did you mean "{close[0]}"?' if close else ""
            self._findings.problem(join(place, key), f'"{name}" is not in {section}{hint}')
            return None
        found = read(name)
        if found is None:
            self._findings.problem(join(place, key), f"is invalid: see {join(section, name)}")
        return found

    def _remote(self, name: str) -> Remote | None:
        if name not in self._remotes:
            place, written = join("credentials", name), self._section("credentials")[name]
            kind = kind_of(written.get("provider") if isinstance(written, dict) else None)
            form = self._read(credentials_form(kind), written, name, place)
            remote = None
            if form is not None:
                credentials = build_credentials(form, kind, place, self._reading.proxies, self._findings)
                budget = None if form.budget is None else AccountBudget(name, form.budget.budget())
                remote = Remote(credentials, budget)
            self._remotes[name] = None if self._findings.has_problem(place) else remote
        return self._remotes[name]

    def _policy(self, name: str) -> Policy | None:
        if name not in self._policies:
            place, written = join("profiles", name), self._section("profiles")[name]
            form = self._read(ProfileForm, written, name, place)
            conditions = Conditions()
            if isinstance(written, dict):
                criteria = "selection_criteria" if written.get("conditions") is None else "conditions"
                conditions = read_conditions(written, criteria, place, self._findings)
            if form is not None:
                self._check_profile(form, place)
            usable = form is not None and not self._findings.has_problem(place)
            self._policies[name] = Policy(form.policy(), conditions) if form and usable else None
        return self._policies[name]

    def _read(self, kind: type[Any], written: Any, name: str, place: str) -> Any:
        findings = self._findings
        if not name or any(letter in "[]." or not letter.isprintable() for letter in name):
            findings.problem(
                place, 'the name must not be empty or contain ".", "[", "]" or control characters'
            )
        return findings.read(kind, written, place)

    def _check_profile(self, form: ProfileForm, place: str) -> None:
        """Check for redundant and contradictory options."""
        findings, given = self._findings, form.model_fields_set
        for name, other in (*IN_DAYS.items(), ("conditions", "selection_criteria")):
            if name in given and other in given:
                findings.problem(join(place, name), f"is another name of {other}: give only one of them")
        required = PRESETS[form.type]["retain_local"]
        if "retain_local" in given and form.retain_local is not required:
            findings.problem(
                join(place, "retain_local"),
                f"must be {str(required).lower()} in a profile of type {form.type}",
            )

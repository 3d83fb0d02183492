"""The form with ``credentials``, ``profiles`` and ``mappings``: from what is written to the model."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from s3_sync.config import unsupported as not_yet
from s3_sync.config.budgets import AccountBudget
from s3_sync.config.build import Conditions, Proxies, build_mapping, check_remote, read_conditions
from s3_sync.config.file.fields import PlaceForm, PolicyForm, RemoteForm
from s3_sync.config.file.flat import listed
from s3_sync.config.file.section_models import (
    IN_DAYS,
    PRESETS,
    CredentialsForm,
    MappingEntry,
    NewFileForm,
    ProfileForm,
    ResolvedMapping,
)
from s3_sync.config.findings import Diagnostics, join
from s3_sync.config.settings import Mapping

#: of a mapping and of its profile; the mapping's is the one that counts
_BOTH = [name for name in MappingEntry.model_fields if name in PolicyForm.model_fields]


@dataclass(frozen=True, slots=True)
class Policy:
    """A profile that can be used: every field of PolicyForm with its value."""

    values: dict[str, Any]
    conditions: Conditions


class SectionedFile:
    """Reads the entries of one file, and what they name, once. ``refused``: what the reader cannot do."""

    top = NewFileForm
    section = "mappings"

    def __init__(self, written: dict[str, Any], findings: Diagnostics, refused: not_yet.Tables) -> None:
        self._written = written
        self._findings = findings
        self._refused = refused
        self._credentials: dict[str, CredentialsForm | None] = {}
        self._policies: dict[str, Policy | None] = {}

    def entries(self) -> Iterator[tuple[str, Any]]:
        """Every entry with its place."""
        return listed(self._written.get(self.section), self.section)

    def merges(self, written: Any) -> bool:
        """Whether an entry merges namespaces, as far as can be told."""
        name = written.get("profile") if isinstance(written, dict) else None
        profile = self._section("profiles").get(name) if isinstance(name, str) else None
        if not isinstance(profile, dict):
            return True
        told = profile.get("merge_namespaces")
        return bool(profile.get("type") != "sync" if told is None else told)

    def read(self, written: Any, place: str, proxies: Proxies) -> Mapping | None:
        """One entry, where that makes a mapping at all.

        It may be used only when no problem was noted for its place.
        """
        findings = self._findings
        form = findings.read(MappingEntry, written, place)
        if not isinstance(written, dict):
            return None
        not_yet.refuse(self._refused, MappingEntry, written, place, findings)
        remote = self._named(written.get("credentials"), "credentials", self._remote, place, "credentials")
        policy = self._named(written.get("profile"), "profiles", self._policy, place, "profile")
        if form is None or remote is None or policy is None:
            return None
        values = {name: getattr(form, name) for name in PlaceForm.model_fields}
        values |= {name: getattr(remote, name) for name in RemoteForm.model_fields}
        values |= policy.values
        values |= {name: value for name in _BOTH if (value := getattr(form, name)) is not None}
        whole = ResolvedMapping.model_construct(_fields_set=form.model_fields_set, **values)
        places = (place, join("profiles", form.profile))
        mapping = build_mapping(whole, policy.conditions, places, proxies, findings)
        if mapping is not None and remote.budget is not None:
            shared = AccountBudget(form.credentials, remote.budget.budget())
            mapping = replace(mapping, account_budget=shared)
        return mapping

    def secret_holders(self) -> Iterator[Any]:
        """What may hold a secret in so many words."""
        return iter(self._section("credentials").values())

    def read_rest(self) -> None:
        """Look at credentials and profiles that nobody names, too."""
        for name in self._section("credentials"):
            self._remote(name)
        for name in self._section("profiles"):
            self._policy(name)

    def _section(self, section: str) -> dict[str, Any]:
        found = self._written.get(section)
        return found if isinstance(found, dict) else {}  # anything else was noted with the top level

    def _named(self, name: Any, section: str, read: Any, place: str, key: str) -> Any:
        """What the entry at ``place`` names in ``section``; None after noting why it cannot be had."""
        if not isinstance(name, str) or not name:
            return None  # noted with the entry
        known = self._section(section)
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f'; did you mean "{close[0]}"?' if close else ""
            self._findings.problem(join(place, key), f'"{name}" is not in {section}{hint}')
            return None
        found = read(name)
        if found is None:
            self._findings.problem(join(place, key), f"cannot be used: see {join(section, name)}")
        return found

    def _remote(self, name: str) -> CredentialsForm | None:
        if name not in self._credentials:
            place, written = join("credentials", name), self._section("credentials")[name]
            form = self._read(CredentialsForm, written, name, place)
            if form is not None:
                check_remote(form, place, self._findings)
            self._credentials[name] = None if self._findings.has_problem(place) else form
        return self._credentials[name]

    def _policy(self, name: str) -> Policy | None:
        if name not in self._policies:
            place, written = join("profiles", name), self._section("profiles")[name]
            form = self._read(ProfileForm, written, name, place)
            conditions = Conditions()
            if isinstance(written, dict):
                criteria = "selection_criteria" if written.get("conditions") is None else "conditions"
                keys = (criteria, "exclude_pattern")
                conditions = read_conditions(written, keys, place, self._findings)
            if form is not None:
                self._check_profile(form, place)
            usable = form is not None and not self._findings.has_problem(place)
            self._policies[name] = Policy(form.policy(), conditions) if form and usable else None
        return self._policies[name]

    def _read(self, kind: type[Any], written: Any, name: str, place: str) -> Any:
        findings = self._findings
        if not name or any(letter in "[]." or not letter.isprintable() for letter in name):
            findings.problem(
                place, 'the name must not be empty, nor hold ".", "[", "]" or control characters'
            )
        form = findings.read(kind, written, place)
        if isinstance(written, dict):
            not_yet.refuse(self._refused, kind, written, place, findings)
        return form

    def _check_profile(self, form: ProfileForm, place: str) -> None:
        """What says the same twice, or two things."""
        findings, told = self._findings, form.model_fields_set
        for name, other in (*IN_DAYS.items(), ("conditions", "selection_criteria")):
            if name in told and other in told:
                findings.problem(join(place, name), f"is {other} by another name: give one of them")
        wanted = PRESETS[form.type]["retain_local"]
        if "retain_local" in told and form.retain_local is not wanted:
            findings.problem(
                join(place, "retain_local"), f"must be {str(wanted).lower()} in a profile of type {form.type}"
            )

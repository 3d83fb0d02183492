"""The format of earlier versions: flat entries in ``containers``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from s3_sync.config.build import Places, build_credentials, build_mapping, read_conditions
from s3_sync.config.credentials.base import Credentials, Proxies
from s3_sync.config.credentials.kinds import kind_of, with_credentials
from s3_sync.config.file.options import FlatFileModel, MappingForm
from s3_sync.config.file.section_models import flat_key
from s3_sync.config.findings import Diagnostics, join
from s3_sync.config.settings import Mapping


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading the entries of a file needs."""

    findings: Diagnostics
    proxies: Proxies


class FlatFile:
    """Reads the entries of one file."""

    top = FlatFileModel
    section = "containers"

    def __init__(self, written: dict[str, Any], reading: Reading) -> None:
        self._entries = written.get(self.section)
        self._reading = reading

    def entries(self) -> Iterator[tuple[str, Any]]:
        """Iterate over every entry with its place."""
        return listed(self._entries, self.section)

    def merges(self, written: Any) -> bool:
        """Returns whether an entry merges namespaces; True if that cannot be determined."""
        return not isinstance(written, dict) or bool(written.get("merge_namespaces"))

    def read(self, written: Any, place: str) -> Mapping | None:
        """Read one entry; None if no mapping can be built.

        The mapping may be used only if ``findings`` has no problem for its place.
        """
        findings = self._reading.findings
        kind = kind_of(written.get("protocol") if isinstance(written, dict) else None)
        model = mapping_form(kind)
        form = findings.read(model, written, place)
        if not isinstance(written, dict):
            return None
        # read these even if something else is wrong, so that one run shows every mistake
        conditions = read_conditions(written, "selection_criteria", place, findings)
        if form is None:
            return None
        credentials = build_credentials(form, kind, place, self._reading.proxies, findings)
        return build_mapping(form, credentials, conditions, Places(place, place), findings)

    def secret_holders(self) -> Iterator[Any]:
        """Iterate over the objects that may contain a secret as text."""
        return (entry for _, entry in self.entries())

    def read_rest(self) -> None:
        """Do nothing: this format has no other sections."""


def mapping_form(kind: type[Credentials]) -> type[MappingForm]:
    """Return the model of an entry with this kind of credentials."""
    return with_credentials(MappingForm, kind, flat_key)


def listed(entries: Any, section: str) -> Iterator[tuple[str, Any]]:
    """Iterate over entries with their places; anything but a list was reported with the top level."""
    if isinstance(entries, list):
        for index, entry in enumerate(entries):
            yield join(section, index), entry

"""The format of earlier versions: flat entries in ``containers``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from s3_sync.config import unsupported
from s3_sync.config.build import Proxies, build_mapping, check_remote, read_conditions
from s3_sync.config.file.options import FlatFileModel, MappingForm
from s3_sync.config.findings import Diagnostics, join
from s3_sync.config.settings import Mapping


class FlatFile:
    """Reads the entries of one file. ``refused``: options that the caller does not support."""

    top = FlatFileModel
    section = "containers"

    def __init__(self, written: dict[str, Any], findings: Diagnostics, refused: unsupported.Tables) -> None:
        self._entries = written.get(self.section)
        self._findings = findings
        self._refused = refused

    def entries(self) -> Iterator[tuple[str, Any]]:
        """Iterate over every entry with its place."""
        return listed(self._entries, self.section)

    def merges(self, written: Any) -> bool:
        """Returns whether an entry merges namespaces; True if that cannot be determined."""
        return not isinstance(written, dict) or bool(written.get("merge_namespaces"))

    def read(self, written: Any, place: str, proxies: Proxies) -> Mapping | None:
        """Read one entry; None if no mapping can be built.

        The mapping may be used only if ``findings`` has no problem for its place.
        """
        findings = self._findings
        form = findings.read(MappingForm, written, place)
        if not isinstance(written, dict):
            return None
        unsupported.refuse(self._refused, MappingForm, written, place, findings)
        # read these two even if something else is wrong, so that one run shows every mistake
        keys = ("selection_criteria", "exclude_pattern")
        conditions = read_conditions(written, keys, place, findings)
        if form is None:
            return None
        check_remote(form, place, findings)
        return build_mapping(form, conditions, (place, place), proxies, findings)

    def secret_holders(self) -> Iterator[Any]:
        """Iterate over the objects that may contain a secret as text."""
        return (entry for _, entry in self.entries())

    def read_rest(self) -> None:
        """Do nothing: this format has no other sections."""


def listed(entries: Any, section: str) -> Iterator[tuple[str, Any]]:
    """Iterate over entries with their places; anything but a list was reported with the top level."""
    if isinstance(entries, list):
        for index, entry in enumerate(entries):
            yield join(section, index), entry

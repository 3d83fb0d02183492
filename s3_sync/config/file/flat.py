"""The form of earlier versions: flat entries in ``containers``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from s3_sync.config import unsupported as not_yet
from s3_sync.config.build import Proxies, build_mapping, check_remote, read_conditions
from s3_sync.config.file.fields import FlatFileModel, MappingForm
from s3_sync.config.findings import Diagnostics, join
from s3_sync.config.settings import Mapping


class FlatFile:
    """Reads the entries of one file. ``refused``: what the reader cannot do."""

    top = FlatFileModel
    section = "containers"

    def __init__(self, written: dict[str, Any], findings: Diagnostics, refused: not_yet.Tables) -> None:
        self._entries = written.get(self.section)
        self._findings = findings
        self._refused = refused

    def entries(self) -> Iterator[tuple[str, Any]]:
        """Every entry with its place."""
        return listed(self._entries, self.section)

    def merges(self, written: Any) -> bool:
        """Whether an entry merges namespaces, as far as can be told."""
        return not isinstance(written, dict) or bool(written.get("merge_namespaces"))

    def read(self, written: Any, place: str, proxies: Proxies) -> Mapping | None:
        """One entry, where that makes a mapping at all.

        It may be used only when no problem was noted for its place.
        """
        findings = self._findings
        form = findings.read(MappingForm, written, place)
        if not isinstance(written, dict):
            return None
        not_yet.refuse(self._refused, MappingForm, written, place, findings)
        # these two are looked at even when something else is wrong, so that one run shows every mistake
        keys = ("selection_criteria", "exclude_pattern")
        conditions = read_conditions(written, keys, place, findings)
        if form is None:
            return None
        check_remote(form, place, findings)
        return build_mapping(form, conditions, (place, place), proxies, findings)

    def secret_holders(self) -> Iterator[Any]:
        """What may hold a secret in so many words."""
        return (entry for _, entry in self.entries())

    def read_rest(self) -> None:
        """Nothing of this form stands outside of its entries."""


def listed(entries: Any, section: str) -> Iterator[tuple[str, Any]]:
    """Every entry with its place; anything but a list was noted when the top level was read."""
    if isinstance(entries, list):
        for index, entry in enumerate(entries):
            yield join(section, index), entry

"""The last act: a container of another Swift moves in while a client goes on reading and writing."""

from __future__ import annotations

from pathlib import Path

import swiftclient
from rich.console import Console
from rich.table import Table

from servers.migrator import Migrator
from servers.shunted import Shunted
from servers.swift import SwiftCluster

CONTAINER = "legacy"
OBJECTS = 12
READ, OVERWRITTEN, DELETED, NEW = "report-03", "report-05", "report-07", "written during the migration"


class Migrated:
    """``here``: the cluster that the container moves to, whose middleware knows about the migration.
    ``there``: where it is."""

    def __init__(self, here: Shunted, there: SwiftCluster, directory: Path, console: Console) -> None:
        self._console = console
        self._here, self._there = here.client(), there.client()
        entry = {
            "account": here.account,
            "aws_bucket": CONTAINER,
            "protocol": "swift",
            "aws_endpoint": there.auth_url,
            "aws_identity": there.user,
            "aws_secret": there.key,
        }
        here.migrate(entry)
        self._migrator = Migrator(here, directory, [entry])

    def play(self) -> bool:
        """Whether everything was as it should be."""
        names = [f"report-{number:02d}" for number in range(OBJECTS)]
        self._there.put_container(CONTAINER, {"X-Container-Meta-Owner": "records"})
        for name in names:
            self._there.put_object(
                CONTAINER, name, f"{name}\n".encode(), headers={"X-Object-Meta-Year": "2019"}
            )
        self._console.print(
            f"{OBJECTS} objects are in container {CONTAINER!r} of the other Swift. Clients switch now."
        )
        expected = {name: "the other Swift" for name in names}
        right = self._here.get_object(CONTAINER, READ)[1] == f"{READ}\n".encode()
        self._here.put_object(CONTAINER, NEW, b"client's\n")
        self._here.put_object(CONTAINER, OVERWRITTEN, b"client's\n")
        self._here.delete_object(CONTAINER, DELETED)
        self._console.print(f"A client: GET {READ!r}, PUT {NEW!r} and {OVERWRITTEN!r}, DELETE {DELETED!r}")
        del expected[DELETED]
        expected |= {NEW: "the client", OVERWRITTEN: "the client"}
        return self._migrate() and self._show() == expected and self._migrate("--compare") and right

    def _migrate(self, *command: str) -> bool:
        done = self._migrator.run(*command) if command else self._migrator.once(seconds=3600)
        if done.returncode:
            self._console.print(done.stdout + done.stderr + self._migrator.log_text(), markup=False)
        elif command:
            self._console.print(done.stdout, markup=False)
        return not done.returncode

    def _show(self) -> dict[str, str]:
        """The objects, and who has written each."""
        table = Table(title=f"Container {CONTAINER}, without the other Swift")
        for column in ("Object", "Written by", "Year"):
            table.add_column(column)
        found: dict[str, str] = {}
        bypass = {"X-Cloud-Sync-Shunt-Bypass": "yes"}
        for entry in self._here.get_container(CONTAINER, headers=bypass, full_listing=True)[1]:
            name = entry["name"]
            try:
                headers, body = self._here.get_object(CONTAINER, name, headers=bypass)
            except swiftclient.ClientException:
                continue
            found[name] = "the client" if body == b"client's\n" else "the other Swift"
            table.add_row(name, found[name], headers.get("x-object-meta-year", ""))
        self._console.print(table)
        return found

"""The emulators of Google Cloud Storage and of Azure as targets, and the tools that copy to them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote, urlsplit

from azure.storage.blob import generate_account_sas

from bench.filling import object_path
from bench.stage import Measured, Stage
from servers.azurite import Azurite
from servers.fake_gcs import FakeGcs
from servers.gcs_emulator import GcsEmulator
from servers.process import child_environment, python_module
from servers.rclone import rclone_program
from servers.server import Server
from servers.swift import IMPORT_ROOT

BUCKET = "bench"


@dataclass(frozen=True)
class Emulator:
    """``mapping`` and ``rclone``: how the two tools reach it. ``upload``: method, request target with
    ``{name}``, and further headers of one object's upload, as the bare loop sends it."""

    server: Server
    title: str
    mapping: Mapping[str, Any]
    rclone: Mapping[str, str]
    form: Sequence[str]
    upload: tuple[str, str, str]
    address: tuple[str, int]


@contextmanager
def fake_gcs_server() -> Iterator[Emulator]:
    """It has no tokens: the daemon gets its own from the strict store of the tests."""
    with FakeGcs() as issuer, GcsEmulator() as server:
        yield Emulator(
            server,
            "fake-gcs-server",
            {"protocol": "gcs", "aws_endpoint": server.endpoint, "aws_secret": issuer.key_json},
            {
                "TYPE": "gcs",
                "ANONYMOUS": "true",
                "ENDPOINT": f"{server.endpoint}/storage/v1/",
                "PROJECT_NUMBER": "1",
            },
            ("--gcs-no-check-bucket",),
            ("POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={{name}}", ""),
            _address(server.endpoint),
        )


@contextmanager
def azurite() -> Iterator[Emulator]:
    with Azurite() as server:
        tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
        sas = generate_account_sas(
            server.account, server.key, resource_types="o", permission="cw", expiry=tomorrow
        )
        yield Emulator(
            server,
            "Azurite",
            {
                "protocol": "azure",
                "aws_endpoint": server.endpoint,
                "aws_identity": server.account,
                "aws_secret": server.key,
                "azure_checksum": "md5",
            },
            {"TYPE": "azureblob", "ACCOUNT": server.account, "KEY": server.key, "ENDPOINT": server.endpoint},
            ("--azureblob-no-check-container",),
            (
                "PUT",
                f"/{server.account}/{BUCKET}/{{name}}?{sas}",
                "x-ms-blob-type: BlockBlob\r\nx-ms-version: 2021-12-02\r\n",
            ),
            _address(server.endpoint),
        )


@dataclass
class Copying:
    """One container of Swift; each run begins with an emulator that was just started and has an empty bucket:
    what is deleted in one still takes its memory."""

    stage: Stage
    emulator: Emulator
    container: str
    names: Sequence[str]
    size: int

    def ours(self) -> Measured:
        self._start_anew()
        source = {"account": self.stage.cluster.account, "container": self.container, "aws_bucket": BUCKET}
        return self._checked(self.stage.ours(self.stage.daemon([{**source, **self.emulator.mapping}])))

    def rclone(self, *options: str) -> Measured:
        self._start_anew()
        command = [rclone_program(), "copy", f"from:{self.container}", f"to:{BUCKET}", *options]
        return self._checked(self.stage.measure(command, self._environment))

    def bare(self, threads: int) -> Measured:
        """From the object server to the emulator with nothing in between."""
        self._start_anew()
        source = self.stage.cluster.server("object")
        method, target, headers = self.emulator.upload
        order = {
            "source": [source.ip, source.port],
            "sink": list(self.emulator.address),
            "threads": threads,
            "method": method,
            "headers": headers,
            "pairs": [
                [
                    object_path(self.stage.cluster, 1, self.container, name),
                    target.format(name=quote(name)),
                ]
                for name in self.names
            ],
        }
        file = self.stage.directory / "bare.json"
        file.write_text(json.dumps(order))
        command = python_module("bench.bare", str(file))
        return self._checked(self.stage.measure(command, {"PYTHONPATH": str(IMPORT_ROOT)}))

    @property
    def _environment(self) -> dict[str, str]:
        swift = self.stage.cluster
        source = {"TYPE": "swift", "AUTH": swift.auth_url, "USER": swift.user, "KEY": swift.key}
        found = {"RCLONE_CONFIG": "/dev/null"}
        for end, settings in (("FROM", source), ("TO", self.emulator.rclone)):
            found |= {f"RCLONE_CONFIG_{end}_{name}": value for name, value in settings.items()}
        return found

    def _start_anew(self) -> None:
        self.emulator.server.halt()
        self.emulator.server.start()
        self._ask("mkdir", f"to:{BUCKET}")

    def _checked(self, measured: Measured) -> Measured:
        """Raises RuntimeError unless each object has been stored, and nothing else."""
        found = json.loads(self._ask("size", "--json", f"to:{BUCKET}"))
        if (found["count"], found["bytes"]) != (len(self.names), len(self.names) * self.size):
            log = (self.stage.directory / "output.log").read_text(errors="replace")
            raise RuntimeError(f"{found} in place of {len(self.names)} objects:\n{log[-2000:]}")
        return measured

    def _ask(self, *arguments: str) -> str:
        command = [rclone_program(), *arguments]
        return subprocess.run(
            command, env=child_environment(self._environment), check=True, stdout=subprocess.PIPE, text=True
        ).stdout


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port

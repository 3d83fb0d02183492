"""An S3 server that takes objects as fast as Python can and keeps none that is large.

It is there to be measured against: a process of its own, one asynchronous loop, nothing on disk. What it
promises is that a body is what the client said: Content-MD5 and x-amz-content-sha256 are compared with the
bytes, every part of an upload too. It does not check signatures, and what comes in the coding `aws-chunked`
it refuses. Bodies above 64 KiB are hashed and forgotten: HEAD and listings know them, GET does not.
"""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from servers.process import UNMEASURED, Child, python_module
from servers.s3 import S3Server
from servers.swift import IMPORT_ROOT


class Sink(S3Server):
    """See above."""

    name = "sink"

    def counts(self) -> Counter[str]:
        """How often each operation of S3's API was asked for, since the start."""
        return Counter(self.state()["counts"])

    def state(self) -> dict[str, Any]:
        """`counts`; `cpu` seconds used; `checked` PUTs whose Content-MD5 was right; `taken` bytes, when the
        `first` and the `last` came; `refused` by code; `uploads` that are open; `objects` by bucket."""
        state: dict[str, Any] = json.loads(self._control("GET", "state"))
        return state

    def lap(self) -> None:
        """From now on `first` is when the next body begins to come."""
        self._control("GET", "lap")

    def stored(self, bucket: str) -> dict[str, float]:
        """Key -> when it was stored, in seconds since the epoch."""
        times: dict[str, float] = json.loads(self._control("GET", f"stored?bucket={bucket}"))
        return times

    def fill(self, bucket: str, objects: Sequence[tuple[str, int, str]], age: float = 0.0) -> None:
        """Objects that were never sent: key, size, ETag. They were modified `age` seconds ago."""
        for start in range(0, len(objects), 20_000):
            wanted = {"bucket": bucket, "objects": objects[start : start + 20_000], "age": age}
            self._control("POST", "fill", json.dumps(wanted).encode())

    def create_bucket(self, name: str) -> str:
        self._request("PUT", f"/{name}")
        return name

    def _control(self, method: str, what: str, body: bytes = b"") -> bytes:
        return self._request(method, f"/-/{what}", body)

    def _request(self, method: str, path: str, body: bytes = b"") -> bytes:
        address = urlsplit(self.endpoint)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"sink: {method} {path}: {response.status} {data!r}")
        return data

    def _prepare(self) -> None:
        port = self._reserve()
        self.children["sink"] = Child(
            "sink",
            python_module("servers.sink_child", port.ip, str(port.port)),
            self.log_dir / "sink.log",
            environment={**UNMEASURED, "PYTHONPATH": str(IMPORT_ROOT)},
            outlive=self.keep,
        )

"""A strict Google Cloud Storage in this process: its JSON API, its tokens, and a machine's metadata server.

It refuses what the service refuses (wrong digests, tokens, preconditions, unknown parameters, names and
rules), which the emulator fake-gcs-server lets pass, and does on demand what the service does now and then.
``fake_gcs_handler`` has the requests. Sources: JSON API reference; "Perform resumable uploads"; "Request
preconditions"; "Transcoding of gzip-compressed files"; "Quotas and limits".
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from typing import Any, final
from uuid import uuid4

from awscrt.checksums import crc32c
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from servers.in_process import InProcessServer

PROJECT, ACCOUNT = "lab", "tester@lab.iam.gserviceaccount.com"


@dataclass(frozen=True)
class Request:
    """``received``: bytes of the body."""

    method: str
    path: str
    query: dict[str, str]
    received: int
    headers: dict[str, str]


@dataclass
class Refusal:
    """An error of the API."""

    status: int
    reason: str = ""
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(status, reason, message)


@dataclass
class Stored:
    """``fields``: those of the resource that a client sets. ``has_md5``: not of a composite object."""

    name: str
    data: bytes
    fields: dict[str, Any]
    generation: int
    metageneration: int = 1
    has_md5: bool = True
    updated: float = field(default_factory=time.time)

    def resource(self, bucket: str) -> dict[str, Any]:
        found = {
            "kind": "storage#object",
            "bucket": bucket,
            "name": self.name,
            "size": str(len(self.data)),
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "crc32c": crc_of(self.data),
            "updated": stamp(self.updated),
            "etag": f"C{self.generation}/{self.metageneration}",
            "storageClass": "STANDARD",
            **self.fields,
        }
        return found | ({"md5Hash": md5_of(self.data)} if self.has_md5 else {"componentCount": 2})


@dataclass
class Bucket:
    name: str
    created: float = field(default_factory=time.time)
    metageneration: int = 1
    lifecycle: dict[str, Any] = field(default_factory=dict)
    objects: dict[str, Stored] = field(default_factory=dict)


@dataclass
class Upload:
    """An upload session: its object's description, and the conditions under which it becomes the object."""

    bucket: str
    fields: dict[str, Any]
    query: dict[str, str]
    size: int
    data: bytearray = field(default_factory=bytearray)
    done: Stored | None = None


@dataclass
class Chunk:
    """What happens to the next chunk of a session: ``kept`` bytes of it are, and ``status`` answers; 0: the
    connection ends without an answer."""

    kept: int
    status: int = 308


@final
class FakeGcs(InProcessServer):
    """``life``: of tokens, in seconds."""

    def __init__(self, life: float = 3600) -> None:
        from servers.fake_gcs_handler import Handler

        super().__init__(Handler, gcs=self)
        self.life = life
        self.buckets: dict[str, Bucket] = {}
        self.uploads: dict[str, Upload] = {}
        self.requests: list[Request] = []
        self.tokens: dict[str, float] = {}
        #: outcomes of the next chunks of sessions
        self.chunks: deque[Chunk] = deque()
        #: of which the size of a chunk is a multiple, but for the last one's
        self.step = 256 * 1024
        #: one write a second for each name
        self.limits_names = False
        self.written: dict[tuple[str, str], float] = {}
        self.lock = threading.RLock()
        self._faults: list[tuple[Callable[[Request], bool], Refusal]] = []
        self._generations = iter(range(1_700_000_000_000_000, 2**62))

    @property
    def key_json(self) -> str:
        """The key of a service account that this store knows."""
        return json.dumps(
            {
                "type": "service_account",
                "project_id": PROJECT,
                "private_key_id": "1",
                "private_key": private_key()[0],
                "client_email": ACCOUNT,
                "token_uri": f"{self.endpoint}/token",
            }
        )

    def fail(self, refusal: Refusal, *, when: Callable[[Request], bool], times: int = 1) -> None:
        """Refuse the next requests for which ``when`` holds."""
        self._faults.extend([(when, refusal)] * times)

    def forgive(self) -> None:
        """Refuse nothing more than the service does."""
        self._faults.clear()

    @contextmanager
    def watched_by(self, watch: Callable[[Request], object]) -> Iterator[None]:
        """``watch`` is called with each request, before it has an effect."""

        def watching(request: Request) -> bool:
            watch(request)
            return False

        fault = watching, Refusal(500)
        self._faults.append(fault)
        yield
        self._faults.remove(fault)

    def take_fault(self, request: Request) -> Refusal | None:
        with self.lock:
            for fault in self._faults:
                if fault[0](request):
                    self._faults.remove(fault)
                    return fault[1]
        return None

    def new_token(self) -> str:
        value = f"ya29.{uuid4().hex}"
        self.tokens[value] = time.time() + self.life
        return value

    def revoke_all(self) -> None:
        self.tokens = dict.fromkeys(self.tokens, 0.0)

    def of(self, method: str, below: str = "/") -> list[Request]:
        return [each for each in self.requests if each.method == method and each.path.startswith(below)]

    def objects(self, bucket: str) -> dict[str, Stored]:
        return self.buckets[bucket].objects

    def next_generation(self) -> int:
        return next(self._generations)

    def compose(self, bucket: str, name: str, parts: Iterable[str], **fields: Any) -> Stored:
        """What a client makes of several objects: one without an MD5."""
        objects = self.objects(bucket)
        data = b"".join(objects[part].data for part in parts)
        objects[name] = Stored(name, data, fields, self.next_generation(), has_md5=False)
        return objects[name]


@cache
def private_key() -> tuple[str, str]:
    """Private and public key, PEM; made once, as that takes a while."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


def md5_of(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def crc_of(data: bytes) -> str:
    return base64.b64encode(crc32c(data).to_bytes(4, "big")).decode()


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

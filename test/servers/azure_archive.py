"""A container of Swift and a container of the strict Azure, as a test sees both."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from servers.fake_azure import ACCOUNT, KEY, FakeAzure, Request
from servers.fake_azure_store import Blob, Container
from servers.raw_swift import RawSwift


class AzureArchive:
    """``options``: further keys of the mapping; ``container`` "/*": of the whole account."""

    def __init__(self, azure: FakeAzure, swift: RawSwift, container: str = "", **options: Any) -> None:
        self.azure = azure
        self.swift = swift
        self.container = container or f"c-{uuid4().hex[:12]}"
        self.bucket = f"blobs-{uuid4().hex[:12]}"
        azure.store.containers[self.bucket] = Container()
        if self.container != "/*":
            swift.put_container(self.container)
        self.mapping: dict[str, Any] = {
            "account": swift.account,
            "container": self.container,
            "protocol": "azure",
            "aws_bucket": self.bucket,
            "aws_endpoint": azure.endpoint,
            "aws_identity": ACCOUNT,
            "aws_secret": KEY,
            **options,
        }

    @property
    def blobs(self) -> dict[str, Blob]:
        return self.azure.store.containers[self.bucket].blobs

    def writes(self, since: int = 0) -> list[Request]:
        """Those that carry bytes of objects."""
        found = self.azure.requests[since:]
        carriers = ("", "block", "blocklist")
        return [
            each
            for each in found
            if each.method == "PUT"
            and each.path.startswith(f"/{self.bucket}/")
            and each.query.get("comp", "") in carriers
        ]

    def is_local(self, name: str) -> bool:
        bypass = {"X-Cloud-Sync-Shunt-Bypass": "yes"}
        return self.swift.ask("HEAD", self.container, name, headers=bypass).status == 200

"""A store that refuses everything: which property it needs to have, and what is printed about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.secret import Secret
from s3_sync.providers.registry import Registry
from s3_sync.verify.destination import of_mapping
from s3_sync.verify.report import Report
from s3_sync.verify.session import Session
from servers.in_process import InProcessServer, QuietHandler
from unit.verify.store import mapping

REGION = "eu-here-2"
WRONG_REGION = (
    "AuthorizationHeaderMalformed",
    f"The authorization header is malformed; the region 'us-east-1' is wrong; expecting '{REGION}'",
)
_LISTING = b"<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>"
#: the refusal of a request by its code and message; None: it is answered
Refuse = Callable[["_Handler"], "tuple[int, str, str] | None"]


class _Handler(QuietHandler):
    """Refuses requests, or has an empty bucket. The clients' proxy, so every host is here."""

    refuse: Refuse

    def serve(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        status, body = 200, _LISTING
        if refusal := type(self).refuse(self):
            status, code, message = refusal
            body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve

    @property
    def host(self) -> str:
        return self.headers["host"].partition(":")[0]

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")


def of_region(request: _Handler) -> tuple[int, str, str] | None:
    scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/", request.authorization)
    return None if scope and scope[1] == REGION else (400, *WRONG_REGION)


def by_host(request: _Handler) -> tuple[int, str, str] | None:
    if request.host.startswith("bucket."):
        return None
    return 403, "SecondLevelDomainForbidden", "no bucket in the path"


def by_path(request: _Handler) -> tuple[int, str, str] | None:
    """The store's host has no name with the bucket in it."""
    return (502, "", "no such host") if request.host.startswith("bucket.") else None


def by_version_2(request: _Handler) -> tuple[int, str, str] | None:
    if request.authorization.startswith("AWS "):
        return None
    return 403, "SignatureDoesNotMatch", "The request signature does not match"


def nothing(request: _Handler) -> tuple[int, str, str] | None:
    return 403, "InvalidAccessKeyId", "no such key"


def every_permission(request: _Handler) -> tuple[int, str, str] | None:
    return 403, "AccessDenied", "no"


Check = Callable[..., Report]


@pytest.fixture
def check() -> Iterator[Check]:
    """``check(refuse, **credentials)``: what the checks of a store that refuses like that report."""

    def run(refuse: Refuse, **changes: Any) -> Report:
        with InProcessServer(_Handler, refuse=staticmethod(refuse)) as server:
            fields = {"endpoint": "http://store.invalid", "http_proxy": server.endpoint} | changes
            credentials = S3Credentials(identity="AKID", secret=Secret("sesame"), **fields)
            destination = of_mapping(replace(mapping(), credentials=credentials))
            registry = Registry(connections=2, retries=None)
            try:
                return Session(registry, destination, lambda _: None).run()
            finally:
                registry.close_all()

    return run


@pytest.mark.parametrize(
    ("refuse", "given", "needed"),
    [
        (of_region, {}, {"region": REGION}),
        (of_region, {"region": "us-west-2"}, {"region": REGION}),
        (by_host, {}, {"addressing_style": "virtual"}),
        (by_path, {"addressing_style": "virtual"}, {"addressing_style": "path"}),
        (by_version_2, {}, {"signature_version": "s3"}),
    ],
    ids=["region", "other-region", "host", "path", "signature"],
)
def test_property_with_which_the_store_answers_is_found_and_printed(
    check: Check, refuse: Refuse, given: dict[str, str], needed: dict[str, str]
) -> None:
    report = check(refuse, **given)
    assert report.failures
    assert report.needed == needed
    [(name, value)] = needed.items()
    text = list(report.text())
    assert text[text.index("The credentials need these lines:") + 1 :] == [f'  "{name}": "{value}"']


def test_store_that_refuses_every_way_needs_no_property(check: Check) -> None:
    report = check(nothing)
    assert (report.needed, list(report.text())) == ({}, [])
    assert len(report.failures) == 1


def test_missing_permissions_are_no_matter_of_properties(check: Check) -> None:
    report = check(every_permission)
    assert report.needed == {}
    assert {"DELETE", "HEAD", "LIST"} <= {result.check for result in report.results if result.grant}

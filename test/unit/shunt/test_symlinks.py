"""Symlinks that are bound to an ETag, to an object that is in the bucket alone."""

from __future__ import annotations

from typing import Any

import pytest
from swift.common.swob import HTTPException, Response
from swift.common.swob import Request as SwobRequest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, Profile
from s3_sync.model.keys import KeyNamer
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.memory import MemoryProvider
from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.shunt.request import LocalResponse, RemoteLookup, Request
from s3_sync.shunt.symlinks import check_link

LINK = "/v1/AUTH_a/links/l"


def lookup_through(account: str) -> RemoteLookup:
    """A read of a symlink of AUTH_a to ``c/o`` of this account, which is bound to the ETag ``bound``."""

    def pipeline(environ: Any, start_response: Any) -> Any:
        headers = {}
        if environ["PATH_INFO"] != LINK:
            status = 404
        elif "symlink=get" in environ.get("QUERY_STRING", ""):
            status, headers = 200, {"X-Symlink-Target": "c/o", "X-Symlink-Target-Etag": "bound"}
            if account != "AUTH_a":
                headers["X-Symlink-Target-Account"] = account
        else:
            status, headers = 404, {"Content-Location": f"/v1/{account}/c/o"}
        return Response(status=status, headers=headers)(environ, start_response)

    provider = MemoryProvider()
    provider.create_bucket("b")
    namer = KeyNamer.hashed(account, "c")
    target = MappedContainer(
        Mapping(account, "c", "b", S3Credentials(), Profile(), namer), provider.bucket("b", namer)
    )
    environ = SwobRequest.blank(LINK).environ
    request = Request(environ, pipeline, pipeline, target, "AUTH_a", "links", "l")
    local = LocalResponse(pipeline, environ)
    return RemoteLookup(request, local, target, "c", "o", Timestamp.parse("1700000000.00000"), {})


@pytest.mark.parametrize("account", ["AUTH_a", "AUTH_b"])
def test_check_link_compares_the_etag_of_a_link_into_any_account(account: str) -> None:
    check_link(lookup_through(account), "bound")
    with pytest.raises(HTTPException) as refusal:
        check_link(lookup_through(account), "another")
    assert refusal.value.status_int == 409
    assert refusal.value.headers["Content-Location"] == f"/v1/{account}/c/o"

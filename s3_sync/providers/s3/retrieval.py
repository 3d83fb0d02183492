"""Requests that the store retrieve an object from an archive class: RestoreObject.

Source: S3 API Reference, RestoreObject: 202 for a new request, 200 for an object that can be read already and
now stays so for longer, 409 RestoreAlreadyInProgress, 403 InvalidObjectState if it is in no archive class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from s3_sync.errors import Archived, CredentialsRefused, InvalidRequest, NotSupported, RemoteError
from s3_sync.providers.base import Retrieval
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import translated
from s3_sync.providers.s3.headers import is_archived

#: what is retrieved from the archive tiers of this class comes back for good: the request must not have days
_TIERING = "INTELLIGENT_TIERING"


def retrieve(
    account: Account, bucket: str, key: str, head: Mapping[str, str], days: int, tier: str
) -> Retrieval:
    """See ``Bucket.retrieve_object``. ``head``: the headers of a HEAD. The store, and not the HEAD, decides
    whether there is anything to retrieve: not every store's archive classes are known."""
    request: dict[str, Any] = {"GlacierJobParameters": {"Tier": tier}}
    if head.get("x-amz-storage-class") != _TIERING:
        request["Days"] = days
    elif not is_archived(head, account.dialect):
        return Retrieval.READABLE
    try:
        with translated(f"RESTORE {bucket}/{key}"):
            answer = account.client.restore_object(Bucket=bucket, Key=key, RestoreRequest=request)
    except Archived:
        if is_archived(head, account.dialect):
            raise
        return Retrieval.READABLE
    except RemoteError as error:
        if error.code == "RestoreAlreadyInProgress":
            return Retrieval.RUNNING
        if isinstance(error, (InvalidRequest, CredentialsRefused)) and not is_archived(head, account.dialect):
            # the same keys were good for the HEAD: the store takes it for another request, as Ceph does
            raise NotSupported(str(error), status=error.status, code=error.code) from error
        raise
    is_new = answer["ResponseMetadata"]["HTTPStatusCode"] != 200
    return Retrieval.BEGUN if is_new else Retrieval.READABLE

"""Deletes of one bucket: with one request for many keys where the store knows that, else one by one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from botocore.parsers import ResponseParserError

from s3_sync.errors import InvalidRequest, NotFound, NotSupported, RemoteError, RemoteUnavailable
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import from_answer, translated

log = logging.getLogger("s3-sync")

#: for so long, in seconds, a store that does not know DeleteObjects is not asked for it again
REMEMBERED = 86400.0
NO_CONTENT = 204


class Deletes:
    """Keys in, unlike ``Bucket``. ``is_there``: a HEAD; raises RemoteError."""

    def __init__(
        self,
        account: Account,
        bucket: str,
        is_there: Callable[[str], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._account = account
        self._client = account.client
        self._bucket = bucket
        self._is_there = is_there
        self._now = now
        self._not_before = float("-inf")

    @property
    def in_bulk(self) -> bool:
        """Whether the store is taken to know DeleteObjects."""
        return self._account.dialect.multi_delete and self._now() >= self._not_before

    def many(self, what: str, keys: Sequence[str]) -> dict[str, RemoteError]:
        """One request. What it says of single keys; some stores also say that there was no such key.

        Raises NotSupported where the store does not know it: a refusal, or an answer that is another
        document than a DeleteResult.
        """
        objects = [{"Key": key} for key in keys]
        try:
            with translated(what):
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True}
                )
        except (NotSupported, InvalidRequest) as error:
            raise self._unknown(error) from error
        except RemoteUnavailable as error:
            if not isinstance(error.__cause__, ResponseParserError):
                raise
            raise self._unknown(error) from error
        errors: dict[str, RemoteError] = {}
        for told in answer["Errors"]:
            key, code = told.get("Key", ""), told.get("Code", "")
            refusal = from_answer(what, _status_of(code), code, told.get("Message", ""))
            if key not in keys:
                raise refusal  # nobody knows which of them it is about
            errors[key] = refusal
        return errors

    def one(self, key: str) -> bool:
        """Whether there was anything, as far as the store says. S3 answers 204; any other success is believed
        when a HEAD shows nothing any more."""
        what = f"DELETE {self._bucket}/{key}"
        try:
            with translated(what):
                answer = self._client.delete_object(Bucket=self._bucket, Key=key)
            doubt = "" if _status(answer) == NO_CONTENT else f"{what}: answered with {_status(answer)}"
        except NotFound as error:
            if error.code == "NoSuchBucket":
                raise
            return False
        except RemoteUnavailable as error:
            if not isinstance(error.__cause__, ResponseParserError):
                raise
            doubt = str(error)
        if doubt and self._is_there(key):
            raise RemoteUnavailable(f"{doubt}; the object is still there", status=200)
        return True

    def _unknown(self, error: RemoteError) -> NotSupported:
        self._not_before = self._now() + REMEMBERED
        log.info("%s: deletes go one by one, the store does not know DeleteObjects: %s", self._bucket, error)
        return NotSupported(str(error), status=error.status, code=error.code)


def _status(answer: Any) -> int:
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def _status_of(code: str) -> int:
    """Errors of single keys have codes only, and some stores put a number there."""
    return int(code) if len(code) == 3 and code.isdecimal() else 200

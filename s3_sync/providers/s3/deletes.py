"""Deletes keys of one bucket: many with one request if the store supports that, else one by one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from botocore.parsers import ResponseParserError

from s3_sync.errors import InvalidRequest, NotFound, NotSupported, RemoteError, RemoteUnavailable
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import from_answer, translated
from s3_sync.providers.s3.list_parser import DELETED

log = logging.getLogger("s3-sync")

#: seconds until DeleteObjects is tried again with a store that did not support it
UNSUPPORTED_TTL = 86400.0


class Deletes:
    """Takes keys, not names. ``delete``: deletes one key, and returns False if the store reports that it did
    not exist; raises RemoteError."""

    def __init__(
        self,
        account: Account,
        bucket: str,
        delete: Callable[[str], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._account = account
        self._client = account.client
        self._bucket = bucket
        self._delete = delete
        self._now = now
        self._not_before = float("-inf")

    @property
    def in_bulk(self) -> bool:
        """Whether the store is assumed to support DeleteObjects."""
        return self._account.dialect.max_deletes > 1 and self._now() >= self._not_before

    def many(self, what: str, keys: Sequence[str]) -> dict[str, RemoteError]:
        """Delete keys with one request. Returns the errors of single keys, which with some stores include
        NoSuchKey.

        Raises NotSupported if the store does not support it: it refuses the request, or its response is not
        a DeleteResult.
        """
        objects = [{"Key": key} for key in keys]
        try:
            with translated(what):
                response = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": objects, "Quiet": False}
                )
        except (NotSupported, InvalidRequest) as error:
            raise self._unsupported(error) from error
        except RemoteUnavailable as error:
            if not isinstance(error.__cause__, ResponseParserError):
                raise
            raise self._unsupported(error) from error
        errors: dict[str, RemoteError] = {}
        for entry in response["Errors"]:
            key, code = entry.get("Key", ""), entry.get("Code", "")
            refusal = from_answer(what, _status_of(code), code, entry.get("Message", ""))
            if key not in keys:
                raise refusal  # it is unknown which key it concerns
            errors[key] = refusal
        missing = [key for key in keys if key not in errors and key not in response[DELETED]]
        return errors | self._one_by_one(what, missing)

    def _one_by_one(self, what: str, keys: Sequence[str]) -> dict[str, RemoteError]:
        """Delete the keys that are missing in the store's response, with one request each."""
        errors: dict[str, RemoteError] = {}
        for number, key in enumerate(keys):
            try:
                if not self._delete(key):
                    errors[key] = NotFound(what, status=404, code="NoSuchKey")
            except RemoteError as error:
                if error.transient:  # all others would fail, too
                    return errors | dict.fromkeys(keys[number:], error)
                errors[key] = error
        return errors

    def _unsupported(self, error: RemoteError) -> NotSupported:
        self._not_before = self._now() + UNSUPPORTED_TTL
        log.info("%s: DeleteObjects is not supported, deleting one by one: %s", self._bucket, error)
        return NotSupported(str(error), status=error.status, code=error.code)


def _status_of(code: str) -> int:
    """The status for the error of a single key, which has a code only; some stores send a number there."""
    return int(code) if len(code) == 3 and code.isdecimal() else 200

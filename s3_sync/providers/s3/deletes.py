"""Deletes of one bucket: with one request for many keys where the store knows that, else one by one."""

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

#: for so long, in seconds, a store that does not know DeleteObjects is not asked for it again
REMEMBERED = 86400.0


class Deletes:
    """Keys in, unlike ``Bucket``. ``delete``: deletes one key, False where the store says that there was
    nothing; raises RemoteError."""

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
                    Bucket=self._bucket, Delete={"Objects": objects, "Quiet": False}
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
        untold = [key for key in keys if key not in errors and key not in answer[DELETED]]
        return errors | self._one_by_one(what, untold)

    def _one_by_one(self, what: str, keys: Sequence[str]) -> dict[str, RemoteError]:
        """What became of keys of which the store's answer says nothing is found out with requests of their
        own."""
        errors: dict[str, RemoteError] = {}
        for number, key in enumerate(keys):
            try:
                if not self._delete(key):
                    errors[key] = NotFound(what, status=404, code="NoSuchKey")
            except RemoteError as error:
                if error.transient:  # and so would be all others
                    return errors | dict.fromkeys(keys[number:], error)
                errors[key] = error
        return errors

    def _unknown(self, error: RemoteError) -> NotSupported:
        self._not_before = self._now() + REMEMBERED
        log.info("%s: deletes go one by one, the store does not know DeleteObjects: %s", self._bucket, error)
        return NotSupported(str(error), status=error.status, code=error.code)


def _status_of(code: str) -> int:
    """Errors of single keys have codes only, and some stores put a number there."""
    return int(code) if len(code) == 3 and code.isdecimal() else 200

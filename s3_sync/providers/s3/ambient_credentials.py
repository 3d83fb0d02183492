"""Credentials that the SDK finds itself: in the environment and its shared files, by a web identity, or as
the role of a container or instance.

Temporary ones are renewed before they expire. The SDK renews them with each request of the last 15 minutes,
raises whatever the source raises although the last ones are good for 10 minutes more, and never asks for new
ones when a store refuses those that it has.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.credentials import (
    ContainerProvider,
    Credentials,
    ReadOnlyCredentials,
    RefreshableCredentials,
    create_credential_resolver,
)
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from botocore.session import Session
from botocore.utils import ContainerMetadataFetcher

from s3_sync.errors import CredentialsRefused, RemoteError, RemoteUnavailable

log = logging.getLogger("s3-sync")

#: seconds between two renewals of keys; those that are not valid for longer than that are renewed sooner
RENEWAL_INTERVAL = 60.0
SHORT_INTERVAL = 1.0
#: keys that expire within so many seconds are not used if newer ones can be had
EXPIRES_SOON = 10
#: codes of a store for keys that have expired, or were revoked
STALE_CODES = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "InvalidTokenId", "TokenRefreshRequired"}
)
#: a JWT: a source may quote the token that it refuses
_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
_MAX_MESSAGE = 300


class CredentialChain:
    """Stands in for the session's resolver of credentials (component ``credential_provider``)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def load_credentials(self) -> Credentials | None:
        """Look credentials up; temporary ones are RenewedCredentials. Raises RemoteError."""
        with _explained():
            found = self._look_up()
        if isinstance(found, RefreshableCredentials):
            return RenewedCredentials(found, self._look_up)
        return found

    def _look_up(self) -> Credentials | None:
        # a new resolver each time: it keeps the keys that it has once found
        resolver = create_credential_resolver(self._session)
        # its own fetcher sleeps between attempts by a function that stops a whole proxy
        fetcher = ContainerMetadataFetcher(sleep=threading.Event().wait)
        provider = ContainerProvider(fetcher=fetcher)  # type: ignore[arg-type] # the stubs are wrong
        resolver.insert_after(ContainerProvider.METHOD, provider)
        resolver.remove(ContainerProvider.METHOD)
        return resolver.load_credentials()


class RenewedCredentials(Credentials):
    """Temporary keys, renewed once for all who wait; nobody waits while the last ones are good.

    ``look_up``: finds the credentials anew. Thread-safe.
    """

    def __init__(
        self,
        found: RefreshableCredentials,
        look_up: Callable[[], Credentials | None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("", "", method=found.method)
        self._found: RefreshableCredentials = found
        self._look_up = look_up
        self._now = now
        self._lock = threading.Lock()
        self._frozen: ReadOnlyCredentials | None = None
        self._failure: RemoteError | None = None
        self._next_renewal = float("-inf")
        self._next_discard = float("-inf")
        self._is_stale = False
        # it logs a traceback for what is told here in one line
        logging.getLogger("botocore.credentials").setLevel(logging.ERROR)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The current keys. Raises CredentialsRefused, RemoteUnavailable if there are none that are valid."""
        if self._is_due() and self._lock.acquire(blocking=not self._is_good()):
            try:
                if self._is_due():
                    self._renew()
            finally:
                self._lock.release()
        failure = self._failure
        if failure is not None and not self._is_good():
            raise type(failure)(str(failure), status=failure.status, code=failure.code)
        assert self._frozen is not None
        return self._frozen

    def discard(self) -> None:
        """Have new keys looked up for the next request, because a store has refused the current ones; at most
        once in RENEWAL_INTERVAL."""
        if self._now() >= self._next_discard:
            self._next_discard = self._now() + RENEWAL_INTERVAL
            self._next_renewal = float("-inf")
            self._is_stale = True

    def _is_due(self) -> bool:
        return self._now() >= self._next_renewal

    def _is_good(self) -> bool:
        stale = self._is_stale or self._frozen is None
        return not stale and not self._found.refresh_needed(EXPIRES_SOON)

    def _renew(self) -> None:
        try:
            with _explained():
                self._refresh()
        except RemoteError as error:
            if self._failure is None:
                log.warning("Cannot renew the keys for the store: %s", error)
            self._failure = error
        else:
            if self._failure is not None:
                log.info("Renewed the keys for the store")
            self._failure = None
        lasting = self._is_good() and not self._found.refresh_needed(int(RENEWAL_INTERVAL) + EXPIRES_SOON)
        self._next_renewal = self._now() + (RENEWAL_INTERVAL if lasting else SHORT_INTERVAL)

    def _refresh(self) -> None:
        if self._is_stale:
            found = self._look_up()
            if not isinstance(found, RefreshableCredentials):
                raise CredentialsRefused("the credentials are no longer available")
            self._found, self._is_stale = found, False
        self._frozen = self._found.get_frozen_credentials()


@contextmanager
def _explained() -> Iterator[None]:
    """Translate the exceptions of the SDK's sources of credentials."""
    try:
        yield
    except ClientError as error:  # an answer of STS or of the SSO portal
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        detail = error.response.get("Error", {})
        code = detail.get("Code", "")
        text = f"{error.operation_name}: {status} {code} {detail.get('Message') or ''}".rstrip()
        kind = RemoteUnavailable if status >= 500 or status == 429 else CredentialsRefused
        raise kind(_short(text), status=status, code=code) from error
    except (NoConnection, HTTPClientError) as error:
        raise RemoteUnavailable(_short(f"no credentials: {error}")) from error
    except (BotoCoreError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise CredentialsRefused(_short(f"no credentials: {type(error).__name__}: {error}")) from error


def _short(text: str) -> str:
    return " ".join(_TOKEN.sub("********", text).split())[:_MAX_MESSAGE]

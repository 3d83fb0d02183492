"""The current token of one set of credentials."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from s3_sync.errors import CredentialsRefused, RemoteUnavailable, SyncError, UnexpectedAnswer

log = logging.getLogger("s3-sync")

#: seconds before its expiry at which a token is renewed, but at most this part of its life
_MARGIN, _MARGIN_PART = 60.0, 0.2
#: seconds for which nothing is tried again that has just failed: a login with refused credentials, which may
#: lock the user's account, the renewal of a token that is still good, and a renewal after a 403 that did not
#: help
_PAUSE = 60.0


#: seconds; only differences count
Clock = Callable[[], float]


class Token(Protocol):
    """``account``: what it is for; empty if the login does not say. ``life``: seconds from the request for it
    to its expiry; infinite if unknown. ``expires``: its expiry, by the session's clock."""

    @property
    def value(self) -> str: ...

    @property
    def account(self) -> str: ...

    @property
    def life(self) -> float: ...

    @property
    def expires(self) -> float: ...


TokenType = TypeVar("TokenType", bound=Token)
Issued_co = TypeVar("Issued_co", bound=Token, covariant=True)


class Login(Protocol[Issued_co]):
    """One set of credentials at one authentication service."""

    def log_in(self) -> Issued_co:
        """Request a token. Raises CredentialsRefused and any other RemoteError."""
        ...

    def close(self) -> None: ...


class Session(Generic[TokenType]):
    """Thread-safe. One thread logs in, and the others wait for its result, whatever it is."""

    def __init__(self, login: Login[TokenType], clock: Clock = time.monotonic) -> None:
        self._login = login
        self._clock = clock
        self._lock = threading.Lock()
        self._current: TokenType | None = None
        self._renew_at = 0.0
        #: its expiry, or when it was refused
        self._good_until = 0.0
        self._attempt: _Attempt[TokenType] | None = None
        self._refusal: CredentialsRefused | None = None
        self._refused_until = 0.0
        #: a new token that was refused as well
        self._denied: TokenType | None = None
        self._denied_until = 0.0

    def token(self) -> TokenType:
        """Return a token that has not expired. Raises CredentialsRefused and any other RemoteError."""
        current, now = self._current, self._clock()
        if current is not None and now < self._renew_at:
            return current
        if current is not None and now < self._good_until and self._attempt is not None:
            return current  # another thread renews it
        try:
            return self._renewed(current)
        except SyncError as error:
            with self._lock:
                left = self._good_until - self._clock()
                if current is None or left <= 0:
                    raise
                self._renew_at = min(self._good_until, self._clock() + _PAUSE)
            log.warning("%s; the current token is valid for %.0f s more", error, left)
            return current

    def renew(self, refused: TokenType, status: int) -> TokenType:
        """Return a token after the server refused this one: another one, if the login has another one.

        ``status``: after a 401 nobody uses the refused token any more; a 403 may have other reasons.
        """
        with self._lock:
            if status == 401 and refused is self._current:
                self._renew_at = self._good_until = self._clock()
        return self._renewed(refused)

    def is_denial(self, token: TokenType) -> bool:
        """Whether the refusal of a token is known to have other reasons than its age."""
        return token is self._denied and self._clock() < self._denied_until

    def note_denial(self, token: TokenType) -> None:
        """Note that a new token was refused as well."""
        with self._lock:
            self._denied, self._denied_until = token, self._clock() + _PAUSE

    def close(self) -> None:
        self._login.close()

    def _renewed(self, old: TokenType | None) -> TokenType:
        with self._lock:
            current = self._current
            if current is not None and current is not old and self._clock() < self._good_until:
                return current
            if self._refusal is not None and self._clock() < self._refused_until:
                raise copy.copy(self._refusal)
            attempt = self._attempt
            is_first = attempt is None
            if attempt is None:
                attempt = self._attempt = _Attempt()
        return self._run(attempt) if is_first else attempt.result()

    def _run(self, attempt: _Attempt[TokenType]) -> TokenType:
        error: BaseException | None = None
        try:
            token = self._login.log_in()
            self._check_account(token)
        except BaseException as raised:
            error = raised
            raise
        finally:
            with self._lock:
                self._attempt = None
                if error is None:
                    self._take(token)
                elif isinstance(error, CredentialsRefused):
                    self._refusal, self._refused_until = error, self._clock() + _PAUSE
            attempt.finish(token if error is None else error)
        return token

    def _check_account(self, token: TokenType) -> None:
        """Raise UnexpectedAnswer if a login names another account than the one before: what was read there
        would be taken for this one's."""
        if self._current is not None and self._current.account != token.account:
            before, now = self._current.account[:100], token.account[:100]
            raise UnexpectedAnswer(f"the login names the account {now}, and {before} before")

    def _take(self, token: TokenType) -> None:
        repeated = self._current is not None and self._current.value == token.value
        # a login that names the same token until its last second has no newer one before
        margin = 0.0 if repeated else min(_MARGIN, token.life * _MARGIN_PART)
        self._current, self._refusal = token, None
        self._renew_at, self._good_until = token.expires - margin, token.expires


class _Attempt(Generic[TokenType]):
    """One login, for which any number of threads wait."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._result: TokenType | BaseException | None = None

    def finish(self, result: TokenType | BaseException) -> None:
        self._result = result
        self._done.set()

    def result(self) -> TokenType:
        self._done.wait()
        result = self._result
        if isinstance(result, SyncError):
            raise copy.copy(result)
        if result is None or isinstance(result, BaseException):
            raise RemoteUnavailable("the login was interrupted")
        return result

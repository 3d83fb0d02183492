"""When a session logs in, and how often."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from s3_sync.errors import CredentialsRefused, RemoteError, RemoteUnavailable, UnexpectedAnswer
from s3_sync.http.network import Url
from s3_sync.http.pool import Origin
from s3_sync.providers.swift.auth import Token
from s3_sync.providers.token_session import Session
from servers.scripted import wait_until
from unit.providers.swift.conftest import Clock

URL = Url(Origin("swift.example.org", 80), "/v1/AUTH_test")


class Logins:
    """A login that gives another token each time, unless ``answer`` is set."""

    def __init__(self, clock: Clock, life: float = 3600.0) -> None:
        self.clock = clock
        self.life = life
        self.count = 0
        self.answer: Callable[[], Token] | None = None

    def log_in(self) -> Token:
        self.count += 1
        if self.answer is not None:
            return self.answer()
        return Token(f"token {self.count}", URL, self.clock(), self.life)

    def close(self) -> None:
        pass


@pytest.fixture
def logins(clock: Clock) -> Logins:
    return Logins(clock)


@pytest.fixture
def session(logins: Logins, clock: Clock) -> Session:
    return Session(logins, clock)


def raises(error: RemoteError) -> Callable[[], Token]:
    def log_in() -> Token:
        raise error

    return log_in


class TestLife:
    def test_token_is_kept_until_a_minute_before_its_expiry(
        self, session: Session, logins: Logins, clock: Clock
    ) -> None:
        first = session.token()
        clock.forward(3539)
        assert session.token() is first
        clock.forward(2)
        assert session.token().value == "token 2"
        assert logins.count == 2

    def test_login_that_suddenly_names_another_account_is_not_believed(
        self, session: Session, logins: Logins, clock: Clock
    ) -> None:
        first = session.token()
        other = Url(Origin("other.example.org", 80), "/v1/AUTH_other")
        logins.answer = lambda: Token("other", other, clock(), 3600.0)
        clock.forward(3550)
        assert session.token() is first
        clock.forward(100)
        with pytest.raises(UnexpectedAnswer, match="names the account AUTH_other, and AUTH_test before"):
            session.token()
        another_host = Url(Origin("other.example.org", 80), "/swift/v1/AUTH_test")
        logins.answer = lambda: Token("right", another_host, clock(), 3600.0)
        assert session.token().value == "right"

    @pytest.mark.parametrize("life", [5.0, 0.5])
    def test_short_token_is_renewed_when_a_fifth_of_its_life_is_left(
        self, session: Session, logins: Logins, clock: Clock, life: float
    ) -> None:
        logins.life = life
        first = session.token()
        clock.forward(life * 0.79)
        assert session.token() is first
        clock.forward(life * 0.02)
        assert session.token().value == "token 2"

    def test_token_of_unknown_life_is_kept(self, session: Session, logins: Logins, clock: Clock) -> None:
        logins.life = math.inf
        first = session.token()
        clock.forward(1e9)
        assert session.token() is first

    def test_token_that_the_login_repeats_is_used_until_its_expiry(
        self, session: Session, logins: Logins, clock: Clock
    ) -> None:
        expiry = clock() + 100
        logins.answer = lambda: Token("cached by the server", URL, clock(), expiry - clock())
        for _ in range(1000):
            session.token()
            clock.forward(0.099)
        assert logins.count == 2

    def test_failed_early_renewal_keeps_the_token_and_is_tried_again_a_minute_later(
        self, session: Session, logins: Logins, clock: Clock
    ) -> None:
        logins.life = 300.0
        first = session.token()
        clock.forward(241)
        logins.answer = raises(RemoteUnavailable("down"))
        assert session.token() is first
        assert session.token() is first
        assert logins.count == 2
        clock.forward(59)
        with pytest.raises(RemoteUnavailable, match="down"):
            session.token()
        logins.answer = None
        assert session.token().value == "token 4"


class TestRenew:
    def test_renew_logs_in_once_for_a_refused_token(self, session: Session, logins: Logins) -> None:
        first = session.token()
        second = session.renew(first, 401)
        assert second.value == "token 2"
        assert session.renew(first, 401) is second
        assert session.token() is second
        assert logins.count == 2

    def test_current_token_that_has_expired_is_not_returned_for_an_older_one(
        self, session: Session, clock: Clock
    ) -> None:
        first = session.token()
        session.renew(first, 401)
        clock.forward(3601)
        assert session.renew(first, 401).value == "token 3"

    @pytest.mark.parametrize(("status", "kept"), [(401, False), (403, True)])
    def test_token_refused_with_401_is_not_used_again_where_no_other_can_be_had(
        self, session: Session, logins: Logins, status: int, kept: bool
    ) -> None:
        first = session.token()
        logins.answer = raises(RemoteUnavailable("down"))
        with pytest.raises(RemoteUnavailable):
            session.renew(first, status)
        if kept:
            assert session.token() is first
        else:
            with pytest.raises(RemoteUnavailable):
                session.token()

    def test_denial_counts_for_its_token_and_a_minute(self, session: Session, clock: Clock) -> None:
        first = session.token()
        assert not session.is_denial(first)
        second = session.renew(first, 401)
        session.note_denial(second)
        assert session.is_denial(second)
        assert not session.is_denial(session.renew(second, 403))
        clock.forward(60)
        assert not session.is_denial(second)


class TestRefusal:
    def test_refused_credentials_are_not_tried_again_for_a_minute(
        self, session: Session, logins: Logins, clock: Clock
    ) -> None:
        logins.answer = raises(CredentialsRefused("login at x: 401", status=401))
        for _ in range(10):
            with pytest.raises(CredentialsRefused, match="login at x: 401") as refused:
                session.token()
            assert refused.value.status == 401
        assert logins.count == 1
        clock.forward(60)
        logins.answer = None
        assert session.token().value == "token 2"

    def test_unavailable_service_is_tried_again_at_once(self, session: Session, logins: Logins) -> None:
        logins.answer = raises(RemoteUnavailable("down"))
        for _ in range(3):
            with pytest.raises(RemoteUnavailable):
                session.token()
        assert logins.count == 3


class TestThreads:
    THREADS = 32

    def _all(self, work: Callable[[], Token], logins: Logins, answer: Callable[[], Token]) -> list[object]:
        """What ``work`` returns or raises in many threads; the login waits until all of them are there."""
        inside, waiting = threading.Semaphore(0), threading.Event()

        def log_in() -> Token:
            inside.release()
            assert waiting.wait(10)
            return answer()

        def outcome() -> object:
            try:
                return work()
            except RemoteError as error:
                return error

        logins.answer = log_in
        started: list[None] = []

        def run() -> object:
            started.append(None)
            return outcome()

        with ThreadPoolExecutor(self.THREADS) as pool:
            futures = [pool.submit(run) for _ in range(self.THREADS)]
            assert inside.acquire(timeout=10)
            wait_until(lambda: len(started) == self.THREADS)
            waiting.set()
            return [future.result(10) for future in futures]

    def test_one_login_serves_all_threads(self, session: Session, logins: Logins, clock: Clock) -> None:
        tokens = self._all(session.token, logins, lambda: Token("new", URL, clock(), 60))
        assert logins.count == 1
        assert {id(token) for token in tokens} == {id(session.token())}

    def test_one_renewal_serves_all_threads(self, session: Session, logins: Logins, clock: Clock) -> None:
        refused = session.token()
        tokens = self._all(
            lambda: session.renew(refused, 401), logins, lambda: Token("new", URL, clock(), 60)
        )
        assert logins.count == 2
        assert {id(token) for token in tokens} == {id(session.token())}

    def test_refused_login_is_the_error_of_all_threads(self, session: Session, logins: Logins) -> None:
        errors = self._all(session.token, logins, raises(CredentialsRefused("no", status=401)))
        assert logins.count == 1
        assert {(type(error), str(error)) for error in errors} == {(CredentialsRefused, "no")}
        assert len({id(error) for error in errors}) == self.THREADS  # tracebacks do not mix

    def test_valid_token_is_used_while_another_thread_renews_it(
        self, session: Session, logins: Logins, clock: Clock
    ) -> None:
        first = session.token()
        clock.forward(3550)
        inside, answered = threading.Event(), threading.Event()

        def log_in() -> Token:
            inside.set()
            assert answered.wait(10)
            return Token("new", URL, clock(), 60)

        logins.answer = log_in
        with ThreadPoolExecutor(1) as pool:
            renewal = pool.submit(session.token)
            assert inside.wait(10)
            assert session.token() is first
            answered.set()
            assert renewal.result(10).value == "new"

    def test_interrupted_login_is_a_passing_failure_for_those_who_wait(
        self, session: Session, logins: Logins
    ) -> None:
        class Interrupt(BaseException):
            pass

        inside, interrupted = threading.Event(), threading.Event()

        def log_in() -> Token:
            inside.set()
            assert interrupted.wait(10)
            raise Interrupt

        logins.answer = log_in
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(session.token)
            assert inside.wait(10)
            second = pool.submit(session.token)
            wait_until(second.running)
            interrupted.set()
            assert isinstance(first.exception(10), Interrupt)
            # it waited for that login, or came a little later and was interrupted itself
            assert isinstance(second.exception(10), (RemoteUnavailable, Interrupt))

"""A proxy in front of a store that breaks chosen requests in a chosen way.

    proxy = FaultProxy("127.0.0.1", port)
    proxy.when(answers(503, "SlowDown", retry_after=1), method="PUT", times=3)
    proxy.when(lost_answer, key="o7", times=1)
    ...
    assert len(proxy.calls("PUT")) == 4

It runs in threads of the test's own process, so a fault can be any function, and keeps a record of what
passed. Requests go on as they came, so that signatures hold; a request to a proxy (with a whole URL in
its first line) goes to the same store.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from faults.wire import Message, Wire
from servers.process import ReservedPort


@dataclass
class Call:
    """One request. ``status``: what the store said, whether or not the client heard it; 0 = not asked."""

    method: str
    path: str  # without the query, unquoted
    query: str
    headers: dict[str, str]  # lower-case names
    status: int = 0
    fault: str = ""
    beginning: bytes = b""  # of its body, as far as it has come
    at: float = field(default_factory=time.monotonic)


class Exchange:
    """One request on its way, in the hands of a fault."""

    def __init__(self, call: Call, head: Message, client: Wire, store: Callable[[], Wire]) -> None:
        self.call = call
        self.request = head
        self.client = client
        self._store = store
        self._sent = 0
        self.answer: Message | None = None
        self.over = False  # this connection cannot be used for another request

    def read_body(self, part: float = 1.0) -> None:
        """Take (that part of) the request's body from the client."""
        if self.request.header("expect"):
            self.client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.request.remove("expect")
        self.client.read_body(self.request, part)
        self.call.beginning = self.request.body[:2000]

    def pass_on(self) -> None:
        """Let the store have all of it."""
        self.read_body()
        self.forward()

    def forward(self) -> None:
        """Let the store have the request, and wait for its answer."""
        store = self._store()
        store.send(self.request.raw())
        self.answer = store.read_head()
        while self.answer.status == 100:
            self.answer = store.read_head()
        self.call.status = self.answer.status
        if self.call.method != "HEAD":
            store.read_body(self.answer)

    def reply(self, part: float = 1.0) -> None:
        """Give the client (that part of) the answer."""
        assert self.answer is not None
        raw = self.answer.raw()
        if part < 1.0:
            raw = raw[: len(raw) - int(len(self.answer.body) * (1.0 - part)) - 1]
            self.over = True
        self.client.send(raw)

    def say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Answer in the store's place."""
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        self.client.send(head if self.call.method == "HEAD" else head + body)

    def reset(self) -> None:
        """Break the client's connection."""
        self.over = True
        self.client.reset()


Fault = Callable[[Exchange], object]


@dataclass
class Rule:
    """Which requests a fault is for: the first rule that matches, its first ``skip`` matches left out."""

    fault: Fault
    method: str | None
    key: str | None
    times: int | None
    skip: int
    where: Callable[[Call], bool]
    seen: int = 0
    hits: int = 0

    def takes(self, call: Call) -> bool:
        if self.method not in (None, call.method) or (self.key is not None and self.key not in call.path):
            return False
        if not self.where(call):
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True


class FaultProxy:
    """Listens until ``close``. ``endpoint`` is where clients find the store."""

    def __init__(self, ip: str, port: int) -> None:
        self._target = (ip, port)
        self._place = ReservedPort()
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._calls: list[Call] = []
        self._clients: set[Wire] = set()
        self._listener: socket.socket | None = None
        self.accept()

    @classmethod
    def before(cls, endpoint: str) -> FaultProxy:
        url = urlsplit(endpoint)
        return cls(url.hostname or "", url.port or 80)

    @property
    def endpoint(self) -> str:
        return "http://{}:{}".format(*self.address)

    @property
    def address(self) -> tuple[str, int]:
        return self._place.ip, self._place.port

    def when(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        key: str | None = None,
        times: int | None = None,
        skip: int = 0,
        where: Callable[[Call], bool] = lambda call: True,
    ) -> Rule:
        """From now on ``fault`` happens to matching requests; ``key``: a part of the path."""
        assert key is None or key.strip("0123456789abcdef"), f"the random part of paths holds {key!r}"
        rule = Rule(fault, method, key, times, skip, where)
        with self._lock:
            self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """No more faults."""
        with self._lock:
            self._rules.clear()

    def calls(self, method: str | None = None, key: str | None = None, since: int = 0) -> list[Call]:
        """What came, in order of arrival; ``since``: leave out so many."""
        with self._lock:
            calls = self._calls[since:]
        return [c for c in calls if method in (None, c.method) and (key is None or key in c.path)]

    def stored(self, since: int = 0) -> list[str]:
        """The key of every PUT that the store took, copies left out."""
        return [
            call.path
            for call in self.calls("PUT", since=since)
            if call.status // 100 == 2 and "x-amz-copy-source" not in call.headers
        ]

    def refuse(self) -> None:
        """Nobody listens any more, and open connections break."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for client in list(self._clients):
            client.reset()

    def accept(self) -> None:
        """Listen, after ``refuse`` on the same port."""
        self._listener = listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self._place.ip, self._place.port))
        listener.listen(256)
        threading.Thread(target=self._listen, args=(listener,), daemon=True).start()

    def close(self) -> None:
        self.heal()
        self.refuse()
        self._place.release()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(Wire(sock),), daemon=True).start()

    def _serve(self, client: Wire) -> None:
        stores: list[Wire] = []

        def store() -> Wire:
            if not stores:
                stores.append(Wire(socket.create_connection(self._target, timeout=60)))
            return stores[0]

        self._clients.add(client)
        try:
            while self._exchange(client, store):
                pass
        except OSError:
            pass
        finally:
            self._clients.discard(client)
            for wire in (client, *stores):
                wire.close()

    def _exchange(self, client: Wire, store: Callable[[], Wire]) -> bool:
        head = client.read_head()
        call = self._note(head)
        exchange = Exchange(call, head, client, store)
        with self._lock:
            self._calls.append(call)
            rule = next((rule for rule in self._rules if rule.takes(call)), None)
        fault = passes if rule is None else rule.fault
        call.fault = "" if rule is None else getattr(fault, "__name__", "fault")
        fault(exchange)
        return not exchange.over

    def _note(self, head: Message) -> Call:
        method, target = head.first.split(" ")[:2]
        if "://" in target:
            url = urlsplit(target)
            target = target[len(f"{url.scheme}://{url.netloc}") :]
            head.first = f"{method} {target} HTTP/1.1"
        path, _, query = target.partition("?")
        return Call(
            method, unquote(path), query, {name.lower(): value.strip() for name, value in head.headers}
        )


def passes(exchange: Exchange) -> None:
    """No fault at all."""
    exchange.pass_on()
    exchange.reply()


def reset_before(exchange: Exchange) -> None:
    """The connection breaks when the head has come."""
    exchange.reset()


def reset_within(exchange: Exchange) -> None:
    """The connection breaks in the middle of the request's body."""
    exchange.read_body(0.5)
    exchange.reset()


def reset_after(exchange: Exchange) -> None:
    """The connection breaks when everything has come; the store knows nothing of it."""
    exchange.read_body()
    exchange.reset()


def lost_answer(exchange: Exchange) -> None:
    """The store does what it is asked, and nobody hears of it."""
    exchange.pass_on()
    exchange.reset()


def cut_short(exchange: Exchange) -> None:
    """The answer ends too early."""
    exchange.pass_on()
    exchange.reply(0.5)


def stalls(seconds: float, after: bool = False) -> Fault:
    """Nothing happens for so long, before or ``after`` the store has acted; then the connection breaks."""

    def stall(exchange: Exchange) -> None:
        exchange.read_body()
        if after:
            exchange.forward()
        time.sleep(seconds)
        exchange.reset()

    return stall


def stalls_within(seconds: float) -> Fault:
    """Half of the answer's body comes, and the rest never."""

    def stall(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.forward()
        exchange.reply(0.5)
        time.sleep(seconds)

    return stall


def promises_more(exchange: Exchange) -> None:
    """The answer says that it is longer than it is, and ends."""
    exchange.pass_on()
    _change_length(exchange, 7)
    exchange.reply()
    exchange.over = True


def promises_less(exchange: Exchange) -> None:
    """The answer says that it is shorter than it is; what is too much comes all the same."""
    exchange.pass_on()
    _change_length(exchange, -7)
    exchange.reply()


def goes_on(exchange: Exchange) -> None:
    """Something follows the answer that nobody has asked for."""
    exchange.pass_on()
    assert exchange.answer is not None
    exchange.answer.body += b"and that is not all"
    exchange.reply()


def _change_length(exchange: Exchange, by: int) -> None:
    assert exchange.answer is not None
    size = len(exchange.answer.body)
    for name in ("content-length", "transfer-encoding"):
        exchange.answer.remove(name)
    exchange.answer.headers.append(("Content-Length", f" {max(0, size + by)}"))


def garbles(exchange: Exchange) -> None:
    """The answer's body is of the right length, and nonsense."""
    exchange.pass_on()
    assert exchange.answer is not None
    exchange.answer.body = b"~" * len(exchange.answer.body)
    exchange.reply()


def corrupts(exchange: Exchange) -> None:
    """One bit of the request's body changes on the way."""
    exchange.read_body()
    body = bytearray(exchange.request.body)
    body[len(body) // 2] ^= 1
    exchange.request.body = bytes(body)
    exchange.forward()
    exchange.reply()


def answers(status: int, code: str = "", retry_after: float | None = None, message: str = "a test") -> Fault:
    """The store says this, and does nothing."""

    def answer(exchange: Exchange) -> None:
        exchange.read_body()
        headers = {"Content-Type": "application/xml"}
        if retry_after is not None:
            headers["Retry-After"] = f"{retry_after:g}"
        document = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        exchange.say(status, headers, document.encode() if code else b"")

    return answer


def waits_for(event: threading.Event, then: Fault = passes) -> Fault:
    """Nothing happens before ``event``; a frozen store, when it never comes."""

    def wait(exchange: Exchange) -> None:
        event.wait()
        then(exchange)

    return wait

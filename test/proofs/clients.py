"""`python -m proofs.clients ORDER`: many clients of one container in a process of their own.

Each asks, and waits for its turn. A line on standard input is answered with what they were told since the
last one: how often each answer, and the longest time that one took.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections import Counter
from typing import Any


class Clients:
    """``order``: `address`, `token`, `paths` to ask for in turn, `clients`, `rate` (requests a second)."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._lock = threading.Lock()
        self._told: Counter[str] = Counter()
        self._longest = 0.0

    def start(self) -> None:
        for number in range(self._order["clients"]):
            threading.Thread(target=self._run, args=(number,), daemon=True).start()

    def lap(self) -> dict[str, Any]:
        with self._lock:
            told, self._told = self._told, Counter()
            longest, self._longest = self._longest, 0.0
        return {"told": dict(told), "longest": longest}

    def _run(self, number: int) -> None:
        paths, clients = self._order["paths"], self._order["clients"]
        pause = clients / self._order["rate"]
        time.sleep(pause * number / clients)
        while True:
            number += 1
            begun = time.monotonic()
            answer = self._ask(paths[number % len(paths)])
            taken = time.monotonic() - begun
            with self._lock:
                self._told[answer] += 1
                self._longest = max(self._longest, taken)
            time.sleep(max(0.0, pause - taken))

    def _ask(self, path: str) -> str:
        connection = http.client.HTTPConnection(self._order["address"], timeout=120)
        try:
            connection.request("GET", path, headers={"X-Auth-Token": self._order["token"]})
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()
        return str(response.status)


def main(order: str) -> None:
    clients = Clients(json.loads(order))
    clients.start()
    for _ in sys.stdin:
        print(json.dumps(clients.lap()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

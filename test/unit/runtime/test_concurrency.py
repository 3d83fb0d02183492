"""Pools and the clock. Green threads are tried in a child: this process stays as it is."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time

from s3_sync.runtime.concurrency import Clock, SerialPool


def green(script: str) -> str:
    """Run it in a patched child; returns what it prints."""
    start = """
        from s3_sync.runtime.concurrency import GreenPool, patch
        patch()
        import threading, time, eventlet
        """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(start) + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestSerialPool:
    def test_map_keeps_the_order(self) -> None:
        assert SerialPool().map(lambda item: item * 2, [3, 1, 2]) == [6, 2, 4]
        assert SerialPool().map(str, []) == []

    def test_spawn_runs_the_call_in_the_same_thread(self) -> None:
        ran: list[int] = []
        SerialPool().spawn(lambda: ran.append(threading.get_ident()))
        assert ran == [threading.get_ident()]
        SerialPool().kill()


class TestGreenPool:
    def test_map_with_a_timeout_returns_before_slow_calls_end(self) -> None:
        printed = green(
            """
            pool, ended = GreenPool(3), []
            def work(item):
                time.sleep(0.5 if item == 1 else 0.01)
                ended.append(item)
                return item
            print(pool.map(work, range(6), 0.05), sorted(ended), pool.busy)
            print(pool.map(work, [7], 5.0))
            while pool.busy:
                time.sleep(0.01)
            print(sorted(ended))
            """
        )
        assert printed.split("\n")[:3] == [
            "[0, None, 2, 3, 4, 5] [0, 2, 3, 4, 5] 1",
            "[7]",
            "[0, 1, 2, 3, 4, 5, 7]",
        ]

    def test_map_keeps_the_order_and_runs_side_by_side(self) -> None:
        printed = green(
            """
            pool, most, now = GreenPool(4), 0, 0
            def work(item):
                global most, now
                now += 1
                most = max(most, now)
                time.sleep(0.01 * (item % 3))
                now -= 1
                return item * 2
            print(pool.map(work, range(30)) == [item * 2 for item in range(30)], most, pool.size)
            print(pool.map(work, []))
            """
        )
        assert printed.split("\n")[:2] == ["True 4 4", "[]"]

    def test_map_of_calls_that_never_wait_gives_all_results(self) -> None:
        assert green("print(GreenPool(2).map(lambda item: item + 1, range(5)))") == "[1, 2, 3, 4, 5]\n"

    def test_concurrent_maps_share_the_pool_fairly(self) -> None:
        printed = green(
            """
            pool, order = GreenPool(2), []
            def work(name):
                time.sleep(0.002)
                order.append(name)
            threads = [eventlet.spawn(pool.map, work, [name] * 50) for name in "ab"]
            for thread in threads:
                thread.wait()
            first = order[:60]
            print(abs(first.count("a") - first.count("b")) < 12, len(order))
            """
        )
        assert printed == "True 100\n"

    def test_spawn_on_a_full_pool_waits_for_a_free_place(self) -> None:
        printed = green(
            """
            pool = GreenPool(1)
            pool.spawn(lambda: time.sleep(0.2))
            start = time.monotonic()
            pool.spawn(lambda: None)
            print(time.monotonic() - start > 0.1)
            """
        )
        assert printed == "True\n"

    def test_kill_ends_the_running_calls_and_returns(self) -> None:
        """Although the calls take time to clean up."""
        printed = green(
            """
            pool, cleaned, results, stopping = GreenPool(4), [], [], False
            def work(item):
                if stopping:
                    return "not begun"
                try:
                    time.sleep(60)
                finally:
                    time.sleep(0.05)
                    cleaned.append(item)
            eventlet.spawn(lambda: results.append(pool.map(work, range(10))))
            time.sleep(0.05)
            stopping, start = True, time.monotonic()
            pool.kill()
            print(time.monotonic() - start < 30)
            time.sleep(0.5)
            print(sorted(cleaned), results)
            """
        )
        assert printed == f"True\n[0, 1, 2, 3] [{[None] * 4 + ['not begun'] * 6}]\n"

    def test_kill_of_an_idle_pool_returns(self) -> None:
        assert green("GreenPool(2).kill(); print('fine')") == "fine\n"

    def test_call_that_waits_for_a_name_lock_does_not_block_others(self) -> None:
        printed = green(
            """
            from s3_sync.daemon.name_locks import NameLocks
            locks, order = NameLocks(), []
            def work(item):
                with locks.hold("a" if item < 3 else "b"):
                    order.append(("in", item))
                    time.sleep(0.02)
                    order.append(("out", item))
            GreenPool(4).map(work, range(4))
            same = [event for event, item in order if item < 3]
            print(same == ["in", "out"] * 3, order.index(("in", 3)) < order.index(("out", 0)))
            """
        )
        assert printed == "True True\n"


def test_clock_tells_the_time_and_sleeps() -> None:
    clock = Clock()
    assert abs(clock.now() - time.time()) < 1
    start = time.monotonic()
    clock.sleep(0.01)
    assert time.monotonic() - start >= 0.01

"""Threads for calls that block."""

from __future__ import annotations

import os
import select
import subprocess
import sys

import pytest

from s3_sync.runtime.real_threads import RealThreads, Touch

_GREEN = """
import eventlet; eventlet.monkey_patch()
import os, time
from eventlet import patcher
from s3_sync.runtime.real_threads import RealThreads
threads, ticks = RealThreads(4), []
def tick():
    while True:
        ticks.append(1)
        time.sleep(0.01)
eventlet.spawn(tick)
reading, writing = os.pipe()
pool = eventlet.GreenPool()
read = lambda touch: patcher.original("os").read(reading, 1)
results = [pool.spawn(threads.call, read, 60) for _ in range(6)]
while len(ticks) < 20:  # the process goes on while four threads are blocked
    time.sleep(0.01)
assert threads.running == 4, threads.running
patcher.original("os").write(writing, b"123456")
assert sorted(result.wait() for result in results) == [b"%d" % n for n in range(1, 7)]
try:
    threads.call(lambda touch: patcher.original("os").read(reading, 1), 0.05)
except TimeoutError:
    print("ok")
"""


def test_green_threads_continue_while_a_call_blocks() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _GREEN],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


def test_call_returns_the_result_and_raises_the_error() -> None:
    threads = RealThreads(2)
    assert threads.call(lambda touch: 42, 10) == 42
    with pytest.raises(ZeroDivisionError):
        threads.call(lambda touch: 1 // 0, 10)
    threads.close()


def test_call_that_nobody_waits_for_ends_with_its_next_sign_of_life() -> None:
    threads = RealThreads(1)
    reading, writing = os.pipe()
    went_on = []

    def function(touch: Touch) -> None:
        os.read(reading, 1)
        touch()
        went_on.append(True)

    with pytest.raises(TimeoutError):
        threads.call(function, 0.05)
    os.write(writing, b"x")
    assert threads.call(lambda touch: "next", 10) == "next"  # in the same thread, so afterwards
    assert went_on == []
    threads.close()


def test_signs_of_life_prolong_the_time_that_is_waited() -> None:
    threads = RealThreads(1)
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    def function(touch: Touch) -> int:
        for _ in range(3):
            select.select([reading], [], [], 0.4)
            touch()
        return 3

    assert threads.call(function, 1.0) == 3
    os.close(writing)
    threads.close()


def test_result_that_nobody_waits_for_is_closed() -> None:
    threads = RealThreads(1)
    reading, writing = os.pipe()

    class Result:
        closed = False

        def close(self) -> None:
            self.closed = True

    result = Result()

    def function(touch: Touch) -> Result:
        os.read(reading, 1)
        return result

    with pytest.raises(TimeoutError):
        threads.call(function, 0.05)
    os.write(writing, b"x")
    threads.call(lambda touch: None, 10)
    assert result.closed
    threads.close()


def test_idle_threads_end() -> None:
    threads = RealThreads(3, idle=0.01)
    assert threads.call(lambda touch: 1, 10) == 1
    for _ in range(1000):
        if not threads.running:
            break
        os.sched_yield()
        threads._threading.Event().wait(0.01)
    assert threads.running == 0
    assert threads.call(lambda touch: 2, 10) == 2

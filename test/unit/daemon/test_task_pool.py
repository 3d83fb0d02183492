"""The pool for large objects: its size, the order of its tasks, and its stop."""

from __future__ import annotations

import threading

import pytest

from s3_sync.daemon.task_pool import TaskPool
from s3_sync.runtime.concurrency import SerialPool
from unit.daemon.thread_pool import ThreadPool
from unit.sync.fake_node import LaterPool


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def test_tasks_of_several_mappings_run_in_turns(stop: threading.Event) -> None:
    pool, order = LaterPool(), list[str]()
    lane = TaskPool(pool, SerialPool(), stop)
    for what in ("a1", "a2", "a3", "b1", "b2", "c1"):
        lane.add(what[0], lambda what=what: order.append(what))  # type: ignore[misc]
    pool.run()
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert lane.running == 0


def test_tasks_beyond_the_pool_size_wait_for_a_thread(stop: threading.Event) -> None:
    pool = ThreadPool(3)
    lane = TaskPool(pool, SerialPool(), stop)
    go, done = threading.Event(), list[int]()

    def task(number: int) -> None:
        assert go.wait(30)
        done.append(number)

    for number in range(10):
        lane.add("a", lambda number=number: task(number))  # type: ignore[misc]
    assert (lane.running, len(pool.threads)) == (3, 3)
    go.set()
    while lane.running:
        lane.wait()
    for thread in pool.threads:
        thread.join(30)
    assert (lane.running, sorted(done)) == (0, list(range(10)))


def test_no_task_is_begun_after_the_stop(stop: threading.Event) -> None:
    pool, order = LaterPool(), list[int]()
    lane = TaskPool(pool, SerialPool(), stop)

    def last() -> None:
        order.append(1)
        stop.set()

    lane.add("a", last)
    lane.add("a", lambda: order.append(2))
    pool.run()
    assert (order, lane.running) == ([1], 0)


def test_task_that_is_killed_frees_its_thread(stop: threading.Event) -> None:
    pool, order = LaterPool(), list[int]()
    lane = TaskPool(pool, SerialPool(), stop)

    def killed() -> None:
        raise SystemExit

    lane.add("a", killed)
    with pytest.raises(SystemExit):
        pool.run()
    assert lane.running == 0
    lane.add("a", lambda: order.append(1))
    pool.run()
    assert order == [1]

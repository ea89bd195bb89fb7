"""Threads that a process does not wait for at its end: what blocks in a network must not keep a stopped run alive."""

from __future__ import annotations

import concurrent.futures
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
Task = tuple["concurrent.futures.Future[Any]", Callable[..., Any], tuple[Any, ...]]


class DaemonThreads:
    """A pool of at most `most` threads, started as they are needed. Those of `concurrent.futures` outlive a Ctrl-C."""

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name, self._started = most, name, 0
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._idle, self._lock = threading.Semaphore(0), threading.Lock()

    def submit(self, function: Callable[..., T], *arguments: Any) -> concurrent.futures.Future[T]:
        """Call a function in a thread; return the future of its result."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._tasks.put((future, function, arguments))
        with self._lock:
            if not self._idle.acquire(blocking=False) and self._started < self._most:
                self._started += 1
                threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()
        return future

    def map(self, function: Callable[..., T], arguments: Iterable[Any]) -> list[T]:
        """Call a function on each argument, all at once; return the results in order."""
        return [future.result() for future in [self.submit(function, argument) for argument in arguments]]

    def _work(self) -> None:
        while True:
            _run(*self._tasks.get())
            self._idle.release()


def _run(future: concurrent.futures.Future[T], function: Callable[..., T], arguments: tuple[Any, ...]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function(*arguments)
    except BaseException as error:  # whoever waits for the result gets it
        future.set_exception(error)
    else:
        future.set_result(result)


def within(seconds: float, function: Callable[[], T], too_late: Callable[[T], object]) -> T:
    """Call a function that may block.

    Args:
        seconds: the most that is waited.
        function: what is called, in a thread of its own.
        too_late: gets a result that comes after that.

    Raises:
        TimeoutError: it has not returned in time.
    """
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    threading.Thread(target=_run, args=(future, function, ()), name="emotiontalk-request", daemon=True).start()
    try:
        return future.result(seconds)
    except concurrent.futures.TimeoutError:
        if future.done():  # it came at the last moment, or the function has raised that error
            return future.result()
        future.add_done_callback(lambda late: late.exception() or too_late(late.result()))
        raise TimeoutError(f"no answer in {seconds:g} seconds") from None

"""Worker processes of a command, one for each core: they end with the command, however it ends."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from emotiontalk.forks import follow_parent, forks
from emotiontalk.request_error import RequestError

T = TypeVar("T")


class Workers(concurrent.futures.ProcessPoolExecutor):
    """Worker processes. `map` is not for them: it cancels what a stopped run waits for, which the pool complains of."""

    def results(self, function: Callable[..., T], arguments: Iterable[tuple[Any, ...]]) -> list[T]:
        """Call a function with each of these arguments; return the results in order."""
        return [future.result() for future in [self.submit(function, *each) for each in arguments]]


@contextlib.contextmanager
def workers() -> Iterator[Workers]:
    """Start worker processes. Raises `RequestError` where one of them dies, as where memory is short."""
    others = set(multiprocessing.active_children())
    with forks.following():
        pool = Workers(initializer=_start)
        try:
            # all of them now: where other threads run already, a forked process may wait for a lock that they held
            pool.submit(os.getpid).result()
            yield pool
        except BaseException as error:
            manager = getattr(pool, "_executor_manager_thread", None)
            for worker in set(multiprocessing.active_children()) - others:
                worker.kill()
            pool.shutdown(wait=False)
            if manager:  # an interpreter that ends while this thread ends may print a traceback
                manager.join(1)
            if isinstance(error, BrokenProcessPool):
                fix = "Was there too little memory? Run the same command again: it goes on with what is missing."
                raise RequestError(f"a worker process has ended unexpectedly. {fix}") from None
            raise
        pool.shutdown()


def _start() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent and parent.pid and multiprocessing.get_start_method() != "fork":  # forked ones do so by themselves
        follow_parent(parent.pid)

"""Ctrl-C in a command: it ends within two seconds, with one line and status 130, and its workers with it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from emotiontalk.forks import forks, silence_stderr

STATUS = 130  # as shells have it: 128 and the number of the signal
SECONDS = 1.2  # what a command has to put away what it was doing
LINE = "emotiontalk: stopped. What is finished stays; the same command goes on from there."

_said = threading.Lock()


class Stopped(BaseException):
    """Ctrl-C was pressed. Not a `KeyboardInterrupt`, which libraries turn into something else."""


def _say() -> None:
    if _said.acquire(blocking=False):
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"\n{LINE}\n")
            sys.stderr.flush()


def _end() -> NoReturn:
    """End this process and its workers at once."""
    _say()
    multiprocessing = sys.modules.get("multiprocessing")  # not imported: there are no workers
    for worker in multiprocessing.active_children() if multiprocessing else ():
        worker.kill()
    os._exit(STATUS)


def _end_soon() -> None:
    time.sleep(SECONDS)
    _end()


def _handle(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    """Handle Ctrl-C so from now on; other threads than the first cannot."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)


def end_at_once() -> None:
    """Let Ctrl-C end this process without ado: while libraries are imported."""
    _handle(lambda number, frame: _end())


@contextlib.contextmanager
def stopping() -> Iterator[None]:
    """End the command where Ctrl-C is pressed in this block; forked workers ignore it.

    `Stopped` is raised, so that temporary files are removed. Where that takes too long, the process ends.
    """
    command = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if os.getpid() != command:
            silence_stderr()
            return
        threading.Thread(target=_end_soon, daemon=True).start()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # once is enough
        # what threads and callbacks of libraries say of it is of no use
        sys.unraisablehook = lambda found: None
        threading.excepthook = lambda found: None
        if not forks.now:
            raise Stopped

    _handle(interrupt)
    try:
        yield
    except Stopped:
        _end()  # not by way of Python's own end, where a progress bar may say something still
    finally:  # all is done; what ends now is Python
        _handle(signal.SIG_IGN)

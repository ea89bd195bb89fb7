"""Ctrl-C while several processes work: it ends the whole run at once, and no process is left behind."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

INSIST_AFTER = 1.0  # seconds after which an interrupt that has not ended the run is repeated


class Forks:
    """What happens around a fork of this process."""

    def __init__(self) -> None:
        self._parent = 0
        self.now = False  # errors of its callbacks are ignored by Python, an interrupt, too
        self.follow = 0  # how many blocks are entered whose forked processes end with this one
        if hasattr(os, "register_at_fork"):  # elsewhere nothing is forked
            os.register_at_fork(before=self._before, after_in_parent=self._after, after_in_child=self._in_child)

    def _before(self) -> None:
        self.now, self._parent = True, os.getpid()

    def _after(self) -> None:
        self.now = False

    def _in_child(self) -> None:
        follow, self.now, self.follow = self.follow, False, 0
        if follow:
            follow_parent(self._parent)


forks = Forks()


def follow_parent(parent: int) -> None:
    """End this process soon after its parent, which may have ended already.

    Args:
        parent: its process id.
    """

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=wait, name="emotiontalk-follow", daemon=True).start()


def silence_stderr() -> None:
    """Send the messages of this process, a worker of a run that was interrupted, nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def follow_in_worker() -> None:
    """Let a worker of `datasets` that was spawned, not forked, ignore Ctrl-C, and end with its parent."""
    library = sys.modules.get("multiprocess")
    parent = library and library.parent_process()
    if library and parent and library.get_start_method() != "fork":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        follow_parent(parent.pid)


def _workers() -> set[Any]:
    """Return the worker processes of `datasets`, which has a `multiprocessing` of its own."""
    library = sys.modules.get("multiprocess")
    return set(library.active_children()) if library else set()


class Interrupt:
    """Ctrl-C in one block of `workers_follow`."""

    def __init__(self) -> None:
        self.pressed, self._here, self._others = False, os.getpid(), _workers()
        self._left, self._hook = threading.Event(), sys.unraisablehook

    def handle(self, number: int, frame: Any) -> None:
        """Raise `KeyboardInterrupt` in the process that entered the block: the handler of the signal."""
        if os.getpid() != self._here:
            silence_stderr()
            return
        if not self.pressed:
            self.pressed = True
            sys.unraisablehook = lambda ignored: None  # what generators of `datasets` say as they are closed
            threading.Thread(target=self._insist, name="emotiontalk-interrupt", daemon=True).start()
        for worker in _workers() - self._others:  # each time: some may have been forked meanwhile
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGINT)
        if not forks.now:
            raise KeyboardInterrupt

    def _insist(self) -> None:
        while not self._left.wait(INSIST_AFTER):
            _thread.interrupt_main()

    def leave(self) -> None:
        """End what is left of the block."""
        self._left.set()
        if self.pressed:
            sys.unraisablehook = self._hook
            for worker in _workers() - self._others:
                worker.kill()


@contextlib.contextmanager
def workers_follow() -> Iterator[None]:
    """Let processes that are forked in this block ignore Ctrl-C, and end when this one does, in whatever way.

    Where a worker dies of Ctrl-C itself, it can hold the lock that ending the others waits for. In this process a
    `KeyboardInterrupt` stays one, also where the code that waits for the workers has raised another error meanwhile.
    """
    interrupt, by_python = Interrupt(), signal.getsignal(signal.SIGINT) is signal.default_int_handler
    replaced = by_python and threading.current_thread() is threading.main_thread()
    forks.follow += 1
    try:
        if replaced:
            signal.signal(signal.SIGINT, interrupt.handle)
        yield
        if interrupt.pressed:
            raise KeyboardInterrupt
    except Exception:
        if interrupt.pressed:
            raise KeyboardInterrupt from None
        raise
    finally:
        try:
            interrupt.leave()
        finally:
            forks.follow -= 1
            if replaced:
                signal.signal(signal.SIGINT, signal.default_int_handler)

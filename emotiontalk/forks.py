"""Processes that a command forks: they end when it does, in whatever way, and leave Ctrl-C to it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator


class Forks:
    """What happens around a fork of this process.

    Attributes:
        now: whether it is forking: errors of callbacks are ignored by Python then, an interrupt, too.
    """

    def __init__(self) -> None:
        self._parent = self._follow = 0
        self.now = False
        if hasattr(os, "register_at_fork"):  # elsewhere nothing is forked
            os.register_at_fork(before=self._before, after_in_parent=self._after, after_in_child=self._in_child)

    def _before(self) -> None:
        self.now, self._parent = True, os.getpid()

    def _after(self) -> None:
        self.now = False

    def _in_child(self) -> None:
        follow, self.now, self._follow = self._follow, False, 0
        if follow:
            follow_parent(self._parent)

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Let processes that are forked in this block end with this one."""
        self._follow += 1
        try:
            yield
        finally:
            self._follow -= 1


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

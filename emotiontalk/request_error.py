"""The error of what was asked for. In a module of its own, which needs no `datasets`: the command line imports it."""

from __future__ import annotations


class RequestError(ValueError):
    """What was asked for cannot be done; the message says what to do instead.

    Options are named as in Python, for example `fold=5`. The command line shows them as its own flags.
    """

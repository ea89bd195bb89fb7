"""How the command line says what the library says: options as flags, log records as plain lines, no secrets."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from typing import Any, Iterable, List, Optional, Tuple

from emotiontalk.redaction import redacted

# Options whose flag is not their name in Python.
FLAGS = {
    "formats": "--for",
    "configs": "--config",
    "splits": "--split",
    "encoding": "--format",
    "upstreams": "--upstream",
}
SWITCHES = {"private=False": "--public", "private=True": "--private"}


def flags_of(command: Any) -> dict[str, str]:
    """Return {name of an option in Python: its flag} of a command (of click) and of all below it."""
    flags = dict(FLAGS)
    for below in getattr(command, "commands", {}).values():
        flags = {**flags_of(below), **flags}
    for parameter in command.params:
        if parameter.param_type_name == "option":
            flags.setdefault(parameter.name, parameter.opts[0])
    return flags


def as_flags(message: str, flags: dict[str, str]) -> str:
    """Return a message of the library with its options (`fold=5`, `partial=True`, `token=`) as flags."""
    names = "|".join(map(re.escape, sorted(flags, key=len, reverse=True)))
    option = re.compile(rf"(?<![\w./?&-])({names})=(\"[^\"]*\"|'[^']*'|[\w:/-]+(?:\.\w+)*)?(?![\w=])")

    def flag(found: re.Match[str]) -> str:
        name, value = found[1], found[2]
        if found[0] in SWITCHES:
            return SWITCHES[found[0]]
        if value in (None, "True"):
            return flags[name]
        return f"{flags[name]} {value.strip(chr(34) + chr(39))}"

    return option.sub(flag, message)


def explained(error: Exception, flags: dict[str, str]) -> Tuple[Optional[str], int]:
    """Return the message of an error that the user can fix, and the exit status; (None, 1) for any other error."""
    from emotiontalk.errors import LONGEST_MESSAGE, EmotionTalkError, brief
    from emotiontalk.evaluation.predictions_error import PredictionsError
    from emotiontalk.hub.errors import network_errors, network_message
    from emotiontalk.request_error import RequestError

    if isinstance(error, (RequestError, EmotionTalkError)):
        message, status = as_flags(str(error), flags), 2 if isinstance(error, PredictionsError) else 1
    elif isinstance(error, network_errors()):
        message, status = network_message(error), 1
    else:
        return None, 1
    return brief(redacted(message, text=True), LONGEST_MESSAGE), status


def traceback_of(error: Exception) -> str:
    """Return the traceback of an error that nobody has foreseen, as Python prints it, without secrets."""
    return redacted("".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip(), text=True)


def command_line(arguments: Iterable[str]) -> List[str]:
    """Return the words of a command line, with no token and no password, for a file that says how it was made."""
    from emotiontalk.errors import printable

    words = ["=".join(map(redacted, word.split("=", 1))) if word[:2] == "--" else redacted(word) for word in arguments]
    hidden = [
        "…" if before == "--token" else re.sub(r"^(--token=).*", r"\1…", word)
        for before, word in zip(["", *words], words)
    ]
    return list(map(printable, hidden))


class Lines(logging.Handler):
    """Shows the records of the library as plain lines on stderr, its options as flags."""

    def __init__(self, flags: dict[str, str]) -> None:
        super().__init__(logging.INFO)
        self._flags = flags

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        print(as_flags(record.getMessage(), self._flags), file=sys.stderr)


def show_log(flags: dict[str, str]) -> None:
    """Show what the library logs, from level INFO on, once."""
    logger = logging.getLogger("emotiontalk")
    logger.setLevel(logging.INFO)
    logger.handlers = [handler for handler in logger.handlers if not isinstance(handler, Lines)] + [Lines(flags)]

"""What the person at the command line can mend."""


class CommandError(ValueError):
    """A command cannot do what was asked; the message says what to do instead, and is all that is printed."""

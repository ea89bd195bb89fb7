"""`python -m emotiontalk_tools <command>`: the same as the console script `emotiontalk`."""

from .cli import app

app(prog_name="emotiontalk")

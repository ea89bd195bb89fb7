"""`python -m emotiontalk_tools <command>`: the same as the console script `emotiontalk`."""

from .cli import main

main()

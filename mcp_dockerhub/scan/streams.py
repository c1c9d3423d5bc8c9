"""Standard output and standard error of a command, which may be closed, full, or no longer read."""

import os
import sys
from contextlib import suppress

from mcp_dockerhub.scan.inert import inert_text
from mcp_dockerhub_security.text import clean_code


class Unwritable(Exception):
    """The result of a command could not be written; the message says why."""


def put(text: str) -> None:
    """Write all of ``text`` to standard output, unless its reader has seen enough. Raises Unwritable."""
    if sys.stdout is None:
        raise Unwritable("standard output is closed.")
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer must not fail once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise Unwritable(f"standard output cannot be written ({error.strerror or 'it failed'}).") from None


def say(text: str) -> None:
    """A line on standard error; that nobody can hear it changes nothing about how the command ends."""
    with suppress(OSError):
        if sys.stderr is not None:
            sys.stderr.write(f"{inert_text(clean_code(text))}\n")

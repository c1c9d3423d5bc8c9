"""Text that no build system takes for a command: what is printed in a pipeline is read by whoever runs it.

GitHub reads ``::error::`` at the start of a line and ``##[error]`` anywhere, Azure Pipelines ``##vso[task.…]``,
TeamCity ``##teamcity[…]``; some of these set variables for the steps that follow, and package names are free text.
"""

import re
from typing import Final

_COMMAND: Final = re.compile(r"^[ \t]*:(?=:)|#(?=#\w*\[)", re.MULTILINE)


def inert_text(text: str) -> str:
    """With a space inside each such beginning."""
    return _COMMAND.sub(lambda found: f"{found[0]} ", text)


def inert_json(text: str) -> str:
    """The same document: ``##`` is nowhere but in strings, where it can be written otherwise."""
    return text.replace("##", "#\\u0023")

"""What an image carries and nobody should repeat: values under secret-looking names.

History writes values unquoted (``ENV PASSWORD=two words``), so where a value ends is decided here; what looks
like a secret is the security package's business.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from mcp_dockerhub.images.instructions import MAX_STEP, build_arguments, split_pairs
from mcp_dockerhub_security.redaction import redact_command, redact_pair

_DECLARATION: Final = re.compile(
    r"(?P<head>(?:[^\n\"]{0,512}#\(nop\)\s*)?(?:ENV|ARG|LABEL)\s+)(?P<pairs>.*)", re.DOTALL
)

# The old form of ENV: one variable, no equals sign.
_SPACED_ENV: Final = re.compile(
    r"(?P<head>\s*ENV\s+(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s+)(?P<value>[^=\s].*)", re.IGNORECASE
)


def withhold(created_by: str) -> str:
    """A step of the history with secret-looking values replaced, otherwise as it was up to ``MAX_STEP``."""
    created_by = created_by[:MAX_STEP]
    declaration = _DECLARATION.fullmatch(created_by)
    if declaration:
        return declaration["head"] + _pairs(declaration["pairs"])
    split = build_arguments(created_by)
    if split:
        head, arguments, command = split
        return f"{head}{_pairs(arguments)}{redact_command(command)}"
    return redact_command(created_by)


def withhold_dockerfile(text: str) -> str:
    """A Dockerfile with secret-looking values replaced, otherwise to the byte as it was."""
    return "\n".join(map(_withhold_line, text.split("\n")))


def _withhold_line(line: str) -> str:
    spaced = _SPACED_ENV.fullmatch(line)
    if spaced:
        return spaced["head"] + redact_pair(spaced["name"], spaced["value"])
    return redact_command(line)


def assignments(entries: Iterable[str]) -> dict[str, str]:
    """``NAME=value`` entries by name; a name without ``=`` has an empty value."""
    pairs = (entry.partition("=") for entry in entries)
    return {name: redact_pair(name, value) for name, _, value in pairs}


def labels(values: Mapping[str, str]) -> dict[str, str]:
    """Labels or annotations."""
    return {name: redact_pair(name, value) for name, value in values.items()}


def _pairs(text: str) -> str:
    pairs = split_pairs(text)
    if not pairs:
        return redact_command(text)
    return " ".join(f"{name}={redact_pair(name, value)}" for name, value in pairs)

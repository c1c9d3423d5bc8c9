"""Which image a Dockerfile's result stands on (Dockerfile reference: FROM, ARG, parser directives, here-documents)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

MAX_LINES: Final = 20_000
MAX_STAGES: Final = 500
_DIRECTIVE: Final = re.compile(r"#\s*(escape|syntax|check)\s*=\s*(\S+)\s*", re.IGNORECASE)
_HERE: Final = re.compile(r"<<-?\s*([\"']?)([A-Za-z_][A-Za-z0-9_]*)\1")
_FROM: Final = re.compile(r"FROM\s+(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?\s*", re.IGNORECASE)
_ARG: Final = re.compile(r"ARG\s+(.*)", re.IGNORECASE | re.DOTALL)
_ARG_PAIR: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:=(\"[^\"]*\"|'[^']*'|\S*))?")
_VARIABLE: Final = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:[-+])([^{}$]*))?\})")


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM."""

    image: str
    """An image, or the name of an earlier stage; variables resolved."""
    name: str
    """Lower case; empty where it has none."""


def base_of_dockerfile(text: str, arguments: Mapping[str, str], target: str = "") -> str | None:
    """The image the stage ``target`` (by default the last) stands on, through all stages in between.

    ``arguments`` are the build arguments. None where there is no such stage, where it stands on nothing
    (``FROM scratch``), or where a variable it needs has no value.
    """
    stages = list(_stages(text, arguments))
    place = _place(stages, target)
    while place is not None:
        image = stages[place].image
        earlier = _earlier(stages, place, image)
        if earlier is None:
            return None if image in ("", "scratch") else image
        place = earlier
    return None


def _place(stages: list[Stage], target: str) -> int | None:
    if not target:
        return len(stages) - 1 if stages else None
    wanted = target.lower()
    named = [place for place, stage in enumerate(stages) if stage.name == wanted]
    if named:
        return named[-1]
    return int(wanted) if wanted.isascii() and wanted.isdigit() and int(wanted) < len(stages) else None


def _earlier(stages: list[Stage], place: int, image: str) -> int | None:
    """The stage before ``place`` that goes by the name ``image``."""
    return next((at for at in range(place - 1, -1, -1) if stages[at].name and stages[at].name == image.lower()), None)


def _stages(text: str, arguments: Mapping[str, str]) -> Iterator[Stage]:
    values: dict[str, str] = {}
    found = 0
    for line in _instructions(text):
        declared = _ARG.fullmatch(line)
        if declared and not found:
            for name, default in _ARG_PAIR.findall(declared[1]):
                value = arguments.get(name, _resolved(default.strip("\"'"), values))
                if value is not None:
                    values[name] = value
        start = _FROM.fullmatch(line)
        if start:
            found += 1
            if found > MAX_STAGES:
                return
            yield Stage(_resolved(start[1].strip("\"'"), values) or "", (start[2] or "").lower())


def _resolved(text: str, values: Mapping[str, str]) -> str | None:
    """``text`` with variables replaced; None where one of them has no value."""
    missing = False

    def replace(match: re.Match[str]) -> str:
        nonlocal missing
        value = values.get(match[1] or match[2], "")
        if match[3] == ":-":
            return value or match[4]
        if match[3] == ":+":
            return match[4] if value else ""
        missing = missing or not value
        return value

    resolved = _VARIABLE.sub(replace, text)
    return None if missing else resolved


def _instructions(text: str) -> Iterator[str]:
    """Instructions with their continuation lines joined; comments and here-documents left out."""
    lines = iter(text.splitlines()[:MAX_LINES])
    escape, directives = "\\", True
    pending = ""
    for line in lines:
        stripped = line.strip()
        directive = _DIRECTIVE.fullmatch(stripped) if directives else None
        if directive:
            escape = directive[2] if directive[1].lower() == "escape" and directive[2] in ("\\", "`") else escape
            continue
        directives = False
        if stripped.startswith("#") or (pending and not stripped):
            continue
        if stripped.endswith(escape):
            pending += f"{stripped[: -len(escape)]} "
            continue
        instruction = (pending + stripped).strip()
        pending = ""
        if instruction:
            yield instruction
            _skip_here_documents(instruction, lines)
    if pending.strip():
        yield pending.strip()


def _skip_here_documents(instruction: str, lines: Iterator[str]) -> None:
    if not instruction.upper().startswith(("RUN", "COPY", "ADD")):
        return
    for _, marker in _HERE.findall(instruction):
        for line in lines:
            if line.strip() == marker:
                break

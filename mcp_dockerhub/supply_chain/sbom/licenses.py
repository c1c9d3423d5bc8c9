"""License texts as SPDX expressions (SPDX specification 2.3, annex D), where they are."""

import re
from dataclasses import dataclass, field
from typing import Final

NOT_SAID: Final = "NOASSERTION"
_TOKEN: Final = re.compile(r"\s*(\(|\)|[A-Za-z0-9][A-Za-z0-9.+-]*|:)")
_REFERENCE: Final = re.compile(r"(?:DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+")
_OPERATORS: Final = frozenset({"AND", "OR"})


@dataclass(slots=True)
class Licenses:
    """Expressions for one document; what is on no list gets a reference and keeps its words in ``extracted``."""

    extracted: dict[str, str] = field(default_factory=dict)
    """Words by ``LicenseRef-…``."""
    _references: dict[str, str] = field(default_factory=dict)

    def expression(self, licenses: tuple[str, ...]) -> str:
        """One expression for all licenses of a package."""
        parts = [entry if is_expression(entry) else self._reference(entry) for entry in licenses]
        for part in parts:
            for name in _REFERENCE.findall(part):
                self.extracted.setdefault(name, name)
        if len(parts) > 1:
            return " AND ".join(f"({part})" if " " in part else part for part in parts)
        return parts[0] if parts else NOT_SAID

    def _reference(self, words: str) -> str:
        if words not in self._references:
            name = f"LicenseRef-{len(self._references) + 1}"
            self._references[words] = name
            self.extracted[name] = words
        return self._references[words]


def is_expression(text: str) -> bool:
    """Whether a text is an expression of listed licenses and references."""
    tokens = _tokens(text)
    return tokens is not None and _read(tokens, 0) == len(tokens)


def _tokens(text: str) -> list[str] | None:
    if _REFERENCE.fullmatch(text):
        return [text]
    tokens: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or len(tokens) > 256:
            return None
        tokens.append(match[1])
        at = match.end()
    return tokens


def _read(tokens: list[str], at: int) -> int:
    """Where the expression that begins at ``at`` ends; -1 where there is none. Operators bind alike: none is lost."""
    at = _operand(tokens, at)
    while 0 <= at < len(tokens) and tokens[at] in _OPERATORS:
        at = _operand(tokens, at + 1)
    return at


def _operand(tokens: list[str], at: int) -> int:
    if at >= len(tokens):
        return -1
    if tokens[at] == "(":
        end = _read(tokens, at + 1)
        return end + 1 if 0 <= end < len(tokens) and tokens[end] == ")" else -1
    if not _is_listed(tokens[at]):
        return -1
    if at + 2 < len(tokens) and tokens[at + 1] == "WITH":
        return at + 3
    return at + 1


def _is_listed(name: str) -> bool:
    from cyclonedx.spdx import is_supported_id

    return _REFERENCE.fullmatch(name) is not None or is_supported_id(name) or is_supported_id(name.removesuffix("+"))

"""How bad: CVSS vectors where there are any, else the word of who published the advisory.

Scores are computed from the vectors, never taken from elsewhere. The bands are those of the CVSS specifications
(3.1 section 5, 4.0 section 6); CVSS 2 has none of its own, so NVD's are used (high from 7.0, no critical).
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from mcp_dockerhub.supply_chain.advisories.model import Rating, Severity

MAX_VECTOR: Final = 300
_SCALES: Final = ("CVSS:4", "CVSS:3", "CVSS:2", "Ubuntu priority", "Debian urgency")
_WORDS: Final[Mapping[str, Severity]] = {
    "critical": "critical",
    "high": "high",
    "important": "high",
    "medium": "medium",
    "moderate": "medium",
    "low": "low",
    "negligible": "negligible",
    "unimportant": "negligible",
}


def ratings_of(entry: Mapping[str, Any]) -> tuple[Rating, ...]:
    """The ratings of a record, or of one entry of its ``affected``: best scale first, worst first within one."""
    found = [*_listed(entry.get("severity")), *_words(entry)]
    return in_order(found) if len(found) > 1 else tuple(found)


def in_order(ratings: Iterable[Rating]) -> tuple[Rating, ...]:
    """Each rating once: CVSS 4, 3 and 2, then the distribution's word, then others; the highest score first."""
    return tuple(sorted(dict.fromkeys(ratings), key=lambda rating: (_rank(rating), -(rating.score or 0.0))))


def _rank(rating: Rating) -> int:
    return next((rank for rank, scale in enumerate(_SCALES) if rating.by.startswith(scale)), len(_SCALES))


def _listed(value: Any) -> Iterator[Rating]:
    for entry in value if isinstance(value, list) else ():
        if not isinstance(entry, dict):
            continue
        kind, score = entry.get("type"), entry.get("score")
        if not isinstance(kind, str) or not isinstance(score, str) or len(score) > MAX_VECTOR:
            continue
        if kind == "Ubuntu":
            yield from _word(score, "Ubuntu priority")
        elif (rating := cvss_rating(kind, score)) is not None:
            yield rating


def _words(entry: Mapping[str, Any]) -> Iterator[Rating]:
    for field, key, by in (
        ("ecosystem_specific", "urgency", "Debian urgency"),
        ("database_specific", "severity", "GHSA"),
    ):
        specific = entry.get(field)
        if isinstance(specific, dict) and isinstance(word := specific.get(key), str):
            yield from _word(word, by)


def _word(word: str, by: str) -> Iterator[Rating]:
    severity = _WORDS.get(word.strip().lower())
    if severity is not None:
        yield Rating(severity, None, word, by)


@lru_cache(maxsize=4096)
def cvss_rating(kind: str, vector: str) -> Rating | None:
    """The rating of a vector of type ``CVSS_V2``, ``CVSS_V3`` or ``CVSS_V4``; None for what is none of them."""
    from cvss import CVSS2, CVSS3, CVSS4, CVSSError  # type: ignore[import-untyped]

    reader = {"CVSS_V2": CVSS2, "CVSS_V3": CVSS3, "CVSS_V4": CVSS4}.get(kind)
    if reader is None:
        return None
    try:
        score = float(reader(vector).base_score)
    except (CVSSError, ValueError, KeyError, ArithmeticError):
        return None
    by = "CVSS:2.0" if kind == "CVSS_V2" else vector.partition("/")[0]
    return Rating(_band(score, kind), score, vector, by)


def _band(score: float, kind: str) -> Severity:
    if score >= 9.0 and kind != "CVSS_V2":
        return "critical"
    if score >= 7.0:
        return "high"
    if score >= 4.0:
        return "medium"
    return "low" if score > 0.0 else "negligible"

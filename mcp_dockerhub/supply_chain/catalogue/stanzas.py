"""Fields as Debian's control files, Alpine's database, mail headers and manifests write them."""

import itertools
from collections.abc import Iterable, Iterator


def control_stanzas(raw: bytes) -> Iterator[dict[str, str]]:
    """Paragraphs of ``Name: value`` lines; names in lower case, lines that continue a value joined by line feeds."""
    for block in raw.replace(b"\r\n", b"\n").split(b"\n\n"):
        if block.strip():
            yield fields(block)


def fields(raw: bytes) -> dict[str, str]:
    """The fields of one paragraph, of several with the same name the first."""
    return {name: values[0] for name, values in _named(_lines(raw)).items()}


def headers(raw: bytes) -> dict[str, list[str]]:
    """Mail headers up to the first empty line, every value of each name; names in lower case (PEP 566, RFC 5322)."""
    return _named(itertools.takewhile(bool, _lines(raw)))


def _lines(raw: bytes) -> list[str]:
    """Line feeds end lines, and nothing else does: licences in their full text hold form feeds."""
    return raw.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")


def _named(lines: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[list[str]]] = {}
    value: list[str] = []
    for line in lines:
        if line[:1] in (" ", "\t"):
            value.append(line.strip())
            continue
        name, colon, rest = line.partition(":")
        value = [rest.strip()]
        if colon:
            found.setdefault(name.strip().lower(), []).append(value)
    return {name: ["\n".join(parts) for parts in values] for name, values in found.items()}

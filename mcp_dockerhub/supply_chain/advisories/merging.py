"""One finding per vulnerability, however many databases wrote about it.

- Records that call each other aliases are one vulnerability, named by its CVE number where it has one.
- A distribution's record about one vulnerability (``UBUNTU-CVE-…`` with one ``upstream``) is that vulnerability.
- Chainguard's records (``CGA-…``) are about one vulnerability each, whose names they list as upstream or as related.
- A distribution's notice about several (``USN-…``, ``DSA-…``) is none of its own: it goes where each of them is
  among the hits, as related. Where one is missing it stays, because it is then the only word on that one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from mcp_dockerhub.supply_chain.advisories.model import Advisory, Hit, Query, Reference
from mcp_dockerhub.supply_chain.advisories.severity import in_order

_NOTICE: Final = re.compile(r"(?:USN|LSN|SSN|DSA|DLA|DTSA|ELA|RHSA|RLSA|ALSA|SUSE-[A-Z]+|openSUSE-[A-Z]+)-")
_ABOUT: Final = re.compile(r"(?:UBUNTU|DEBIAN|ALPINE|WOLFI|CHAINGUARD|CGA)-(CVE-\d{4}-\d{4,})")
"""Names that hold the vulnerability they are about."""
MAX_MERGED_REFERENCES: Final = 100


def merge(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """The hits of one or more queries, one per query and vulnerability, in the order of the queries."""
    by_query: dict[Query, list[Hit]] = {}
    for hit in hits:
        by_query.setdefault(hit.query, []).append(hit)
    return tuple(merged for found in by_query.values() for merged in _of_one_query(found))


def several(advisory: Advisory) -> tuple[str, ...]:
    """The vulnerabilities a record is about where they are not one: who deals with one of them has not dealt with all.

    Empty for a record that is about one, by whatever names.
    """
    if _is_notice(advisory):
        return tuple(sorted(_about(advisory)))
    own = (advisory.id, *advisory.aliases)
    return tuple(sorted(name for name in advisory.upstream if name not in own and not _ABOUT.fullmatch(name)))


def _of_one_query(hits: Sequence[Hit]) -> Iterator[Hit]:
    single = [hit for hit in hits if not _is_notice(hit.advisory)]
    notices = [hit for hit in hits if _is_notice(hit.advisory)]
    groups = _grouped(single)
    known = frozenset().union(*(_names(hit.advisory) for hit in single))
    folded = {notice.advisory.id: _about(notice.advisory) for notice in notices if _about(notice.advisory) <= known}
    for group in groups:
        names = frozenset().union(*(_names(hit.advisory) for hit in group))
        notes = [notice for notice in notices if folded.get(notice.advisory.id, frozenset()) & names]
        yield _merged(group, notes)
    yield from (notice for notice in notices if notice.advisory.id not in folded)


def names_notice(name: str) -> bool:
    """Whether ``name`` is that of a distribution's notice, which may be about several vulnerabilities."""
    return bool(_NOTICE.match(name))


def _is_notice(advisory: Advisory) -> bool:
    return names_notice(advisory.id) and len(_about(advisory)) > 1


def _about(advisory: Advisory) -> frozenset[str]:
    """The CVE numbers a notice lists; some publishers call them aliases, some upstream, the oldest related."""
    said = [name for name in (*advisory.aliases, *advisory.upstream) if name.startswith("CVE-")]
    return frozenset(said or (name for name in advisory.related if name.startswith("CVE-")))


def _names(advisory: Advisory) -> frozenset[str]:
    """What the vulnerability is called; ``upstream`` counts where it is one thing."""
    upstream = {name for name in advisory.upstream if not _ABOUT.fullmatch(name)}
    one = upstream if len(upstream) == 1 else _of_chainguard(advisory)
    held = _ABOUT.fullmatch(advisory.id)
    return frozenset((advisory.id, *advisory.aliases, *one)) | ({held[1]} if held else frozenset())


def _of_chainguard(advisory: Advisory) -> set[str]:
    """The other names of a record of Chainguard's, unless it should name several vulnerabilities after all."""
    if not advisory.id.startswith("CGA-"):
        return set()
    named = {name for name in (*advisory.upstream, *advisory.related) if name.startswith(("CVE-", "GHSA-"))}
    return named if sum(name.startswith("CVE-") for name in named) <= 1 else set()


def _grouped(hits: Sequence[Hit]) -> list[list[Hit]]:
    """Hits that share a name, directly or by way of others; in the order of their first."""
    groups: list[tuple[set[str], list[Hit]]] = []
    for hit in hits:
        names = set(_names(hit.advisory))
        touched = [group for group in groups if group[0] & names]
        if not touched:
            groups.append((names, [hit]))
            continue
        first = touched[0]
        first[0].update(names)
        first[1].append(hit)
        for other in touched[1:]:
            first[0].update(other[0])
            first[1].extend(other[1])
            groups.remove(other)
    return [group for _, group in groups]


def _preferred(name: str) -> tuple[int, str]:
    """CVE first, then GitHub's, then the rest."""
    rank = next((rank for rank, prefix in enumerate(("CVE-", "GHSA-")) if name.startswith(prefix)), 2)
    return rank, name


def _merged(group: Sequence[Hit], notes: Sequence[Hit]) -> Hit:
    if len(group) == 1 and not notes:
        return _renamed(group[0])
    # By name, so that it does not matter in which order a database gave them.
    group = sorted(group, key=lambda hit: _preferred(hit.advisory.id))
    notes = sorted(notes, key=lambda hit: hit.advisory.id)
    records = [hit.advisory for hit in group]
    names = sorted(frozenset().union(*map(_names, records)), key=_preferred)
    told = [*group, *notes]
    rating = in_order(hit.rating for hit in group if hit.rating is not None)
    advisory = replace(
        records[0],
        id=names[0],
        aliases=tuple(names[1:]),
        upstream=_union(record.upstream for record in records),
        related=_union([*(record.related for record in records), tuple(note.advisory.id for note in notes)]),
        summary=next((record.summary for record in records if record.summary), ""),
        details=next((record.details for record in records if record.details), ""),
        published=min((record.published for record in records if record.published), default=None),
        modified=max((record.modified for record in records if record.modified), default=None),
        ratings=in_order(rating for record in records for rating in record.ratings),
        references=_references(hit.advisory for hit in told),
        affected=tuple(entry for record in records for entry in record.affected),
    )
    return Hit(group[0].query, advisory, _union(hit.fixed for hit in told), rating[0] if rating else None)


def _renamed(hit: Hit) -> Hit:
    """Most vulnerabilities have one record, which is all right but for its name."""
    names = _names(hit.advisory)
    if names == {hit.advisory.id}:
        return hit
    first, *others = sorted(names, key=_preferred)
    return replace(hit, advisory=replace(hit.advisory, id=first, aliases=tuple(others)))


def _union(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for part in parts for value in part))


def _references(advisories: Iterable[Advisory]) -> tuple[Reference, ...]:
    by_url: dict[str, Reference] = {}
    for reference in (found for advisory in advisories for found in advisory.references):
        by_url.setdefault(reference.url, reference)
    return tuple(by_url.values())[:MAX_MERGED_REFERENCES]

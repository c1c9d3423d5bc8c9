"""Whether a database knows anything about a release: no answer about a release nobody lists is not "nothing known".

The OSV API answers ``{}`` for packages of releases it has never heard of. So each release that is asked about is also
asked about packages that every release has advisories on, at a version older than any.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from mcp_dockerhub.supply_chain.advisories.ecosystems import base_of
from mcp_dockerhub.supply_chain.advisories.model import Query, Unmatched

OLDEST: Final = "0"
_WATCHED: Final[Mapping[str, tuple[str, ...]]] = {
    "Debian": ("openssl", "glibc"),
    "Ubuntu": ("openssl", "glibc"),
    "Alpine": ("openssl", "busybox"),
}


def probes(queries: Iterable[Query]) -> list[Query]:
    """What to ask besides, one or two for each release among the queries."""
    releases = {query.ecosystem for query in queries if ":" in query.ecosystem}
    return sorted(
        (Query(release, name, OLDEST) for release in releases for name in _WATCHED.get(base_of(release), ())),
        key=lambda query: (query.ecosystem, query.name),
    )


def outside(queries: Sequence[Query], is_known: Callable[[str], bool], database: str) -> Iterator[Unmatched]:
    """The queries about releases that the database lists nothing for."""
    known = {release: is_known(release) for release in {q.ecosystem for q in queries if ":" in q.ecosystem}}
    for query in queries:
        if not known.get(query.ecosystem, True):
            yield Unmatched(query, f"{database} lists nothing at all about {query.ecosystem}")

"""FIRST's exploit prediction scores: one CSV line for every CVE, some hundred thousand of them.

The list is kept as it is published and read through for each question: a scan asks once, about all its CVEs.
"""

import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from datetime import date
from typing import BinaryIO, Final

import anyio.to_thread

from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.supply_chain.advisories.asking import defect
from mcp_dockerhub.supply_chain.advisories.feeds import Listing, Source
from mcp_dockerhub.supply_chain.advisories.model import EpssScore, Feed

WHAT: Final = "the EPSS scores"
MAX_PLAIN: Final = 256 * 1024 * 1024
_MAX_LINE: Final = 1000
_GZIP: Final = b"\x1f\x8b"
_DATED: Final = re.compile(rb"score_date:(\d{4}-\d{2}-\d{2})")
_HEADER: Final = b"cve,epss,percentile"


class Epss:
    """The ``EpssFeed`` that a source publishes."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def lookup(self, cves: Sequence[str]) -> Feed[EpssScore]:
        """See ``EpssFeed.lookup``."""
        try:
            published = await self._source()
            found, dated = await anyio.to_thread.run_sync(read_scores, published.body, frozenset(cves))
        except DockerHubError as error:
            return Feed({}, available=False, warning=f"How likely exploitation is, is not known: {error.message}")
        warning = f"The EPSS scores are those of {dated or 'an earlier day'}." if published.kept_since else ""
        return Feed(found, dated, warning=warning)


def read_scores(body: bytes, cves: frozenset[str]) -> tuple[dict[str, EpssScore], date | None]:
    """The scores of ``cves``, and the day they were computed. Raises UpstreamInvalid for anything else."""
    wanted = {cve.encode("ascii", "replace") for cve in cves}
    found: dict[str, EpssScore] = {}
    dated: date | None = None
    headed = False
    for line in _lines(body):
        if line.startswith(b"#"):
            said = _DATED.search(line)
            dated = _date(said[1].decode()) if said else dated
        elif not headed:
            headed = line.strip() == _HEADER
            if not headed:
                break
        elif line.partition(b",")[0] in wanted:
            score = _score(line)
            found[score.cve] = score
    if not headed:
        raise defect(WHAT, "does not start as such a list does")
    return found, dated


def _lines(body: bytes) -> Iterator[bytes]:
    plain: BinaryIO = io.BytesIO(body)
    if body.startswith(_GZIP):
        plain = io.BufferedReader(gzip.GzipFile(fileobj=plain))
    size = 0
    try:
        while line := plain.readline(_MAX_LINE):
            size += len(line)
            if size > MAX_PLAIN or len(line) == _MAX_LINE:
                raise defect(WHAT, "is beyond all bounds")
            yield line
    except (OSError, EOFError, zlib.error):
        raise defect(WHAT, "is damaged") from None


def _score(line: bytes) -> EpssScore:
    try:
        cve, score, percentile = line.decode("ascii").strip().split(",")
        found = EpssScore(cve, float(score), float(percentile))
    except ValueError:
        raise defect(WHAT, "has a line of another shape") from None
    if not (0.0 <= found.score <= 1.0 and 0.0 <= found.percentile <= 1.0):
        raise defect(WHAT, "has a score beyond 0 and 1")
    return found


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


LISTING: Final = Listing(WHAT, lambda body: read_scores(body, frozenset()))

"""The provenance attached to an image: statements read, checked to be about it, their signatures judged."""

from dataclasses import dataclass
from typing import Final

from mcp_dockerhub.errors import NotFound, TooLarge, Unsupported, UpstreamInvalid
from mcp_dockerhub.supply_chain.attachments import PROVENANCE, Attachment
from mcp_dockerhub.supply_chain.discovery import Discovery
from mcp_dockerhub.supply_chain.opening import MAX_OPENED, Opened, Opener, on_thread
from mcp_dockerhub.supply_chain.provenance.build import Build
from mcp_dockerhub.supply_chain.provenance.levels import BuildLevel, level_of
from mcp_dockerhub.supply_chain.provenance.slsa import read_build
from mcp_dockerhub.supply_chain.signatures.documents import Judge
from mcp_dockerhub.supply_chain.signatures.verdicts import Verdict

_UNUSABLE: Final = (UpstreamInvalid, Unsupported, TooLarge)


@dataclass(frozen=True, slots=True)
class FoundBuild:
    """A build, where its statement was found, and what the statement is worth."""

    build: Build
    attachment: Attachment
    verdict: Verdict | None
    """On the signature over it; None where it is not signed, or was not judged."""

    @property
    def level(self) -> BuildLevel:
        return level_of(self.build, self.verdict)


async def first_build(discovery: Discovery) -> FoundBuild | None:
    """The build by the first usable statement, cheapest place first, its signature not judged; None without any.

    Raises the reason when there are statements and none can be used.
    """
    opener = Opener(discovery)
    found = await opener.first((PROVENANCE,), lambda opened: _read(opener, opened, None))
    return found[1] if found else None


async def every_build(discovery: Discovery, judge: Judge) -> list[FoundBuild]:
    """All builds stated anywhere, the one with the best evidence first.

    Raises the reason when there are statements and none can be used.
    """
    opener = Opener(discovery)
    found: list[FoundBuild] = []
    async for stage in discovery.stages(("att",)):
        for attachment in stage:
            if attachment.may_hold(PROVENANCE) and opener.opened < MAX_OPENED:
                found += await _attempt(opener, attachment, judge)
    if not found and opener.refused:
        raise opener.refused[0]
    return sorted(found, key=lambda entry: -entry.level.level)


async def _attempt(opener: Opener, attachment: Attachment, judge: Judge) -> list[FoundBuild]:
    try:
        opened = await opener.fetch(attachment)
        read = await on_thread(lambda document: _read(opener, document, judge), opened)
    except NotFound as error:
        opener.missing(error)
    except _UNUSABLE as error:
        opener.refuse(error)
    else:
        return [read] if read else []
    return []


def _read(opener: Opener, opened: Opened, judge: Judge | None) -> FoundBuild | None:
    stated = opener.state(opened)
    if not stated.statement.predicate_type.startswith(PROVENANCE):
        return None
    finding = judge.finding(opened, opener.discovery.target.digests) if judge else None
    return FoundBuild(read_build(stated.statement), opened.attachment, finding.verdict if finding else None)

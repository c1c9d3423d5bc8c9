"""Fetching what was found attached to an image, and making sure that it is about that image.

From the tag down every step is held together by digests: the index lists the image's manifest and the manifest that
carries the document, that one lists the document, and the statement in it must name the image's manifest (or its
index) as its subject. What fails on the way is refused, with the reason said, and the next document is tried.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import DockerHubError, NotFound, TooLarge, Unsupported, UpstreamInvalid
from mcp_dockerhub.reference import Digest
from mcp_dockerhub.supply_chain.attachments import Attachment, Form
from mcp_dockerhub.supply_chain.discovery import Discovery
from mcp_dockerhub.supply_chain.json_walk import MAX_DOCUMENT
from mcp_dockerhub.supply_chain.statements import Envelope, Statement, check_subject, unwrap

T = TypeVar("T")

MAX_OPENED: Final = 16
"""Documents fetched for one answer."""
MAX_AT_ONCE: Final = 2
"""Documents parsed at the same time in the whole process: each may take several times its size in memory."""
_UNUSABLE: Final = (UpstreamInvalid, Unsupported, TooLarge)
_THREADS: Final = ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="documents")

Order = Callable[[list[Attachment]], list[Attachment]]


@dataclass(frozen=True, slots=True)
class Opened:
    """A document's bytes, verified against the digest its manifest lists."""

    attachment: Attachment
    raw: bytes = field(repr=False)
    what: str
    """Names it in messages."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A statement that is about the image."""

    statement: Statement
    envelope: Envelope | None
    about: Digest


async def on_thread(function: Callable[[Opened], T], opened: Opened) -> T:
    """``function`` of a document, off the event loop, when it is its turn."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, function, opened)


@dataclass(slots=True)
class Opener:
    """Opens documents of one discovery; ``refused`` has the reasons why some were not used."""

    discovery: Discovery
    limit: int = MAX_DOCUMENT
    refused: list[DockerHubError] = field(default_factory=list)
    opened: int = 0

    @property
    def access(self) -> Access:
        return self.discovery.access

    async def fetch(self, attachment: Attachment) -> Opened:
        """The document's bytes."""
        target = self.discovery.target
        registry, repository = self.discovery.sources.registry, target.ref.repository
        found = await registry.blob(self.access, repository, attachment.blob, self.limit)
        self.opened += 1
        raw = self.discovery.seen.take(found)
        what = f"The document {attachment.blob.digest[:19]}… attached to {target.named.familiar}"
        return Opened(attachment, raw, what)

    def state(self, opened: Opened) -> Stated:
        """The statement in a document, checked to be about the image. Takes long for large ones: use a thread."""
        statement, envelope = unwrap(opened.raw, opened.what)
        about = check_subject(statement, self._subjects(opened.attachment), opened.what)
        return Stated(statement, envelope, about)

    def _subjects(self, attachment: Attachment) -> tuple[Digest, ...]:
        """BuildKit writes about one platform's manifest; cosign and others about whatever they are attached to."""
        target = self.discovery.target
        return (target.manifest,) if attachment.where == "index" else target.digests

    async def first(
        self, predicates: tuple[str, ...], read: Callable[[Opened], T | None], order: Order = list
    ) -> tuple[Attachment, T] | None:
        """The first usable document of one of ``predicates`` as ``read`` makes it, which runs on a thread of its own.

        ``order`` sorts what is found in one place; ``read`` returns None for documents that are not wanted after
        all. None where there is none, or none of a form that is read. Raises UpstreamInvalid when all there are were
        refused and one of them as damaged, forged or foreign: that must not pass for "nothing attached".
        """
        async for stage in self.discovery.stages():
            for attachment in order([entry for entry in stage if entry.may_hold(*predicates)]):
                found = await self._attempt(attachment, read) if self.opened < MAX_OPENED else None
                if found is not None:
                    return attachment, found
        for error in self.refused:
            if isinstance(error, UpstreamInvalid):
                raise error
        return None

    async def _attempt(self, attachment: Attachment, read: Callable[[Opened], T | None]) -> T | None:
        try:
            opened = await self.fetch(attachment)
            return await on_thread(read, opened)
        except NotFound as error:
            self.missing(error)
        except _UNUSABLE as error:
            self.refuse(error)
        return None

    def missing(self, error: NotFound) -> None:
        """The registry lists a document that it does not hold: what it says is not known."""
        self.discovery.incomplete = True
        self.discovery.seen.warn(f"A document attached to the image is gone: {error.message}")

    def refuse(self, error: DockerHubError) -> None:
        """Leave a document out, and say why."""
        self.refused.append(error)
        self.discovery.seen.warn(error.message)


def is_bare(opened: Opened) -> bool:
    """Whether the document is an SBOM without a statement: only where it is kept says what it is about."""
    return opened.attachment.form is Form.SBOM

"""The VEX documents that count for an image: attached to it, and given by the caller."""

import asyncio
from collections.abc import Sequence
from typing import Final

from mcp_dockerhub.errors import InvalidInput, NotFound, TooLarge, Unsupported, UpstreamInvalid
from mcp_dockerhub.supply_chain.attachments import Attachment
from mcp_dockerhub.supply_chain.discovery import Discovery
from mcp_dockerhub.supply_chain.opening import MAX_OPENED, Opened, Opener, on_thread
from mcp_dockerhub.supply_chain.vulnerabilities.model import VexSource
from mcp_dockerhub.supply_chain.vulnerabilities.vex import CONTEXT, VexDocument, read_vex
from mcp_dockerhub.transport.documents import parse_json

MAX_BYTES: Final = 8 * 1024 * 1024
_UNUSABLE: Final = (UpstreamInvalid, Unsupported, TooLarge)


async def attached(discovery: Discovery) -> list[VexDocument]:
    """Every VEX statement attached to the image; ``discovery.incomplete`` tells whether there may be more.

    One that cannot be used becomes a warning: the marks it would have made are missing, and no finding is.
    """
    opener = Opener(discovery, MAX_BYTES)
    found: list[VexDocument] = []
    async for stage in discovery.stages(("att",)):
        for attachment in stage:
            # A document of which nothing says what it is may be an SBOM of many megabytes: those are not tried.
            if attachment.predicate_type.startswith(CONTEXT) and opener.opened < MAX_OPENED:
                found += await _attempt(opener, attachment)
    return found


async def _attempt(opener: Opener, attachment: Attachment) -> list[VexDocument]:
    try:
        opened = await opener.fetch(attachment)
        return [await on_thread(lambda document: _read(opener, document), opened)]
    except NotFound as error:
        opener.missing(error)
    except InvalidInput as error:
        opener.discovery.seen.warn(error.message)
    except _UNUSABLE as error:
        opener.refuse(error)
    return []


def _read(opener: Opener, opened: Opened) -> VexDocument:
    stated = opener.state(opened)
    source = f"{opened.attachment.blob.digest} attached to the image"
    return read_vex(stated.statement.load(), source, attested=True)


async def given(documents: Sequence[VexSource]) -> list[VexDocument]:
    """The caller's own documents; raises InvalidInput for what is none: they were given to be used."""
    return [await asyncio.to_thread(_parsed, document) for document in documents]


def _parsed(document: VexSource) -> VexDocument:
    if len(document.raw) > MAX_BYTES:
        raise InvalidInput(f"{document.name} has {len(document.raw)} bytes; at most {MAX_BYTES} are read.")
    try:
        content = parse_json(document.raw, document.name)
    except TooLarge as error:
        raise InvalidInput(error.message) from None
    except ValueError:
        raise InvalidInput(f"{document.name} is not JSON.") from None
    return read_vex(content, document.name)


def problems(documents: Sequence[VexDocument]) -> list[str]:
    """A warning for each document that is not used whole."""
    return [
        f"{document.skipped} of the statements of the VEX document {document.source} break its specification and are "
        "not used."
        for document in documents
        if document.skipped
    ]

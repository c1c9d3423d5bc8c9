"""``Warning`` headers: what a registry wants people to know (distribution-spec, "Warnings").

Untrusted prose: shown as the registry's words, never acted on.
"""

import re
from typing import Final

from mcp_dockerhub.results import QUOTED
from mcp_dockerhub.transport.client import Response

MAX_COUNT: Final = 10
MAX_NOTICES: Final = 4096
"""Characters of all warnings of one answer together, as the specification has it."""
_NOTICE: Final = re.compile(r'299\s+\S+\s+"((?:[^"\\]|\\.)*)"')


def notices(*responses: Response) -> tuple[str, ...]:
    """The warnings of some answers, each once, in order; anything malformed or past the bounds is left out."""
    found: dict[str, None] = {}
    room = MAX_NOTICES
    for response in responses:
        for value in response.headers.get("warning", ()):
            for match in _NOTICE.finditer(value[:MAX_NOTICES]):
                text = re.sub(r"\\(.)", r"\1", match[1]).strip()
                if text and text not in found and len(text) <= room and len(found) < MAX_COUNT:
                    found[text] = None
                    room -= len(text)
    return tuple(f"{QUOTED}{text}" for text in found)

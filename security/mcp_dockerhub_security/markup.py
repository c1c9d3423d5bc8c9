"""Making HTML and markdown in prose inert: text stays, tags go, links show where they lead without leading there.

An image that a client loads by itself can carry data out in its address, and a link can say one thing and lead
to another. So an image becomes its alternative text and its address is dropped; a link becomes its text with
the address behind it in code quotes, which no renderer follows; a link inside the document becomes its text.
What does not parse as simple markdown loses the adjacency that would make it a link.
"""

import html
import re
from typing import Final

import nh3

from mcp_dockerhub_security.counting import report

_MAX_ROUNDS: Final = 5

# Possessive throughout: text that is nearly a link must not cost more than text. What a greedy match would still have
# found by going back stays unmatched here, and loses the adjacency that makes a link.
_DESTINATION: Final = (
    r"\]\(\s*+([^()<>\s]*+(?:\([^()\s]*+\)[^()<>\s]*+)*+)(?:\s++(?:\"[^\"\n]{0,300}+\"|'[^'\n]{0,300}+'))?+\s*+\)"
)
_IMAGE: Final = re.compile(r"!\[([^\[\]]*+)" + _DESTINATION)
_LINK: Final = re.compile(r"\[([^\[\]]*+)" + _DESTINATION)
_AUTOLINK: Final = re.compile(r"<((?:[A-Za-z][A-Za-z0-9+.-]{1,31}:|[^\s<>@]{1,64}@)[^\s<>]{1,2048})>")
_ANGLED: Final = re.compile(r"\]\(\s*+<([^<>\n]*+)>")
_DEFINITION: Final = re.compile(r"\]:(?=\s*+\S)")
_OPEN_TAG: Final = re.compile(r"<(?=[A-Za-z/!?])")
_JOINED: Final = re.compile(r"\](?=[(\[])")


def defuse(text: str) -> str:
    """Text without tags, live images and links; stable when applied again.

    Removing one thing can bring another to life (``<textarea><img>``, a tag spelled by a link's text), so it is
    repeated until nothing changes; what still changes after a few rounds is made for that and loses every ``<``.
    """
    for _ in range(_MAX_ROUNDS):
        plain = _without_links(_without_tags(text))
        if plain == text:
            return plain
        text = plain
    return _without_links(text.replace("<", ""))


def _without_tags(text: str) -> str:
    """Tags, comments, scripts and styles removed; everything else, entities included, as it was typed."""
    if "<" not in text:
        return text
    text = _AUTOLINK.sub(_code, _ANGLED.sub(r"](\1", text))
    closed = text.rfind(">") + 1
    # What no '>' ends is no tag, and a parser would drop the rest of the text; the space keeps it no tag.
    text = text[:closed] + _OPEN_TAG.sub("< ", text[closed:])
    escaped = text.replace("&", "&amp;")
    cleaned = html.unescape(nh3.clean(escaped, tags=set()))
    report("html", int(cleaned != text))
    return cleaned


def _without_links(text: str) -> str:
    if "]" not in text:
        return text
    text, images = _IMAGE.subn(r"(image: \1)", text)
    text, links = _LINK.subn(_plain_link, text)
    text, joined = _JOINED.subn("] ", text)
    text, definitions = _DEFINITION.subn("] :", text)
    report("image", images)
    report("link", links + joined + definitions)
    return text


def _plain_link(match: re.Match[str]) -> str:
    label, destination = match[1], match[2]
    if not destination or destination.startswith("#"):
        return label
    if label == destination:
        return f"`{_unquoted(destination)}`"
    return f"{label} (`{_unquoted(destination)}`)"


def _code(match: re.Match[str]) -> str:
    return f"`{_unquoted(match[1])}`"


def _unquoted(destination: str) -> str:
    """An address that cannot end the code quotes around it."""
    return destination.replace("`", "%60")

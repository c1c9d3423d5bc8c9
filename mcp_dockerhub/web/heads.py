"""Heads of HTTP/1 requests that two servers may read differently, refused before anything reads them.

A proxy in front and the parser behind must agree where a request ends; every known way to make them disagree
(RFC 9112, sections 2.2, 5.1, 5.2, 6.1, 6.3 and 11.2) is no honest client's.
"""

import re
from typing import Final

from mcp_dockerhub.web.errors import HttpError
from mcp_dockerhub.web.routing import MAX_HEADER_BYTES, MAX_HEADERS

MAX_HEAD: Final = MAX_HEADER_BYTES + 8 * 1024
"""Bytes of a whole head: fields, their punctuation and the request line."""

_END: Final = re.compile(rb"\n\r?\n")
_HEAD: Final = re.compile(
    rb"[A-Z]{1,20} /[\x21-\x7e]* HTTP/1\.([01])\r\n"
    rb"(?:[!#$%%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n){0,%d}+\r\n" % MAX_HEADERS
)
"""A request line and whole fields, one a line (RFC 9112, sections 3 and 5), each with a name that is a token and a
value without control characters (RFC 9110, sections 5.1 and 5.5)."""
_FRAMING: Final = re.compile(rb"\n(host|content-length|transfer-encoding):([^\r\n]*)", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"[0-9]{1,12}")


def end_of_head(data: bytes | bytearray, start: int = 0) -> int:
    """Where the head ends, blank line included; -1 where it does not yet. ``start`` is what was searched before."""
    found = _END.search(data, max(0, start - 2))
    return found.end() if found else -1


def check_head(head: bytes) -> None:
    """Refuse an ambiguous or overlong head, blank line included; raises HttpError."""
    if len(head) > MAX_HEAD:
        raise too_large()
    found = _HEAD.fullmatch(head)
    if found is None:
        # Too many fields are told from broken ones only here: honest requests need not pay for it.
        raise (
            too_large() if head.count(b"\n") > MAX_HEADERS + 2 else _ambiguous("The head of the request is malformed.")
        )
    fields: dict[bytes, list[bytes]] = {b"host": [], b"content-length": [], b"transfer-encoding": []}
    for name, value in _FRAMING.findall(head):
        fields[name.lower()].append(value.strip(b" \t"))
    _check_framing(fields, modern=found[1] == b"1")


def _check_framing(fields: dict[bytes, list[bytes]], *, modern: bool) -> None:
    hosts, lengths, codings = fields.values()
    if len(hosts) > 1 or (modern and not hosts):
        raise _ambiguous("The request must have one Host.")
    if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
        raise _ambiguous("The Content-Length is not one number.")
    if not codings:
        return
    if lengths or not modern:
        raise _ambiguous("The body's end is said in two ways.")
    if len(codings) > 1 or codings[0].lower() != b"chunked":
        raise HttpError(
            501,
            "UNSUPPORTED",
            "The only transfer coding taken is chunked.",
            rule="transfer_coding",
            headers=(("connection", "close"),),
        )


def too_large() -> HttpError:
    """The refusal of a head with too many fields or bytes."""
    return HttpError(
        431,
        "TOO_LARGE",
        "The request has too many header fields, or too large ones.",
        rule="headers_too_large",
        hint=f"At most {MAX_HEADERS} fields and {MAX_HEADER_BYTES} bytes.",
        headers=(("connection", "close"),),
    )


def _ambiguous(message: str) -> HttpError:
    return HttpError(400, "INVALID_INPUT", message, rule="head_ambiguous", headers=(("connection", "close"),))

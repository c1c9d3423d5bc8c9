"""in-toto statements, and the DSSE envelopes and Sigstore bundles they come in.

(in-toto attestation spec v1 "Statement", v0.1; DSSE v1 "Envelope", "Protocol"; Sigstore bundle v0.1 to v0.3.)
A statement says nothing until its subject is the very digest that was asked about.
"""

import base64
import binascii
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_dockerhub.errors import TooLarge, UpstreamInvalid
from mcp_dockerhub.reference import Digest
from mcp_dockerhub.supply_chain.json_walk import MAX_DOCUMENT, MAX_SMALL, JsonWalk, decode, load

STATEMENT_TYPES: Final = frozenset({"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"})
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
MAX_SUBJECTS: Final = 1024
MAX_SIGNATURES: Final = 16
_ELSEWHERE: Final = "Do not rely on this document; tell whoever published the image."


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing a statement is about."""

    name: str
    digests: Mapping[str, str] = field(hash=False)
    """Hexadecimal digests by algorithm."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement whose predicate is still text: what is in it is read by whoever knows its type."""

    predicate_type: str
    subjects: tuple[Subject, ...]
    walk: JsonWalk = field(repr=False)
    predicate: int
    """Where in the text of ``walk`` the predicate begins."""

    def about(self, digests: Collection[Digest]) -> Digest | None:
        """Which of ``digests`` it is about, None when it is about something else."""
        named = {f"{algorithm}:{value}" for subject in self.subjects for algorithm, value in subject.digests.items()}
        return next((digest for digest in digests if digest in named), None)

    def load(self) -> dict[str, Any]:
        """The predicate whole, at most ``MAX_SMALL`` characters of it; raise UpstreamInvalid unless an object."""
        if len(self.walk.text) - self.predicate > MAX_SMALL:
            raise TooLarge(f"{self.walk.what} has more than {MAX_SMALL} characters.")
        value, _ = self.walk.value(self.predicate)
        if not isinstance(value, dict):
            raise UpstreamInvalid(f"{self.walk.what} has no predicate that is an object.")
        return value


@dataclass(frozen=True, slots=True)
class Envelope:
    """A DSSE envelope: signed bytes and signatures over them, none of which is checked by reading it."""

    payload_type: str
    payload: bytes = field(repr=False)
    signatures: tuple[bytes, ...] = field(repr=False)

    @property
    def signed_bytes(self) -> bytes:
        """What the signatures are over: the pre-authentication encoding of type and payload (DSSE, "Protocol")."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)


def read_statement(raw: bytes, what: str) -> Statement:
    """The statement in ``raw``; raise UpstreamInvalid unless it is one, TooLarge beyond our bounds."""
    walk = JsonWalk(decode(raw, what), what)
    found: dict[str, Any] = {}
    predicate = -1

    def keep(name: str) -> Callable[[int], int]:
        def handler(position: int) -> int:
            found[name], end = walk.value(position)
            return end

        return handler

    def mark(position: int) -> int:
        nonlocal predicate
        predicate = position
        return _skip_predicate(walk, position)

    handlers = {name: keep(name) for name in ("_type", "predicateType", "subject")}
    walk.end(walk.members(walk.start(), {**handlers, "predicate": mark}))
    predicate_type = found.get("predicateType")
    if found.get("_type") not in STATEMENT_TYPES or not isinstance(predicate_type, str) or predicate < 0:
        raise UpstreamInvalid(f"{what} is not an in-toto statement of a known version.")
    return Statement(predicate_type[:512], _subjects(found.get("subject"), what), walk, predicate)


def _skip_predicate(walk: JsonWalk, position: int) -> int:
    """Past an object whose lists may be huge, one element at a time."""
    if not walk.is_object(position):
        return walk.skip(position)
    lists = dict.fromkeys(("packages", "files", "relationships", "components", "snippets"), _dropping(walk))
    return walk.members(position, lists)


def _dropping(walk: JsonWalk) -> Callable[[int], int]:
    return lambda position: walk.elements(position, lambda _: None)


def _subjects(value: Any, what: str) -> tuple[Subject, ...]:
    if not isinstance(value, list) or not value:
        raise UpstreamInvalid(f"{what} does not say what it is about.", hint=_ELSEWHERE)
    if len(value) > MAX_SUBJECTS:
        raise TooLarge(f"{what} is about more than {MAX_SUBJECTS} things.")
    return tuple(_subject(entry) for entry in value if isinstance(entry, dict))


def _subject(entry: dict[str, Any]) -> Subject:
    name, digests = entry.get("name"), entry.get("digest")
    known = digests if isinstance(digests, dict) else {}
    texts = {algorithm: value for algorithm, value in known.items() if isinstance(value, str)}
    return Subject(name[:1024] if isinstance(name, str) else "", texts)


def check_subject(statement: Statement, digests: Collection[Digest], what: str) -> Digest:
    """Which of ``digests`` the statement is about; raise UpstreamInvalid when it is about something else."""
    about = statement.about(digests)
    if about is None:
        raise UpstreamInvalid(
            f"{what} is a statement about something else than the image it is attached to: refused.", hint=_ELSEWHERE
        )
    return about


def read_envelope(document: Mapping[str, Any], what: str) -> Envelope:
    """The envelope in a parsed document; raise UpstreamInvalid unless it is one."""
    payload, kind, signatures = (document.get(name) for name in ("payload", "payloadType", "signatures"))
    if not isinstance(payload, str) or not isinstance(kind, str) or not isinstance(signatures, list):
        raise UpstreamInvalid(f"{what} is not a DSSE envelope.")
    if len(signatures) > MAX_SIGNATURES:
        raise TooLarge(f"{what} has more than {MAX_SIGNATURES} signatures.")
    found = [entry.get("sig") for entry in signatures if isinstance(entry, dict)]
    signed = tuple(_base64(entry, what) for entry in found if isinstance(entry, str))
    return Envelope(kind, _base64(payload, what), signed)


def _base64(text: str, what: str) -> bytes:
    """Standard or URL-safe, as DSSE allows both."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise UpstreamInvalid(f"{what} has a part that is not base64.") from None


def envelope_of(raw: bytes, what: str) -> Envelope | None:
    """The envelope in a document: bare, or in a Sigstore bundle; None when it is neither."""
    if not _looks_wrapped(raw):
        return None
    document = load(raw, what, MAX_DOCUMENT)
    inner = document.get("dsseEnvelope", document)
    return read_envelope(inner, what) if isinstance(inner, dict) and "payload" in inner else None


def _looks_wrapped(raw: bytes) -> bool:
    """Whether parsing whole is worth it: an envelope is a handful of values, however long its payload."""
    return b'"payload' in raw and raw.count(b",") < 4096


def unwrap(raw: bytes, what: str) -> tuple[Statement, Envelope | None]:
    """The statement in a document of any of the three forms, and the envelope it came in."""
    envelope = envelope_of(raw, what)
    if envelope is None:
        return read_statement(raw, what), None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise UpstreamInvalid(f"{what} is an envelope around something that is no in-toto statement.")
    return read_statement(envelope.payload, what), envelope

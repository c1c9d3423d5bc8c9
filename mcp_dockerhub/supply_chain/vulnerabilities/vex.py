"""OpenVEX 0.2.0 documents: statements about vulnerabilities in products, and which of them are about a finding.

(OpenVEX specification v0.2.0, "The VEX Statement", "Product", "Inheritance Flow"; ATTESTING.md.) A statement about an
image counts for the packages it names as subcomponents, or for all where it names none. A statement about a package
counts wherever that package is. The newest statement about a finding wins.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard, get_args

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.registry.fields import moment
from mcp_dockerhub.supply_chain.packages import MAX_TEXT, Package
from mcp_dockerhub.supply_chain.purls import PurlFacts, read_purl
from mcp_dockerhub.supply_chain.vocabulary import VexStatus
from mcp_dockerhub.supply_chain.vulnerabilities.model import HARMLESS, Finding, VexMark

CONTEXT: Final = "https://openvex.dev/ns"
"""Predicate type of attestations, and what a document's ``@context`` begins with."""
MAX_STATEMENTS: Final = 50_000
MAX_NAMES: Final = 1_000
"""Aliases, products or subcomponents of one statement."""
_STATUSES: Final = frozenset(get_args(VexStatus))
_IMAGES: Final = frozenset({"oci", "docker"})
_HASHES: Final = ("sha-256", "sha256")


@dataclass(frozen=True, slots=True)
class Subject:
    """The image that statements may be about."""

    ref: Reference
    digests: tuple[Digest, ...]
    """Its manifest, and the index it is in."""
    platform: Platform


@dataclass(frozen=True, slots=True)
class Component:
    """A product or a part of one, by everything it is called."""

    names: tuple[str, ...]
    digests: tuple[str, ...] = ()
    parts: tuple["Component", ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """What a document says of one vulnerability in some products."""

    vulnerabilities: frozenset[str]
    products: tuple[Component, ...]
    """Empty: the subject of the attestation the document came in."""
    mark: VexMark


@dataclass(frozen=True, slots=True)
class VexDocument:
    """One document, read."""

    source: str
    statements: tuple[Statement, ...]
    attested: bool = False
    """Whether it came as a statement about this very image."""
    skipped: int = 0
    """Statements that break the specification, and so say nothing."""


def read_vex(document: Any, source: str, *, attested: bool = False) -> VexDocument:
    """A parsed document; raise InvalidInput unless it is OpenVEX. ``source`` is what it is called in answers."""
    statements = document.get("statements") if isinstance(document, dict) else None
    if not isinstance(statements, list) or not str(document.get("@context", "")).startswith(CONTEXT):
        raise InvalidInput(f"{source} is not an OpenVEX document.", hint="It needs an @context of openvex.dev.")
    if len(statements) > MAX_STATEMENTS:
        raise InvalidInput(f"{source} has {len(statements)} statements; at most {MAX_STATEMENTS} are read.")
    author, written = _text(document.get("author")), _when(document)
    read = [_statement(entry, source, author, written) for entry in statements]
    kept = tuple(entry for entry in read if entry is not None)
    return VexDocument(source, kept, attested, len(read) - len(kept))


def _statement(entry: Any, source: str, author: str, written: datetime | None) -> Statement | None:
    if not isinstance(entry, dict) or not _is_status(entry.get("status")):
        return None
    status: VexStatus = entry["status"]
    names = _vulnerability(entry.get("vulnerability"))
    justification, impact = _text(entry.get("justification")), _text(entry.get("impact_statement"))
    if not names or (status == "not_affected" and not justification and not impact):
        return None
    said = impact or _text(entry.get("action_statement")) or _text(entry.get("status_notes"))
    mark = VexMark(status, justification, said, author, source, _when(entry) or written)
    listed = entry.get("products")
    products = _components(listed)
    if listed and not products:
        return None
    return Statement(names, products, mark)


def _is_status(value: Any) -> TypeGuard[VexStatus]:
    return isinstance(value, str) and value in _STATUSES


def _vulnerability(value: Any) -> frozenset[str]:
    """Every name of a vulnerability: an object since 0.2.0, text before."""
    if isinstance(value, str):
        return frozenset({value[:MAX_TEXT]}) if value else frozenset()
    if not isinstance(value, dict):
        return frozenset()
    aliases = value.get("aliases")
    listed = aliases[:MAX_NAMES] if isinstance(aliases, list) else []
    identifier = _text(value.get("@id")).rstrip("/").rpartition("/")[2]
    return frozenset(filter(None, (_text(value.get("name")), identifier, *map(_text, listed))))


def _components(value: Any, *, nested: bool = False) -> tuple[Component, ...]:
    entries = value[:MAX_NAMES] if isinstance(value, list) else []
    found = (_component(entry, nested=nested) for entry in entries)
    return tuple(entry for entry in found if entry.names or entry.digests)


def _component(entry: Any, *, nested: bool) -> Component:
    if isinstance(entry, str):
        return Component((entry[:MAX_TEXT],) if entry else ())
    if not isinstance(entry, dict):
        return Component(())
    identifiers, hashes = _object(entry.get("identifiers")), _object(entry.get("hashes"))
    names = tuple(filter(None, (_text(entry.get("@id")), *map(_text, identifiers.values()))))
    digests = tuple(f"sha256:{_text(value).lower()}" for name, value in hashes.items() if name.lower() in _HASHES)
    parts = () if nested else _components(entry.get("subcomponents"), nested=True)
    # A list of parts of which none can be read is not "all parts".
    if not nested and entry.get("subcomponents") and not parts:
        return Component(())
    return Component(names, digests, parts)


class Marks:
    """What some documents say, found by the names of vulnerabilities."""

    def __init__(self, documents: Iterable[VexDocument], subject: Subject) -> None:
        self._subject = subject
        self._said: dict[str, list[tuple[int, Statement, VexDocument]]] = {}
        listed = ((statement, document) for document in documents for statement in document.statements)
        for place, (statement, document) in enumerate(listed):
            for name in statement.vulnerabilities:
                self._said.setdefault(name, []).append((place, statement, document))

    def about(self, finding: Finding) -> VexMark | None:
        """The mark of a finding; of one about several vulnerabilities the most alarming, if each of them has one."""
        own = self.of(finding.names, finding.packages)
        each = [self.of((name,), finding.packages) for name in finding.about]
        marks = [mark for mark in each if mark is not None]
        if own is not None or len(marks) < len(each):
            return own
        return min(marks, key=lambda mark: mark.status in HARMLESS, default=None)

    def of(self, names: Iterable[str], packages: Sequence[Package]) -> VexMark | None:
        """The newest mark about a vulnerability, by any of its ``names``, in all of ``packages``."""
        found = {
            place: statement.mark
            for name in names
            for place, statement, document in self._said.get(name, ())
            if _about(statement, document, self._subject, packages)
        }
        # Of equally old ones the last: documents are sequences in which later statements correct earlier ones.
        newest = max(found, key=lambda place: (_age(found[place]), place), default=None)
        return None if newest is None else found[newest]


def _age(mark: VexMark) -> datetime:
    return mark.timestamp or datetime.min.replace(tzinfo=UTC)


def _about(statement: Statement, document: VexDocument, subject: Subject, packages: Sequence[Package]) -> bool:
    if not statement.products:
        return document.attested
    return all(any(_covers(product, subject, package) for product in statement.products) for package in packages)


def _covers(product: Component, subject: Subject, package: Package) -> bool:
    if _is_image(product, subject):
        return not product.parts or any(_is_package(part, package) for part in product.parts)
    return not product.parts and _is_package(product, package)


def _is_image(product: Component, subject: Subject) -> bool:
    return bool(set(product.digests) & set(subject.digests)) or any(
        _names_image(name, subject) for name in product.names
    )


def _names_image(name: str, subject: Subject) -> bool:
    """By digest, or by a package URL or reference that may leave out the digest but then names the same repository."""
    if not name.startswith("pkg:"):
        own = (str(subject.ref), subject.ref.familiar)
        return name in own or any(name in (digest, f"{subject.ref.repository}@{digest}") for digest in subject.digests)
    purl = read_purl(name)
    if purl.type not in _IMAGES:
        return False
    platform, architecture = (purl.qualifiers.get(key, "") for key in ("platform", "arch"))
    if platform not in ("", str(subject.platform)) or architecture not in ("", subject.platform.architecture):
        return False
    if purl.version.startswith("sha256:"):
        return purl.version in subject.digests
    version = purl.qualifiers.get("tag", "") or purl.version
    return version in ("", subject.ref.tag) and _same_repository(purl, subject)


def _same_repository(purl: PurlFacts, subject: Subject) -> bool:
    """``pkg:oci`` says where it is kept in ``repository_url``; ``pkg:docker`` is Docker Hub's unless it says so too."""
    url = purl.qualifiers.get("repository_url", "").removeprefix("https://").rstrip("/")
    if not url and purl.type == "oci":
        return False
    where = f"{url or 'docker.io'}/{purl.name}"
    if purl.type == "oci" and url.endswith(f"/{purl.name}"):
        where = url
    repository = subject.ref.repository
    return where.lower() in _spellings(repository.registry, repository.path)


def _spellings(registry: str, path: str) -> set[str]:
    hosts = {"docker.io", "index.docker.io", "registry-1.docker.io"} if registry == "docker.io" else {registry}
    paths = {path, path.removeprefix("library/")} if registry == "docker.io" else {path}
    return {f"{host}/{name}".lower() for host in hosts for name in paths}


def _is_package(component: Component, package: Package) -> bool:
    return any(_names_package(name, package) for name in component.names)


def _names_package(name: str, package: Package) -> bool:
    """A package URL without a version is about all of them; qualifiers it has must fit."""
    wanted = read_purl(name)
    if not wanted.type or wanted.type != package.type:
        return False
    own = read_purl(package.purl)
    names = {package.name, package.source[0]} if package.type in ("deb", "apk", "rpm") else {package.name}
    if wanted.name not in names or (wanted.namespace and own.namespace and wanted.namespace != own.namespace):
        return False
    versions = {package.version, package.source[1] if wanted.name == package.source[0] else package.version}
    if wanted.version and wanted.version not in versions:
        return False
    mine = {**own.qualifiers, "arch": own.qualifiers.get("arch", package.arch)}
    return all(mine.get(key, value) in (value, "") for key, value in wanted.qualifiers.items())


def _when(entry: Mapping[str, Any]) -> datetime | None:
    return moment(entry, "last_updated") or moment(entry, "timestamp")


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) and len(value) <= MAX_NAMES else {}


def _text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""

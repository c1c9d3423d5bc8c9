"""What the tools of the toolset answer. Kept apart from the services, which are loaded with the first call."""

from datetime import datetime
from typing import Annotated, Final

from mcp_dockerhub import render
from mcp_dockerhub.results import Result
from mcp_dockerhub.supply_chain.packages import Found, GapKind
from mcp_dockerhub.supply_chain.vocabulary import Kind, MaterialKind, Mode, Status, Where
from mcp_dockerhub_security.sanitize import Code, Identifier, OutputModel, Remark, code_of

MAX_WRITTEN: Final = 4 * 1024 * 1024
"""Characters of a document that is handed out whole."""
_SHOWN: Final = 12
_EMPTY_VERSION: Final = "?"
_HEADLINES: Final = {
    "no_signature": "not signed",
    "not_verifiable_here": "signed, not verifiable here",
    "bad_signature": "BAD SIGNATURE",
    "signed_by_someone_else": "signed by someone else",
    "verified": "verified",
}


class SbomPackage(OutputModel):
    name: Identifier
    version: Identifier
    """Empty where not known."""
    type: Identifier
    """Package URL type."""
    purl: Identifier
    licenses: list[Identifier]
    location: Code
    """Path of the file that shows it is there; empty where not known."""
    layer: Identifier | None
    source_package: Identifier | None


class SbomDocument(OutputModel):
    """The attached document the packages were read from."""

    where: Where
    digest: Identifier
    carrier: Identifier
    """Manifest that lists it."""
    size: int
    format: Identifier
    predicate_type: Identifier | None
    """Null for an SBOM without a statement."""
    signed: bool
    """There is a signature over it; docker_verify_signature checks it."""


class SbomGap(OutputModel):
    kind: GapKind
    what: Remark
    count: int
    evidence: list[Code]


class Sbom(Result):
    image: Identifier
    platform: Identifier
    manifest: Identifier
    found: Found
    """Read from an attached document, or from the layers."""
    document: SbomDocument | None
    tools: list[Identifier]
    created: datetime | None
    distribution: Identifier | None
    total: int
    """Packages in the image."""
    matched: int
    """Of those, the ones that fit the filters."""
    types: dict[Identifier, int]
    """Matched packages by type."""
    licenses: dict[Identifier, int]
    """The most frequent ones of matched packages."""
    unlicensed: int
    """Matched packages that name no license."""
    page: int
    pages: int
    packages: list[SbomPackage]
    content: Annotated[str, code_of(MAX_WRITTEN)] | None
    """The document asked for."""
    gaps: list[SbomGap]
    """What is there and not among the packages."""

    def render(self) -> str:
        lines = [f"{self.image} ({self.platform}): {render.counted(self.total, 'package')}{self._matching()}"]
        lines += render.fields(self._pairs())
        rows = [(row.name, row.version or _EMPTY_VERSION, row.type, ", ".join(row.licenses)) for row in self.packages]
        shown = [tuple(render.clip(cell, 50) for cell in row) for row in rows]
        lines += render.head(render.table(("name", "version", "type", "license"), shown), 101, "package")
        lines += [f"- not covered: {gap.what} ({gap.count})" for gap in self.gaps]
        return self.text(lines)

    def _matching(self) -> str:
        return "" if self.matched == self.total else f", {self.matched} as asked for"

    def _pairs(self) -> list[tuple[str, str]]:
        source = f"{self.document.format} attached to the image" if self.document else f"its layers, by {self.found}"
        return [
            ("read from", source),
            ("made by", ", ".join(self.tools)),
            ("created", render.time(self.created) if self.created else ""),
            ("system", self.distribution or ""),
            ("types", ", ".join(f"{name} {count}" for name, count in self.types.items())),
            ("licenses", render.clip(", ".join(f"{name} {count}" for name, count in self.licenses.items()), 200)),
            ("document", f"{len(self.content):,} characters in `content`" if self.content else ""),
            ("page", f"{self.page} of {self.pages}" if self.packages else ""),
        ]


class BuildSource(OutputModel):
    repository: Identifier
    """Empty for a local directory."""
    commit: Identifier
    path: Identifier
    checked: bool
    """False: the client only claimed it."""

    @property
    def is_claim(self) -> bool:
        """Whether there is anything to check."""
        return not self.checked and bool(self.repository or self.commit)


class BuildMaterial(OutputModel):
    uri: Identifier
    kind: MaterialKind
    digest: Identifier


class BuildStatement(OutputModel):
    """One statement about the build."""

    where: Where
    document: Identifier
    predicate_type: Identifier
    build_type: Identifier
    builder: Identifier
    """Empty where it does not say who it is."""
    invocation: Identifier
    mode: Mode | None
    source: BuildSource | None
    parameters: dict[Identifier, Code]
    materials: list[BuildMaterial]
    total_materials: int
    started: datetime | None
    finished: datetime | None
    reproducible: bool | None
    """By the builder's claim; null: not said."""
    hermetic: bool | None
    parameters_complete: bool | None
    materials_complete: bool | None
    has_dockerfile: bool
    """docker_get_dockerfile shows it."""
    signature: Status
    signer: Identifier | None
    issuer: Identifier | None
    level: int
    """SLSA build level this statement supports."""


class BuildProvenance(Result):
    image: Identifier
    platform: Identifier
    manifest: Identifier
    level: int
    """SLSA build level (0 to 3) that the best statement supports."""
    why_not_higher: list[Remark]
    statements: list[BuildStatement]
    """Best first."""

    def render(self) -> str:
        best = self.statements[0]
        lines = [f"{self.image} ({self.platform}): SLSA build level {self.level} by the evidence found"]
        lines += [f"- not higher: {reason}" for reason in self.why_not_higher]
        lines += render.fields(_pairs(best))
        rows = [(row.kind, render.clip(row.uri, 70), render.short(row.digest)) for row in best.materials[:_SHOWN]]
        lines += render.table(("material", "uri", "digest"), rows)
        if best.total_materials > len(rows):
            lines.append(f"  … {best.total_materials - len(rows)} more materials")
        others = [f"also: {row.predicate_type} by {row.builder or '?'} ({row.where})" for row in self.statements[1:]]
        return self.text([*lines, *others])


def _pairs(best: BuildStatement) -> list[tuple[str, str]]:
    source = best.source
    where = f"{source.repository or 'local directory'} {source.commit[:12]} {source.path}" if source else ""
    mode = f" (mode={best.mode})" if best.mode else ""
    return [
        ("builder", (best.builder or "does not say who it is") + mode),
        ("build type", best.build_type),
        ("source", where + (" (claimed, not checked)" if source and source.is_claim else "")),
        ("built", f"{render.time(best.started)} to {render.time(best.finished)}" if best.finished else ""),
        ("signature", f"{best.signature} {best.signer or ''}".strip()),
        ("reproducible", _claim(best.reproducible)),
        ("hermetic", _claim(best.hermetic)),
        ("parameters", render.clip(", ".join(f"{key}={value}" for key, value in best.parameters.items()), 300)),
    ]


def _claim(value: bool | None) -> str:
    return "" if value is None else ("claimed" if value else "not claimed")


class SignatureRow(OutputModel):
    kind: Kind
    """Of the image, or of a statement about it."""
    status: Status
    reason: Remark
    signer: Identifier | None
    issuer: Identifier | None
    predicate_type: Identifier | None
    logged_at: datetime | None
    where: Identifier
    document: Identifier


class SignatureVerification(Result):
    image: Identifier
    digest: Identifier
    status: Status
    verified_by: Identifier | None
    issuer: Identifier | None
    """Who vouches for the identity; null for keys."""
    reason: Remark
    policy: Remark
    """Whose signature was wanted."""
    publisher: Identifier | None
    """Where the policy is a built-in one."""
    policy_source: Remark | None
    signatures: list[SignatureRow]

    def render(self) -> str:
        by = f" by {self.verified_by}" if self.verified_by else ""
        lines = [f"{self.image} ({render.short(self.digest)}): {_HEADLINES[self.status]}{by}", self.reason]
        lines += render.fields([("issuer", self.issuer or ""), ("wanted", self.policy)])
        rows = [(row.kind, row.status, render.clip(row.signer or "-", 60), row.where) for row in self.signatures]
        return self.text([*lines, *render.head(render.table(("kind", "status", "signer", "found in"), rows), 20)])

"""docker_analyze_layers: what makes an image as large as it is."""

from collections.abc import Sequence
from typing import Annotated, Final

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.images.findings import NOT_LOOKED_INTO, ContentFinder, Finding, Rule, Severity, all_findings
from mcp_dockerhub.images.instructions import parse_instruction
from mcp_dockerhub.images.matching import is_empty_layer, match_history
from mcp_dockerhub.images.reading import read_image
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.images.withheld import withhold
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Descriptor, HistoryEntry, Image
from mcp_dockerhub.results import Provenance, Result
from mcp_dockerhub_security.sanitize import Code, Identifier, OutputModel, Remark, code_of

MAX_LAYERS: Final = 500
MAX_FINDINGS: Final = 100
_ROWS: Final = 40
_FINDINGS: Final = 20
_FOREIGN: Final = "Some layers are kept outside the registry; their sizes are what the manifest says."


class Layer(OutputModel):
    digest: Identifier
    size: int
    share: float
    """Percent of the image's size."""
    empty: bool
    instruction: Annotated[str, code_of(1_000)] | None


class LayerFinding(OutputModel):
    rule: Rule
    severity: Severity
    what: Remark
    evidence: Code
    advice: Remark
    layer: Identifier | None
    size: int | None
    """Compressed bytes of the layer."""


class LayerAnalysis(Result):
    image: Identifier
    platform: Identifier
    digest: Identifier
    """Of the platform's manifest."""
    size: int
    """Compressed bytes of all layers."""
    layers: list[Layer]
    """From the bottom up."""
    empty_layers: int
    empty_steps: int
    """Steps of the history that made no layer."""
    largest: Identifier | None
    findings: list[LayerFinding]
    """Worth changing, by the history, the configuration, and the files of layers that were looked into."""

    def render(self) -> str:
        rows = [
            (str(place), render.size(layer.size), f"{layer.share:.1f}%", render.short(layer.digest), _made_by(layer))
            for place, layer in enumerate(self.layers, 1)
        ]
        table = render.table(("#", "size", "share", "digest", "made by"), rows, ">>>")
        counts = f"{render.counted(len(rows), 'layer')}, {self.empty_layers} empty; {self.empty_steps} steps made none"
        lines = [f"{self.image} ({self.platform}): {render.size(self.size)} compressed in {counts}"]
        lines += render.head(table, _ROWS + 1, "layer")
        if self.largest:
            lines.append(f"largest: {render.short(self.largest)}")
        findings = [
            f"- {finding.severity}: {finding.what} ({render.clip(finding.evidence, 80)})" for finding in self.findings
        ]
        lines += render.head(findings, _FINDINGS, "finding")
        return self.text(lines)


async def analyze_layers(
    sources: Sources,
    access: Access,
    ref: Reference,
    platform: Platform | None,
    look_into: ContentFinder | None = None,
) -> LayerAnalysis:
    """The layers of one platform's image with the steps that made them, and what is worth changing."""
    seen = Provenance()
    image = await read_image(sources, access, ref, platform, seen)
    matched = match_history(image.config.history, image.manifest.layers)
    if matched.problem:
        seen.warn(matched.problem)
    if image.manifest.has_foreign_layers:
        seen.warn(_FOREIGN)
    total = len(image.manifest.layers)
    if total > MAX_LAYERS:
        seen.warn(f"Only the first {MAX_LAYERS} of {total} layers are listed.")
    contents = await look_into(ref, image, seen) if look_into else NOT_LOOKED_INTO
    findings = all_findings(image, matched, contents)
    if len(findings) > MAX_FINDINGS:
        seen.warn(f"Only {MAX_FINDINGS} of {len(findings)} findings are listed.")
    return _analysis(ref, image, matched.makers, findings[:MAX_FINDINGS], seen)


def _analysis(
    ref: Reference,
    image: Image,
    makers: tuple[HistoryEntry | None, ...],
    findings: Sequence[Finding],
    seen: Provenance,
) -> LayerAnalysis:
    layers = image.manifest.layers
    total = image.manifest.layers_size
    return LayerAnalysis(
        source=seen.source,
        fetched_at=seen.fetched_at,
        warnings=seen.warnings,
        image=ref.familiar,
        platform=str(image.platform),
        digest=image.manifest.digest,
        size=total,
        layers=[_layer(layer, maker, total) for layer, maker in zip(layers[:MAX_LAYERS], makers, strict=False)],
        empty_layers=sum(map(is_empty_layer, layers)),
        empty_steps=sum(entry.empty_layer for entry in image.config.history),
        largest=max(layers, key=lambda layer: layer.size).digest if layers else None,
        findings=[finding_row(finding) for finding in findings],
    )


def finding_row(finding: Finding) -> LayerFinding:
    """A finding as it is shown."""
    return LayerFinding(
        rule=finding.rule,
        severity=finding.severity,
        what=finding.what,
        evidence=finding.evidence,
        advice=finding.advice,
        layer=finding.layer,
        size=finding.size,
    )


def _layer(layer: Descriptor, maker: HistoryEntry | None, total: int) -> Layer:
    return Layer(
        digest=layer.digest,
        size=layer.size,
        share=round(100 * layer.size / total, 1) if total else 0.0,
        empty=is_empty_layer(layer),
        instruction=withhold(str(parse_instruction(maker.created_by))) if maker and maker.created_by else None,
    )


def _made_by(layer: Layer) -> str:
    return render.clip(layer.instruction or render.UNKNOWN, 70)

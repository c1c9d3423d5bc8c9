"""docker_compare_images: what two images share and where they differ."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final

from pydantic import WithJsonSchema

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.images.bases import BaseFinder, Confidence, StatedBase, by_own_words
from mcp_dockerhub.images.changes import ChangeFinder, VulnerabilityChanges
from mcp_dockerhub.images.pull_size import distinct_layers, total_size
from mcp_dockerhub.images.reading import read_image, task_group
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Descriptor, Image, ImageConfig
from mcp_dockerhub.results import Provenance, Result
from mcp_dockerhub_security.redaction import redact_command, redact_pair
from mcp_dockerhub_security.sanitize import Code, Identifier, OutputModel, clean_prose

MAX_DIFFERENCES: Final = 100
_ENV: Final = "env "
_LABEL: Final = "label "
_ROWS: Final = 30
_SHOWN: Final = 40


class LayerSize(OutputModel):
    digest: Identifier
    size: int


class Compared(OutputModel):
    """One of the two images."""

    image: Identifier
    digest: Identifier
    """Of the platform's manifest."""
    platforms: list[Identifier]
    created: datetime | None
    size: int
    """Compressed bytes, each layer once."""
    to_pull: int
    """Bytes to pull this image where the other is present."""
    own: list[LayerSize]
    """Layers only this image has."""
    base: Identifier | None
    """With its digest at the time where that is known."""
    base_confidence: Confidence | None


class Difference(OutputModel):
    setting: Code
    image1: Code | None
    image2: Code | None


class Comparison(Result):
    platform: Identifier
    identical: bool
    """The same manifest."""
    image1: Compared
    image2: Compared
    shared: list[LayerSize]
    shared_size: int
    differences: list[Difference]
    """Of configuration."""
    vulnerabilities: Annotated[VulnerabilityChanges | None, WithJsonSchema({"type": "object"})] = None

    def render(self) -> str:
        one, two = self.image1, self.image2
        rows = [
            ("size", render.size(one.size), render.size(two.size)),
            ("own layers", str(len(one.own)), str(len(two.own))),
            ("to pull, other present", render.size(one.to_pull), render.size(two.to_pull)),
            ("created", render.day(one.created), render.day(two.created)),
            ("platforms", str(len(one.platforms)), str(len(two.platforms))),
            ("digest", render.short(one.digest), render.short(two.digest)),
            ("base", render.clip(one.base or "?", _SHOWN), render.clip(two.base or "?", _SHOWN)),
        ]
        lines = [f"{one.image} and {two.image} ({self.platform})" + (": identical" if self.identical else "")]
        lines += render.table(("", render.clip(one.image, _SHOWN), render.clip(two.image, _SHOWN)), rows)
        lines.append(f"shared: {render.counted(len(self.shared), 'layer')}, {render.size(self.shared_size)}")
        lines += self._ages()
        lines += self._settings()
        return self.text([*lines, *(self.vulnerabilities.lines() if self.vulnerabilities else [])])

    def _ages(self) -> list[str]:
        one, two = self.image1, self.image2
        if one.created is None or two.created is None or one.created == two.created:
            return []
        newer = one if one.created > two.created else two
        return [f"newer: {newer.image}, by {render.span(one.created - two.created)}"]

    def _settings(self) -> list[str]:
        rows = [
            (
                render.clip(row.setting, _SHOWN),
                render.clip(row.image1 or "-", _SHOWN),
                render.clip(row.image2 or "-", _SHOWN),
            )
            for row in self.differences
        ]
        table = render.table(("setting", "first", "second"), rows)
        return render.head(table, _ROWS + 1, "difference") if rows else ["configuration: no differences"]


async def compare_images(
    sources: Sources,
    access: Access,
    ref1: Reference,
    ref2: Reference,
    platform: Platform | None,
    find_base: BaseFinder = by_own_words,
    find_changes: ChangeFinder | None = None,
) -> Comparison:
    """Two images for one platform: the one asked for, else the default, which both must have."""
    seen = Provenance()
    async with task_group() as group:
        first = group.create_task(read_image(sources, access, ref1, platform, seen))
        second = group.create_task(read_image(sources, access, ref2, platform, seen))
    one, two = first.result(), second.result()
    async with task_group() as group:
        base1 = group.create_task(find_base(ref1, one, seen))
        base2 = group.create_task(find_base(ref2, two, seen))
    changes = await find_changes(ref1, ref2, platform, seen) if find_changes else None
    if one.platform != two.platform:
        seen.warn(f"The platforms differ: {one.platform} and {two.platform}.")
    layers1, layers2 = distinct_layers(one), distinct_layers(two)
    shared = [layer for digest, layer in layers1.items() if digest in layers2]
    differences = differences_of(one.config, two.config)
    if len(differences) > MAX_DIFFERENCES:
        seen.warn(f"Only {MAX_DIFFERENCES} of {len(differences)} differences of configuration are listed.")
    return Comparison(
        source=seen.source,
        fetched_at=seen.fetched_at,
        warnings=seen.warnings,
        platform=str(one.platform),
        identical=one.manifest.digest == two.manifest.digest,
        image1=_side(ref1, one, layers1, layers2, base1.result()),
        image2=_side(ref2, two, layers2, layers1, base2.result()),
        shared=_rows(shared),
        shared_size=total_size(shared),
        differences=differences[:MAX_DIFFERENCES],
        vulnerabilities=changes,
    )


def _side(
    ref: Reference,
    image: Image,
    layers: Mapping[str, Descriptor],
    others: Mapping[str, Descriptor],
    base: StatedBase | None,
) -> Compared:
    own = [layer for digest, layer in layers.items() if digest not in others]
    return Compared(
        image=ref.familiar,
        digest=image.manifest.digest,
        platforms=[str(platform) for platform in image.platforms],
        created=image.config.created,
        size=total_size(layers.values()),
        to_pull=total_size(own),
        own=_rows(own),
        base=base.pinned if base else None,
        base_confidence=base.confidence if base else None,
    )


def _rows(layers: Iterable[Descriptor]) -> list[LayerSize]:
    return [LayerSize(digest=layer.digest, size=layer.size) for layer in layers]


def differences_of(one: ImageConfig, two: ImageConfig) -> list[Difference]:
    """Settings that are not equal; None stands for "not set". Secret-looking values are compared, but withheld."""
    first, second = _settings_of(one), _settings_of(two)
    unequal = [name for name in dict.fromkeys([*first, *second]) if first.get(name) != second.get(name)]
    return [
        Difference(setting=name, image1=_shown(name, first.get(name)), image2=_shown(name, second.get(name)))
        for name in unequal
    ]


def _settings_of(config: ImageConfig) -> dict[str, str]:
    """Configuration as flat names and values; what is not set is left out."""
    single = {
        "user": config.user,
        "workdir": config.working_dir,
        "entrypoint": _words(config.entrypoint),
        "cmd": _words(config.cmd),
        "shell": _words(config.shell),
        "stop_signal": config.stop_signal,
        "healthcheck": _words(config.healthcheck),
        "ports": ", ".join(sorted(config.exposed_ports)),
        "volumes": ", ".join(sorted(config.volumes)),
    }
    many = {f"{_ENV}{name}": value for name, _, value in (entry.partition("=") for entry in config.env)}
    many |= {f"{_LABEL}{name}": value for name, value in config.labels.items()}
    return {name: value for name, value in single.items() if value} | many


def _shown(name: str, value: str | None) -> str | None:
    if value is None:
        return None
    if name.startswith(_LABEL):
        return clean_prose(redact_pair(name.removeprefix(_LABEL), value))
    if name.startswith(_ENV):
        return redact_pair(name.removeprefix(_ENV), value)
    return redact_command(value)


def _words(words: Sequence[str] | None) -> str:
    return " ".join(words or ())

"""What is worth changing in an image, as far as its history, its configuration and its layers tell."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from mcp_dockerhub import render
from mcp_dockerhub.images.instructions import MAX_STEP, build_arguments, parse_instruction, split_pairs
from mcp_dockerhub.images.matching import Matched
from mcp_dockerhub.images.withheld import withhold
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Descriptor, HistoryEntry, Image
from mcp_dockerhub.results import Provenance
from mcp_dockerhub_security.redaction import is_secret_value, redact_command, redact_pair

Rule = Literal[
    "secret_build_argument",
    "secret_environment",
    "root_user",
    "package_cache",
    "large_late_layer",
    "privileged_file",
]
Severity = Literal["high", "medium", "low"]

LARGE: Final = 50 * 1024 * 1024
"""Compressed bytes from which a late layer is worth a word."""
LATE_SHARE: Final = 0.3
"""Part of the image's size it must have for that, too."""
_ROOT: Final = frozenset({"", "0", "root"})
# What installs packages, what it leaves behind, and what shows that the same step cleaned up.
_CACHES: Final = tuple(
    (name, re.compile(rf"\b{tool}\b[^;&|\n]{{0,200}}\b{verb}\b"), re.compile(cleaned))
    for name, tool, verb, cleaned in (
        ("apt", "apt(?:-get)?", "install", r"/var/lib/apt/lists"),
        ("apk", "apk", "add", r"--no-cache|/var/cache/apk"),
        ("dnf", "(?:micro)?(?:dnf|yum)", "install", r"\bclean\s+all\b|/var/cache/"),
        ("pip", "pip[0-9.]*", "install", r"--no-cache-dir|PIP_NO_CACHE_DIR|/root/\.cache"),
        ("npm", "npm", "(?:ci|install)", r"npm cache clean|/root/\.npm"),
    )
)
_MOUNTED: Final = re.compile(r"--mount=type=(?:cache|tmpfs)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth changing, what shows it, and what to do instead."""

    rule: Rule
    severity: Severity
    what: str
    evidence: str
    """The step or setting, secret-looking values withheld."""
    advice: str
    layer: str | None = None
    size: int | None = None
    """Compressed bytes of that layer."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What the files in some layers show."""

    findings: tuple[Finding, ...]
    looked_into: frozenset[str]
    """Digests of the layers that were read."""


NOT_LOOKED_INTO: Final = Contents((), frozenset())


class ContentFinder(Protocol):
    """Looks into layers; composed above this package, as reading them is not this one's business."""

    async def __call__(self, ref: Reference, image: Image, seen: Provenance) -> Contents:
        """Layers that are not read become a warning."""


def all_findings(image: Image, matched: Matched, contents: Contents) -> list[Finding]:
    """What the history and the configuration of an image show, and the files of layers that were looked into.

    What a step's command suggests about files gives way to what its layer holds.
    """
    suggested = (finding for finding in _caches(matched) if finding.layer not in contents.looked_into)
    return [*_secrets(image), *_user(image), *suggested, *contents.findings, *_late(image, matched)]


def _secrets(image: Image) -> Iterator[Finding]:
    for entry in image.config.history:
        step = entry.created_by[:MAX_STEP]
        if _has_secret_argument(step):
            yield Finding(
                "secret_build_argument",
                "high",
                "A build argument that looks like a secret is recorded in the image.",
                render.clip(withhold(step), 200),
                "Change the secret, and pass it with RUN --mount=type=secret.",
            )
    for name in _secret_variables(image.config.env):
        yield Finding(
            "secret_environment",
            "high",
            f"The environment variable {name} looks like a secret, and everyone who can pull can read it.",
            f"ENV {name}",
            "Change the secret, and give it to the container when it starts.",
        )


def _has_secret_argument(step: str) -> bool:
    """In ``RUN |1 TOKEN=x …``, which both builders record, or as the default of an ARG."""
    split = build_arguments(step)
    pairs = split_pairs(split[1]) if split else []
    instruction = parse_instruction(step)
    if instruction.keyword == "ARG":
        pairs += split_pairs(instruction.arguments)
    return any(redact_pair(name, value) != value for name, value in pairs)


def _secret_variables(env: Sequence[str]) -> list[str]:
    pairs = (entry.partition("=") for entry in env)
    return [name for name, _, value in pairs if redact_pair(name, value) != value or is_secret_value(value)]


def _user(image: Image) -> Iterator[Finding]:
    user = image.config.user.partition(":")[0]
    if user in _ROOT and image.platform.os != "windows":
        yield Finding(
            "root_user",
            "medium",
            "Containers of the image run as root unless told otherwise.",
            f"USER {image.config.user}" if image.config.user else "no USER is set",
            "Set USER to one without privileges in the last stage.",
        )


def _caches(matched: Matched) -> Iterator[Finding]:
    for step in matched.steps:
        command = step.entry.created_by[:MAX_STEP]
        if step.entry.empty_layer or _MOUNTED.search(command):
            continue
        for name, installs, cleans in _CACHES:
            if installs.search(command) and not cleans.search(command):
                yield Finding(
                    "package_cache",
                    "low",
                    f"A step installs with {name} and does not show that it removes what {name} downloads.",
                    render.clip(redact_command(command), 200),
                    "Clean up in the same step, or mount a cache: RUN --mount=type=cache.",
                    step.layer.digest if step.layer else None,
                    step.layer.size if step.layer else None,
                )


def _late(image: Image, matched: Matched) -> Iterator[Finding]:
    """A large layer above the middle of the image: each build pushes and pulls it again."""
    layers = image.manifest.layers
    for place, (layer, maker) in enumerate(zip(layers, matched.makers, strict=False)):
        if place * 2 >= len(layers) > 2 and _is_large(layer, image):
            yield Finding(
                "large_late_layer",
                "low",
                "A large layer comes late, so every change before it makes it new: it is pulled again each time.",
                _made_by(maker),
                "Put what changes rarely first: install dependencies before copying the application.",
                layer.digest,
                layer.size,
            )


def _is_large(layer: Descriptor, image: Image) -> bool:
    return layer.size >= LARGE and layer.size >= LATE_SHARE * image.manifest.layers_size


def _made_by(maker: HistoryEntry | None) -> str:
    said = maker.created_by if maker else ""
    return render.clip(withhold(said), 200) if said else "no step of the history is known to have made it"

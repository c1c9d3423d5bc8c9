"""Names for what registries hold besides images."""

from collections.abc import Iterable
from typing import Final

from mcp_dockerhub.registry.media_types import CONFIGS, OCI_EMPTY, essence, is_layer

# Longest prefix wins; matched against the artifact type, then the config's type, then the layers' types.
_KINDS: Final = {
    "application/vnd.cncf.helm.": "Helm chart",
    "application/vnd.wasm.": "WebAssembly module",
    "application/wasm": "WebAssembly module",
    "application/vnd.dev.cosign.simplesigning.": "cosign signature",
    "application/vnd.dev.cosign.artifact.sig.": "cosign signature",
    "application/vnd.dev.cosign.artifact.sbom.": "SBOM",
    "application/vnd.dev.sigstore.bundle": "Sigstore bundle",
    "application/vnd.cncf.notary.signature": "Notary Project signature",
    "application/spdx+json": "SBOM (SPDX)",
    "text/spdx": "SBOM (SPDX)",
    "application/vnd.cyclonedx": "SBOM (CycloneDX)",
    "application/vnd.syft+json": "SBOM (Syft)",
    "application/vnd.docker.attestation.manifest.": "BuildKit attestation",
    "application/vnd.in-toto+": "in-toto attestation",
    "application/vnd.in-toto.": "in-toto attestation",
    "application/vnd.dsse.envelope.": "DSSE attestation",
    "application/vnd.cncf.flux.": "Flux artifact",
    "application/vnd.cncf.openpolicyagent.": "Open Policy Agent bundle",
    "application/vnd.cncf.kyverno.": "Kyverno policy",
    "application/vnd.cncf.artifacthub.": "Artifact Hub metadata",
    "application/vnd.cncf.model.": "AI model",
    "application/vnd.docker.ai.model.": "AI model",
    "application/vnd.ollama.": "AI model",
    "application/vnd.docker.plugin.": "Docker plugin",
    "application/vnd.docker.compose.": "Docker Compose application",
    "application/vnd.docker.cnab.": "CNAB bundle",
    "application/vnd.cnab.": "CNAB bundle",
    "application/vnd.devcontainers": "Dev Container feature or template",
    "application/vnd.sylabs.sif.": "Apptainer image",
    "application/vnd.opentofu.": "OpenTofu package",
    "application/vnd.unknown.": "ORAS artifact",
}
_UNNAMED: Final = "OCI artifact"
# Types that say nothing about what the artifact is.
_SILENT: Final = CONFIGS | {"", OCI_EMPTY, "application/json", "application/octet-stream"}


def is_image(config_type: str, layer_types: Iterable[str]) -> bool:
    """Whether a manifest with this config and these layers is an image.

    cosign and early BuildKit give signatures and attestations the config of an image: only the layers tell.
    """
    layers = list(layer_types)
    return config_type in CONFIGS and (not layers or any(map(is_layer, layers)))


def kind_of(artifact_type: str, config_type: str = "", layer_types: Iterable[str] = ()) -> str:
    """What people call it: a known kind, else ``OCI artifact``."""
    for media_type in (artifact_type, config_type, *layer_types):
        if found := _known_kind(essence(media_type)):
            return found
    return _UNNAMED


def _known_kind(media_type: str) -> str:
    if media_type in _SILENT:
        return ""
    prefixes = [prefix for prefix in _KINDS if media_type.startswith(prefix)]
    return _KINDS[max(prefixes, key=len)] if prefixes else ""

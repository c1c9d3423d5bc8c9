"""Whatever a registry holds is called by its name."""

import pytest

from mcp_dockerhub.registry.artifacts import is_image, kind_of
from mcp_dockerhub.registry.media_types import DOCKER_CONFIG, OCI_CONFIG, OCI_EMPTY, OCI_LAYER_GZIP, essence

EMPTY = OCI_EMPTY


@pytest.mark.parametrize(
    ("artifact_type", "config_type", "layer_types", "kind"),
    [
        (
            "",
            "application/vnd.cncf.helm.config.v1+json",
            ["application/vnd.cncf.helm.chart.content.v1.tar+gzip"],
            "Helm chart",
        ),
        ("", "application/vnd.wasm.config.v0+json", ["application/wasm"], "WebAssembly module"),
        ("", OCI_CONFIG, ["application/vnd.dev.cosign.simplesigning.v1+json"], "cosign signature"),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", EMPTY, [], "Sigstore bundle"),
        ("application/vnd.cncf.notary.signature", EMPTY, ["application/jose+json"], "Notary Project signature"),
        ("", OCI_CONFIG, ["text/spdx+json"], "SBOM (SPDX)"),
        ("application/spdx+json", EMPTY, ["application/spdx+json"], "SBOM (SPDX)"),
        ("", OCI_CONFIG, ["application/vnd.cyclonedx+json"], "SBOM (CycloneDX)"),
        ("", OCI_CONFIG, ["application/vnd.in-toto+json"], "in-toto attestation"),
        (
            "application/vnd.docker.attestation.manifest.v1+json",
            EMPTY,
            ["application/vnd.in-toto+json"],
            "BuildKit attestation",
        ),
        ("", OCI_CONFIG, ["application/vnd.dsse.envelope.v1+json"], "DSSE attestation"),
        (
            "",
            "application/vnd.cncf.flux.config.v1+json",
            ["application/vnd.cncf.flux.content.v1.tar+gzip"],
            "Flux artifact",
        ),
        ("", "application/vnd.unknown.config.v1+json", ["text/plain"], "ORAS artifact"),
        (
            "",
            "application/vnd.docker.plugin.v1+json",
            ["application/vnd.docker.image.rootfs.diff.tar.gzip"],
            "Docker plugin",
        ),
        ("application/x-mine", EMPTY, ["application/x-thing"], "OCI artifact"),
        ("Application/VND.CNCF.Helm.Config; v=1", EMPTY, [], "Helm chart"),
        ("", "", [], "OCI artifact"),
    ],
)
def test_artifacts_are_named_for_what_they_are(
    artifact_type: str, config_type: str, layer_types: list[str], kind: str
) -> None:
    assert not is_image(config_type, layer_types) or not layer_types
    assert kind_of(artifact_type, config_type, layer_types) == kind


@pytest.mark.parametrize("config_type", [OCI_CONFIG, DOCKER_CONFIG])
@pytest.mark.parametrize(
    "layers",
    [
        [],
        [OCI_LAYER_GZIP],
        ["application/vnd.oci.image.layer.v1.tar+zstd"],
        ["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"],
        ["application/x-extra", OCI_LAYER_GZIP],
    ],
)
def test_an_image_config_over_image_layers_is_an_image(config_type: str, layers: list[str]) -> None:
    assert is_image(config_type, layers)


def test_the_essence_of_a_content_type_is_without_parameters() -> None:
    assert essence("Text/HTML; charset=utf-8") == "text/html"
    assert essence(None) == ""

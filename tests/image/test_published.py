"""What a push publishes: attestations in the index, other architectures, and moving from one digest to the next."""

import json
import os
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.image.builds import bake, published
from tests.image.engine import HARDENED, STATE, Container, docker, owned_volume

REPOSITORY = "mcp-dockerhub-image-test"
ARM = ("--platform=linux/arm64",)


@pytest.fixture(scope="session")
def pushed(registry: str, context: Path) -> str:
    """The image in a registry, with provenance and, where a generator can be had, an SBOM."""
    reference = f"{registry}/{REPOSITORY}:attested"
    generator = os.environ.get("IMAGE_SBOM_GENERATOR")
    sbom = [f"--set=*.attest=type=sbom,generator={generator}"] if generator else []
    _push(context, reference, "--set=*.attest=type=provenance,mode=max", *sbom)
    return reference


def test_the_pushed_index_carries_an_attestation_for_every_platform(pushed: str) -> None:
    entries = published(pushed)["manifests"]
    images = {entry["digest"] for entry in entries if entry["platform"]["architecture"] != "unknown"}
    described = {entry["annotations"]["vnd.docker.reference.digest"] for entry in _attestations(entries)}
    assert images
    assert described == images


def test_the_provenance_names_every_base_image_and_no_secret(pushed: str) -> None:
    text = json.dumps(_statement(pushed, "slsa.dev/provenance"))
    assert "python3-debian13" in text
    assert "3.13-slim-trixie" in text
    assert not re.search(r"https?://[^/\"\s]*:[^/\"\s]*@", text), "an address with credentials"


def test_the_sbom_lists_the_server_and_what_it_depends_on(pushed: str) -> None:
    if not os.environ.get("IMAGE_SBOM_GENERATOR"):
        pytest.skip("no SBOM generator: IMAGE_SBOM_GENERATOR names none")
    packages = {package["name"] for package in _statement(pushed, "spdx.dev/Document")["predicate"]["packages"]}
    assert {"mcp-dockerhub", "mcp", "pydantic", "cryptography"} <= packages


def test_an_upgrade_by_digest_goes_on_with_the_state_of_the_version_before(registry: str, context: Path) -> None:
    digests = []
    for version in ("1.0.0", "1.0.1"):
        reference = f"{registry}/{REPOSITORY}:{version}"
        _push(context, reference, environment={"VERSION": version})
        found = docker("buildx", "imagetools", "inspect", reference, "--format", "{{json .Manifest}}").stdout
        digests.append(json.loads(found)["digest"])
    assert len(set(digests)) == 2

    with owned_volume(f"{registry}/{REPOSITORY}@{digests[0]}") as state:
        flags = (*HARDENED, f"--volume={state}:{STATE}")
        audit = {"MCP_DOCKERHUB_AUDIT_FILE": f"{STATE}/audit.jsonl"}
        for digest in digests:
            with Container(f"{registry}/{REPOSITORY}@{digest}", flags=flags, environment=audit) as server:
                server.initialize()
                server.call("get_server_info")
                assert server.hang_up() == 0
        newest = f"{registry}/{REPOSITORY}@{digests[-1]}"
        done = docker("run", "--rm", *flags, newest, "audit", "verify", f"{STATE}/audit.jsonl")
        assert done.returncode == 0, done.stdout


@pytest.fixture
def other_architecture(context: Path, image: str) -> Iterator[str]:
    """The image for linux/arm64, where that can be built and run here."""
    tag = f"{image}-arm64-test"
    try:
        bake(context, "--set=*.platform=linux/arm64", f"--set=*.tags={tag}")
    except AssertionError as error:
        if "no match for platform" in str(error):
            pytest.skip("the base images at hand are for one architecture only")
        raise
    tried = docker("run", "--rm", *ARM, "--network=none", tag, "--version", check=False)
    if "exec format error" in tried.stderr:
        pytest.skip("no emulation of linux/arm64 on this machine")
    assert tried.returncode == 0, tried.stderr
    yield tag
    docker("image", "rm", "--force", tag)


def test_the_other_architecture_answers(other_architecture: str) -> None:
    with Container(other_architecture, flags=(*HARDENED, *ARM)) as server:
        assert server.initialize()["serverInfo"]["name"] == "mcp-dockerhub"
        assert not server.call("get_server_info").get("isError")


def _push(context: Path, reference: str, *options: str, environment: dict[str, str] | None = None) -> None:
    bake(context, "--set=*.output=type=registry", f"--set=*.tags={reference}", *options, environment=environment)


def _attestations(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kind = "vnd.docker.reference.type"
    return [entry for entry in entries if entry.get("annotations", {}).get(kind) == "attestation-manifest"]


def _statement(reference: str, predicate: str) -> Any:
    """The in-toto statement with a predicate of this type."""
    repository = reference.rpartition(":")[0]
    for entry in _attestations(published(reference)["manifests"]):
        for layer in published(f"{repository}@{entry['digest']}")["layers"]:
            if predicate in layer["annotations"]["in-toto.io/predicate-type"]:
                return _blob(repository, layer["digest"])
    raise AssertionError(f"no attestation of type {predicate}")


def _blob(repository: str, digest: str) -> Any:
    host, _, path = repository.partition("/")
    with urllib.request.urlopen(f"http://{host}/v2/{path}/blobs/{digest}", timeout=10) as answer:
        return json.load(answer)

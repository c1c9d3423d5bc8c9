"""What the release and the nightly run ask a registry, asked of one on loopback."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.image.builds import bake
from tests.image.engine import PATIENCE, ROOT, docker

BASE = "gcr.io/distroless/python3-debian13:nonroot"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def base(registry: str, image: str) -> str:
    """The base image under a name that can be asked about here."""
    name = f"{registry}/mcp-dockerhub-image-test-base:1"
    docker("tag", BASE, name)
    docker("push", "--quiet", name)
    docker("image", "rm", name)
    return name


def digest_of(reference: str) -> str:
    shown = docker("buildx", "imagetools", "inspect", reference, "--format", "{{json .Manifest}}").stdout
    digest: str = json.loads(shown)["digest"]
    return digest


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a script with a cosign that notes what it is asked, and ends as it is told."""
    programs = tmp_path / "programs"
    programs.mkdir()
    cosign = programs / "cosign"
    cosign.write_text('#!/bin/sh\necho "$@" >>"$ASKED"\nexit "${COSIGN_ENDS:-0}"\n')
    cosign.chmod(0o755)

    def one(script: str, *arguments: str, cwd: Path = ROOT, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(ROOT / "scripts" / script), *arguments],
            cwd=cwd,
            env={
                **os.environ,
                "PATH": f"{programs}:{os.environ['PATH']}",
                "ASKED": str(tmp_path / "asked"),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return one


def test_the_bases_of_a_release_are_digests_and_the_runtime_is_verified_first(
    base: str, run: Run, tmp_path: Path
) -> None:
    done = run("image-bases", RUNTIME_IMAGE=base, BUILDER_IMAGE=base)
    assert done.returncode == 0, done.stderr
    said = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert said["RUNTIME_DIGEST"] == said["BUILDER_DIGEST"] == digest_of(base)
    asked = (tmp_path / "asked").read_text()
    assert asked.endswith(f" {base.rpartition(':')[0]}@{said['RUNTIME_DIGEST']}\n")
    assert "keyless@distroless.iam.gserviceaccount.com" in asked


def test_a_base_whose_signature_does_not_hold_ends_the_release(base: str, run: Run) -> None:
    done = run("image-bases", RUNTIME_IMAGE=base, BUILDER_IMAGE=base, COSIGN_ENDS="1")
    assert done.returncode != 0
    assert done.stdout == ""


def test_the_newest_release_is_found_by_its_digest(base: str, run: Run, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    assert run("release-newest", cwd=repository).stdout == ""
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    subprocess.run(["git", *identity, "commit", "--quiet", "--allow-empty", "--message=x"], cwd=repository, check=True)
    name = base.rpartition(":")[0]
    docker("buildx", "imagetools", "create", "--tag", f"{name}:1.10.0", base)
    for tag in ("v1.9.0", "v1.10.0", "v2.0.0rc1"):
        subprocess.run(["git", "tag", tag], cwd=repository, check=True)
    done = run("release-newest", cwd=repository, IMAGE=name)
    assert done.stdout.splitlines() == ["version=1.10.0", f"image={name}@{digest_of(base)}"]


def test_a_released_image_on_an_older_base_is_reported(base: str, run: Run, registry: str, context: Path) -> None:
    for number, digest in enumerate((digest_of(base), f"sha256:{'0' * 64}")):
        reference = f"{registry}/mcp-dockerhub-image-test:on-base-{number}"
        settings = {
            "output": "type=registry",
            "tags": reference,
            "platform": "linux/amd64,linux/arm64",
            "args.RUNTIME_NAME": base,
            "args.RUNTIME_DIGEST": digest,
        }
        try:
            bake(context, *(f"--set=*.{key}={value}" for key, value in settings.items()))
        except AssertionError as error:
            if "no match for platform" in str(error):
                pytest.skip("the base images at hand are for one architecture only")
            raise
        done = run("image-base-age", reference)
        assert done.returncode == number, done.stderr
        assert DIGEST.search(done.stdout + done.stderr)

"""docker_get_provenance: every version and builder in one model, its worth by the evidence, secrets withheld."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mcp_dockerhub.errors import NotFound, TooLarge, Unsupported, UpstreamInvalid
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.supply_chain.answers import BuildProvenance
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.provenance.build import Build, SourceCode
from mcp_dockerhub.supply_chain.provenance.levels import level_of
from mcp_dockerhub.supply_chain.provenance.slsa import read_build
from mcp_dockerhub.supply_chain.provenances import image_provenance
from mcp_dockerhub.supply_chain.signatures.verdicts import Outcome, Signer, Verdict
from mcp_dockerhub.supply_chain.statements import read_statement
from tests.upstreams.attestations import (
    BUNDLE,
    V02,
    V1,
    Key,
    attach,
    attest_image,
    buildkit_v02,
    recorded,
    refer,
    statement,
)
from tests.upstreams.callers import Caller
from tests.upstreams.content import encode
from tests.upstreams.fake_sigstore import GITHUB, WORKFLOW, FakeSigstore
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

APP = Reference.parse("ghcr.io/o/app:v1")
DIGEST = "sha256:" + "0" * 64
GENERATOR = (
    "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/"
    "generator_container_slsa3.yml@refs/tags/v2.1.0"
)


def build_of(predicate_type: str, predicate: Any) -> Build:
    raw = json.dumps(statement(DIGEST, predicate_type, predicate)).encode()
    return read_build(read_statement(raw, "The provenance"))


BUILDKIT_V1 = {
    "buildDefinition": {
        "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
        "externalParameters": {
            "configSource": {
                "uri": "https://user:hunter22@github.com/o/app.git#refs/heads/main",
                "digest": {"sha1": "a" * 40},
                "path": "docker/Dockerfile",
            },
            "request": {
                "frontend": "dockerfile.v0",
                "args": {
                    "build-arg:VERSION": "1.2.3",
                    "build-arg:NPM_TOKEN": "s3cret-value",
                    "label:org.example": "x",
                    "target": "release",
                },
                "secrets": [{"id": "pipconf", "optional": True}],
                "locals": [],
            },
        },
        "internalParameters": {
            "builderPlatform": "linux/amd64",
            "buildConfig": {"llbDefinition": [{"id": "step0"}]},
        },
        "resolvedDependencies": [
            {"uri": "pkg:docker/alpine@3.20?platform=linux%2Famd64", "digest": {"sha256": "1" * 64}},
            {"uri": "https://github.com/o/app.git#refs/heads/main", "digest": {"sha1": "a" * 40}},
            {"uri": "https://example.com/file.tar.gz", "digest": {"sha256": "2" * 64, "sha512": "3" * 128}},
            {"uri": "urn:something"},
            {"digest": {}},
            7,
        ],
    },
    "runDetails": {
        "builder": {"id": "https://github.com/o/app/actions/runs/1"},
        "metadata": {
            "invocationID": "xyz",
            "startedOn": "2026-03-01T11:00:00Z",
            "finishedOn": "2026-03-01T11:01:00Z",
            "buildkit_hermetic": True,
            "buildkit_reproducible": True,
            "buildkit_completeness": {"request": True, "resolvedDependencies": False},
            "buildkit_metadata": recorded("FROM alpine:3.20\n"),
        },
    },
}


def test_buildkits_v1_is_read() -> None:
    build = build_of(V1, BUILDKIT_V1)
    assert build.source == SourceCode(
        "https://[withheld]@github.com/o/app.git#refs/heads/main", "a" * 40, "docker/Dockerfile", checked=True
    )
    assert (build.mode, build.target, build.invocation) == ("max", "release", "xyz")
    assert (build.hermetic, build.reproducible) == (True, True)
    assert (build.parameters_complete, build.materials_complete) == (True, False)
    assert [(entry.kind, entry.digest[:8]) for entry in build.materials] == [
        ("image", "sha256:1"),
        ("git", "sha1:aaa"),
        ("http", "sha512:3"),
        ("other", ""),
    ]
    assert [(file.name, file.text) for file in build.files] == [("Dockerfile", "FROM alpine:3.20\n")]
    assert build.finished == datetime(2026, 3, 1, 11, 1, tzinfo=UTC)


def test_secret_looking_build_arguments_are_withheld_and_names_of_secrets_are_not() -> None:
    build = build_of(V1, BUILDKIT_V1)
    assert build.parameters == {
        "frontend": "dockerfile.v0",
        "build-arg:VERSION": "1.2.3",
        "build-arg:NPM_TOKEN": "[withheld]",
        "label:org.example": "x",
        "target": "release",
        "secrets": '[{"id": "pipconf", "optional": true}]',
    }
    assert build.withheld == 1
    assert build.arguments["NPM_TOKEN"] == "s3cret-value", "needed to resolve names, never shown"
    assert "s3cret" not in repr(build)


def test_buildkits_v02_is_read() -> None:
    build = build_of(V02, buildkit_v02())
    assert (build.mode, build.builder, build.invocation) == ("min", "", "abc123")
    assert build.source == SourceCode("", "", "Dockerfile", checked=False)
    assert build.source is not None
    assert not build.source.is_claim
    assert build.materials[0].uri == "pkg:docker/python@3.13-slim?platform=linux%2Famd64"
    assert (build.hermetic, build.reproducible, build.parameters_complete) == (None, False, True)


def test_what_only_the_client_said_about_its_repository_is_a_claim() -> None:
    metadata = {
        "https://mobyproject.org/buildkit@v1#metadata": {
            "vcs": {"source": "https://github.com/o/app.git", "revision": "b" * 40}
        }
    }
    build = build_of(V02, buildkit_v02(metadata=metadata))
    assert build.source == SourceCode("https://github.com/o/app.git", "b" * 40, "Dockerfile", checked=False)
    assert build.source is not None
    assert build.source.is_claim


def test_githubs_provenance_is_read() -> None:
    predicate = {
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {
                "workflow": {
                    "ref": "refs/heads/main",
                    "repository": "https://github.com/o/app",
                    "path": ".github/workflows/release.yml",
                }
            },
            "internalParameters": {"github": {"event_name": "push"}},
            "resolvedDependencies": [
                {"uri": "git+https://github.com/o/app@refs/heads/main", "digest": {"gitCommit": "c" * 40}}
            ],
        },
        "runDetails": {"builder": {"id": WORKFLOW}, "metadata": {"invocationId": "run/1"}},
    }
    build = build_of(V1, predicate)
    assert build.source == SourceCode(
        "https://github.com/o/app@refs/heads/main", "c" * 40, ".github/workflows/release.yml", checked=True
    )
    assert (build.mode, build.builder) == (None, WORKFLOW)
    assert build.parameters["workflow.ref"] == "refs/heads/main"


@pytest.mark.parametrize("predicate", [{}, {"materials": 7, "invocation": [], "metadata": {"completeness": 1}}])
def test_a_predicate_that_says_nothing_is_empty_not_an_error(predicate: Any) -> None:
    for kind in (V02, V1):
        build = build_of(kind, predicate)
        assert (build.builder, build.source, build.materials, build.files) == ("", None, (), ())


def test_odd_records_of_mode_max_are_left_out() -> None:
    metadata: dict[str, Any] = recorded("FROM x")
    metadata["source"]["infos"] += [
        {"filename": "a", "data": "%%%"},
        {"filename": "b", "data": base64.b64encode(b"\xff\xfe").decode()},
        {"filename": "c"},
        {"filename": "d", "data": "A" * 1_000_000},
        7,
    ]
    metadata["layers"] = {"step0:0": [["x", {"digest": 1}, {"digest": "sha256:1"}]], "step1:0": [], "step2:0": 7}
    config = {
        "llbDefinition": [
            {"id": f"step{place}", "op": {"Op": {"source": {"identifier": identifier}}}}
            for place, identifier in enumerate(("docker-image://a:1", "docker-image://b:1", "local://context"))
        ]
        + [7, {"op": {"Op": None}}]
    }
    build = build_of(
        V02,
        buildkit_v02(metadata={"https://mobyproject.org/buildkit@v1#metadata": metadata}, buildConfig=config),
    )
    assert [file.name for file in build.files] == ["Dockerfile"]
    assert [(source.reference, source.layers) for source in build.images] == [("a:1", ("sha256:1",)), ("b:1", ())]


def test_parameters_are_bounded_in_number_depth_and_length() -> None:
    deep: Any = "bottom"
    for _ in range(10):
        deep = {"deeper": deep}
    args = {f"build-arg:A{place}": "x" * 5_000 for place in range(500)}
    build = build_of(V02, buildkit_v02(invocation={"parameters": {"deep": deep, "args": args}}))
    assert len(build.parameters) == 200
    assert max(map(len, build.parameters.values())) == 2_000
    assert "bottom" in build.parameters["deep.deeper.deeper.deeper"]


@pytest.mark.parametrize(
    ("predicate_type", "predicate", "error"),
    [
        ("https://slsa.dev/provenance/v0.1", {}, Unsupported),
        (V02, [], UpstreamInvalid),
        (V02, {"materials": [{}] * 9_000}, TooLarge),
        (V02, {"x": "y" * (9 * 1024 * 1024)}, TooLarge),
    ],
)
def test_what_cannot_be_read_is_refused(predicate_type: str, predicate: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        build_of(predicate_type, predicate)


# Levels


def judged(outcome: Outcome, identity: str = WORKFLOW, issuer: str = GITHUB) -> Verdict:
    return Verdict(outcome, "because", Signer(identity, issuer))


@pytest.mark.parametrize(
    ("builder", "verdict", "level", "reason"),
    [
        ("", None, 1, "not signed"),
        (WORKFLOW, judged(Outcome.UNVERIFIABLE), 1, "not verified: because"),
        (WORKFLOW, judged(Outcome.OTHER_SIGNER), 1, "not verified: because"),
        (WORKFLOW, judged(Outcome.BAD), 0, "bad"),
        (WORKFLOW, judged(Outcome.VERIFIED, "key sha256:1", ""), 1, "nothing shows that a hosted build service"),
        (WORKFLOW, judged(Outcome.VERIFIED, "me@example.com", "https://accounts.google.com"), 1, "hosted"),
        ("https://example.com/own", judged(Outcome.VERIFIED), 1, "not the one that signed"),
        (WORKFLOW, judged(Outcome.VERIFIED), 2, "could not reach the signing identity"),
        (GENERATOR, judged(Outcome.VERIFIED, GENERATOR), 3, ""),
        (GENERATOR + "-evil", judged(Outcome.VERIFIED, GENERATOR + "-evil"), 2, "signing identity"),
    ],
)
def test_the_level_is_what_the_evidence_supports(
    builder: str, verdict: Verdict | None, level: int, reason: str
) -> None:
    found = level_of(Build(predicate_type=V1, build_type="x", builder=builder), verdict)
    assert found.level == level
    assert reason in " ".join(found.missing)
    assert bool(found.missing) == (level < 3)


# The tool


async def asked(chain: SupplyChain) -> BuildProvenance:
    return await image_provenance(chain, Caller(), APP, None)


def push(registry: InMemoryRegistry, predicate_type: str, predicate: Any) -> None:
    image = registry.add_image("o/app")
    child = registry.add_attestation("o/app", image, [statement(image.digest, predicate_type, predicate)])
    registry.add_index("o/app", "v1", [image, child])


async def test_the_answer_names_builder_source_materials_and_level(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    push(registry, V1, BUILDKIT_V1)
    found = await asked(chain)
    (row,) = found.statements
    assert (found.level, row.where, row.signature, row.has_dockerfile) == (1, "index", "no_signature", True)
    assert row.source is not None
    assert (row.source.commit, row.source.checked) == ("a" * 40, True)
    shown = found.render()
    for part in ("SLSA build level 1", "mode=max", "https://[withheld]@github.com/o/app.git", "pkg:docker/alpine@3.20"):
        assert part in shown
    assert "s3cret" not in shown + found.model_dump_json()
    assert any("withheld" in warning for warning in found.warnings)


async def test_signed_provenance_comes_first_and_raises_the_level(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore
) -> None:
    image = registry.add_image("o/app")
    child = registry.add_attestation("o/app", image, [statement(image.digest, V02, buildkit_v02())])
    index = registry.add_index("o/app", "v1", [image, child])
    key = Key.make()
    signed = statement(index.digest, V1, {"runDetails": {"builder": {"id": WORKFLOW}}})
    bundle = sigstore.bundle(encode(signed), key, sigstore.certificate(key))
    refer(registry, index, bundle, BUNDLE, **{"dev.sigstore.bundle.predicateType": V1})
    found = await asked(chain)
    assert (found.level, [row.level for row in found.statements]) == (2, [2, 1])
    best = found.statements[0]
    assert (best.signature, best.signer, best.issuer, best.where) == ("verified", WORKFLOW, GITHUB, "referrers")
    assert "also: https://slsa.dev/provenance/v0.2 by ? (index)" in found.render()


async def test_a_forged_signature_takes_the_level_away(
    chain: SupplyChain, registry: InMemoryRegistry, sigstore: FakeSigstore
) -> None:
    image = registry.add_image("o/app", "v1")
    key = Key.make()
    content = statement(image.digest, V1, {"runDetails": {"builder": {"id": WORKFLOW}}})
    forged = sigstore.certificate(key, signer=Key.make("p384"))
    refer(registry, image, sigstore.bundle(encode(content), key, forged), BUNDLE)
    found = await asked(chain)
    assert (found.level, found.statements[0].signature) == (0, "bad_signature")


async def test_provenance_signed_with_a_key_is_found_and_not_trusted_further(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    image = registry.add_image("o/app", "v1")
    attest_image(registry, image, statement(image.digest, V02, buildkit_v02()), Key.make())
    found = await asked(chain)
    assert (found.level, found.statements[0].signature) == (1, "not_verifiable_here")


async def test_without_provenance_there_is_none(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    registry.add_image("o/app", "v1")
    with pytest.raises(NotFound, match="No provenance is attached"):
        await asked(chain)
    registry.script(503, path="att$")
    chain.sources.registry._wire.cache.clear()
    with pytest.raises(NotFound, match="could be reached"):
        await asked(chain)


async def test_a_statement_that_is_gone_is_a_warning_beside_those_that_are_there(
    chain: SupplyChain, registry: InMemoryRegistry
) -> None:
    image = registry.add_image("o/app")
    statements = [statement(image.digest, V02, buildkit_v02(buildType=name)) for name in ("gone", "there")]
    child = registry.add_attestation("o/app", image, statements)
    registry.add_index("o/app", "v1", [image, child])
    held = registry.app.repositories["o/app"].blobs
    del held[next(digest for digest, content in held.items() if b'"gone"' in content)]
    found = await asked(chain)
    assert [row.build_type for row in found.statements] == ["there"]
    assert any("is gone" in warning for warning in found.warnings)


async def test_provenance_of_another_image_is_refused(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    attach(registry, "o/app", "v1", [statement(DIGEST, V02, buildkit_v02())])
    with pytest.raises(UpstreamInvalid, match="something else"):
        await asked(chain)


async def test_more_statements_than_are_shown_are_counted(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    image = registry.add_image("o/app")
    statements = [statement(image.digest, V02, buildkit_v02(buildType=f"x{place}")) for place in range(7)]
    child = registry.add_attestation("o/app", image, statements)
    registry.add_index("o/app", "v1", [image, child])
    found = await asked(chain)
    assert len(found.statements) == 5
    assert "Only 5 of 7 statements are listed." in found.warnings


async def test_many_materials_are_counted(chain: SupplyChain, registry: InMemoryRegistry) -> None:
    materials = [{"uri": f"https://example.com/{place}", "digest": {}} for place in range(150)]
    push(registry, V02, buildkit_v02(materials=materials))
    (row,) = (await asked(chain)).statements
    assert (len(row.materials), row.total_materials) == (100, 150)
    assert "138 more materials" in (await asked(chain)).render()

"""SLSA provenance v0.2 and v1, as BuildKit, GitHub and others write it (slsa.dev/provenance, slsa-definitions.md)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mcp_dockerhub.errors import Unsupported
from mcp_dockerhub.registry.fields import child, items, moment, text
from mcp_dockerhub.supply_chain.provenance.build import (
    MAX_MATERIALS,
    Build,
    Material,
    SourceCode,
)
from mcp_dockerhub.supply_chain.provenance.llb import image_sources, source_files
from mcp_dockerhub.supply_chain.statements import Statement
from mcp_dockerhub.supply_chain.vocabulary import MaterialKind, Mode
from mcp_dockerhub_security.redaction import redact_command, redact_pair, redact_text

V02: Final = "https://slsa.dev/provenance/v0.2"
V1: Final = "https://slsa.dev/provenance/v1"
_BUILDKIT_METADATA: Final = "https://mobyproject.org/buildkit@v1#metadata"
_BUILDKIT_HERMETIC: Final = "https://mobyproject.org/buildkit@v1#hermetic"
_BUILD_ARGUMENT: Final = "build-arg:"
_IDENTIFIERS: Final = frozenset({"secrets", "ssh"})
"""Parameters of BuildKit that name the secrets a build was given, and never hold them."""
_MAX_PARAMETERS: Final = 200
_MAX_VALUE: Final = 2_000
_MAX_DEPTH: Final = 4

Json = Mapping[str, Any]


def read_build(statement: Statement) -> Build:
    """The build a statement is about; raise Unsupported for other predicates, UpstreamInvalid for damaged ones."""
    if statement.predicate_type == V02:
        return _version_0_2(statement.load(), statement.walk.what)
    if statement.predicate_type == V1 or statement.predicate_type.startswith(f"{V1}."):
        return _version_1(statement.load(), statement.walk.what)
    raise Unsupported(f"{statement.walk.what} is provenance of a version that is not read here.")


def _version_0_2(predicate: Json, what: str) -> Build:
    invocation, metadata = child(predicate, "invocation"), child(predicate, "metadata")
    parameters, complete = child(invocation, "parameters"), child(metadata, "completeness")
    extra, config = child(metadata, _BUILDKIT_METADATA), child(predicate, "buildConfig")
    arguments = child(parameters, "args")
    build_type = text(predicate, "buildType")
    shown, withheld = _shown(parameters)
    return Build(
        predicate_type=V02,
        build_type=build_type,
        builder=text(child(predicate, "builder"), "id"),
        invocation=_either(metadata, "buildInvocationID", "buildInvocationId"),
        source=_source(child(invocation, "configSource"), "entryPoint", child(extra, "vcs")),
        parameters=shown,
        withheld=withheld,
        mode=_mode(build_type, extra, config),
        target=text(arguments, "target"),
        materials=tuple(_materials(predicate, "materials", what)),
        started=moment(metadata, "buildStartedOn"),
        finished=moment(metadata, "buildFinishedOn"),
        reproducible=_flag(metadata, "reproducible"),
        hermetic=_flag(metadata, _BUILDKIT_HERMETIC),
        parameters_complete=_flag(complete, "parameters"),
        materials_complete=_flag(complete, "materials"),
        files=source_files(extra, what),
        images=image_sources(config, extra, what),
        arguments=_arguments(arguments),
    )


def _version_1(predicate: Json, what: str) -> Build:
    definition, run = child(predicate, "buildDefinition"), child(predicate, "runDetails")
    external, internal = child(definition, "externalParameters"), child(definition, "internalParameters")
    metadata = child(run, "metadata")
    complete, extra = child(metadata, "buildkit_completeness"), child(metadata, "buildkit_metadata")
    request, config = child(external, "request"), child(internal, "buildConfig")
    build_type = text(definition, "buildType")
    materials = tuple(_materials(definition, "resolvedDependencies", what))
    shown, withheld = _shown(request or {key: external[key] for key in external if key != "configSource"})
    return Build(
        predicate_type=V1,
        build_type=build_type,
        builder=text(child(run, "builder"), "id"),
        invocation=_either(metadata, "invocationId", "invocationID"),
        source=_source(child(external, "configSource"), "path", child(extra, "vcs")) or _workflow(external, materials),
        parameters=shown,
        withheld=withheld,
        mode=_mode(build_type, extra, config),
        target=text(child(request, "args"), "target"),
        materials=materials,
        started=moment(metadata, "startedOn"),
        finished=moment(metadata, "finishedOn"),
        reproducible=_flag(metadata, "buildkit_reproducible"),
        hermetic=_flag(metadata, "buildkit_hermetic"),
        parameters_complete=_flag(complete, "request"),
        materials_complete=_flag(complete, "resolvedDependencies"),
        files=source_files(extra, what),
        images=image_sources(config, extra, what),
        arguments=_arguments(child(request, "args")),
    )


def _source(config: Json, path: str, vcs: Json) -> SourceCode | None:
    uri = text(config, "uri")
    if uri:
        return SourceCode(redact_text(uri), _digest(config).partition(":")[2], text(config, path), checked=True)
    claimed = text(vcs, "source")
    if claimed or text(vcs, "revision"):
        return SourceCode(redact_text(claimed), text(vcs, "revision"), text(config, path), checked=False)
    return SourceCode("", "", text(config, path), checked=False) if text(config, path) else None


def _workflow(external: Json, materials: tuple[Material, ...]) -> SourceCode | None:
    """The workflow of GitHub's provenance (actions.github.io/buildtypes/workflow/v1)."""
    workflow = child(external, "workflow")
    repository = text(workflow, "repository")
    if not repository:
        return None
    own = (entry.digest for entry in materials if entry.kind == "git" and repository in entry.uri)
    commit = next(own, "").partition(":")[2]
    uri = f"{repository}@{text(workflow, 'ref')}" if text(workflow, "ref") else repository
    return SourceCode(redact_text(uri), commit, text(workflow, "path"), checked=True)


def _materials(source: Json, key: str, what: str) -> Iterator[Material]:
    for entry in items(source, key, what)[:MAX_MATERIALS]:
        uri = text(entry, "uri") if isinstance(entry, dict) else ""
        if uri:
            yield Material(redact_text(uri[:_MAX_VALUE]), _kind(uri), _digest(entry))


def _kind(uri: str) -> MaterialKind:
    if uri.startswith(("pkg:docker/", "pkg:oci/", "docker-image://", "oci://")):
        return "image"
    path = uri.partition("#")[0].partition("@refs/")[0]
    if uri.startswith(("git+", "git:", "git@")) or path.endswith(".git"):
        return "git"
    return "http" if uri.startswith(("http://", "https://")) else "other"


def _digest(entry: Json) -> str:
    """The strongest digest stated."""
    stated = {name: value for name, value in child(entry, "digest").items() if isinstance(value, str)}
    name = next((name for name in ("sha512", "sha256", "gitCommit", "sha1") if name in stated), None)
    return f"{name}:{stated[name][:128]}" if name else ""


def _mode(build_type: str, extra: Json, config: Json) -> Mode | None:
    if "buildkit" not in build_type:
        return None
    return "max" if child(extra, "source") or config.get("llbDefinition") else "min"


def _arguments(args: Json) -> dict[str, str]:
    prefix = _BUILD_ARGUMENT
    found = {name: value for name, value in args.items() if isinstance(value, str) and name.startswith(prefix)}
    return {name.removeprefix(prefix): value for name, value in list(found.items())[:_MAX_PARAMETERS]}


def _shown(parameters: Json) -> tuple[dict[str, str], int]:
    """Parameters as names and values, secret-looking values withheld, and how many were."""
    shown: dict[str, str] = {}
    withheld = 0
    for name, value in _flat(parameters, "", 0):
        if len(shown) >= _MAX_PARAMETERS:
            break
        bare = name.rpartition("args.")[2].removeprefix(_BUILD_ARGUMENT)
        safe = redact_command(value if bare in _IDENTIFIERS else redact_pair(bare, value))
        withheld += safe != value
        shown[name.removeprefix("args.")[:512]] = safe[:_MAX_VALUE]
    return shown, withheld


def _flat(value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and depth < _MAX_DEPTH:
        for key, part in value.items():
            yield from _flat(part, f"{name}.{key}" if name else key, depth + 1)
    elif isinstance(value, str):
        yield name, value
    elif value not in ({}, [], None):
        yield name, json.dumps(value)


def _flag(source: Json, key: str) -> bool | None:
    value = source.get(key)
    return value if isinstance(value, bool) else None


def _either(source: Json, *keys: str) -> str:
    return next((text(source, key) for key in keys if text(source, key)), "")

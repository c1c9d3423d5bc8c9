"""Whatever strangers attach to an image: it is read as JSON says, or refused by one of our errors, and never more."""

import json
import re
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.reference import Digest
from mcp_dockerhub.supply_chain.attachments import SPDX
from mcp_dockerhub.supply_chain.dockerfiles import base_of_dockerfile
from mcp_dockerhub.supply_chain.json_walk import JsonWalk, decode
from mcp_dockerhub.supply_chain.provenance.slsa import read_build
from mcp_dockerhub.supply_chain.purls import read_purl
from mcp_dockerhub.supply_chain.sbom.licenses import Licenses, is_expression
from mcp_dockerhub.supply_chain.sbom.reading import sbom_of_document, sbom_of_statement
from mcp_dockerhub.supply_chain.signatures.log_entries import LogEntry
from mcp_dockerhub.supply_chain.signatures.policy import matches
from mcp_dockerhub.supply_chain.statements import check_subject, unwrap
from tests.upstreams.attestations import SBOM, V02, V1, buildkit_v02, recorded, statement

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
ABOUT = Digest("sha256:" + "0" * 64)
NAMES = ("packages", "files", "relationships", "name", "spdxVersion", "creationInfo", "SPDXID", "externalRefs")


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=6), st.sampled_from([None, 1, 4]))
def test_walking_an_object_sees_what_parsing_it_sees(document: dict[str, Any], indent: int | None) -> None:
    walk = JsonWalk(json.dumps(document, indent=indent), "The document")
    seen: dict[str, Any] = {}

    def keep(name: str) -> Any:
        def handler(position: int) -> int:
            seen[name], end = walk.value(position)
            return end

        return handler

    walk.end(walk.members(walk.start(), {name: keep(name) for name in document}))
    assert seen == document


@given(st.lists(JSON, max_size=6), st.sampled_from([None, 2]))
def test_walking_an_array_sees_every_element(elements: list[Any], indent: int | None) -> None:
    walk = JsonWalk(f"  {json.dumps(elements, indent=indent)}\n", "The document")
    seen: list[Any] = []
    walk.end(walk.elements(walk.start(), seen.append))
    assert seen == elements


@given(st.text(alphabet='{}[]",:0 \\nu', max_size=30))
def test_text_is_walked_exactly_where_it_is_json(text: str) -> None:
    walk = JsonWalk(text, "The document")
    try:
        parsed: Any = json.loads(text)
    except ValueError:
        parsed = None
    accepted = False
    with suppress(DockerHubError):
        walk.end(walk.members(walk.start(), {}))
        accepted = True
    assert accepted == isinstance(parsed, dict)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with suppress(DockerHubError):
        found, _ = unwrap(raw, "The document")
        sbom_of_statement(found)


@given(st.sampled_from(NAMES), JSON, st.sampled_from(["application/spdx+json", "application/vnd.cyclonedx+json"]))
def test_an_sbom_with_any_part_replaced_is_read_or_refused(name: str, value: Any, media_type: str) -> None:
    document = {**SBOM, "specVersion": "1.6", "components": [value], "metadata": value, name: value}
    document["packages"] = document["packages"] if name != "packages" else [value, {"name": value, "SPDXID": value}]
    with suppress(DockerHubError):
        found = sbom_of_document(json.dumps(document).encode(), media_type, "The SBOM")
        assert all(package.name for package in found.packages)


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=255))
def test_a_statement_with_any_byte_changed_is_read_as_about_the_image_or_refused(place: int, value: int) -> None:
    raw = bytearray(json.dumps(statement(ABOUT, SPDX, SBOM)).encode())
    raw[place % len(raw)] = value
    with suppress(DockerHubError):
        found, _ = unwrap(bytes(raw), "The document")
        assert check_subject(found, (ABOUT,), "The document") == ABOUT


@given(
    st.sampled_from([V02, V1]),
    st.sampled_from(["materials", "metadata", "invocation", "buildConfig", "buildDefinition", "runDetails", "builder"]),
    JSON,
)
def test_provenance_with_any_part_replaced_is_read_or_refused(kind: str, name: str, value: Any) -> None:
    predicate = {**buildkit_v02("FROM a"), name: value}
    metadata = {"https://mobyproject.org/buildkit@v1#metadata": {**recorded("FROM a"), "layers": value, "vcs": value}}
    for changed in (predicate, {**predicate, "metadata": metadata, "buildConfig": {"llbDefinition": [value]}}):
        raw = json.dumps(statement(ABOUT, kind, changed)).encode()
        with suppress(DockerHubError):
            read_build(unwrap(raw, "The provenance")[0])


@given(st.text(alphabet="FROMARG as\n\\#<${}:-+=abcEOF'\"`0", max_size=200), st.text(max_size=5))
def test_any_text_has_a_base_or_none(text: str, target: str) -> None:
    base = base_of_dockerfile(text, {"a": "b"}, target)
    assert base is None or base.strip()


@given(st.lists(st.sampled_from(["MIT", "Ours", "AND", "OR", "WITH", "(", ")", "LicenseRef-x", " "]), max_size=8))
def test_what_is_written_for_any_license_is_an_expression(words: list[str]) -> None:
    licenses = Licenses()
    written = licenses.expression((" ".join(words) or "x", "MIT"))
    assert is_expression(written)


@given(st.text())
def test_any_text_is_a_package_url_or_none(text: str) -> None:
    facts = read_purl(text)
    assert bool(facts.type) == bool(facts.name)


@given(st.text() | JSON.map(json.dumps))
def test_any_text_is_a_log_entry_or_none(text: str) -> None:
    entry = LogEntry.parse(text)
    assert entry is None or entry.is_sane


@given(st.binary(max_size=50))
def test_only_text_is_decoded(raw: bytes) -> None:
    with suppress(DockerHubError):
        assert decode(raw, "The document").encode() == raw


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=8))
def test_an_asterisk_stands_for_any_characters(pattern: str, text: str) -> None:
    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert matches(pattern, text) == (re.fullmatch(expression, text) is not None)


def test_many_asterisks_take_no_longer_than_few() -> None:
    assert not matches("*a" * 500, "a" * 400 + "b")
    assert matches("*a" * 400, "a" * 400)

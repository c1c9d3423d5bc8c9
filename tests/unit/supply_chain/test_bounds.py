"""Memory and time of large documents, and the walls around hostile ones."""

import gc
import json
import tracemalloc
from typing import Any

import pytest

from mcp_dockerhub.errors import TooLarge, UpstreamInvalid
from mcp_dockerhub.supply_chain.json_walk import MAX_DOCUMENT, JsonWalk, decode, load, load_text
from mcp_dockerhub.supply_chain.sbom.reading import sbom_of_statement
from mcp_dockerhub.supply_chain.statements import read_envelope, read_statement, unwrap
from tests.upstreams.attestations import (
    CYCLONEDX,
    IN_TOTO,
    SPDX,
    Key,
    cyclonedx,
    envelope,
    spdx,
    spdx_package,
    statement,
)

DIGEST = "sha256:" + "0" * 64
FACTOR = 6
"""Memory a parsed SBOM may take, in multiples of the document."""


def syft_like(packages: int, files: int) -> dict[str, Any]:
    """As syft writes it: many files with checksums, many relationships."""
    layer = "layerID: sha256:" + "a" * 64
    return spdx(
        [
            spdx_package(
                f"package-{place}",
                f"1.{place}",
                f"pkg:deb/debian/package-{place}@1.{place}?arch=amd64&distro=debian-13",
                SPDXID=f"SPDXRef-P{place}",
                licenseDeclared="GPL-2.0-only AND LGPL-2.1-or-later",
                sourceInfo="acquired package info from DPKG DB: /var/lib/dpkg/status",
                supplier="Person: Łukasz Example (l@example.com)",
            )
            for place in range(packages)
        ],
        files=[
            {
                "fileName": f"usr/share/doc/package-{place}/copyright",
                "SPDXID": f"SPDXRef-F{place}",
                "checksums": [{"algorithm": "SHA1", "checksumValue": f"{place:040x}"}],
                "licenseConcluded": "NOASSERTION",
                "licenseInfoInFiles": ["NOASSERTION"],
                "comment": layer,
            }
            for place in range(files)
        ],
        relationships=[
            {
                "spdxElementId": f"SPDXRef-P{place % packages}",
                "relatedSpdxElement": f"SPDXRef-F{place}",
                "relationshipType": "CONTAINS",
            }
            for place in range(files)
        ],
    )


def component_list(count: int) -> dict[str, Any]:
    return cyclonedx(
        [
            {
                "bom-ref": f"pkg:npm/p{place}@1.{place}?package-id={place:016x}",
                "type": "library",
                "name": f"p{place}",
                "version": f"1.{place}",
                "purl": f"pkg:npm/p{place}@1.{place}",
                "licenses": [{"license": {"id": "MIT"}}],
                "properties": [{"name": "syft:location:0:path", "value": f"/app/node_modules/p{place}/package.json"}],
            }
            for place in range(count)
        ]
    )


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("predicate_type", "document"),
    [(SPDX, syft_like(1_000, 4_000)), (CYCLONEDX, component_list(3_500))],
    ids=["spdx", "cyclonedx"],
)
def test_a_parsed_sbom_takes_at_most_six_times_the_document(
    predicate_type: str, document: dict[str, Any], wrapped: bool
) -> None:
    content = statement(DIGEST, predicate_type, document)
    made: Any = envelope(content, Key.make()) if wrapped else content
    raw = json.dumps(made, separators=(",", ":"), ensure_ascii=False).encode()
    assert len(raw) > 800_000
    empty = json.dumps(statement(DIGEST, predicate_type, {**spdx([]), **cyclonedx([])})).encode()
    sbom_of_statement(unwrap(empty, "The modules loaded")[0])
    # Twice, because the interpreter may happen to enlarge its table of interned strings during one of them.
    peak = min(peak_of_parsing(raw) for _ in range(2))
    assert peak <= FACTOR * len(raw), peak / len(raw)


def peak_of_parsing(raw: bytes) -> int:
    """The most bytes held while a document of at least 1,000 packages is fetched and parsed."""
    gc.collect()
    tracemalloc.start()
    try:
        copy = bytes(bytearray(raw))
        found = sbom_of_statement(unwrap(copy, "The SBOM")[0])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found.packages) >= 1_000
    return peak


def test_a_document_beyond_the_bound_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(TooLarge):
        decode(b" " * (MAX_DOCUMENT + 1), "The document")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1" * 10_000, '"\\ud800', "[1,]", '{"a" 1}', "{1:2}"])
def test_what_json_does_not_allow_is_refused(text: str) -> None:
    walk = JsonWalk(f'{{"x": {text}}}', "The document")
    with pytest.raises(UpstreamInvalid):
        walk.end(walk.members(walk.start(), {}))


@pytest.mark.parametrize("text", ["[]", "7", "", "{", '{"a": NaN}', '{"a": 1, "a": 2}', '{"a": {"b": 1, "b": 2}}'])
def test_small_documents_are_objects_whose_names_occur_once(text: str) -> None:
    with pytest.raises(UpstreamInvalid):
        load_text(text, "The document")


def test_small_documents_have_a_bound_of_their_own() -> None:
    with pytest.raises(TooLarge):
        load(b"{}" + b" " * 100, "The document", 50)


def test_an_array_where_an_object_is_due_is_skipped_not_read() -> None:
    walk = JsonWalk('{"a": 1}', "The document")
    assert walk.elements(0, lambda _: pytest.fail("there are no elements")) == len(walk.text)


# Statements and envelopes


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v9"},
        {"_type": 7},
        {"predicateType": None},
        {"subject": []},
        {"subject": "x"},
        {"subject": None},
    ],
)
def test_what_is_no_statement_of_a_known_version_is_refused(change: dict[str, Any]) -> None:
    raw = json.dumps({**statement(DIGEST, SPDX, {}), **change}).encode()
    with pytest.raises(UpstreamInvalid):
        read_statement(raw, "The statement")


def test_a_statement_without_a_predicate_or_with_two_subjects_lists_is_refused() -> None:
    content = statement(DIGEST, SPDX, {})
    del content["predicate"]
    with pytest.raises(UpstreamInvalid):
        read_statement(json.dumps(content).encode(), "The statement")
    twice = json.dumps(statement(DIGEST, SPDX, {}))[:-1] + ', "subject": []}'
    with pytest.raises(UpstreamInvalid, match="twice"):
        read_statement(twice.encode(), "The statement")


def test_a_predicate_may_be_anything_until_it_is_read() -> None:
    found = read_statement(json.dumps(statement(DIGEST, "x", 7)).encode(), "The statement")
    with pytest.raises(UpstreamInvalid):
        found.load()


def test_more_subjects_than_the_bound_are_refused() -> None:
    raw = json.dumps(statement([DIGEST] * 2_000, SPDX, {})).encode()
    with pytest.raises(TooLarge):
        read_statement(raw, "The statement")


def test_subjects_that_are_no_objects_are_about_nothing() -> None:
    content = {**statement(DIGEST, SPDX, {}), "subject": [7, {"name": 7, "digest": 7}, {"digest": {"sha256": 7}}]}
    found = read_statement(json.dumps(content).encode(), "The statement")
    assert [subject.digests for subject in found.subjects] == [{}, {}]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"payload": 7}, UpstreamInvalid),
        ({"payload": "%%%"}, UpstreamInvalid),
        ({"payloadType": None}, UpstreamInvalid),
        ({"signatures": {}}, UpstreamInvalid),
        ({"signatures": [{"sig": "%"}]}, UpstreamInvalid),
        ({"signatures": [{}] * 20}, TooLarge),
    ],
)
def test_what_is_no_envelope_is_refused(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        read_envelope({**envelope(statement(DIGEST, SPDX, {}), Key.make()), **change}, "The envelope")


def test_an_envelope_may_be_written_in_the_url_safe_alphabet() -> None:
    found = read_envelope({"payload": "_-8=", "payloadType": IN_TOTO, "signatures": [7]}, "The envelope")
    assert (found.payload, found.signatures) == (b"\xff\xef", ())

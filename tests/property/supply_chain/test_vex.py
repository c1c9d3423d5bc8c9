"""VEX documents of any shape: read or refused, never anything else, and never about more than they say."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.supply_chain.packages import Package
from mcp_dockerhub.supply_chain.vulnerabilities.model import VexMark
from mcp_dockerhub.supply_chain.vulnerabilities.priority import ordered, rank
from mcp_dockerhub.supply_chain.vulnerabilities.vex import Marks, Subject, read_vex
from tests.upstreams.scan_reports import EXPLOITED, LIKELY, finding

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=12), part, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["CVE-1", "CVE-2", ""])
PRODUCT = st.one_of(
    JSON,
    st.sampled_from(["pkg:pypi/jinja2", "pkg:pypi/jinja2@3.1.2", "pkg:oci/app?repository_url=ghcr.io/o/app"]),
    st.fixed_dictionaries({"@id": st.sampled_from(["pkg:pypi/jinja2", "x"])}, optional={"subcomponents": JSON}),
)
STATEMENT = st.fixed_dictionaries(
    {},
    optional={
        "vulnerability": NAMES | JSON | st.fixed_dictionaries({"name": NAMES, "aliases": st.lists(NAMES | JSON)}),
        "status": st.sampled_from(["not_affected", "affected", "fixed", "under_investigation"]) | JSON,
        "justification": st.text(max_size=5) | JSON,
        "products": st.lists(PRODUCT, max_size=3) | JSON,
        "timestamp": st.sampled_from(["2026-01-01T00:00:00Z", "never"]) | JSON,
    },
)
DOCUMENT = JSON | st.fixed_dictionaries(
    {"@context": st.just("https://openvex.dev/ns/v0.2.0"), "statements": st.lists(STATEMENT | JSON, max_size=4)},
    optional={"author": JSON, "timestamp": JSON},
)
SUBJECT = Subject(
    Reference.parse("ghcr.io/o/app:v1"), (Digest.parse("sha256:" + "1" * 64),), Platform.parse("linux/amd64")
)
JINJA = Package(type="pypi", name="jinja2", version="3.1.2", purl="pkg:pypi/jinja2@3.1.2")


@given(DOCUMENT, st.booleans())
def test_a_document_is_read_or_refused(content: Any, attested: bool) -> None:
    try:
        read = read_vex(content, "file.json", attested=attested)
    except InvalidInput:
        return
    mark = Marks([read], SUBJECT).of(["CVE-1"], [JINJA])
    assert len(read.statements) + read.skipped == len(content["statements"])
    if mark is not None:
        assert any("CVE-1" in statement.vulnerabilities for statement in read.statements)
        assert mark.status != "not_affected" or mark.justification or mark.statement


FINDING = st.builds(
    finding,
    st.sampled_from(["CVE-1", "CVE-2", "CVE-3"]),
    st.sampled_from(["critical", "high", "medium", "low", "negligible", "unknown"]),
    known_exploited=st.sampled_from([None, EXPLOITED]),
    epss=st.sampled_from([None, LIKELY]),
    fixed=st.sampled_from([(), ("1",)]),
    in_base=st.sampled_from([None, True, False]),
)


@given(st.lists(FINDING, max_size=8))
def test_the_order_does_not_depend_on_the_order_found(findings: list[Any]) -> None:
    ranked = [rank(entry) for entry in ordered(findings)]
    assert ranked == sorted(ranked)
    assert [rank(entry) for entry in ordered(reversed(findings))] == ranked
    exploited = [entry.known_exploited is not None for entry in ordered(findings)]
    assert exploited == sorted(exploited, reverse=True)


@pytest.mark.parametrize("status", ["not_affected", "fixed"])
def test_even_a_mark_leaves_a_finding_in_the_order(status: Any) -> None:
    marked = replace(finding("CVE-1", known_exploited=EXPLOITED), vex=VexMark(status))
    assert [entry.id for entry in ordered([marked, finding("CVE-2", "low")])] == ["CVE-2", "CVE-1"]

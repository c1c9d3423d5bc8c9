"""One finding per vulnerability."""

from datetime import UTC, datetime

from mcp_dockerhub.supply_chain.advisories.merging import merge, several
from mcp_dockerhub.supply_chain.advisories.model import Advisory, Hit, Query, Rating, Reference

QUERY = Query("PyPI", "p", "1.0")
LOW = Rating("low", 2.0, "a", "CVSS:3.1")
HIGH = Rating("high", 8.0, "b", "CVSS:4.0")


def hit(
    name: str,
    *aliases: str,
    query: Query = QUERY,
    upstream: tuple[str, ...] = (),
    related: tuple[str, ...] = (),
    fixed: tuple[str, ...] = (),
    rating: Rating | None = None,
    **fields: str,
) -> Hit:
    ratings = (rating,) if rating else ()
    advisory = Advisory(id=name, aliases=aliases, upstream=upstream, related=related, ratings=ratings, **fields)  # type: ignore[arg-type]
    return Hit(query, advisory, fixed, rating)


def names(*hits: Hit) -> list[str]:
    return [found.advisory.id for found in merge(hits)]


def test_records_that_call_each_other_aliases_are_one_named_by_its_cve() -> None:
    (found,) = merge(
        [
            hit("PYSEC-2024-1", "CVE-2024-1", fixed=("1.2",), rating=LOW, details="theirs"),
            hit("GHSA-aaaa-bbbb-cccc", "CVE-2024-1", fixed=("1.2", "1.3"), rating=HIGH, summary="short"),
        ]
    )
    assert found.advisory.id == "CVE-2024-1"
    assert found.advisory.aliases == ("GHSA-aaaa-bbbb-cccc", "PYSEC-2024-1")
    assert (found.fixed, found.rating) == (("1.2", "1.3"), HIGH)
    assert (found.advisory.summary, found.advisory.details) == ("short", "theirs")
    assert found.advisory.ratings == (HIGH, LOW)


def test_aliases_are_followed_through_others_whatever_the_order() -> None:
    assert names(hit("GHSA-1"), hit("PYSEC-1", "CVE-2024-1"), hit("X", "GHSA-1", "CVE-2024-1")) == ["CVE-2024-1"]


def test_without_a_cve_githubs_name_counts_and_then_its_own() -> None:
    assert names(hit("PYSEC-1", "GHSA-1")) == ["GHSA-1"]
    assert names(hit("MAL-2024-1")) == ["MAL-2024-1"]


def test_the_same_vulnerability_in_two_packages_is_two_findings() -> None:
    assert names(hit("CVE-2024-1"), hit("CVE-2024-1", query=Query("PyPI", "q", "1"))) == ["CVE-2024-1"] * 2


def test_a_distributions_record_about_one_vulnerability_is_that_vulnerability() -> None:
    assert names(hit("UBUNTU-CVE-2024-1234", upstream=("CVE-2024-1234",))) == ["CVE-2024-1234"]
    assert names(hit("ALPINE-CVE-2024-1234")) == ["CVE-2024-1234"]
    assert names(hit("DEBIAN-CVE-2024-1234"), hit("DSA-1-1", upstream=("CVE-2024-1234",))) == ["CVE-2024-1234"]


def test_records_about_several_things_are_not_those_things() -> None:
    assert names(hit("GHSA-1", upstream=("CVE-2024-1", "CVE-2024-2")), hit("CVE-2024-1")) == ["GHSA-1", "CVE-2024-1"]


def test_chainguards_record_is_the_one_vulnerability_whose_names_it_lists() -> None:
    listed = ("CVE-2025-32464", "GHSA-frg5-h47x-75j9")
    for record in (
        hit("CGA-224q-ccj5-2p53", related=listed),
        hit("CGA-224q-ccj5-2p53", upstream=listed),
        hit("CGA-224q-ccj5-2p53", upstream=listed[:1], related=listed),
    ):
        (found,) = merge([record])
        assert found.advisory.id == "CVE-2025-32464"
        assert {"CGA-224q-ccj5-2p53", "GHSA-frg5-h47x-75j9"} >= set(found.advisory.aliases)
        assert several(found.advisory) == ()
    assert names(hit("CGA-2222-2222-2222", related=("CVE-2024-1", "CVE-2024-2"))) == ["CGA-2222-2222-2222"]
    assert names(hit("GHSA-1", related=("CVE-2024-1",))) == ["GHSA-1"]


def test_a_notice_goes_where_each_vulnerability_it_lists_is_among_the_hits() -> None:
    url = Reference("ADVISORY", "https://example.com/usn")
    notice = hit("USN-1-1", upstream=("CVE-2024-1", "CVE-2024-2", "UBUNTU-CVE-2024-1"), fixed=("2.0",))
    notice = Hit(QUERY, Advisory(id="USN-1-1", upstream=notice.advisory.upstream, references=(url,)), ("2.0",))
    one, other, third = merge([hit("CVE-2024-1"), notice, hit("CVE-2024-2"), hit("CVE-2024-3")])
    assert (one.advisory.related, one.fixed, one.advisory.references) == (("USN-1-1",), ("2.0",), (url,))
    assert other.advisory.related == ("USN-1-1",)
    assert third.advisory.related == ()


def test_a_notice_stays_where_it_is_the_only_word_on_something() -> None:
    assert names(hit("CVE-2024-1"), hit("DSA-1-1", "CVE-2024-1", "CVE-2024-2")) == ["CVE-2024-1", "DSA-1-1"]
    assert names(hit("USN-2-1", related=("CVE-2024-8", "CVE-2024-9"))) == ["USN-2-1"]


def test_dates_are_the_first_published_and_the_last_changed() -> None:
    early, late = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    records = (
        Advisory(id="A", aliases=("CVE-2024-1",), published=late, modified=early),
        Advisory(id="B", aliases=("CVE-2024-1",), published=early, modified=late),
        Advisory(id="C", aliases=("CVE-2024-1",)),
    )
    (found,) = merge(Hit(QUERY, record) for record in records)
    assert (found.advisory.published, found.advisory.modified, found.rating) == (early, late, None)

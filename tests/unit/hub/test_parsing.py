"""Hub answers into models, with the quirks of real answers.

Field names, nulls, empty strings and types are those of recorded answers: docker/docs@c065f8002e74 (specification,
Apache-2.0) and public test data; every value is neutral.
"""

from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.errors import UpstreamInvalid
from mcp_dockerhub.hub import parsing
from mcp_dockerhub.hub.models import Count, HubImage
from mcp_dockerhub.reference import Repository

PUSHED = datetime(2026, 7, 30, 4, 44, 13, 965904, tzinfo=UTC)
EXAMPLE = Repository.parse("example/agent")


def digest(n: int) -> str:
    return f"sha256:{n:064x}"


def image(os: str, architecture: str, size: int, n: int, variant: str | None = None) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "features": "",
        "variant": variant,
        "digest": digest(n),
        "os": os,
        "os_features": "",
        "os_version": None,
        "size": size,
        "status": "active",
        "last_pulled": "2026-08-07T11:20:00.112233445Z",
        "last_pushed": "2026-07-30T04:44:13.965904Z",
    }


TAG: dict[str, Any] = {
    "creator": 1,
    "id": 2,
    "images": [
        image("linux", "amd64", 100, 1),
        image("unknown", "unknown", 7, 2),
        image("linux", "arm", 90, 3, "v7"),
        image("unknown", "unknown", 7, 4),
    ],
    "last_updated": "2026-07-30T04:44:13.965904Z",
    "last_updater": 1,
    "last_updater_username": "example",
    "name": "1.2",
    "repository": 3,
    "full_size": 100,
    "v2": True,
    "tag_status": "active",
    "tag_last_pulled": "2026-08-07T11:31:46.163535986Z",
    "tag_last_pushed": "2026-07-30T04:44:13.965904Z",
    "media_type": "application/vnd.oci.image.index.v1+json",
    "content_type": "image",
    "digest": digest(9),
}
OLD_TAG: dict[str, Any] = {
    "name": "old",
    "images": [image("linux", "amd64", 5, 1) | {"status": "inactive", "digest": ""}],
    "last_updated": None,
    "full_size": 5,
    "v2": True,
    "tag_status": "inactive",
    "tag_last_pulled": None,
    "tag_last_pushed": None,
    "media_type": "application/vnd.docker.container.image.v1+json",
}
REPOSITORY: dict[str, Any] = {
    "user": "example",
    "name": "agent",
    "namespace": "example",
    "repository_type": "image",
    "status": 1,
    "status_description": "active",
    "description": "An agent",
    "is_private": False,
    "star_count": 7,
    "pull_count": 117656,
    "last_updated": "2021-05-25T22:27:22.013449Z",
    "date_registered": "2021-05-19T21:09:34.187706Z",
    "affiliation": None,
    "full_description": "# Agent",
    "media_types": ["application/vnd.docker.container.image.v1+json", None],
    "content_types": ["image"],
    "categories": [{"name": "Databases", "slug": "databases"}],
    "storage_size": None,
}
RESULT: dict[str, Any] = {
    "id": "example/agent",
    "name": "example/agent",
    "slug": "example-agent",
    "type": "image",
    "publisher": {"id": "example", "name": "Example"},
    "created_at": "2021-05-19T21:09:34.187706Z",
    "updated_at": "2026-07-30T04:44:13.965904Z",
    "short_description": "An agent",
    "badge": "verfified_publisher",
    "star_count": 456,
    "pull_count": "1B+",
    "operating_systems": [{"name": "linux", "label": "Linux"}],
    "architectures": [{"name": "amd64", "label": "x86-64"}, {"name": "arm64", "label": "ARM 64"}],
    "logo_url": {"large": "", "small": ""},
    "categories": [{"slug": "databases", "name": "Databases"}],
    "archived": False,
}


def page(*results: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"count": len(results), "next": None, "previous": None, "results": list(results)} | changes


def test_a_multi_platform_tag_tells_platforms_from_attestations_and_sums_sizes_itself() -> None:
    tag = parsing.tag_page(page(TAG, count=1729)).tags[0]
    assert [image.platform for image in tag.platform_images] == ["linux/amd64", "linux/arm/v7"]
    assert (len(tag.images), tag.first_image_size, tag.total_size) == (4, 100, 190)
    assert (tag.digest, tag.media_type) == (digest(9), "application/vnd.oci.image.index.v1+json")
    assert (tag.updated_at, tag.last_pushed) == (PUSHED, PUSHED)
    assert tag.last_pulled == datetime(2026, 8, 7, 11, 31, 46, 163535, tzinfo=UTC)
    assert (tag.status, tag.content_type) == ("active", "image")


def test_a_tag_page_says_the_total_over_all_pages() -> None:
    found = parsing.tag_page(page(TAG, OLD_TAG, count=1729))
    assert (len(found.tags), found.total) == (2, 1729)


def test_an_old_tag_lacks_digest_and_dates_without_being_wrong() -> None:
    tag = parsing.tag(OLD_TAG, "old")
    assert tag.digest is None
    assert tag.updated_at is tag.last_pushed is tag.last_pulled is None
    assert tag.images[0].digest is None
    assert (tag.status, tag.images[0].status) == ("inactive", "inactive")
    assert tag.media_type == "application/vnd.docker.container.image.v1+json"


def test_the_specifications_single_image_object_and_status_are_understood_too() -> None:
    as_specified = {"name": "x", "images": TAG["images"][0], "status": "inactive", "v2": "true"}
    tag = parsing.tag(as_specified, "x")
    assert [image.platform for image in tag.images] == ["linux/amd64"]
    assert tag.status == "inactive"


@pytest.mark.parametrize("images", [None, []])
def test_a_tag_without_images_has_no_size(images: Any) -> None:
    tag = parsing.tag({"name": "x", "images": images}, "x")
    assert (tag.images, tag.total_size, tag.first_image_size) == ((), None, None)


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    changed = deepcopy(TAG)
    changed["images"][2]["size"] = None
    assert parsing.tag(changed, "1.2").total_size is None
    changed["images"][2]["size"] = 90
    changed["images"][1]["size"] = None
    assert parsing.tag(changed, "1.2").total_size == 190


def _images(*answers: dict[str, Any]) -> tuple[HubImage, ...]:
    return parsing.tag({"name": "x", "images": list(answers)}, "x").images


def test_null_and_empty_mean_the_same_in_an_image() -> None:
    nulls = image("linux", "amd64", 5, 1) | {"features": None, "variant": None, "os_features": None}
    empty = image("linux", "amd64", 5, 1) | {"features": "", "variant": "", "os_version": ""}
    assert _images(nulls) == _images(empty)


@pytest.mark.parametrize(("os", "architecture"), [("unknown", "unknown"), ("", ""), ("unknown", ""), (None, None)])
def test_what_has_no_platform_is_an_attestation(os: Any, architecture: Any) -> None:
    assert _images({"os": os, "architecture": architecture, "size": 5})[0].is_attestation


def test_an_unknown_architecture_of_a_known_system_is_not_an_attestation() -> None:
    assert not _images({"os": "linux", "architecture": "unknown"})[0].is_attestation


def test_a_repository_says_what_it_says() -> None:
    found = parsing.repository(REPOSITORY, EXAMPLE)
    assert found.repository == EXAMPLE
    assert (found.description, found.full_description) == ("An agent", "# Agent")
    assert (found.star_count, found.pull_count, found.storage_size) == (7, 117656, None)
    assert (found.status, found.repository_type, found.is_private) == ("active", "image", False)
    assert found.media_types == ("application/vnd.docker.container.image.v1+json",)
    assert (found.categories, found.content_types) == (("Databases",), ("image",))
    assert found.registered_at == datetime(2021, 5, 19, 21, 9, 34, 187706, tzinfo=UTC)
    assert found.updated_at == datetime(2021, 5, 25, 22, 27, 22, 13449, tzinfo=UTC)
    assert not found.is_official


def test_official_is_what_lives_under_library() -> None:
    nginx = Repository.parse("nginx")
    assert parsing.repository(REPOSITORY | {"name": "nginx", "namespace": "library"}, nginx).is_official


@pytest.mark.parametrize(
    ("said", "kind"),
    [("image", "image"), ("plugin", "plugin"), (None, ""), (0, "image"), (1, "plugin"), (2, ""), (True, "")],
)
def test_the_repository_type_is_a_word_a_number_or_nothing(said: Any, kind: str) -> None:
    assert parsing.repository(REPOSITORY | {"repository_type": said}, EXAMPLE).repository_type == kind


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"status": 6, "status_description": "archived"}, "archived"),
        ({"status": 6, "status_description": ""}, "archived"),
        ({"status": 4, "status_description": None}, "moderated"),
        ({"status": 99, "status_description": None}, ""),
        ({"status": None, "status_description": None}, ""),
    ],
)
def test_the_status_is_the_word_or_the_numbers_word(changes: dict[str, Any], status: str) -> None:
    assert parsing.repository(REPOSITORY | changes, EXAMPLE).status == status


def test_a_search_result_is_read_with_its_misspelled_badge_and_abbreviated_pulls() -> None:
    found = parsing.search_page({"total": 10_000, "results": [RESULT]})
    assert (found.total, found.unreadable, found.legacy) == (10_000, 0, False)
    result = found.results[0]
    assert result.repository == EXAMPLE
    assert (result.badge, result.pull_count) == ("verified_publisher", Count(10**9, exact=False))
    assert (result.publisher, result.description, result.star_count) == ("Example", "An agent", 456)
    assert (result.operating_systems, result.architectures) == (("linux",), ("amd64", "arm64"))
    assert (result.categories, result.archived, result.updated_at) == (("Databases",), False, PUSHED)


@pytest.mark.parametrize(
    ("names", "path"),
    [
        ({"name": "nginx", "slug": "nginx", "id": "x"}, "library/nginx"),
        ({"name": "nginx", "slug": "bitnami/nginx"}, "bitnami/nginx"),
        ({"name": "Agent for You", "slug": "agent", "id": "example/agent"}, "example/agent"),
        ({"name": "Agent for You", "slug": "agent", "id": "Some:Id"}, "library/agent"),
        ({"name": "library/nginx"}, "library/nginx"),
        ({"name": "library/nginx", "slug": "nginx", "id": None}, "library/nginx"),
    ],
)
def test_whichever_field_names_the_repository_is_used(names: dict[str, Any], path: str) -> None:
    entry = {key: value for key, value in RESULT.items() if key not in ("id", "name", "slug")}
    assert parsing.search_page({"total": 1, "results": [entry | names]}).results[0].repository.path == path


@pytest.mark.parametrize("name", ["", None, "ghcr.io/a/b", "a/b/c", "../x", "x" * 300, "A B", 5])
def test_a_result_whose_name_is_no_repositorys_is_counted_not_shown(name: Any) -> None:
    entry = RESULT | {"id": name, "name": name, "slug": name}
    found = parsing.search_page({"total": 2, "results": [entry, RESULT]})
    assert (len(found.results), found.unreadable, found.total) == (1, 1, 2)
    before = parsing.legacy_search_page(page({"repo_name": name}))
    assert (before.results, before.unreadable) == ((), 1)


@pytest.mark.parametrize("publisher", [None, "", [], {"name": None}])
def test_a_result_without_a_publisher_has_none(publisher: Any) -> None:
    assert parsing.search_page({"total": 1, "results": [RESULT | {"publisher": publisher}]}).results[0].publisher == ""


def test_the_old_search_says_less_and_says_that_it_is_old() -> None:
    entry = {
        "repo_name": "nginx",
        "short_description": "Official build",
        "star_count": 20000,
        "pull_count": 12000000000,
        "repo_owner": "",
        "is_automated": False,
        "is_official": True,
    }
    found = parsing.legacy_search_page(page(entry, count=3, previous=""))
    assert (found.total, found.legacy) == (3, True)
    result = found.results[0]
    assert (result.repository.path, result.badge, result.pull_count) == ("library/nginx", "official", Count(12 * 10**9))
    assert result.updated_at is None
    assert parsing.legacy_search_page(page(entry | {"is_official": False})).results[0].badge is None


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "x",
        {},
        {"count": 1},
        {"count": 1, "results": None},
        {"count": 1, "results": {"a": 1}},
        {"count": 1, "results": ["a"]},
        {"count": "many", "results": []},
        {"count": None, "results": []},
        {"results": [], "total": -1, "count": -1},
        {"count": 1, "total": 1, "results": [{}] * 1001},
    ],
)
def test_a_page_of_another_shape_is_invalid(answer: Any) -> None:
    for parse in (parsing.tag_page, parsing.search_page, parsing.legacy_search_page):
        with pytest.raises(UpstreamInvalid):
            parse(answer)


@pytest.mark.parametrize("name", [None, "", 5, "../x", "x" * 200, "a b"])
def test_a_tag_without_a_tags_name_is_invalid(name: Any) -> None:
    with pytest.raises(UpstreamInvalid, match="not a tag"):
        parsing.tag_page(page(TAG | {"name": name}))


@pytest.mark.parametrize("images", ["x", 5, [5], [None], [[]], [{}] * 1001])
def test_images_of_another_shape_are_invalid(images: Any) -> None:
    with pytest.raises(UpstreamInvalid, match="shape"):
        parsing.tag_page(page(TAG | {"images": images}))


def test_an_answer_about_something_else_is_invalid() -> None:
    for changes in ({"name": "other"}, {"namespace": "other"}, {"name": None}):
        with pytest.raises(UpstreamInvalid, match="something else"):
            parsing.repository(REPOSITORY | changes, EXAMPLE)
    with pytest.raises(UpstreamInvalid, match="something else"):
        parsing.tag(TAG, "1.3")


def test_a_repository_whose_namespace_is_not_said_is_the_one_asked_for() -> None:
    assert parsing.repository({"name": "agent"}, EXAMPLE).repository == EXAMPLE


_values: st.SearchStrategy[Any] = st.sampled_from([None, True, -1, 7, 2**70, "", "x", [], [1], {}, "2026-01-01"])


@pytest.mark.parametrize(
    ("parse", "whole", "essential"),
    [
        (lambda answer: parsing.repository(answer, EXAMPLE), REPOSITORY, {"name", "namespace"}),
        (lambda answer: parsing.tag(answer, "1.2"), TAG, {"name", "images"}),
        (lambda answer: parsing.search_page({"total": 1, "results": [answer]}), RESULT, set()),
        (_images, TAG["images"][0], set()),
    ],
    ids=["repository", "tag", "search", "image"],
)
@given(data=st.data())
def test_a_wrong_value_in_a_field_is_read_as_unsaid_unless_the_field_is_essential(
    parse: Any, whole: dict[str, Any], essential: set[str], data: Any
) -> None:
    field = data.draw(st.sampled_from(sorted(whole)))
    changed = whole | {field: data.draw(_values)}
    if field in essential:
        with suppress(UpstreamInvalid):
            parse(changed)
    else:
        parse(changed)

"""Hub answers into models (docker/docs, Docker Hub API specification; search: docker/hub-mcp, search.yaml)."""

from collections.abc import Mapping
from typing import Any, Final

from mcp_dockerhub.errors import InvalidInput, UpstreamInvalid
from mcp_dockerhub.hub import fields as read
from mcp_dockerhub.hub.models import (
    HubImage,
    HubRepository,
    HubTag,
    HubTagPage,
    SearchPage,
    SearchResult,
)
from mcp_dockerhub.reference import DOCKER_HUB, Repository, check_tag

_STATUS_WORDS: Final[Mapping[int, str]] = {
    0: "initialized",
    1: "active",
    2: "pending_delete",
    3: "locked",
    4: "moderated",
    5: "plan_exceeded",
    6: "archived",
}
_REPOSITORY_TYPES: Final = ("image", "plugin")
"""By the number older specifications give."""


def search_page(answer: Any) -> SearchPage:
    """``GET /api/search/v4``."""
    page = read.fields(answer)
    entries = read.items(page.get("results"))
    results = tuple(found for found in map(_search_result, entries) if found)
    return SearchPage(results, read.total(page.get("total")), unreadable=len(entries) - len(results))


def legacy_search_page(answer: Any) -> SearchPage:
    """``GET /v2/search/repositories/``."""
    page = read.fields(answer)
    entries = read.items(page.get("results"))
    results = tuple(found for found in map(_legacy_search_result, entries) if found)
    return SearchPage(results, read.total(page.get("count")), unreadable=len(entries) - len(results), legacy=True)


def repository(answer: Any, asked: Repository) -> HubRepository:
    """``GET …/repositories/{repository}``; raise UpstreamInvalid when the answer is about another one."""
    found = read.fields(answer)
    _check_same(found.get("name"), asked.name)
    if found.get("namespace") is not None:
        _check_same(found["namespace"], asked.namespace)
    return HubRepository(
        repository=asked,
        description=read.text(found.get("description")),
        full_description=read.text(found.get("full_description")),
        status=_repository_status(found),
        repository_type=_repository_type(found.get("repository_type")),
        is_private=found.get("is_private") is True,
        star_count=read.number(found.get("star_count")),
        pull_count=read.number(found.get("pull_count")),
        registered_at=read.moment(found.get("date_registered")),
        updated_at=read.moment(found.get("last_updated")),
        storage_size=read.number(found.get("storage_size")),
        categories=read.words(found.get("categories"), "name"),
        media_types=read.words(found.get("media_types")),
        content_types=read.words(found.get("content_types")),
    )


def tag_page(answer: Any) -> HubTagPage:
    """``GET …/tags``."""
    page = read.fields(answer)
    tags = tuple(_tag(entry) for entry in read.items(page.get("results")))
    return HubTagPage(tags, read.total(page.get("count")))


def tag(answer: Any, asked: str) -> HubTag:
    """``GET …/tags/{tag}``; raise UpstreamInvalid when the answer is about another one."""
    found = _tag(read.fields(answer))
    _check_same(found.name, asked)
    return found


def _search_result(entry: read.Fields) -> SearchResult | None:
    found = _search_name(entry)
    if found is None:
        return None
    publisher = entry.get("publisher")
    return SearchResult(
        repository=found,
        description=read.text(entry.get("short_description")),
        badge=read.badge(entry.get("badge")),
        publisher=read.word(publisher.get("name")) if isinstance(publisher, dict) else "",
        star_count=read.number(entry.get("star_count")),
        pull_count=read.abbreviated(entry.get("pull_count")),
        created_at=read.moment(entry.get("created_at")),
        updated_at=read.moment(entry.get("updated_at")),
        operating_systems=read.words(entry.get("operating_systems"), "name"),
        architectures=read.words(entry.get("architectures"), "name"),
        categories=read.words(entry.get("categories"), "name"),
        archived=entry.get("archived") is True,
    )


def _legacy_search_result(entry: read.Fields) -> SearchResult | None:
    found = _hub_repository(entry.get("repo_name"))
    if found is None:
        return None
    return SearchResult(
        repository=found,
        description=read.text(entry.get("short_description")),
        badge="official" if entry.get("is_official") is True else None,
        publisher=read.word(entry.get("repo_owner")),
        star_count=read.number(entry.get("star_count")),
        pull_count=read.abbreviated(entry.get("pull_count")),
        created_at=None,
        updated_at=None,
    )


def _search_name(entry: read.Fields) -> Repository | None:
    """The specification does not say which of three fields holds ``namespace/name``: one with a slash wins."""
    named = [_hub_repository(entry.get(field)) for field in ("name", "slug", "id")]
    known = [found for found in named if found]
    return next((found for found in known if found.namespace != "library"), known[0] if known else None)


def _hub_repository(value: Any) -> Repository | None:
    try:
        found = Repository.parse(read.word(value))
    except InvalidInput:
        return None
    return found if found.registry == DOCKER_HUB and found.path.count("/") == 1 else None


def _repository_status(found: read.Fields) -> str:
    said = read.word(found.get("status_description"))
    number = read.number(found.get("status"))
    return said or ("" if number is None else _STATUS_WORDS.get(number, ""))


def _repository_type(value: Any) -> str:
    number = read.number(value)
    if number is not None:
        return _REPOSITORY_TYPES[number] if number < len(_REPOSITORY_TYPES) else ""
    return read.word(value)


def _tag(entry: read.Fields) -> HubTag:
    try:
        name = check_tag(read.word(entry.get("name")))
    except InvalidInput as error:
        raise UpstreamInvalid("Docker Hub listed a tag whose name is not a tag's.") from error
    return HubTag(
        name=name,
        digest=read.digest(entry.get("digest")),
        media_type=read.word(entry.get("media_type")),
        content_type=read.word(entry.get("content_type")),
        status=read.word(entry.get("tag_status")) or read.word(entry.get("status")),
        first_image_size=read.number(entry.get("full_size")),
        updated_at=read.moment(entry.get("last_updated")),
        last_pushed=read.moment(entry.get("tag_last_pushed")),
        last_pulled=read.moment(entry.get("tag_last_pulled")),
        images=tuple(_image(image) for image in read.optional_items(entry.get("images"))),
    )


def _image(entry: read.Fields) -> HubImage:
    return HubImage(
        os=read.word(entry.get("os")),
        architecture=read.word(entry.get("architecture")),
        variant=read.word(entry.get("variant")),
        os_version=read.word(entry.get("os_version")),
        digest=read.digest(entry.get("digest")),
        size=read.number(entry.get("size")),
        status=read.word(entry.get("status")),
        last_pushed=read.moment(entry.get("last_pushed")),
        last_pulled=read.moment(entry.get("last_pulled")),
    )


def _check_same(said: Any, asked: str) -> None:
    if said != asked:
        raise UpstreamInvalid("Docker Hub answered about something else than was asked.")

"""Seeds of the stand-in Docker Hub (format: seed/README.md) and how the Hub words them as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_STATUS_WORDS = ("initialized", "active", "pending_delete", "locked", "moderated", "plan_exceeded", "archived")
_STEPS = ((10**9, "B"), (10**6, "M"), (10**3, "K"))


@dataclass(slots=True)
class SeedRepository:
    """One repository and what the stand-in answers about it."""

    facts: Mapping[str, Any]
    identifier: int
    tags: dict[str, Mapping[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.tags = {tag["name"]: tag for tag in self.facts.get("tags", [])}

    @property
    def namespace(self) -> str:
        return str(self.facts["namespace"])

    @property
    def name(self) -> str:
        return str(self.facts["name"])

    @property
    def path(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def familiar(self) -> str:
        return self.path.removeprefix("library/")

    @property
    def is_private(self) -> bool:
        return bool(self.facts.get("is_private", False))

    @property
    def badge(self) -> str | None:
        official = self.facts.get("is_official", self.namespace == "library")
        badge: str | None = self.facts.get("badge", "official" if official else None)
        return badge

    @property
    def pull_count(self) -> int:
        return int(self.facts.get("pull_count", 0))

    @property
    def registered(self) -> str:
        return str(self.facts.get("date_registered", "2015-01-01T00:00:00Z"))

    @property
    def updated(self) -> str:
        dates = [tag["last_updated"] for tag in self.tags.values() if tag.get("last_updated")]
        return str(self.facts.get("last_updated") or max(dates, default=self.registered))

    def platforms(self, part: str) -> list[str]:
        """Distinct ``os`` or ``architecture`` of all images, attestations left out."""
        images = [image for tag in self.tags.values() for image in tag.get("images", [])]
        return sorted({image[part] for image in images} - {"unknown"})

    def list_entry(self) -> Json:
        """As in the list of a namespace's repositories."""
        facts = self.facts
        status = facts.get("status", 1)
        types = sorted({str(tag["media_type"]) for tag in self.tags.values() if tag.get("media_type")})
        return {
            "name": self.name,
            "namespace": self.namespace,
            "repository_type": facts.get("repository_type", "image"),
            "status": status,
            "status_description": facts.get("status_description", _STATUS_WORDS[status]),
            "description": facts.get("description", ""),
            "is_private": self.is_private,
            "star_count": facts.get("star_count", 0),
            "pull_count": self.pull_count,
            "last_updated": self.updated,
            "last_modified": facts.get("last_modified"),
            "date_registered": self.registered,
            "affiliation": "",
            "media_types": facts.get("media_types", types),
            "content_types": facts.get("content_types", ["image"] if self.tags else []),
            "categories": facts.get("categories", []),
            "storage_size": facts.get("storage_size", 0),
        }

    def details(self) -> Json:
        """As for one repository."""
        return self.list_entry() | {
            "user": self.namespace,
            "is_automated": False,
            "collaborator_count": 0,
            "affiliation": None,
            "hub_user": self.namespace,
            "has_starred": False,
            "full_description": self.facts.get("full_description", ""),
            "permissions": {"read": True, "write": False, "admin": False},
            "immutable_tags_settings": self.facts.get("immutable_tags_settings", {"enabled": False, "rules": []}),
            "source": None,
        }

    def found(self) -> Json:
        """As a result of the search, version 4; without a badge field for nobody's badge, as the type wants."""
        systems = self.facts.get("operating_systems", self.platforms("os"))
        architectures = self.facts.get("architectures", self.platforms("architecture"))
        result: Json = {
            "id": self.path,
            "name": self.familiar,
            "slug": self.familiar.replace("/", "-"),
            "type": self.facts.get("repository_type", "image"),
            "publisher": {"id": self.namespace, "name": self.namespace},
            "created_at": self.registered,
            "updated_at": self.updated,
            "short_description": self.facts.get("description", ""),
            "star_count": self.facts.get("star_count", 0),
            "pull_count": abbreviate(self.pull_count),
            "operating_systems": [{"name": name, "label": name.capitalize()} for name in systems],
            "architectures": [{"name": name, "label": name.upper()} for name in architectures],
            "logo_url": {"large": "", "small": ""},
            "extension_reviewed": False,
            "categories": [{"slug": c["slug"], "name": c["name"]} for c in self.facts.get("categories", [])],
            "archived": self.facts.get("status", 1) == 6,
        }
        if self.badge:
            # Spelled as the specification spells it.
            result["badge"] = self.badge.replace("verified", "verfified")
        return result

    def found_before(self) -> Json:
        """As a result of the old search."""
        return {
            "repo_name": self.familiar,
            "short_description": self.facts.get("description", ""),
            "star_count": self.facts.get("star_count", 0),
            "pull_count": self.pull_count,
            "repo_owner": "" if self.namespace == "library" else self.namespace,
            "is_automated": False,
            "is_official": self.badge == "official",
        }

    def tag(self, name: str) -> Json:
        """As in the list of tags, and for one tag."""
        facts = self.tags[name]
        updated = facts.get("last_updated")
        images = facts.get("images", [])
        answer = {
            "creator": self.identifier,
            "id": 1000 * self.identifier + len(name),
            "images": [image_entry(image, updated, "") for image in images],
            "last_updated": updated,
            "last_updater": self.identifier,
            "last_updater_username": self.namespace,
            "name": name,
            "repository": self.identifier,
            "full_size": facts.get("full_size", images[0].get("size", 0) if images else 0),
            "v2": True,
            "tag_status": facts.get("tag_status", "active"),
            "tag_last_pulled": facts.get("tag_last_pulled"),
            "tag_last_pushed": facts.get("tag_last_pushed", updated),
        }
        # Old tags have none of these at all.
        return answer | {name: facts[name] for name in ("digest", "media_type", "content_type") if name in facts}

    def tag_images(self, name: str) -> list[Json]:
        """As for the images of one tag, with layers."""
        facts = self.tags[name]
        updated = facts.get("last_updated")
        return [
            image_entry(image, updated, None) | {"layers": list(image.get("layers", []))}
            for image in facts.get("images", [])
        ]


def image_entry(image: Mapping[str, Any], updated: str | None, features: str | None) -> Json:
    """One image; the two routes differ in how they say that there are no features."""
    return {
        "architecture": image["architecture"],
        "features": features,
        "variant": image.get("variant"),
        "digest": image.get("digest"),
        "os": image["os"],
        "os_features": features,
        "os_version": image.get("os_version"),
        "size": image.get("size", 0),
        "status": image.get("status", "active"),
        "last_pulled": image.get("last_pulled"),
        "last_pushed": image.get("last_pushed", updated),
    }


def abbreviate(count: int) -> str:
    """A pull count as the search shows it: ``1B+``, ``500M+``, ``10K+``, small ones as they are."""
    for scale, unit in _STEPS:
        if count >= scale:
            step = max(step for step in (1, 5, 10, 50, 100, 500) if step * scale <= count)
            return f"{step}{unit}+"
    return str(count)


def repositories(documents: Iterable[Mapping[str, Any]]) -> dict[str, SeedRepository]:
    """Repositories of several seeds by path; raises ValueError for one that is there twice."""
    found: dict[str, SeedRepository] = {}
    for document in documents:
        for facts in document["repositories"]:
            repository = SeedRepository(facts, identifier=1_000_001 + len(found))
            if repository.path in found:
                raise ValueError(f"seeded twice: {repository.path}")
            found[repository.path] = repository
    return found


def load(paths: Sequence[Path]) -> list[Json]:
    """Seed files as documents."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]

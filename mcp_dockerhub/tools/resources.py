"""Resources: the same answers as the tools', addressed by URI, as JSON."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from mcp_dockerhub.errors import InvalidInput

MAX_URI: Final = 1024


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """One resource or resource template; reading it is calling ``tool`` with what the URI names."""

    uri: str
    """RFC 6570 template; ``{+name}`` matches slashes."""
    name: str
    title: str
    description: str
    tool: str
    pattern: re.Pattern[str]

    @property
    def is_template(self) -> bool:
        return "{" in self.uri

    def arguments(self, uri: str) -> Mapping[str, str] | None:
        """The tool's raw arguments when ``uri`` is of this template, else None."""
        found = self.pattern.fullmatch(uri)
        if found is None:
            return None
        values = {name: unquote(value, errors="strict") for name, value in found.groupdict().items()}
        if "tag" in values:
            separator = "@" if ":" in values["tag"] else ":"
            return {"image": f"{values['name']}{separator}{values['tag']}"}
        return values


RESOURCES: Final = (
    ResourceSpec(
        "docker://images/{query}",
        "search",
        "Image search",
        "Images on Docker Hub that match the words.",
        "docker_search_images",
        re.compile(r"docker://images/(?P<query>[^/]+)"),
    ),
    ResourceSpec(
        "docker://image/{+name}/{tag}",
        "image",
        "Image",
        "What an image is; the tag may be a digest.",
        "docker_get_image_details",
        re.compile(r"docker://image/(?P<name>.+)/(?P<tag>[^/]+)"),
    ),
    ResourceSpec(
        "docker://repository/{+name}",
        "repository",
        "Repository",
        "Pulls, stars and dates of a repository.",
        "docker_get_stats",
        re.compile(r"docker://repository/(?P<repository>.+)"),
    ),
    ResourceSpec(
        "docker://server/metrics",
        "metrics",
        "Server metrics",
        "How this server is doing.",
        "get_performance_metrics",
        re.compile(r"docker://server/metrics"),
    ),
)


def find_resource(uri: str) -> tuple[ResourceSpec, Mapping[str, str]] | None:
    """The resource a URI addresses and its raw arguments, or None.

    Raises:
        InvalidInput: the URI is too long or its escapes are not UTF-8.
    """
    if len(uri) > MAX_URI:
        raise InvalidInput(f"A resource URI has at most {MAX_URI} characters.")
    try:
        matches = ((spec, spec.arguments(uri)) for spec in RESOURCES)
        return next(((spec, arguments) for spec, arguments in matches if arguments is not None), None)
    except UnicodeDecodeError:
        raise InvalidInput("The percent escapes of a resource URI are UTF-8.") from None

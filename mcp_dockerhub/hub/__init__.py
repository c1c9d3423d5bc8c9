"""Docker Hub's own API: search, repositories and tags as the Hub describes them."""

from mcp_dockerhub.hub.client import MAX_PAGE_SIZE, SEARCH_WINDOW, HubClient
from mcp_dockerhub.hub.models import (
    Badge,
    Count,
    HubImage,
    HubLimits,
    HubRepository,
    HubTag,
    HubTagPage,
    SearchFilters,
    SearchPage,
    SearchResult,
    TagOrdering,
)

__all__ = [
    "MAX_PAGE_SIZE",
    "SEARCH_WINDOW",
    "Badge",
    "Count",
    "HubClient",
    "HubImage",
    "HubLimits",
    "HubRepository",
    "HubTag",
    "HubTagPage",
    "SearchFilters",
    "SearchPage",
    "SearchResult",
    "TagOrdering",
]

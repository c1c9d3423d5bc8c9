"""A client's model pays for every byte of a schema."""

import json

import pytest

from mcp_dockerhub.images.base_updates import BaseUpdates
from mcp_dockerhub.images.compare import Comparison
from mcp_dockerhub.images.details import ImageDetails
from mcp_dockerhub.images.dockerfile import Dockerfile
from mcp_dockerhub.images.history import ImageHistory
from mcp_dockerhub.images.layers import LayerAnalysis
from mcp_dockerhub.images.manifest import ManifestView
from mcp_dockerhub.images.pull_size import PullSize
from mcp_dockerhub.images.search import SearchResults
from mcp_dockerhub.images.stats import RepositoryStats
from mcp_dockerhub.images.tags import TagPage
from mcp_dockerhub.results import Result

ANSWERS: list[type[Result]] = [
    BaseUpdates,
    Comparison,
    Dockerfile,
    ImageDetails,
    ImageHistory,
    LayerAnalysis,
    ManifestView,
    PullSize,
    RepositoryStats,
    SearchResults,
    TagPage,
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_schema_is_large(answer: type[Result]) -> None:
    assert len(json.dumps(answer.schema_for_client())) < (2_300 if answer is ImageDetails else 1_500)


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_answer_says_how_fresh_and_how_complete_it_is(answer: type[Result]) -> None:
    assert {"source", "fetched_at", "warnings"} <= answer.schema_for_client()["properties"].keys()

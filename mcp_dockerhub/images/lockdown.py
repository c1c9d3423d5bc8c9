"""Lockdown: free text is shown only of publishers that Docker Hub calls official or verified.

Of all others descriptions, labels, annotations and comments are left out. Commands stay, because they are what is
asked for, unless they read like instructions to an assistant. Names stay too.
"""

from collections.abc import Iterable
from typing import Final, Protocol, TypeVar, runtime_checkable

from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.hub.client import MAX_QUERY
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Repository
from mcp_dockerhub.results import MAX_WARNINGS, Result
from mcp_dockerhub_security.detection import instruction_kind
from mcp_dockerhub_security.refusals import Refusal
from mcp_dockerhub_security.sanitize import OutputModel, TextClass
from mcp_dockerhub_security.untrusted import Removal, untrusted_texts

_OFFICIAL: Final = "library/"
_NOTICE: Final = (
    "Lockdown: free text of publishers that are neither official nor verified is left out; empty says nothing here."
)

AnyResult = TypeVar("AnyResult", bound=Result)


class Target(Protocol):
    """A repository that the call named."""

    @property
    def registry(self) -> str: ...
    @property
    def repository(self) -> str: ...


@runtime_checkable
class Published(Protocol):
    """A part of an answer that says itself whether its publisher is vouched for."""

    @property
    def vouched(self) -> bool: ...


async def locked_down(result: AnyResult, sources: Sources, access: Access, targets: Iterable[Target]) -> AnyResult:
    """The answer without free text of publishers that nobody vouches for."""
    named = {(target.registry, target.repository) for target in targets}
    if not any(True for _ in _strange(result)):
        return result
    if named and all([await _is_vouched(sources, access, *target) for target in sorted(named)]):
        return result
    left = Removal(_drops, _keeps).without_text(result)
    if left is result:
        return result
    return left.model_copy(update={"warnings": [_NOTICE, *left.warnings][:MAX_WARNINGS]})


def _strange(result: Result) -> Iterable[str]:
    return (text for _, text, declared in untrusted_texts(result) if not declared.own)


def _drops(text: str, declared: TextClass) -> bool:
    if declared.own:
        return False
    return declared.kind == "prose" or bool(instruction_kind(text))


def _keeps(model: OutputModel) -> bool:
    return isinstance(model, Published) and model.vouched


async def _is_vouched(sources: Sources, access: Access, registry: str, path: str) -> bool:
    """Whether Docker Hub calls the publisher official or verified; a Hub that cannot be asked vouches for nobody."""
    repository = Repository(registry, path)
    if not repository.is_docker_hub:
        return False
    if path.startswith(_OFFICIAL):
        return True
    if len(path) > MAX_QUERY:
        return False
    try:
        page = await sources.hub.search(access, path, 1, 25)
    except (DockerHubError, Refusal):
        return False
    return any(found.repository == repository and found.badge == "verified_publisher" for found in page.value.results)

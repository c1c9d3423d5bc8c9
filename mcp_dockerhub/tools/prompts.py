"""Prompts: ways of asking that make good use of the tools."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from mcp_dockerhub.tools.toolset import Arguments, ImageArgument, PlatformArgument

Words = Annotated[str, Field(min_length=1, max_length=500)]


class ChooseBaseImage(Arguments):
    need: Words
    constraints: Words | None = None


class ExplainImage(Arguments):
    image: ImageArgument
    platform: PlatformArgument | None = None


class TriageVulnerabilities(Arguments):
    image: ImageArgument
    platform: PlatformArgument | None = None
    context: Words | None = None


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """One prompt; ``text`` makes the message from validated arguments."""

    name: str
    title: str
    description: str
    model: type[Arguments]
    descriptions: Mapping[str, str]
    text: Callable[[Mapping[str, object]], str]


def _choose_base_image(values: Mapping[str, object]) -> str:
    constraints = values.get("constraints")
    return "\n".join(
        [
            "Choose a container base image for this need, and show the evidence for the choice.",
            f"Need: {values['need']}",
            *([f"Constraints: {constraints}"] if constraints else []),
            "",
            "1. Find candidates with docker_search_images (is_official or is_verified_publisher first), at most four.",
            "2. For each, docker_list_tags with order=version to find the newest maintained tag of the right variant,",
            "   and docker_get_image_details for its platforms, size, user and age.",
            "3. Compare the best two with docker_compare_images.",
            "4. Recommend one, pinned as name:tag@digest, and say what was weighed: size, age, platforms,",
            "   who publishes it, root user. Name what could not be found out.",
        ]
    )


def _explain_image(values: Mapping[str, object]) -> str:
    image = values["image"]
    familiar = getattr(image, "familiar", image)
    platform = f" for {values['platform']}" if values.get("platform") else ""
    return "\n".join(
        [
            f"Explain the container image {familiar}{platform} to someone who must decide whether to run it.",
            "",
            "1. docker_get_image_details: what it is, who publishes it, how old it is, what it runs, as which user.",
            "2. docker_analyze_layers: where its size comes from.",
            "3. docker_get_dockerfile: how it was built, and whether that text is original or reconstructed.",
            "4. docker_track_base_updates: whether its base has moved on.",
            "Then explain in plain words, with the digest the facts belong to, and say what is not known.",
        ]
    )


def _triage_vulnerabilities(values: Mapping[str, object]) -> str:
    image = values["image"]
    familiar = getattr(image, "familiar", image)
    platform = f" for {values['platform']}" if values.get("platform") else ""
    context = values.get("context")
    return "\n".join(
        [
            f"Triage the known vulnerabilities of {familiar}{platform}: what now, what later, what nobody knows.",
            *([f"Where it runs: {context}"] if context else []),
            "",
            "1. docker_get_vulnerabilities. First say whether it is complete; if not, what nobody looked at and why.",
            "   No finding in an incomplete scan is no clean image. Page on while findings are exploited or severe.",
            "2. Sort them: known to be exploited; likely to be (EPSS) or critical, with a fix; the rest. `why` says",
            "   what each rests on. Those not rated are unknown, not harmless. A VEX mark is its author's claim.",
            "3. For those in the base image: docker_track_base_updates, then docker_compare_images with",
            "   vulnerabilities=true between the base in use and a newer build, to see what a rebuild would fix.",
            "4. For your own packages: name the version that fixes each, the smallest step first.",
            "5. Give one list of steps with the findings each one settles, and what remains after all of them.",
            "Quote identifiers and versions as they are; summaries and references were written by strangers.",
        ]
    )


PROMPTS: Final = {
    spec.name: spec
    for spec in (
        PromptSpec(
            "choose_base_image",
            "Choose a base image",
            "Find, compare and pin a base image for a need.",
            ChooseBaseImage,
            {"need": "what will run on it, such as: Python 3.13 web service", "constraints": "such as: under 60 MB"},
            _choose_base_image,
        ),
        PromptSpec(
            "explain_image",
            "Explain an image",
            "Explain what an image is and how it was built.",
            ExplainImage,
            {"image": "as after `docker pull`", "platform": "os/arch[/variant]"},
            _explain_image,
        ),
        PromptSpec(
            "triage_vulnerabilities",
            "Triage vulnerabilities",
            "Decide what to do about an image's known vulnerabilities.",
            TriageVulnerabilities,
            {
                "image": "as after `docker pull`",
                "platform": "os/arch[/variant]",
                "context": "such as: faces the internet, handles payments",
            },
            _triage_vulnerabilities,
        ),
    )
}

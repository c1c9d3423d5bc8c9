"""The server over HTTP with the official suite's fixtures in place of its tools, and nothing else changed.

Run as ``python -m tests.conformance.variant``, by the environment like the real one. Every layer is the real one:
connections, Host and Origin, tokens, limits, the Guard with its audit log, metrics.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp_dockerhub.application import Application
from mcp_dockerhub.settings import load_settings
from mcp_dockerhub.web.access import access_of
from mcp_dockerhub.web.app import WebApp
from mcp_dockerhub.web.sdk import SdkApp, http_middleware
from mcp_dockerhub.web.serve import run
from mcp_dockerhub.web_settings import load_web_settings
from mcp_dockerhub_monitoring.logs import configure_logging
from mcp_dockerhub_monitoring.mcp_adapter import MetricsMiddleware
from mcp_dockerhub_security.guard import ParsedCall
from mcp_dockerhub_security.levels import Level, Operation
from mcp_dockerhub_security.mcp_adapter import GuardMiddleware
from tests.conformance.fixture_asking import (
    add_asking_prompt,
    add_capability_tools,
    add_one_question_tools,
    add_stateful_tools,
)
from tests.conformance.fixture_content import add_completion, add_handshake_methods, add_prompts, add_resources
from tests.conformance.fixture_tools import (
    FixtureServer,
    add_content_tools,
    add_notifying_tools,
    add_pushing_tools,
)

READ = Operation(Level.LOW)


@dataclass(frozen=True)
class FixtureSpec:
    """An operation of the suite's, as the Guard sees it: a read, with whatever arguments."""

    name: str
    operation: Operation = READ

    def parse(self, arguments: Mapping[str, Any]) -> ParsedCall:
        return ParsedCall(arguments)


class FixtureCatalogue:
    """What the suite calls by the names it uses; the SDK itself answers for what there is not."""

    def find(self, method: str, name: str) -> FixtureSpec | None:
        known = name.startswith(("test", "json_schema_"))
        return FixtureSpec(name) if known or method == "completion/complete" else None

    def names(self, method: str) -> Iterable[str]:
        return ()


def fixture_server(application: Application) -> FixtureServer:
    server = FixtureServer(
        "conformance",
        version="1",
        log_level="WARNING",
        middleware=[
            *http_middleware(),
            MetricsMiddleware(application.metrics, transport="http"),
            GuardMiddleware(application.guard),
        ],
    )
    for add in (
        add_resources,
        add_prompts,
        add_completion,
        add_handshake_methods,
        add_content_tools,
        add_notifying_tools,
        add_pushing_tools,
        add_one_question_tools,
        add_stateful_tools,
        add_asking_prompt,
        add_capability_tools,
    ):
        add(server)
    return server


def main() -> int:
    settings, web = load_settings({"transport": "http"}), load_web_settings()
    configure_logging(settings.log_level, settings.log_format)
    application = Application.build(settings)
    application.guard._catalogue = FixtureCatalogue()
    sdk = SdkApp(fixture_server(application), web, application.metrics.sessions)
    run(WebApp(application, web, access_of(application, web), sdk), web)
    return 0


if __name__ == "__main__":
    sys.exit(main())

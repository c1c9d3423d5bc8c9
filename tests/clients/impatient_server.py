"""The server with little patience: a main module for tests that wait for it to lose it.

Also serves ``/big``, more than any system buffers for a client that does not read.
"""

import functools
import sys

from mcp_dockerhub.application import Application
from mcp_dockerhub.web import app, serve
from mcp_dockerhub.web.access import Access, Document, local_access
from mcp_dockerhub.web.connection import ConnectionLimits
from mcp_dockerhub.web_settings import WebSettings

BIG = 32 * 1024 * 1024


def main() -> int:
    from mcp_dockerhub.cli import main as command

    impatient = functools.partial(ConnectionLimits, head=0.3, body=0.6, linger=0.3, write=0.3)
    setattr(serve, "ConnectionLimits", impatient)  # noqa: B010 - a type checker is right to mind the plain form
    setattr(serve, "KEEP_ALIVE", 1)  # noqa: B010
    setattr(app, "access_of", _with_big)  # noqa: B010
    return command(["serve", "--transport", "http"])


def _with_big(application: Application, web: WebSettings) -> Access:
    access = local_access(application)
    return Access(access.authenticator, documents={"/big": Document(b"x" * BIG)})


if __name__ == "__main__":
    sys.exit(main())

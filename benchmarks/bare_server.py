"""The smallest server the SDK makes, over stdio or HTTP: what ours is measured against.

``python bare_server.py`` or ``python bare_server.py http PORT [json]``.
"""

import sys

from mcp.server import MCPServer

server = MCPServer("bare", log_level="WARNING")


@server.tool()
def echo(text: str) -> str:
    """Say it again."""
    return text


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        port, kind = int(sys.argv[2]), sys.argv[3:4]
        server.run("streamable-http", port=port, stateless_http=True, json_response=kind == ["json"])
    else:
        server.run("stdio")

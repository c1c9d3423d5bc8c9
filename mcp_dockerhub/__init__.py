"""An MCP server that answers questions about container images, truthfully and safely."""

__version__ = "0.1.0"

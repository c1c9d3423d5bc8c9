"""An MCP server that answers questions about container images, truthfully and safely."""

from typing import Final

__version__ = "0.1.0"
COMMIT: Final = "unknown"
"""The commit this was built from; the release build writes it here."""

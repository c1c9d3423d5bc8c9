"""Tools that change something, for tests only: the product has none yet. What they did is in ``DONE``."""

from typing import Final

from mcp_dockerhub.results import Result
from mcp_dockerhub.tools.call import Call
from mcp_dockerhub.tools.toolset import RepositoryArgument, tool
from mcp_dockerhub_security.levels import Level, secure_operation
from mcp_dockerhub_security.sanitize import Identifier

DONE: Final[list[str]] = []


class Done(Result):
    what: Identifier

    def render(self) -> str:
        return self.text([self.what])


@tool(title="Change", read_only=False)
@secure_operation(level=Level.HIGH, heavy=True)
async def probe_change(call: Call, *, repository: RepositoryArgument, note: str = "") -> Done:
    """Change a repository."""
    DONE.append(f"change {repository} {note}".rstrip())
    return Done(what="changed")


@tool(title="Delete", read_only=False)
@secure_operation(level=Level.RESTRICTED, heavy=True)
async def probe_delete(call: Call, *, repository: RepositoryArgument) -> Done:
    """Delete a repository."""
    DONE.append(f"delete {repository}")
    return Done(what="deleted")


TOOLS = (probe_change, probe_delete)

"""What a scan can be written as. Each writer takes a ``Verdict`` and returns a whole document."""

from importlib import import_module

from mcp_dockerhub.scan.inert import inert_json, inert_text
from mcp_dockerhub.scan.judging import Verdict
from mcp_dockerhub.scan.vocabulary import Format


def written(verdict: Verdict, name: Format) -> str:
    """The document, ending with a line break. Writers are loaded here: some need a library of their own."""
    text = str(import_module(f"{__name__}.as_{name}").write(verdict))
    return inert_text(text) if name in ("table", "markdown") else inert_json(text)

"""What the documents point at is there."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "deploy/**/*.md", "monitoring/*.md", "security/*.md")
    for page in ROOT.glob(pattern)
)
_LINK: Final = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([\w-]+))?\)")
_NAMED: Final = re.compile(
    r"`((?:tests|scripts|docs|deploy|monitoring|security|benchmarks|\.github)/[\w./-]+)(?:::(\w+))?`"
)
_CODE: Final = re.compile(r"^(?P<fence>`{3,}).*?^(?P=fence)", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return _CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_there_are_pages_to_check() -> None:
    assert {"README.md", "security.md", "controls.md"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    for target, anchor in _LINK.findall(prose(page)):
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_and_test_that_is_named_exists(page: Path) -> None:
    for name, test in _NAMED.findall(prose(page)):
        found = ROOT / name
        assert found.exists(), name
        if test:
            assert f"def {test}(" in found.read_text(encoding="utf-8"), f"{name}::{test}"

"""docs/security.md names a test for every attack and every demand: each of them must exist."""

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
NAMED = re.compile(r"`((?:unit|integration|property)/[\w/]+\.py)(?:::(\w+)(?:\[([^\]`]+)\])?)?`")
ATTACKS = (
    *("`alg: none`", "HS256 with the public key", "`kid` with a path, a URL, SQL", "embedded `jwk`, `jku`, `x5u`"),
    *("wrong or missing audience", "prefix, suffix, another case", "list of ours and others", "wrong issuer"),
    *("expired, not yet valid, older than one hour", "truncated and oversized tokens", "token in the query"),
    *("token of tenant A on tenant B", "session id of another user", "replay after revocation"),
    *("scope escalation by argument", "Host spoofing", "Origin spoofing", "request smuggling shapes", "10 MB body"),
    *("deeply nested JSON, duplicate keys", "header floods", "2,000 idle connections", "a client that never reads"),
    *("audit log edited, shortened, extended, reordered", "64 clients on three replicas"),
)

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the documents are not here")


def page() -> str:
    return (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def rows() -> list[str]:
    """Of the tables below the first heading that names tests."""
    return [line for line in page().partition("## Attacks that fail")[2].splitlines() if line.startswith("| ")]


@lru_cache
def source(path: str) -> str:
    return (TESTS / path).read_text(encoding="utf-8")


@lru_cache
def functions(path: str) -> frozenset[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(ast.parse(source(path))) if isinstance(node, kinds))


def test_every_test_the_page_names_exists() -> None:
    named = NAMED.findall(page())
    assert len(named) > 80
    missing = [path for path, _, _ in named if not (TESTS / path).is_file()]
    missing += [name for path, name, _ in named if name and path not in missing and name not in functions(path)]
    missing += [case for path, _, case in named if case and path not in missing and f'"{case}":' not in source(path)]
    assert not missing


def test_every_row_names_a_test_or_says_why_there_is_none() -> None:
    found = [row for row in rows() if not row.startswith(("| attack", "| MUST"))]
    assert len(found) > 50
    assert not [row for row in found if not NAMED.search(row) and "does not apply" not in row]


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_has_a_row(attack: str) -> None:
    assert any(attack in row.split("|")[1] for row in rows())

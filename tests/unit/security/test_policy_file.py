"""A policy file means what it says, or stops the server with the line that does not."""
# ruff: noqa: E501 -- messages as they are

from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub_security.levels import Level
from mcp_dockerhub_security.policy import PolicyDocument
from mcp_dockerhub_security.policy_file import MAX_FILE, PolicyFileError, load_policy
from mcp_dockerhub_security.toml_lines import key_lines, line_of

TOOLS = ("docker_get_manifest", "docker_list_tags", "docker_search_images", "health_check")
EXAMPLE = Path(__file__).parents[3] / "deploy" / "policy.toml"


def load(folder: Path, text: str, **environment: str) -> PolicyDocument:
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return load_policy(path, TOOLS, environment.get)


def problems(folder: Path, text: str, **environment: str) -> list[str]:
    with pytest.raises(PolicyFileError) as caught:
        load(folder, text, **environment)
    return str(caught.value).splitlines()


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    document = load(
        tmp_path,
        """
version = 1
[roles.dev]
scopes = ["dockerhub:read", "dockerhub:read:private"]
[roles."*"]
scopes = []
[tenants.acme]
rate_limit = "5/second"
rate_limit_heavy = "1/minute"
audit_file = "/var/log/acme.jsonl"
allowed_registries = ["ghcr.io"]
[[tenants.acme.registries]]
host = "docker.io"
username = "bot"
password_file = "secret"
[[tenants.acme.registries]]
host = "registry.acme.example:5000"
url = "http://10.0.0.5:5000/"
token_env = "ACME_TOKEN"
[[rules]]
name = "one"
effect = "allow"
tools = ["docker_get_*", "health_check"]
levels = ["LOW", "HIGH"]
roles = ["dev"]
tenants = ["acme"]
addresses = ["10.0.0.0/8", "::1"]
registries = ["*.acme.example", "docker.io"]
repositories = ["acme/**"]
reason = "because"
[[rules]]
name = "two"
effect = "deny"
""",
        ACME_TOKEN="t0ken",
    )
    one, two = document.rules
    assert (one.name, one.allow, one.reason) == ("one", True, "because")
    assert one.levels == {Level.LOW, Level.HIGH}
    assert one.tools.match("docker_get_manifest")
    assert [str(network) for network in one.networks] == ["10.0.0.0/8", "::1/128"]
    assert (two.allow, two.levels) == (False, frozenset(Level))
    assert document.roles == {"dev": {"dockerhub:read", "dockerhub:read:private"}, "*": frozenset()}
    tenant = document.tenants.named["acme"]
    assert [(r.host, r.username, r.password, r.token, r.url) for r in tenant.registries] == [
        ("docker.io", "bot", "s3cret", "", ""),
        ("registry.acme.example:5000", "", "", "t0ken", "http://10.0.0.5:5000"),
    ]
    assert document.tenants.windows("acme") == ("5/second", "1/minute")
    assert document.tenants.windows("other") == ("", "")
    assert document.tenants.audit_files == {"acme": "/var/log/acme.jsonl"}
    assert "s3cret" not in repr(document)
    assert "t0ken" not in repr(document)


def test_an_allowing_rule_without_levels_covers_reads_only(tmp_path: Path) -> None:
    document = load(tmp_path, 'version = 1\n[[rules]]\nname = "r"\neffect = "allow"\ntools = ["*"]\n')
    assert document.rules[0].levels == {Level.PUBLIC, Level.LOW, Level.MEDIUM}


def test_the_example_that_comes_with_the_server_is_valid() -> None:
    document = load_policy(EXAMPLE, TOOLS)
    assert {rule.name for rule in document.rules} >= {"no-abandoned-images", "releases-by-release-managers"}
    assert document.tenants.named == {}


RULE = 'version = 1\n[[rules]]\nname = "r"\neffect = "deny"\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "policy.toml: version: Field required"),
        ("version = 2", "policy.toml line 1: version: Input should be 1"),
        ('version = "1"', "policy.toml line 1: version: Input should be 1"),
        ("version = 1\nrulez = []", "policy.toml line 2: rulez: unknown key; did you mean rules?"),
        ("version = 1\nzzz = 1", "policy.toml line 2: zzz: unknown key"),
        (RULE + 'repository = ["a"]', "policy.toml line 5: rules[1].repository: unknown key; did you mean repositories?"),
        (RULE + 'effect2 = "x"', "policy.toml line 5: rules[1].effect2: unknown key; did you mean effect?"),
        (RULE.replace("deny", "reject"), "policy.toml line 4: rules[1].effect: Input should be 'allow' or 'deny'"),
        (RULE.replace('"r"', '"R r"'), "policy.toml line 3: rules[1].name: String should match pattern"),
        (RULE + "tools = []", "policy.toml line 5: rules[1].tools: List should have at least 1 item"),
        (RULE + 'tools = "x"', "policy.toml line 5: rules[1].tools: Input should be a valid list"),
        (RULE + 'tools = ["docker_get_manifst"]',
         'policy.toml line 5: rules[1].tools: "docker_get_manifst" is no tool; did you mean docker_get_manifest?'),
        (RULE + 'tools = ["zzz*"]', 'policy.toml line 5: rules[1].tools: "zzz*" is no tool'),
        (RULE + 'levels = ["WRITE"]', "policy.toml line 5: rules[1].levels[1]: Input should be 'PUBLIC'"),
        (RULE + 'roles = ["dev"]', 'policy.toml line 5: rules[1].roles: no role "dev"; add [roles.dev] for it'),
        (RULE + 'tenants = ["a"]', 'policy.toml line 5: rules[1].tenants: no tenant "a"; add [tenants.a] for it'),
        (RULE + 'addresses = ["10.0.0.1/8"]',
         'policy.toml line 5: rules[1].addresses: "10.0.0.1/8": 10.0.0.1/8 has host bits set'),
        (RULE + 'addresses = ["office"]', "policy.toml line 5: rules[1].addresses: \"office\": 'office' does not appear"),
        (RULE + 'registries = ["hub.docker.com"]',
         'policy.toml line 5: rules[1].registries: "hub.docker.com": references call Docker Hub docker.io'),
        (RULE + 'registries = ["https://ghcr.io"]', 'policy.toml line 5: rules[1].registries: "https://ghcr.io": a registry'),
        (RULE + 'registries = ["GHCR.io"]', 'policy.toml line 5: rules[1].registries: "GHCR.io": a registry is a host'),
        (RULE + 'registries = ["ghcr.io."]', 'policy.toml line 5: rules[1].registries: "ghcr.io.": a registry is a host'),
        (RULE + 'addresses = ["::ffff:10.0.0.0/104"]',
         'policy.toml line 5: rules[1].addresses: "::ffff:10.0.0.0/104": addresses are matched as IPv4'),
        *((RULE + f'repositories = ["{name}"]',
           f'policy.toml line 5: rules[1].repositories: "{name}": a repository is a path in small letters')
          for name in ("library/nginx:1", "library/nginx@sha256", "Library/nginx", "/library/nginx", "library/")),
        (RULE + 'repositories = ["docker.io/library/nginx"]',
         'policy.toml line 5: rules[1].repositories: "docker.io/library/nginx": begins with a host'),
        (RULE + 'repositories = ["nginx"]',
         'policy.toml line 5: rules[1].repositories: "nginx": on Docker Hub every repository has two parts: library/nginx'),
        (RULE + 'registries = ["ghcr.io", "docker.*"]\nrepositories = ["*"]',
         'policy.toml line 6: rules[1].repositories: "*": on Docker Hub every repository has two parts: library/*, or **'),
        (RULE + 'registries = ["é"]\nrepositories = ["nginx"]',
         'policy.toml line 5: rules[1].registries: "é": a pattern has'),
        (RULE + 'repositories = [""]', 'policy.toml line 5: rules[1].repositories: "": a pattern has'),
        (RULE + 'repositories = ["[ab]"]', 'policy.toml line 5: rules[1].repositories: "[ab]": a pattern has'),
        (RULE + RULE.replace("version = 1\n", 'tools = ["health_check"]\n'),
         "policy.toml line 7: rules[2].name: rule 1 has this name already"),
        ('version = 1\n[roles.dev]\nscopes = ["dockerhub:red"]', "policy.toml line 3: roles.dev.scopes[1]: Input should be"),
        ('version = 1\n[roles."a b"]\nscopes = []', "policy.toml line 2: roles.a b: String should match pattern"),
        ("version = 1\n[roles.dev]\nscope = []", "policy.toml line 3: roles.dev.scope: unknown key; did you mean scopes?"),
        ('version = 1\n[tenants.a]\nrate_limit = "5/sec"', 'policy.toml line 3: tenants.a.rate_limit: "5/sec": part 1 is not'),
        ('version = 1\n[[tenants.a.registries]]\nhost = "x.example"\npassword = "hunter2"',
         "policy.toml line 2: tenants.a.registries[1]: a secret is never written here"),
        ('version = 1\n[[tenants.a.registries]]\nhost = "x.example"\nuser = "u"',
         "policy.toml line 4: tenants.a.registries[1].user: unknown key; did you mean username?"),
        ('version = 1\n[[tenants.a.registries]]\nhost = "x.example"\nusername = "u"',
         "policy.toml line 2: tenants.a.registries[1]: a username needs a password or a token"),
        ('version = 1\n[[tenants.a.registries]]\nhost = "x.example"\npassword_env = "P"',
         "policy.toml line 2: tenants.a.registries[1]: a password needs a username"),
        ('version = 1\n[[tenants.a.registries]]\nhost = "x.example"\nusername = "u"\npassword_env = "P"\ntoken_env = "T"',
         "policy.toml line 2: tenants.a.registries[1]: give one of"),
        ('version = 1\n[[tenants.a.registries]]\nhost = "x.example"\n[[tenants.a.registries]]\nhost = "x.example"',
         "policy.toml line 5: tenants.a.registries[2].host: each host once"),
        ('version = 1\n[[tenants.a.registries]]\nhost = "index.docker.io"',
         'policy.toml line 3: tenants.a.registries[1].host: "index.docker.io": references call Docker Hub docker.io'),
        ('version = 1\n[tenants."a@b"]', "policy.toml line 2: tenants.a@b: String should match pattern"),
        ("version = 1\n[roles.dev", "policy.toml: not TOML: "),
        ("version = 1\nversion = 1\n", "policy.toml: not TOML: Cannot overwrite a value (at line 2"),
        ('version = 1\n[tenants.a]\nallowed_registries = ["hub.docker.com"]',
         'policy.toml line 3: tenants.a.allowed_registries: "hub.docker.com": references call Docker Hub docker.io'),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_named_with_its_line(text: str, problem: str, tmp_path: Path) -> None:
    found = problems(tmp_path, text)
    assert any(line.startswith(problem) for line in found), found
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize(
    "conditions",
    [
        'registries = ["ghcr.io"]\nrepositories = ["tool"]',
        'registries = ["mirror.example.com"]\nrepositories = ["docker.io/**"]',
        'repositories = ["library/*", "**"]',
        'repositories = ["**-internal"]',
    ],
)
def test_repositories_that_can_be_meant_are_taken(conditions: str, tmp_path: Path) -> None:
    assert load(tmp_path, RULE + conditions).rules


def test_every_problem_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = problems(
        tmp_path, RULE + 'tools = ["x"]\nroles = ["y"]\n[[rules]]\nname = "r"\neffect = "allow"\ntools=["z"]'
    )
    assert [line.partition(":")[0] for line in found] == [f"policy.toml line {n}" for n in (5, 6, 8, 10)]


def test_a_rule_that_can_never_be_reached_is_an_error(tmp_path: Path) -> None:
    found = problems(tmp_path, RULE + '[[rules]]\nname = "later"\neffect = "allow"\ntools = ["health_check"]')
    assert found == ['policy.toml line 5: rules[2]: never reached: rule "r" above it covers every call']


@pytest.mark.parametrize(
    ("tail", "environment", "problem"),
    [
        ('password_file = "missing"', {}, "missing: cannot be read (No such file or directory)."),
        ('password_file = "empty"', {}, "empty holds no secret."),
        ('password_file = "binary"', {}, "binary: not UTF-8 text."),
        ('password_file = "lines"', {}, "lines holds no secret."),
        ('password_env = "UNSET"', {}, "UNSET holds no secret."),
        ('password_env = "BLANK"', {"BLANK": "  "}, "BLANK holds no secret."),
    ],
)
def test_a_secret_that_is_not_there_stops_the_server(
    tail: str, environment: dict[str, str], problem: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "lines").write_text("one\ntwo\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    text = f'version = 1\n[[tenants.a.registries]]\nhost = "x.example"\nusername = "u"\n{tail}\n'
    (found,) = problems(tmp_path, text, **environment)
    assert found.startswith("policy.toml: tenants.a.registries (x.example): ")
    assert found.endswith(problem)


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match="cannot be read"):
        load_policy(tmp_path / "none.toml", TOOLS)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (MAX_FILE + 1))
    with pytest.raises(PolicyFileError, match="larger than"):
        load_policy(large, TOOLS)


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ('a = 1\n[b]\nc = 2\n[b.d]\n"e f" = 3', ("b", "d", "e f"), 5),
        ("[[a]]\nx = 1\n[[a]]\nx = 2", ("a", 1, "x"), 4),
        ("[[a]]\n[[a.b]]\n[[a]]\n[[a.b]]\nx = 1", ("a", 1, "b", 0, "x"), 5),
        ("[[a]]\n[a.c]\ny = 1", ("a", 0, "c", "y"), 3),
        ("a.b.c = 1", ("a", "b", "c"), 1),
        ("[ a . 'b' ]\nx=1", ("a", "b"), 1),
        ("[a]\nx = 1", ("a", "missing", 3), 1),
        ("# a = 1\na = 1", ("a",), 2),
        ("a = 1", ("b",), None),
        ("", (), None),
    ],
)
def test_lines_of_keys(text: str, path: tuple[Any, ...], line: int | None) -> None:
    assert line_of(key_lines(text), path) == line

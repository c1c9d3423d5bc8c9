"""References: what is accepted, how it is normalised, and which rule every rejection names."""

import pytest

from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.reference import Digest, Reference, Repository, check_tag, parse_registry

HEX = "0123456789abcdef" * 4
SHA256 = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("typed", "registry", "path", "tag", "digest"),
    [
        ("nginx", "docker.io", "library/nginx", "latest", None),
        ("nginx:1.29-alpine", "docker.io", "library/nginx", "1.29-alpine", None),
        ("bitnami/redis", "docker.io", "bitnami/redis", "latest", None),
        ("docker.io/nginx", "docker.io", "library/nginx", "latest", None),
        ("docker.io/library/nginx:1", "docker.io", "library/nginx", "1", None),
        ("index.docker.io/nginx", "docker.io", "library/nginx", "latest", None),
        ("registry-1.docker.io/bitnami/redis", "docker.io", "bitnami/redis", "latest", None),
        ("Index.Docker.IO/nginx", "docker.io", "library/nginx", "latest", None),
        ("ghcr.io/o/a/b/c:x", "ghcr.io", "o/a/b/c", "x", None),
        ("GHCR.io/o/a", "ghcr.io", "o/a", "latest", None),
        ("localhost/x", "localhost", "x", "latest", None),
        ("localhost:5000/x:y", "localhost:5000", "x", "y", None),
        ("host:65535/x", "host:65535", "x", "latest", None),
        ("host:1/x", "host:1", "x", "latest", None),
        ("10.0.0.1/x", "10.0.0.1", "x", "latest", None),
        ("[::1]/x", "[::1]", "x", "latest", None),
        ("[2001:DB8::1]:5000/x:y", "[2001:db8::1]:5000", "x", "y", None),
        (f"nginx@{SHA256}", "docker.io", "library/nginx", None, SHA256),
        (f"nginx:1.29@{SHA256}", "docker.io", "library/nginx", "1.29", SHA256),
        (f"localhost:5000/a/b:c@{SHA256}", "localhost:5000", "a/b", "c", SHA256),
        (f"x/{HEX}", "docker.io", f"x/{HEX}", "latest", None),
        ("localhost", "docker.io", "library/localhost", "latest", None),
        ("a__b/c---d.e_f:_", "docker.io", "a__b/c---d.e_f", "_", None),
        ("nginx:5000", "docker.io", "library/nginx", "5000", None),
    ],
)
def test_a_reference_is_read_as_docker_pull_reads_it(
    typed: str, registry: str, path: str, tag: str | None, digest: str | None
) -> None:
    reference = Reference.parse(typed)
    assert reference == Reference(Repository(registry, path), tag, Digest(digest) if digest else None)


@pytest.mark.parametrize(
    ("typed", "familiar"),
    [
        ("docker.io/library/nginx:1", "nginx:1"),
        ("docker.io/bitnami/redis:7", "bitnami/redis:7"),
        ("localhost:5000/x:y", "localhost:5000/x:y"),
        (f"docker.io/library/nginx@{SHA256}", f"nginx@{SHA256}"),
        (f"nginx:1@{SHA256}", f"nginx:1@{SHA256}"),
    ],
)
def test_the_familiar_form_is_the_shortest_that_means_the_same(typed: str, familiar: str) -> None:
    assert Reference.parse(typed).familiar == familiar


@pytest.mark.parametrize(
    ("path", "familiar"),
    [
        ("library/localhost", "localhost"),
        (f"library/{HEX}", f"library/{HEX}"),
        ("library/a/b", "library/a/b"),
        ("library/nginx", "nginx"),
        ("localhost/x", "docker.io/localhost/x"),
        ("a.b/c", "docker.io/a.b/c"),
    ],
)
def test_the_familiar_form_never_means_something_else(path: str, familiar: str) -> None:
    repository = Repository.parse(f"docker.io/{path}")
    assert repository.path == path
    assert Repository.parse(repository.familiar) == repository
    assert repository.familiar == familiar


@pytest.mark.parametrize(
    ("typed", "rule"),
    [
        ("", "must not be empty"),
        ("a" * 1025, "at most 1024 characters"),
        ("a" * 250, "at most 255 characters"),
        ("https://hub.docker.com/_/nginx", "no URL scheme"),
        ("nginx alpine", "no spaces"),
        (" nginx", "no spaces"),
        ("nginx\n", "printable ASCII"),
        ("nginx\x00", "printable ASCII"),
        ("nginx\x1b[31m", "printable ASCII"),
        ("nginx\r\nHost: x", "printable ASCII"),
        ("ngіnx", "printable ASCII"),  # noqa: RUF001  (the look-alike is the point)
        ("nginx\u202ealpine", "printable ASCII"),
        ("Nginx", "lower-case"),
        ("a//b", "lower-case"),
        ("/nginx", "lower-case"),
        ("nginx/", "lower-case"),
        ("a/../b", "lower-case"),
        ("-a", "lower-case"),
        ("a-", "lower-case"),
        ("a___b", "lower-case"),
        ("a..b/c", "host name"),
        ("x/a._b", "lower-case"),
        ("../../etc", "host name"),
        ("../../../v2/users/login?x=1#", "host name"),
        ("a/b?x=1", "lower-case"),
        ("a/b#c", "lower-case"),
        ("a/b%2fc", "lower-case"),
        ("nginx:", "A tag has"),
        ("nginx:.x", "A tag has"),
        ("nginx:-x", "A tag has"),
        ("nginx:" + "x" * 129, "A tag has"),
        ("nginx:a:b", "A tag has"),
        ("nginx:a/b", "host name"),
        ("x/nginx:a/b", "A tag has"),
        ("nginx@", "algorithm"),
        ("nginx@sha256", "exactly 64"),
        ("nginx@md5:" + "a" * 32, "algorithm"),
        ("nginx@sha256:" + "a" * 63, "exactly 64"),
        ("nginx@sha256:" + "A" * 64, "exactly 64"),
        ("nginx@sha512:" + "a" * 64, "exactly 128"),
        (f"nginx@{SHA256}@{SHA256}", "exactly 64"),
        (f"@{SHA256}", "lower-case"),
        (HEX, "image id"),
        ("localhost:0/x", "port is between"),
        ("localhost:65536/x", "port is between"),
        ("localhost:123456/x", "host name"),
        ("localhost:/x", "host name"),
        ("host:a/x", "host name"),
        ("-a.io/x", "host name"),
        ("a-.io/x", "host name"),
        ("a_b.io/x", "host name"),
        ("user@host.io/x", "algorithm"),
        ("[::1/x", "host name"),
        ("[zz]/x", "host name"),
        ("[:::::]/x", "host name"),
        ("[1.2.3.4]/x", "host name"),
        ("[12345::]/x", "host name"),
        ("a" * 64 + ".io/x", "host name"),
        (".".join(["a" * 60] * 5) + "/x", "host name"),
    ],
)
def test_every_rejection_says_its_rule(typed: str, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule) as raised:
        Reference.parse(typed)
    assert len(raised.value.message) <= 200
    assert raised.value.hint


@pytest.mark.parametrize("typed", ["nginx:latest", f"nginx@{SHA256}", "ghcr.io/o/a:1"])
def test_a_repository_has_no_tag_and_no_digest(typed: str) -> None:
    with pytest.raises(InvalidInput, match="without tag or digest"):
        Repository.parse(typed)


@pytest.mark.parametrize(
    ("typed", "namespace", "name"),
    [("nginx", "library", "nginx"), ("ghcr.io/o/a/b", "o/a", "b"), ("localhost/x", "", "x")],
)
def test_a_repository_knows_its_namespace_and_name(typed: str, namespace: str, name: str) -> None:
    repository = Repository.parse(typed)
    assert (repository.namespace, repository.name) == (namespace, name)


def test_only_docker_hub_is_docker_hub() -> None:
    assert Repository.parse("index.docker.io/x/y").is_docker_hub
    assert not Repository.parse("hub.docker.com/x/y").is_docker_hub


def test_with_tag_and_digest_the_digest_is_what_is_read() -> None:
    assert Reference.parse(f"nginx:1@{SHA256}").target == SHA256
    assert Reference.parse("nginx:1").target == "1"
    assert Reference(Repository.parse("nginx")).target == "latest"


def test_a_reference_changes_into_another_tag_or_digest() -> None:
    reference = Reference.parse(f"nginx:1@{SHA256}")
    assert reference.with_tag("2") == Reference.parse("nginx:2")
    assert Reference.parse("nginx:1").with_digest(SHA256) == reference


def test_changing_into_something_that_is_no_tag_or_digest_is_refused() -> None:
    with pytest.raises(InvalidInput, match="A tag has"):
        Reference.parse("nginx").with_tag("../x")
    with pytest.raises(InvalidInput, match="algorithm"):
        Reference.parse("nginx").with_digest("latest")


def test_a_digest_knows_its_parts() -> None:
    digest = Digest.parse(f"sha512:{HEX}{HEX}")
    assert (digest.algorithm, digest.hex) == ("sha512", HEX + HEX)


def test_a_tag_is_checked_by_itself() -> None:
    assert check_tag("1.29-alpine_x") == "1.29-alpine_x"
    with pytest.raises(InvalidInput, match="A tag has 1 to 128"):
        check_tag("1.29\n")


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("GHCR.io", "ghcr.io"),
        ("localhost:5000", "localhost:5000"),
        ("index.docker.io", "docker.io"),
        ("[::1]", "[::1]"),
    ],
)
def test_a_registry_is_named_by_its_host(typed: str, host: str) -> None:
    assert parse_registry(typed) == host


@pytest.mark.parametrize("typed", ["", "a/b", "https://ghcr.io", "ghcr.io\n", "host:0", "-x.io", "user@host"])
def test_anything_else_is_no_registry(typed: str) -> None:
    with pytest.raises(InvalidInput):
        parse_registry(typed)

"""The stand-in Docker Hub keeps to the official specifications, and behaves as the Hub is known to."""

import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.integration.hub.conftest import ACCOUNT, SEED
from tests.upstreams.contract import contract, parameters, value_violations, violations
from tests.upstreams.hub import HubState
from tests.upstreams.hub_faults import NAMED, named
from tests.upstreams.hub_seed import repositories
from tests.upstreams.images import hub_seed

LIST = "/v2/namespaces/{namespace}/repositories"
ONE = LIST + "/{repository}"
CASES = [
    ("GET", LIST, "/v2/namespaces/library/repositories", 200),
    ("GET", LIST, "/v2/namespaces/many/repositories?page=2&page_size=100&ordering=-pull_count&name=web", 200),
    ("GET", LIST, "/v2/namespaces/many/repositories?page=1000", 404),
    ("GET", LIST, "/v2/namespaces/many/repositories?ordering=colour", 400),
    ("GET", ONE, "/v2/namespaces/library/repositories/nginx", 200),
    ("GET", ONE, "/v2/namespaces/example/repositories/server", 200),
    ("GET", ONE, "/v2/namespaces/many/repositories/web-0000", 200),
    ("GET", ONE, "/v2/namespaces/library/repositories/nowhere", 404),
    ("GET", ONE, "/v2/namespaces/example/repositories/secret", 404),
    ("HEAD", ONE, "/v2/namespaces/library/repositories/nginx", 200),
    ("GET", ONE + "/tags", "/v2/namespaces/library/repositories/nginx/tags", 200),
    ("GET", ONE + "/tags", "/v2/namespaces/example/repositories/server/tags?page=3&page_size=100", 200),
    ("GET", ONE + "/tags", "/v2/namespaces/library/repositories/nginx/tags?page=2", 404),
    ("HEAD", ONE + "/tags", "/v2/namespaces/library/repositories/nginx/tags", 200),
    ("GET", ONE + "/tags/{tag}", "/v2/namespaces/library/repositories/nginx/tags/1.29", 200),
    ("GET", ONE + "/tags/{tag}", "/v2/namespaces/library/repositories/nginx/tags/ancient", 200),
    ("GET", ONE + "/tags/{tag}", "/v2/namespaces/library/repositories/nginx/tags/nowhere", 404),
    ("HEAD", ONE + "/tags/{tag}", "/v2/namespaces/library/repositories/nginx/tags/1.29", 200),
    ("GET", ONE + "/tags/{tag}/images", "/v2/namespaces/library/repositories/nginx/tags/1.29/images", 200),
    ("GET", ONE + "/tags/{tag}/images", "/v2/namespaces/library/repositories/nginx/tags/no/images", 404),
    ("GET", "/api/search/v4", "/api/search/v4?query=web", 200),
    ("GET", "/api/search/v4", "/api/search/v4?query=web&from=2400&size=100&badges=none&type=image", 200),
    ("GET", "/api/search/v4", "/api/search/v4?query=web&from=2401&size=100", 400),
]


@pytest.mark.parametrize(("method", "route", "target", "status"), CASES)
def test_every_answer_keeps_to_the_specification(
    http: httpx2.Client, method: str, route: str, target: str, status: int
) -> None:
    answer = http.request(method, target)
    assert answer.status_code == status
    content = None if method == "HEAD" else answer.json()
    assert violations(f"{method} {route}", status, content) == []


@pytest.mark.parametrize(("secret", "status"), [(ACCOUNT[1], 200), ("wrong", 401)])
def test_tokens_keep_to_the_specification(http: httpx2.Client, secret: str, status: int) -> None:
    answer = http.post("/v2/auth/token", json={"identifier": ACCOUNT[0], "secret": secret})
    assert answer.status_code == status
    assert violations("POST /v2/auth/token", status, answer.json()) == []


def test_every_specified_operation_is_exercised() -> None:
    exercised = {f"{method} {route}" for method, route, _, _ in CASES} | {"POST /v2/auth/token"}
    assert exercised == set(contract()["operations"])


def test_the_specification_would_notice_invented_and_mistyped_fields(http: httpx2.Client) -> None:
    tag = http.get("/v2/namespaces/library/repositories/nginx/tags/1.29").json()
    operation = f"GET {ONE}/tags/{{tag}}"
    assert violations(operation, 200, tag | {"colour": "red"})
    assert violations(operation, 200, tag | {"full_size": "5"})
    assert violations(operation, 418, tag)
    repository = http.get("/v2/namespaces/library/repositories/nginx").json()
    assert violations(f"GET {ONE}", 200, {key: value for key, value in repository.items() if key != "permissions"})
    assert violations(f"GET {ONE}", 200, repository | {"date_registered": "yesterday"})


def test_the_older_routes_answer_the_same(http: httpx2.Client) -> None:
    for rest in ("", "/tags/1.29", "/tags/1.29/images"):
        documented = http.get(f"/v2/namespaces/library/repositories/nginx{rest}").json()
        for slash in ("", "/"):
            assert http.get(f"/v2/repositories/library/nginx{rest}{slash}").json() == documented


def test_pages_link_to_each_other_and_say_the_total(http: httpx2.Client) -> None:
    target: str | None = "/v2/repositories/example/server/tags?page_size=100"
    names: list[str] = []
    while target:
        page = http.get(target).json()
        assert page["count"] == 250
        names += [tag["name"] for tag in page["results"]]
        target = page["next"]
    assert len(set(names)) == 250
    assert http.get("/v2/repositories/example/server/tags?page=2").json()["previous"].endswith("page=1")


def test_page_sizes_beyond_a_hundred_are_cut(http: httpx2.Client) -> None:
    assert len(http.get("/v2/repositories/example/server/tags?page_size=1000").json()["results"]) == 100


@pytest.mark.parametrize(
    ("ordering", "names"),
    [
        ("last_updated", ["latest", "1.29", "1.28", "ancient"]),
        ("-last_updated", ["ancient", "1.28", "1.29", "latest"]),
        ("name", ["1.28", "1.29", "ancient", "latest"]),
        ("-name", ["latest", "ancient", "1.29", "1.28"]),
    ],
)
def test_tags_come_in_the_order_asked_for(http: httpx2.Client, ordering: str, names: list[str]) -> None:
    page = http.get(f"/v2/repositories/library/nginx/tags?ordering={ordering}").json()
    assert [tag["name"] for tag in page["results"]] == names


def test_old_tags_lack_digest_and_types(http: httpx2.Client) -> None:
    old = http.get("/v2/repositories/library/nginx/tags/ancient").json()
    assert not {"digest", "media_type", "content_type"} & set(old)
    assert old["last_updated"] is None


def test_features_are_empty_in_lists_and_null_with_layers(http: httpx2.Client) -> None:
    tag = http.get("/v2/repositories/library/nginx/tags/1.29").json()
    images = http.get("/v2/repositories/library/nginx/tags/1.29/images").json()
    assert {image["features"] for image in tag["images"]} == {""}
    assert {image["features"] for image in images} == {None}
    assert "digest" not in images[0]["layers"][1]


def test_the_search_ranks_filters_and_counts(http: httpx2.Client) -> None:
    def search(**query: str) -> tuple[int, list[str]]:
        answer = http.get("/api/search/v4", params={"query": "web server", **query}).json()
        return answer["total"], [result["name"] for result in answer["results"]]

    total, names = search(size="3")
    assert (total, names) == (2602, ["nginx", "example/server", "many/web-2599"])
    assert search(badges="official") == (1, ["nginx"])
    assert search(badges="official,verified_publisher")[0] == 2
    assert search(architectures="arm64") == (2, ["nginx", "example/server"])
    assert search(type="plugin") == (0, [])
    assert search(operating_systems="windows") == (0, [])
    answer = http.get("/api/search/v4?query=example/server").json()["results"][0]
    assert (answer["badge"], answer["pull_count"]) == ("verfified_publisher", "1M+")


def test_the_old_search_has_an_empty_previous_link(http: httpx2.Client) -> None:
    page = http.get("/v2/search/repositories/?query=nginx").json()
    assert (page["count"], page["previous"], page["results"][0]["repo_name"]) == (1, "", "nginx")


def test_requests_are_limited_by_the_minute(http: httpx2.Client, state: HubState) -> None:
    state.limit, state.clock = 2, lambda: 1_800_000_030.0
    answers = [http.get("/v2/repositories/library/nginx") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers.get("x-ratelimit-remaining") for answer in answers] == ["1", "0", None]
    assert answers[0].headers["x-ratelimit-reset"] == answers[2].headers["x-retry-after"] == "1800000060"
    state.clock = lambda: 1_800_000_060.0
    assert http.get("/v2/repositories/library/nginx").status_code == 200


def test_a_token_opens_private_repositories_until_it_expires(http: httpx2.Client, state: HubState) -> None:
    secret = "/v2/namespaces/example/repositories/secret"
    token = http.post("/v2/auth/token", json={"identifier": ACCOUNT[0], "secret": ACCOUNT[1]}).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    assert [http.get(secret).status_code, http.get(secret, headers=headers).status_code] == [404, 200]
    listed = http.get("/v2/namespaces/example/repositories", headers=headers).json()
    assert [entry["name"] for entry in listed["results"]] == ["server", "secret"]
    now = state.clock()
    state.clock = lambda: now + 601
    assert http.get(secret, headers=headers).status_code == 401
    assert http.get(secret, headers={"authorization": "Bearer nonsense"}).status_code == 401


def test_requests_are_recorded(http: httpx2.Client, state: HubState) -> None:
    http.get("/v2/repositories/library/nginx/tags?page=1", headers={"User-Agent": "somebody"})
    http.head("/v2/repositories/library/nginx")
    assert state.paths() == ["/v2/repositories/library/nginx/tags", "/v2/repositories/library/nginx"]
    assert state.paths(method="HEAD") == ["/v2/repositories/library/nginx"]
    assert (state.requests[0].query, state.requests[0].headers["user-agent"]) == ({"page": "1"}, "somebody")


@pytest.mark.parametrize("name", sorted(set(NAMED) - {"hang", "endless", "cut"}))
def test_a_fault_hits_as_often_and_where_it_is_told(http: httpx2.Client, state: HubState, name: str) -> None:
    state.faults.append(named(name, path="/tags", times=1))
    assert http.get("/v2/repositories/library/nginx").status_code == 200
    assert http.get("/v2/repositories/library/nginx/tags").text == NAMED[name].get("body", "")
    assert http.get("/v2/repositories/library/nginx/tags").json()["count"] == 4


def test_a_body_can_be_cut_short(http: httpx2.Client, state: HubState) -> None:
    state.faults.append(named("cut"))
    with pytest.raises(httpx2.RemoteProtocolError):
        http.get("/v2/repositories/library/nginx")


def test_a_body_can_be_endless(http: httpx2.Client, state: HubState) -> None:
    state.faults.append(named("endless"))
    read = 0
    with http.stream("GET", "/v2/repositories/library/nginx") as answer:
        for chunk in answer.iter_raw():
            read += len(chunk)
            if read > 1_000_000:
                break
    assert read > 1_000_000


def test_a_hung_request_ends_when_its_client_goes_away(http: httpx2.Client, state: HubState) -> None:
    state.faults.append(named("hang", times=1))
    with pytest.raises(httpx2.ReadTimeout):
        http.get("/v2/repositories/library/nginx", timeout=0.2)
    assert http.get("/v2/repositories/library/nginx").status_code == 200


def test_a_running_stand_in_can_be_told_to_fail(http: httpx2.Client) -> None:
    assert http.post("/_control/faults", json={"name": "unavailable", "path": "/tags"}).status_code == 204
    assert http.get("/v2/repositories/library/nginx/tags").status_code == 503
    assert http.delete("/_control/faults").status_code == 204
    assert http.get("/v2/repositories/library/nginx/tags").status_code == 200
    assert [r["path"] for r in http.get("/_control/requests").json()] == ["/v2/repositories/library/nginx/tags"]
    assert http.delete("/_control/requests").json() == []


def test_it_runs_as_a_process_that_prints_its_address(tmp_path: Path) -> None:
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps(SEED), encoding="utf-8")
    command = [sys.executable, "-m", "tests.upstreams.hub", "--seed", str(seed), "--account", "other:secret"]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True) as process:
        try:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())["url"]
            assert httpx2.get(f"{address}/v2/repositories/library/nginx", timeout=10).json()["name"] == "nginx"
            for name, secret in (ACCOUNT, ("other", "secret")):
                body = {"identifier": name, "secret": secret}
                assert httpx2.post(f"{address}/v2/auth/token", json=body, timeout=10).status_code == 200
        finally:
            process.terminate()
            process.wait(timeout=10)


def test_no_repository_is_seeded_twice() -> None:
    with pytest.raises(ValueError, match="seeded twice: library/nginx"):
        HubState.seeded(SEED, SEED)


def test_requests_of_our_client_keep_to_the_specification() -> None:
    from mcp_dockerhub.hub import SearchFilters
    from mcp_dockerhub.hub.client import _Search

    asked = _Search("nginx", 25, 100, SearchFilters("verified_publisher", "arm64")).params
    known = parameters("GET /api/search/v4")
    assert set(asked) <= set(known)
    for name, value in asked.items():
        assert value_violations(known[name], value) == []


def test_every_seeded_repository_and_tag_keeps_to_the_specification() -> None:
    for repository in repositories([hub_seed()]).values():
        assert violations(f"GET {ONE}", 200, repository.details()) == []
        assert violations(f"GET {LIST}", 200, {"count": 1, "results": [repository.list_entry()]}) == []
        assert violations("GET /api/search/v4", 200, {"total": 1, "results": [repository.found()]}) == []
        for name in list(repository.tags)[:100]:
            assert violations(f"GET {ONE}/tags/{{tag}}", 200, repository.tag(name)) == []
            assert violations(f"GET {ONE}/tags/{{tag}}/images", 200, repository.tag_images(name)) == []

"""The status page: what it says, what it never says, and that everybody can read it."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_dockerhub_monitoring import svg
from mcp_dockerhub_monitoring.endpoint import MonitoringEndpoint, Reply
from mcp_dockerhub_monitoring.health import Finding, HealthMonitor, Status
from mcp_dockerhub_monitoring.history import History
from mcp_dockerhub_monitoring.metrics import Metrics
from mcp_dockerhub_monitoring.status_page import POLICY, status_route

CHROMIUM = shutil.which("chromium")
_MOMENT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


class Scene:
    """A server with a past."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.history = History(lambda: self.time)
        self.metrics = Metrics({"docker_list_tags"}, history=self.history)
        self.finding = Finding(Status.HEALTHY, "works")
        health = HealthMonitor({"upstreams": lambda: self.finding}, interval=0.0, now=lambda: _MOMENT)
        self._handle = status_route(self.metrics, health, self.history, now=lambda: _MOMENT)

    def live(self, hours: int = 2) -> None:
        """Some traffic of every kind."""
        for step in range(hours * 60):
            self.time += 60
            self.metrics.operation("tools/call", "docker_list_tags", "ok", "stateless", "http", 0.01 * (1 + step % 7))
        self.metrics.operation("tools/call", "docker_list_tags", "UPSTREAM_TIMEOUT", "stateless", "http", 20.0)
        self.metrics.request("registry", "GET", "2xx", 0.1, 0.05, 1_000)
        self.metrics.request("registry", "GET", "timeout", 30.0, None, 0)
        self.metrics.circuit("registry", "open", "registry.example.com")
        self.metrics.quota(100, 8, 21_600)
        self.metrics.hit("tags")
        self.metrics.miss("tags")
        self.metrics.refused("unknown_operation", "INVALID_INPUT")
        self.metrics.limit("refused", "60/minute")
        self.metrics.limit("allowed", "")

    def reply(self) -> Reply:
        return self._handle()

    def page(self) -> str:
        return self.reply().body.decode()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_young_server_has_a_page_too(scene: Scene) -> None:
    page = scene.page()
    assert "healthy since 2026-11-21 03:00 UTC: every part works" in page
    assert "No calls in the last hour" in page
    assert "Nothing was asked yet" in page
    assert "Nothing was refused" in page
    assert "no data" in page


def test_the_page_says_what_is_wrong_and_what_happened(scene: Scene) -> None:
    scene.live()
    scene.finding = Finding(Status.DEGRADED, "1 of 2 hosts do not answer")
    page = scene.page()
    assert "<title>degraded: mcp-dockerhub</title>" in page
    assert "upstreams: 1 of 2 hosts do not answer" in page
    assert "1 circuit(s) not closed" in page
    assert "8 of 100 left" in page
    assert "50% of 2 look-ups" in page
    assert ">unknown_operation<" in page
    assert ">refused 60/minute<" in page
    assert "allowed" not in page
    assert page.count("<svg") == 8
    assert len(page) < 64_000


def test_the_page_shows_no_host_and_escapes_everything(scene: Scene) -> None:
    scene.live()
    scene.finding = Finding(Status.UNHEALTHY, "<script>alert(1)</script>")
    page = scene.page()
    assert "<script" not in page
    assert "registry.example.com" not in page


def test_the_policy_allows_this_style_and_nothing_else(scene: Scene) -> None:
    reply = scene.reply()
    assert reply.policy == POLICY
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY
    page = reply.body.decode()
    assert not re.search(r'\b(src|style|onload|onclick)="', page)
    assert not re.search(r'href="(?!/)', page)
    assert "url(" not in page


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_stands_out_from_its_ground_in_both_colour_schemes(scene: Scene) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    schemes = re.findall(r":root\{([^}]*)\}", scene.page().replace("\n", ""))
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+):(#\w+)", scheme))
        for text in ("ink", "dim", "good", "warn", "bad", "data"):
            for ground in ("paper", "card"):
                lighter, darker = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
                assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, ground)


def test_everything_can_be_reached_by_keyboard_and_read_aloud(scene: Scene) -> None:
    scene.live()
    page = scene.page()
    assert '<html lang="en">' in page
    tables = page.count("<table>")
    assert tables == page.count('tabindex="0" role="region" aria-label="')
    assert tables == page.count("<caption>")
    assert page.count("<svg") == page.count('role="img" aria-label="')
    assert ":focus-visible" in page
    assert "<th>" not in page


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e9)), max_size=40))
@example([5e-324])
@example([1e-9, None])
def test_a_chart_stays_within_its_frame_whatever_the_values(values: list[float | None]) -> None:
    chart = svg.line_chart("t", values, "", "1 h")
    points = re.findall(r"([\d.]+),([\d.]+)", " ".join(re.findall(r'points="([^"]*)"', chart)))
    assert len(points) >= sum(value is not None for value in values)
    for x, y in points:
        assert 0 <= float(x) <= svg.WIDTH
        assert 0 <= float(y) <= svg.HEIGHT


@given(st.floats(0, 1e12), st.floats(0, 1e12))
def test_a_bar_is_never_longer_than_its_track(value: float, limit: float) -> None:
    width = re.findall(r'<rect class="\w+" width="([\d.]+)"', svg.bar("t", value, limit, "x"))
    assert 0 < float(width[-1]) <= svg.WIDTH


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.0123, "0.012"), (3, "3"), (3.456, "3.5"), (123.4, "123"), (12_345, "12k")]
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert svg.shown(value) == text


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
async def test_a_browser_shows_the_page_without_a_word_of_complaint(scene: Scene, tmp_path: Path) -> None:
    scene.live()
    async with MonitoringEndpoint({"/status": scene.reply}) as endpoint:
        command = [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
            f"--user-data-dir={tmp_path}", "--dump-dom", f"http://127.0.0.1:{endpoint.port}/status",
        ]  # fmt: skip
        done = await anyio.run_process(command, check=False)
    dom = done.stdout.decode()
    assert dom.count("<polyline") == 6
    assert "circuit(s) not closed" in dom
    complaints = [line for line in done.stderr.decode().splitlines() if "CONSOLE" in line]
    assert [line for line in complaints if "favicon" not in line] == []

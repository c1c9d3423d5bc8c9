"""The page of ``mcp-dockerhub report``."""

import base64
import hashlib
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import anyio
import pytest

from mcp_dockerhub.scan.judging import Disagreement, Rules, Verdict, judge
from mcp_dockerhub.scan.page import written
from mcp_dockerhub.scan.page_assets import COLOURS, SEVERITY_COLOURS
from mcp_dockerhub.scan.page_layers import MAX_DRAWN
from mcp_dockerhub.supply_chain.vulnerabilities.model import FeedFacts, ScannedLayer
from tests.upstreams import scan_parts as parts

pytestmark = pytest.mark.anyio
CHROMIUM = shutil.which("chromium")
VOID = {"meta", "br", "input", "rect"}


class Reader(HTMLParser):
    """Checks that tags are closed as they were opened, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def full() -> Verdict:
    report = parts.report(*parts.EVERYTHING, complete=False, warnings=("Something was odd.",))
    baseline = parts.report(parts.finding("CVE-2020-9999"), parts.UNRATED)
    verdict = judge("registry.test/app:1", report, Rules("high", deny_licenses=("MIT",)), ("app:0", baseline))
    other = Disagreement("CVE-2021-1", "zlib", "1.2", "trivy", "high", "a note")
    return replace(verdict, disagreements=(other,), second_scanner="trivy")


def test_the_page_holds_everything_the_verdict_does() -> None:
    page = written(full())
    text = " ".join(parsed(page).text)
    for words in (
        "FAILED: 2 findings at the threshold high and 1 package under denied licenses.",
        "3 of 4 packages were compared",
        "CPython",
        "Something was odd.",
        "4 new, 1 known, 1 gone",
        "CVE-2020-9999",
        "CVE-2021-1",
        "setuptools-65.5.1.dist-info/METADATA",
        "Set aside: not affected",
        "CISA KEV of 2026-03-01",
    ):
        assert words in text


def test_an_empty_page_says_that_nothing_was_found_and_how_sure_that_is() -> None:
    text = " ".join(parsed(written(judge("app:1", parts.report(layers=(), base=None, distro=None), Rules()))).text)
    assert "CLEAN: no known vulnerability." in text
    assert "Complete: 4 of 4 packages" in text
    assert "layers of the image are not known" in text
    assert "Against the baseline" not in text


def test_a_scanner_that_agrees_is_said_to() -> None:
    verdict = replace(judge("app:1", parts.report(), Rules()), disagreements=(), second_scanner="trivy")
    assert "trivy reports the same." in written(verdict)


def test_lists_that_could_not_be_read_are_said_to_be_missing() -> None:
    feeds = (FeedFacts("CISA KEV", False),)
    report = parts.report(parts.PLAIN, feeds=feeds, incomplete_because=("Why.",))
    assert "CISA KEV not available" in written(judge("app:1", report, Rules()))


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onclick='x", "\ud800"]
)
def test_nothing_publishers_wrote_becomes_markup(text: str) -> None:
    hostile = parts.hostile(text)
    report = parts.report(hostile, packages=(hostile.package,), complete=False, warnings=(text,))
    reader = parsed(written(judge(text or "x", report, Rules())))
    assert [tag for tag, _ in reader.tags].count("script") == 1
    assert not any(tag in ("img", "iframe", "object", "link") for tag, _ in reader.tags)
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
    assert all((attributes.get("href") or "http").startswith("http") for _, attributes in reader.tags)


def test_the_policy_allows_this_style_and_this_script_and_nothing_else() -> None:
    page = written(full())
    policy = next(
        attributes["content"]
        for tag, attributes in parsed(page).tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        content = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    for _, attributes in parsed(page).tags:
        assert "src" not in attributes
        assert (attributes.get("href") or "https://example.org/").startswith("https://example.org/")


def test_what_a_reader_needs_that_does_not_see_is_there() -> None:
    reader = parsed(written(full()))
    tags = [tag for tag, _ in reader.tags]
    assert ("html", {"lang": "en"}) in reader.tags
    assert tags.count("h1") == tags.count("main") == tags.count("title") - tags.count("g") == 1
    tables = tags.count("table")
    assert tables == tags.count("caption")
    assert all(attributes.get("scope") == "col" for tag, attributes in reader.tags if tag == "th")
    scrolled = [attributes for _, attributes in reader.tags if attributes.get("class") == "scroll"]
    assert len(scrolled) == tables
    assert all(attributes["tabindex"] == "0" and attributes["aria-label"] for attributes in scrolled)
    drawing = next(attributes for tag, attributes in reader.tags if tag == "svg")
    assert drawing["role"] == "img"
    assert drawing["aria-label"] == "2 layers, 33.0 MB, 5 findings in them"


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    parts_of = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts_of]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("place", [0, 1], ids=["light", "dark"])
def test_every_word_can_be_read_on_its_paper(place: int) -> None:
    for paper in ("paper", "card"):
        ground = COLOURS[paper][place]
        for name in ("ink", "dim", "good", "warn", "bad", "data"):
            assert contrast(COLOURS[name][place], ground) >= 4.5, (name, paper)
        for name, pair in SEVERITY_COLOURS.items():
            assert contrast(pair[place], ground) >= 4.5, (name, paper)
        assert contrast(COLOURS["bar"][place], ground) >= 3, paper


def test_of_very_many_layers_the_weightiest_are_drawn_and_all_are_listed() -> None:
    layers = tuple(ScannedLayer(f"sha256:{number:064x}", number * 1000, None) for number in range(MAX_DRAWN + 10))
    package = replace(parts.LODASH, layer=layers[0].digest)
    report = parts.report(parts.finding(package=package, in_base=None), parts.UNRATED, layers=layers)
    page = written(judge("app:1", report, Rules()))
    assert page.count("<g>") == MAX_DRAWN
    assert ">1. 000000000000" in page
    assert ">2. 000000000000" not in page
    assert f"The {MAX_DRAWN} of {MAX_DRAWN + 10} layers" in page
    assert "Of 1 finding the layer is not known." in page
    assert page.count("<code>sha256:") == MAX_DRAWN + 10


async def browsed(page: str, folder: Path) -> tuple[str, list[str]]:
    """The page as a browser has it after running its script, and what it complained about."""
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = await anyio.run_process(command, check=False)
    complaints = [line for line in done.stderr.decode().splitlines() if "CONSOLE" in line]
    return done.stdout.decode(), complaints


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
async def test_a_browser_shows_the_page_without_a_word_of_complaint(tmp_path: Path) -> None:
    dom, complaints = await browsed(written(full()), tmp_path)
    assert "5 of 5 findings shown" in dom
    assert '<form id="filter" role="search"' in dom
    assert complaints == []


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
async def test_the_policy_stops_a_script_that_is_not_the_pages_own(tmp_path: Path) -> None:
    page = written(full()).replace("</body>", "<script>document.title = 'owned'</script></body>")
    dom, complaints = await browsed(page, tmp_path)
    assert "<title>owned" not in dom
    assert any("Content Security Policy" in line for line in complaints)


USE = """
var seen = [];
function use(name, value) {
  var field = document.getElementById("filter").elements[name];
  if (field.type === "checkbox") { field.checked = value; } else { field.value = value; }
  field.dispatchEvent(new Event("input", {bubbles: true}));
  seen.push(document.getElementById("shown").textContent.split(" ")[0]);
}
use("severity", "high"); use("severity", "");
use("words", "SETUPTOOLS metadata"); use("words", "ghsa-cx63"); use("words", "nothing"); use("words", "");
use("fixable", true); use("fixable", false); use("exploited", true); use("exploited", false);
use("where", "base"); use("where", "?"); use("where", ""); use("aside", false);
document.title = "seen " + seen.join(",");
"""


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
async def test_the_filter_shows_what_fits_all_that_is_asked_for(tmp_path: Path) -> None:
    # Without the policy, which would stop the script that uses the form.
    page = re.sub("<meta http-equiv.*?>", "", written(full())).replace("</body>", f"<script>{USE}</script></body>")
    dom, complaints = await browsed(page, tmp_path)
    assert "<title>seen 1,5,1,1,0,5,4,5,1,5,2,1,5,3</title>" in dom
    assert complaints == []

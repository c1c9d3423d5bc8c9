"""``mcp-dockerhub scan`` from its arguments to its exit code, against a registry, a layout and an archive."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub.cli import main
from mcp_dockerhub.scan.vocabulary import FORMATS
from tests.upstreams.attestations import attach, spdx, spdx_package, statement
from tests.upstreams.layouts import LayoutSeeder, saved_image, write_tar
from tests.upstreams.scanned import APP, BASE, FIXED, Scene

Scan = Callable[[Sequence[str]], int]
Output = pytest.CaptureFixture[str]


def document(output: Output) -> dict[str, Any]:
    found = json.loads(output.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_an_image_with_weaknesses_fails(scan: Scan, scene: Scene, capfd: Output) -> None:
    assert scan([scene.image("app:1")]) == 1
    shown = capfd.readouterr()
    assert "EXPLOITED critical  CVE-2026-0001  requests  2.19.0" in shown.out
    assert shown.out.endswith("FAILED: 2 findings.\n")
    assert shown.err == ""


def test_an_image_without_weaknesses_is_clean(scan: Scan, scene: Scene, capfd: Output) -> None:
    assert scan([scene.image("app:2")]) == 0
    assert "CLEAN: no known vulnerability." in capfd.readouterr().out


def test_an_image_with_something_nobody_lists_is_not_called_clean(scan: Scan, scene: Scene, capfd: Output) -> None:
    assert scan([scene.image("app:runtime")]) == 2
    shown = capfd.readouterr().out
    assert "NOT COMPLETE" in shown
    assert "python3.13" in shown
    assert scan([scene.image("app:runtime"), "--allow-incomplete"]) == 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--fail-on", "critical"], 1),
        (["--fail-on", "kev"], 1),
        (["--fail-on", "none"], 0),
        (["--ignore-unfixed"], 1),
        (["--deny-license", "GPL-*", "--fail-on", "none"], 0),
        (["--deny-license", "GPL-*,Apache-2.0", "--fail-on", "none"], 1),
    ],
)
def test_options_decide_what_counts(scan: Scan, scene: Scene, capfd: Output, options: list[str], code: int) -> None:
    assert scan([scene.image("app:1"), *options]) == code


def test_ignored_findings_pass_until_their_entries_expire(
    scan: Scan, scene: Scene, capfd: Output, tmp_path: Path
) -> None:
    path = tmp_path / "ignore.toml"
    entries = "[[ignore]]\nid='CVE-2026-000{}'\nreason='accepted'\nexpires={}\n"
    path.write_text(entries.format(1, "2999-01-01") + entries.format(2, "2999-01-01"))
    assert scan([scene.image("app:1"), "--ignore", str(path)]) == 0
    path.write_text(entries.format(1, "2999-01-01") + entries.format(2, "2020-01-01"))
    capfd.readouterr()
    assert scan([scene.image("app:1"), "--ignore", str(path)]) == 1
    assert "CVE-2026-0002 is no longer ignored: its entry expired on 2020-01-01" in capfd.readouterr().out


OPENVEX = "https://openvex.dev/ns/v0.2.0"


def vex(ids: Sequence[str], product: str) -> dict[str, Any]:
    """An OpenVEX document that calls a product not affected."""
    statements = [
        {
            "vulnerability": {"name": identifier},
            "products": [{"@id": product}],
            "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
        }
        for identifier in ids
    ]
    head = {"@context": OPENVEX, "@id": "https://example.org/vex", "author": "Example", "version": 1}
    return {**head, "timestamp": "2026-01-01T00:00:00Z", "statements": statements}


def test_a_vex_document_excuses_what_it_is_about(scan: Scan, scene: Scene, capfd: Output, tmp_path: Path) -> None:
    path = tmp_path / "vex.json"
    path.write_text(json.dumps(vex(("CVE-2026-0001", "CVE-2026-0002"), "pkg:pypi/requests@2.19.0")))
    assert scan([scene.image("app:1"), "--vex", str(path), "--format", "json"]) == 0
    found = document(capfd)
    assert [finding["set_aside"]["by"] for finding in found["findings"]] == ["vex", "vex"]
    assert found["vex_documents"] == [str(path)]


def test_attached_vex_documents_count_unless_they_are_left_out(scan: Scan, scene: Scene, capfd: Output) -> None:
    excused: dict[str, Any] = {"config": {"Labels": {"vex": "yes"}}, "layers": (BASE, APP)}
    probe = scene.registry.add_image("team/excused", **excused)
    document = vex(("CVE-2026-0001", "CVE-2026-0002"), "pkg:pypi/requests@2.19.0")
    attach(scene.registry, "team/excused", "1", [statement(probe.digest, OPENVEX, document)], **excused)
    assert scan([scene.image("excused:1")]) == 0
    assert "2 by VEX" in capfd.readouterr().out
    assert scan([scene.image("excused:1"), "--no-attached-vex"]) == 1


def test_the_baseline_excuses_what_it_has_too(scan: Scan, scene: Scene, capfd: Output) -> None:
    assert scan([scene.image("app:1"), "--baseline", scene.image("app:sbom"), "--format", "json"]) == 0
    found = document(capfd)
    assert [finding["new"] for finding in found["findings"]] == [False, False]
    assert scan([scene.image("app:2"), "--baseline", scene.image("app:1"), "--format", "json"]) == 0
    assert [gone["id"] for gone in document(capfd)["baseline"]["gone"]] == ["CVE-2026-0001", "CVE-2026-0002"]
    assert scan([scene.image("app:1"), "--baseline", scene.image("app:none")]) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written_where_it_is_wanted(
    scan: Scan, scene: Scene, capfd: Output, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "out"
    assert scan([scene.image("app:1"), "--format", name, "--output", str(path)]) == 1
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err == "mcp-dockerhub: FAILED: 2 findings.\n"
    text = path.read_text()
    assert "CVE-2026-0001" in text.replace("\\", "")
    if name not in ("table", "markdown"):
        json.loads(text)


def test_a_layout_and_an_archive_of_the_same_image_say_the_same(scan: Scan, capfd: Output, tmp_path: Path) -> None:
    layout = LayoutSeeder(tmp_path / "layout")
    layout.add_image("app", "1", layers=(BASE, APP))
    archive = write_tar(tmp_path / "image.tar", saved_image((BASE, APP)))
    found = []
    for image in (f"oci-layout:{layout.folder}", f"docker-archive:{archive}"):
        assert scan([image, "--format", "json"]) == 1
        answer = document(capfd)
        assert answer["image"] == image
        found.append([(finding["id"], finding["package"]["version"]) for finding in answer["findings"]])
    assert found[0] == found[1] == [("CVE-2026-0001", "2.19.0"), ("CVE-2026-0002", "2.19.0")]


def test_a_local_image_is_read_by_the_built_in_cataloguer_whoever_reads_the_others(
    scan: Scan, capfd: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_SCANNER", "trivy")
    monkeypatch.setenv("PATH", "/nowhere")
    layout = LayoutSeeder(tmp_path / "layout")
    layout.add_image("app", "1", layers=(BASE, APP))
    assert scan([f"oci-layout:{layout.folder}"]) == 1
    monkeypatch.setenv("MCP_DOCKERHUB_SCANNER", "none")
    assert scan([f"oci-layout:{layout.folder}"]) == 2


def test_an_sbom_attached_to_a_local_image_is_read_instead_of_its_layers(
    scan: Scan, capfd: Output, tmp_path: Path
) -> None:
    layout = LayoutSeeder(tmp_path / "layout")
    probe = LayoutSeeder(tmp_path / "probe").add_image("app", layers=(BASE, APP))
    sbom = spdx([spdx_package("requests", "2.19.0", "pkg:pypi/requests@2.19.0")])
    attach(layout, "app", "1", [statement(probe.digest, "https://spdx.dev/Document", sbom)], layers=(BASE, APP))
    for layer in probe.layers:
        layout.path(layer["digest"]).unlink()
    archive = tmp_path / "image.tar"
    archive.write_bytes(layout.archive())
    for image in (f"oci-layout:{layout.folder}", f"docker-archive:{archive}"):
        assert scan([image, "--format", "json"]) == 1
        assert document(capfd)["sbom"]["found"] == "attestation"


def test_two_local_images_can_be_compared(scan: Scan, capfd: Output, tmp_path: Path) -> None:
    before, after = LayoutSeeder(tmp_path / "before"), LayoutSeeder(tmp_path / "after")
    before.add_image("app", "1", layers=(BASE, APP))
    after.add_image("app", "1", layers=(BASE, FIXED))
    code = scan([f"oci-layout:{after.folder}", "--baseline", f"oci-layout:{before.folder}", "--format", "json"])
    assert code == 0
    assert len(document(capfd)["baseline"]["gone"]) == 2


def test_a_layout_altered_after_it_was_made_is_not_scanned(scan: Scan, capfd: Output, tmp_path: Path) -> None:
    layout = LayoutSeeder(tmp_path / "layout")
    pushed = layout.add_image("app", "1", layers=(BASE, APP))
    path = layout.path(pushed.layers[1]["digest"])
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert scan([f"oci-layout:{layout.folder}"]) == 2
    assert "cannot scan" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["NOT/AN/IMAGE"], "cannot scan"),
        (["app:1", "--ignore", "/nowhere/ignore.toml"], "cannot be read"),
        (["app:1", "--vex", "/nowhere/vex.json"], "cannot be read"),
        (["app:1", "--platform", "moon"], "cannot scan"),
        (["app:1", "--deny-license", ","], "names no license"),
        (["app:1", "--cross-check", "--scanner", "trivy"], "--cross-check"),
        (["app:1", "--vex", os.devnull, "--scanner", "trivy"], "--vex is for"),
        (["oci-layout:/nowhere"], "does not exist"),
    ],
)
def test_a_wrong_command_could_not_scan(scan: Scan, capfd: Output, arguments: list[str], message: str) -> None:
    assert scan(arguments) == 2
    assert message in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["app:1", "--format", "xml"], ["app:1", "--fail-on", "always"]])
def test_arguments_that_do_not_exist_could_not_scan(scan: Scan, capfd: Output, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        scan(arguments)
    assert caught.value.code == 2


def test_an_image_on_a_registry_that_is_not_allowed_is_not_scanned(scan: Scan, capfd: Output) -> None:
    assert scan(["registry.elsewhere.test/app:1"]) == 2
    assert "not one that this server may read" in capfd.readouterr().err


def test_a_configuration_that_cannot_be_used_could_not_scan(
    scan: Scan, capfd: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_REGISTRIES", "{")
    assert scan(["app:1"]) == 2
    assert "cannot use the configuration" in capfd.readouterr().err


def test_a_database_that_fails_is_never_a_clean_image(scan: Scan, scene: Scene, capfd: Output) -> None:
    for path in ("/v1/querybatch", "/v1/vulns"):
        scene.osv.broken.clear()
        scene.osv.broken[path] = (503, b"")
        assert scan([scene.image("app:1"), "--allow-incomplete"]) == 2
        assert "cannot scan" in capfd.readouterr().err


def test_a_list_of_exploited_ones_that_fails_leaves_its_threshold_unknown(
    scan: Scan, scene: Scene, capfd: Output
) -> None:
    scene.osv.broken["/kev.json"] = (503, b"")
    assert scan([scene.image("app:2"), "--fail-on", "kev"]) == 2
    assert "NOT KNOWN" in capfd.readouterr().out


def test_a_registry_that_fails_is_never_a_clean_image(scan: Scan, scene: Scene, capfd: Output) -> None:
    scene.registry.script(500, path="/blobs/", times=1000)
    assert scan([scene.image("app:1")]) == 2
    assert "cannot scan" in capfd.readouterr().err


def test_a_defect_of_ours_could_not_scan(
    scan: Scan, scene: Scene, capfd: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("mcp_dockerhub.scan.running.judge", broken)
    assert scan([scene.image("app:1")]) == 2
    shown = capfd.readouterr()
    assert "a defect of this program (RuntimeError)" in shown.err
    assert "secret" not in shown.err


def test_what_cannot_be_written_could_not_scan(scan: Scan, scene: Scene, capfd: Output, tmp_path: Path) -> None:
    assert scan([scene.image("app:2"), "--output", str(tmp_path / "no" / "where")]) == 2
    assert "cannot be written" in capfd.readouterr().err


def test_a_vex_document_has_a_bound(
    scan: Scan, scene: Scene, capfd: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_dockerhub.scan_cli._MAX_VEX", 3)
    path = tmp_path / "vex.json"
    path.write_text("{   }")
    assert scan([scene.image("app:2"), "--vex", str(path)]) == 2
    assert "larger than 3" in capfd.readouterr().err


def test_the_report_is_a_page_and_findings_do_not_make_it_fail(
    scene: Scene, scan: Scan, capfd: Output, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    assert main(["report", "--html", str(path), scene.image("app:1")]) == 0
    assert "CVE-2026-0001" in path.read_text()
    assert main(["report", "--html", str(path), "--fail-on", "any", scene.image("app:1")]) == 1
    assert main(["report", "--html", str(path), scene.image("app:runtime")]) == 2
    assert "Not complete" in path.read_text()


# By real processes


INHERITED = ("PYTHONPATH", "PYTHONSAFEPATH", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


def process(
    scene: Scene, folder: Path, *arguments: str, stdout: int = subprocess.PIPE, **more: str
) -> subprocess.CompletedProcess[bytes]:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    command = [sys.executable, "-m", "mcp_dockerhub", "scan", *arguments]
    environment = {**scene.environment(folder), **inherited, **more}
    return subprocess.run(command, env=environment, stdout=stdout, stderr=subprocess.PIPE, check=False, timeout=60)


def test_a_process_ends_with_the_stable_codes(scene: Scene, tmp_path: Path) -> None:
    for image, code in (("app:2", 0), ("app:1", 1), ("app:runtime", 2), ("app:none", 2)):
        done = process(scene, tmp_path, scene.image(image))
        assert done.returncode == code, done.stderr


def test_a_pipeline_gets_the_document_and_no_progress(scene: Scene, tmp_path: Path) -> None:
    done = process(scene, tmp_path, scene.image("app:1"), "--format", "markdown", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 1
    assert done.stdout.decode().startswith("### ❌ FAILED: 2 findings")
    assert done.stderr == b""


def test_a_reader_that_leaves_early_does_not_change_the_exit_code(scene: Scene, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = process(scene, tmp_path, scene.image("app:1"), stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")

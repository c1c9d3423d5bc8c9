"""Trivy in the built-in scanner's place and beside it.

The programs here are stand-ins that write what Trivy would write; every finding in them is made up. Where a real Trivy
is installed, ``benchmarks/scan.py`` runs it.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub.scan.cross_check import disagreements
from mcp_dockerhub.supply_chain.packages import Package
from tests.upstreams import scan_parts as parts
from tests.upstreams.layouts import LayoutSeeder, saved_image, write_tar
from tests.upstreams.scanned import APP, BASE, Scene

Scan = Callable[[Sequence[str]], int]
Output = pytest.CaptureFixture[str]


def package(name: str, version: str, **more: Any) -> dict[str, Any]:
    purl = {"PURL": f"pkg:pypi/{name}@{version}"}
    return {"Name": name, "Version": version, "Identifier": purl, "FilePath": f"app/{name}/METADATA", **more}


def vulnerability(identifier: str, name: str, version: str, **more: Any) -> dict[str, Any]:
    return {
        "VulnerabilityID": identifier,
        "PkgName": name,
        "PkgPath": f"app/{name}/METADATA",
        "PkgIdentifier": {"PURL": f"pkg:pypi/{name}@{version}"},
        "InstalledVersion": version,
        "FixedVersion": "2.20.0, 3.0",
        "Severity": "CRITICAL",
        "SeveritySource": "ghsa",
        "CVSS": {"ghsa": {"V3Vector": "CVSS:3.1/AV:N", "V3Score": 9.8}},
        "Title": "Made up",
        "PrimaryURL": "https://example.org/1",
        "References": ["https://example.org/2"],
        "PublishedDate": "2026-01-01T00:00:00Z",
        **more,
    }


def trivy_report(*vulnerabilities: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "SchemaVersion": 2,
        "Metadata": {"OS": {"Family": "debian", "Name": "12.9"}},
        "Results": [
            {
                "Target": "Python",
                "Class": "lang-pkgs",
                "Type": "python-pkg",
                "Packages": [package("requests", "2.19.0", Licenses=["Apache-2.0"]), package("six", "1.17.0")],
                "Vulnerabilities": list(vulnerabilities),
            },
            "not a result",
            {"Target": "app/tool", "Class": "lang-pkgs", "Type": "gobinary", "Packages": None},
        ],
        **more,
    }


@pytest.fixture
def trivy(scan: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Path]:
    """Puts a program on the path that writes a report and keeps how it was called; returns where it keeps that."""

    def install(answer: Any) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "answer.json").write_text(json.dumps(answer))
        program = folder / "trivy"
        call = folder / "call"
        program.write_text(
            f"#!{sys.executable}\n"
            "import json, os, sys\n"
            f"with open({str(call)!r}, 'w') as kept:\n"
            "    json.dump({'arguments': sys.argv[1:], 'environment': dict(os.environ)}, kept)\n"
            f"with open({str(folder / 'answer.json')!r}) as answer:\n"
            "    sys.stdout.write(answer.read())\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return call

    return install


def document(output: Output) -> dict[str, Any]:
    found = json.loads(output.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_what_trivy_finds_is_shown_in_the_same_model(
    scan: Scan, trivy: Callable[[Any], Path], scene: Scene, capfd: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIVY_OFFLINE_SCAN", "true")
    monkeypatch.setenv("DOCKERHUB_USERNAME", "somebody")
    layer = f"sha256:{'e' * 64}"
    found = vulnerability("CVE-2026-0001", "requests", "2.19.0", Layer={"Digest": layer})
    odd = vulnerability("CVE-2026-0009", "tool", "1.0", PkgIdentifier={}, PkgPath="", Severity="DREADFUL", CVSS=None)
    call = trivy(trivy_report(found, odd, Metadata={"OS": {"Family": "debian", "Name": "9", "EOSL": True}}))
    assert scan([scene.image("app:1"), "--scanner", "trivy", "--format", "json"]) == 1
    shown = document(capfd)
    first, second = shown["findings"]
    assert (first["id"], first["severity"], first["score"], first["rated_by"]) == (
        "CVE-2026-0001",
        "critical",
        9.8,
        "CVSS:3.1",
    )
    assert first["known_exploited"]["added"] == "2026-01-02"
    assert first["fixed"] == ["2.20.0", "3.0"]
    assert first["package"]["location"] == "/app/requests/METADATA"
    assert (second["severity"], second["rated_by"], second["package"]["name"]) == ("unknown", "ghsa, by trivy", "tool")
    assert shown["sbom"]["found"] == "trivy"
    assert shown["complete"] is False
    assert any("end of life" in warning for warning in shown["warnings"])
    made = json.loads(call.read_text())
    assert made["arguments"][-1].startswith(f"{scene.registry.host}/team/app@sha256:")
    assert made["environment"]["TRIVY_OFFLINE_SCAN"] == "true"
    assert made["environment"]["TRIVY_CACHE_DIR"].endswith("/home/.cache/trivy")
    assert "DOCKERHUB_USERNAME" not in made["environment"]


def test_trivy_never_makes_an_image_clean_by_itself(
    scan: Scan, trivy: Callable[[Any], Path], scene: Scene, capfd: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/somewhere")
    call = trivy(trivy_report(Metadata={"OS": {"Family": "none"}}))
    assert scan([scene.image("app:1"), "--scanner", "trivy"]) == 2
    assert "Trivy does not say which packages it could not compare." in capfd.readouterr().out
    assert json.loads(call.read_text())["environment"]["TRIVY_CACHE_DIR"] == "/var/cache/somewhere/trivy"
    assert scan([scene.image("app:1"), "--scanner", "trivy", "--allow-incomplete"]) == 0


def test_trivy_reads_local_images_where_they_lie(
    scan: Scan, trivy: Callable[[Any], Path], scene: Scene, capfd: Output, tmp_path: Path
) -> None:
    layout = LayoutSeeder(tmp_path / "layout")
    pushed = layout.add_image("app", "1", layers=(BASE, APP))
    archive = write_tar(tmp_path / "image.tar", saved_image((BASE, APP)))
    call = trivy(trivy_report(vulnerability("CVE-2026-0001", "requests", "2.19.0")))
    inputs = {
        f"oci-layout:{layout.folder}": str(layout.folder),
        f"oci-layout:{layout.folder}:1": f"{layout.folder}:1",
        f"oci-layout:{layout.folder}@{pushed.digest}": f"{layout.folder}@{pushed.digest}",
        f"docker-archive:{archive}": str(archive),
    }
    for image, expected in inputs.items():
        assert scan([image, "--scanner", "trivy"]) == 1
        arguments = json.loads(call.read_text())["arguments"]
        assert arguments[arguments.index("--input") + 1] == expected


@pytest.mark.parametrize("answer", [{"SchemaVersion": 1}, [], {}])
def test_a_report_of_another_form_is_no_answer(
    scan: Scan, trivy: Callable[[Any], Path], scene: Scene, capfd: Output, answer: Any
) -> None:
    trivy(answer)
    assert scan([scene.image("app:2"), "--scanner", "trivy", "--allow-incomplete"]) == 2
    assert "What trivy wrote" in capfd.readouterr().err


def test_without_trivy_nothing_is_scanned(
    scan: Scan, scene: Scene, capfd: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert scan([scene.image("app:2"), "--scanner", "trivy"]) == 2
    assert "no such program" in capfd.readouterr().err


def test_the_cross_check_lists_what_only_one_of_the_two_reports(
    scan: Scan, trivy: Callable[[Any], Path], scene: Scene, capfd: Output
) -> None:
    ours = vulnerability("GHSA-aaaa-0000-0001", "requests", "2.19.0")
    trivy(trivy_report(ours, vulnerability("CVE-2026-0005", "zlib", "1.2")))
    assert scan([scene.image("app:1"), "--cross-check", "--format", "json"]) == 1
    assert document(capfd)["cross_check"] == {
        "with": "trivy",
        "disagreements": [
            {
                "id": "CVE-2026-0002",
                "package": "requests",
                "version": "2.19.0",
                "only": "builtin",
                "severity": "medium",
                "note": "trivy lists the package",
            },
            {
                "id": "CVE-2026-0005",
                "package": "zlib",
                "version": "1.2",
                "only": "trivy",
                "severity": "critical",
                "note": "builtin does not list the package",
            },
        ],
    }


def test_a_distribution_may_go_by_its_source_package() -> None:
    binary = Package(type="deb", name="openssl", version="3.0.11-1~deb12u2")
    ours, other = parts.report(parts.PLAIN), parts.report(parts.finding(package=binary))
    assert disagreements(ours, other) == ()


def test_a_notice_is_no_other_name_of_the_vulnerabilities_it_is_about(
    scan: Scan, trivy: Callable[[Any], Path], scene: Scene, capfd: Output
) -> None:
    names = ["DSA-5000-1", "GHSA-aaaa-0000-0001", "USN-7000-1"]
    trivy(trivy_report(vulnerability("CVE-2026-0001", "requests", "2.19.0", VendorIDs=names)))
    assert scan([scene.image("app:1"), "--scanner", "trivy", "--format", "json"]) == 1
    (found,) = document(capfd)["findings"]
    assert found["aliases"] == ["GHSA-aaaa-0000-0001"]

"""Java archives: Maven's ``pom.properties``, the manifest, the file's name; archives within archives alike
(JAR File Specification; Maven Archiver)."""

import re
from typing import Final, NamedTuple

from mcp_dockerhub.supply_chain.catalogue.archive import Budget, Member, members
from mcp_dockerhub.supply_chain.catalogue.found import Evidence, Found, text
from mcp_dockerhub.supply_chain.catalogue.source import Content, Source, Unreadable

SUFFIXES: Final = (".jar", ".war", ".ear", ".par", ".sar", ".nar", ".jpi", ".hpi", ".lpkg")
MAX_UNPACKED: Final = 4 * 1024**3
MAX_ENTRIES: Final = 1_000_000
MAX_DEPTH: Final = 6
MAX_FILE: Final = 1024 * 1024
MAX_PACKAGES: Final = 10_000
_MANIFEST: Final = "META-INF/MANIFEST.MF"
_POM: Final = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties$")
_NAME: Final = re.compile(r"(.+?)-(\d.*)")
_PROPERTY: Final = re.compile(r"^(groupId|artifactId|version)[ \t]*[=:][ \t]*(\S+)", re.MULTILINE)
_GROUP: Final = re.compile(r"[a-z][a-z0-9_-]*(\.[a-zA-Z0-9_-]+)+")
_VENDORS: Final = ("Implementation-Vendor-Id", "Implementation-Vendor", "Specification-Vendor")
_VERSIONS: Final = ("Implementation-Version", "Bundle-Version", "Specification-Version", "Plugin-Version")


class _Pom(NamedTuple):
    group: str
    artifact: str
    version: str


def read_archive(path: str, content: Content) -> Evidence:
    """Every package of an archive and of those in it. ``facts["problem"]`` says what could not be read."""
    found: list[Found] = []
    problems: list[str] = []
    budget = Budget(MAX_UNPACKED, MAX_ENTRIES)
    _read(Source(content.pieces()), path, "", budget, found, problems)
    return Evidence("java", tuple(found[:MAX_PACKAGES]), facts={"problem": problems[0]} if problems else {})


def _read(
    source: Source, path: str, inner: str, budget: Budget, found: list[Found], problems: list[str], depth: int = 0
) -> None:
    manifest: dict[str, str] = {}
    poms: list[_Pom] = []
    place = len(found)
    try:
        for member in members(source, budget):
            if member.name == _MANIFEST:
                manifest = _manifest(member.read(MAX_FILE))
            elif _POM.search(member.name):
                poms += _pom(member)
            elif member.name.lower().endswith(SUFFIXES):
                if depth >= MAX_DEPTH:
                    problems.append(f"archives in it are nested more than {MAX_DEPTH} deep")
                    continue
                nested = f"{inner}!/{member.name}"
                _read(Source(member.pieces), member.name, nested, budget, found, problems, depth + 1)
    except Unreadable as problem:
        problems.append(str(problem))
    found[place:place] = _packages(path, manifest, poms, inner)


def _packages(path: str, manifest: dict[str, str], poms: list[_Pom], inner: str) -> list[Found]:
    """The archive itself, then what was built into it."""
    stem = path.rpartition("/")[2].rpartition(".")[0]
    licenses = tuple(filter(None, [text(manifest.get("Bundle-License", "").partition(";")[0])]))
    own = _own_pom(stem, manifest, poms)
    found = [_found(pom, () if pom != own else licenses, inner) for pom in dict.fromkeys(poms)]
    if own is None:
        found.insert(0, _found(_from_manifest(stem, manifest), licenses, inner))
    return found


def _own_pom(stem: str, manifest: dict[str, str], poms: list[_Pom]) -> _Pom | None:
    """The one of several that names the archive: by its file's name, or as its only one."""
    for pom in poms:
        if stem in (f"{pom.artifact}-{pom.version}", pom.artifact):
            return pom
    close = [pom for pom in poms if stem.startswith(pom.artifact)]
    if close:
        return max(close, key=lambda pom: len(pom.artifact))
    symbolic = manifest.get("Bundle-SymbolicName", "").partition(";")[0]
    return next((pom for pom in poms if symbolic in (pom.artifact, f"{pom.group}.{pom.artifact}")), None)


def _from_manifest(stem: str, manifest: dict[str, str]) -> _Pom:
    named = _NAME.fullmatch(stem)
    artifact, version = (named[1], named[2]) if named else (stem, "")
    version = version or next((manifest[key] for key in _VERSIONS if manifest.get(key)), "")
    return _Pom(_group(artifact, manifest), artifact, version)


def _group(artifact: str, manifest: dict[str, str]) -> str:
    """The group a manifest says: in front of the artifact in the symbolic name that Maven's bundle plugin makes of
    the two (or all of it, where the two end alike), or as the vendor's identifier. Empty where it does not say."""
    symbolic = manifest.get("Bundle-SymbolicName", "").partition(";")[0].strip()
    if symbolic.endswith(f".{artifact}"):
        before = symbolic.removesuffix(f".{artifact}")
        return before if "." in before else symbolic
    vendors = (manifest.get(key, "").strip() for key in _VENDORS)
    return next((vendor for vendor in vendors if _GROUP.fullmatch(vendor)), "")


def _found(pom: _Pom, licenses: tuple[str, ...], inner: str) -> Found:
    name = f"{pom.group}:{pom.artifact}" if pom.group else pom.artifact
    return Found("maven", text(name), text(pom.version), licenses, inner=text(inner))


def _pom(member: Member) -> list[_Pom]:
    said = dict(_PROPERTY.findall(member.read(MAX_FILE).decode("utf-8", "replace")))
    if not said.get("artifactId") or "${" in "".join(said.values()):
        return []
    return [_Pom(said.get("groupId", ""), said["artifactId"], said.get("version", ""))]


def _manifest(raw: bytes) -> dict[str, str]:
    """The main section; a line that begins with a space continues the one before it."""
    unfolded = raw.replace(b"\r\n", b"\n").replace(b"\n ", b"")
    lines = unfolded.partition(b"\n\n")[0].decode("utf-8", "replace").splitlines()
    return {name: text(value) for name, colon, value in (line.partition(":") for line in lines) if colon}

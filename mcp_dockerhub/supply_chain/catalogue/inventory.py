"""From the evidence in an image to its packages, who owns them, and what is not covered."""

from collections.abc import Iterable, Iterator
from typing import Final

from mcp_dockerhub.supply_chain.catalogue.found import Found
from mcp_dockerhub.supply_chain.catalogue.overlay import Overlay, Placed
from mcp_dockerhub.supply_chain.packages import MAX_PACKAGES, Coverage, Distro, Gap, GapKind, Package, PackageSet
from mcp_dockerhub.supply_chain.purls import write_purl

ECOSYSTEMS: Final = ("deb", "apk", "pypi", "npm", "golang", "maven")
EXAMPLES: Final = 5
_DATABASES: Final = frozenset({"dpkg", "dpkg-single", "apk"})
_LANGUAGES: Final = frozenset({"python", "npm", "go", "java"})
_OS_RELEASE: Final = ("etc/os-release", "usr/lib/os-release")
_LIBRARY_FOLDERS: Final = ("/site-packages/", "/dist-packages/", "/node_modules/")
_OTHER_DATABASES: Final = ("rpm", "pacman", "Portage", "opkg", "Nix")
_RUST: Final = "Rust program"
_UNREAD_GO: Final = "Go program whose"


class Gaps:
    """Gaps of the same sort counted as one, with a few examples."""

    def __init__(self) -> None:
        self._found: dict[tuple[GapKind, str, str | None], tuple[int, tuple[str, ...]]] = {}

    def add(
        self, kind: GapKind, what: str, evidence: Iterable[str] = (), *, count: int = 1, layer: str | None = None
    ) -> None:
        """Count a gap; ``evidence`` are paths without a leading slash."""
        before, examples = self._found.get((kind, what, layer), (0, ()))
        more = tuple(f"/{path}" for path in evidence)
        self._found[kind, what, layer] = (before + count, (examples + more)[:EXAMPLES])

    def all(self) -> tuple[Gap, ...]:
        """Every gap, in the order first seen."""
        return tuple(
            Gap(kind, what, evidence, count, layer) for (kind, what, layer), (count, evidence) in self._found.items()
        )


def inventory(overlay: Overlay, gaps: Gaps) -> PackageSet:
    """The packages of an image whose layers are all laid on; ``gaps`` holds what the layers themselves lack."""
    distro = _distro(overlay)
    system = list(_system_packages(overlay, distro))
    owners = _owners(overlay, system)
    packages = [package for _, _, package in system]
    for path, placed in overlay.files.items():
        if placed.evidence.kind in _LANGUAGES:
            packages += _language_packages(path, placed, owners.get(path), gaps)
    _uncovered(overlay, owners, gaps)
    if distro is not None and not system and not _other_database(overlay):
        gaps.add(GapKind.UNOWNED, f"files of {distro.name or distro.id} without its package database", _OS_RELEASE[1:])
    if len(packages) > MAX_PACKAGES:
        gaps.add(GapKind.LIMIT, "packages beyond those that are listed", count=len(packages) - MAX_PACKAGES)
    return PackageSet(
        packages=tuple(packages[:MAX_PACKAGES]),
        found="catalogue",
        distro=distro,
        coverage=Coverage(gaps.all(), ECOSYSTEMS),
    )


def _distro(overlay: Overlay) -> Distro | None:
    placed = next((overlay.files[path] for path in _OS_RELEASE if path in overlay.files), None)
    said = placed.evidence.facts if placed else {}
    if not said.get("ID"):
        return None
    return Distro(
        said["ID"].lower(),
        said.get("VERSION_ID", ""),
        said.get("VERSION_CODENAME", ""),
        said.get("PRETTY_NAME") or said.get("NAME", ""),
        tuple(said.get("ID_LIKE", "").split()),
    )


def _system_packages(overlay: Overlay, distro: Distro | None) -> Iterator[tuple[str, int, Package]]:
    """The distribution's packages: database, place in it, package."""
    licenses = {
        placed.evidence.facts.get("package", ""): tuple(filter(None, placed.evidence.facts["licenses"].split("\n")))
        for placed in overlay.files.values()
        if "licenses" in placed.evidence.facts
    }
    for path, placed in overlay.files.items():
        if placed.evidence.kind in _DATABASES:
            for place, found in enumerate(placed.evidence.packages):
                more = licenses.get(found.name, ()) if found.type == "deb" else ()
                yield path, place, _system_package(path, placed, found, distro, more)


def _system_package(
    path: str, placed: Placed, found: Found, distro: Distro | None, licenses: tuple[str, ...]
) -> Package:
    namespace = distro.id if distro else {"deb": "debian", "apk": "alpine"}[found.type]
    release = f"{distro.id}-{distro.version_id}".rstrip("-") if distro else ""
    upstream = found.source_name if found.source_name != found.name or found.source_version else ""
    upstream += f"@{found.source_version}" if found.source_version else ""
    qualifiers = {"arch": found.arch, "distro": release, "upstream": upstream}
    return Package(
        type=found.type,
        name=found.name,
        version=found.version,
        purl=write_purl(found.type, found.name, found.version, namespace=namespace, qualifiers=qualifiers),
        licenses=found.licenses or licenses,
        location=f"/{path}",
        layer=placed.origin(found),
        source_name=found.source_name,
        source_version=found.source_version,
        arch=found.arch,
        distro=release,
    )


def _owners(overlay: Overlay, system: list[tuple[str, int, Package]]) -> dict[str, str]:
    """Path to the purl of the distribution package that installed it, for what asks for an owner."""
    asked = {path for path, placed in overlay.files.items() if placed.evidence.kind in _LANGUAGES | {"binary"}}
    by_name = {package.name: package.purl for _, _, package in system if package.type == "deb"}
    by_place = {(path, place): package.purl for path, place, package in system}
    owners: dict[str, str] = {}
    for database, placed in overlay.files.items():
        kind, _, paths, facts = placed.evidence
        if kind == "dpkg-files":
            purl = by_name.get(facts.get("package", ""), "")
            owned = ((purl, path) for path in paths)
        elif kind == "apk":
            split = (path.partition(":") for path in paths)
            owned = ((by_place.get((database, int(place)), ""), path) for place, _, path in split if place.isdigit())
        else:
            continue
        for purl, path in owned:
            resolved = overlay.resolve(path)
            if purl and resolved in asked:
                owners.setdefault(resolved, purl)
    return owners


def _language_packages(path: str, placed: Placed, owner: str | None, gaps: Gaps) -> Iterator[Package]:
    if not placed.evidence.packages and placed.evidence.kind == "python":
        gaps.add(GapKind.UNIDENTIFIED, "Python distribution that does not say its name", (path,))
    problem = placed.evidence.facts.get("problem")
    if problem:
        gaps.add(GapKind.DAMAGED, f"Java archive that is not read to its end: {problem}", (path,))
    for found in placed.evidence.packages:
        if not found.version:
            gaps.add(GapKind.UNIDENTIFIED, f"{found.type} package that does not say its version", (path,))
        yield Package(
            type=found.type,
            name=found.name,
            version=found.version,
            purl=write_purl(found.type, found.name, found.version),
            licenses=found.licenses,
            location=f"/{path}{found.inner}",
            layer=placed.layer,
            arch=found.arch,
            owner=owner,
        )


def _uncovered(overlay: Overlay, owners: dict[str, str], gaps: Gaps) -> None:
    """Name what is there and not read: other package managers' records, and programs no package accounts for."""
    recorded = {
        overlay.resolve(path)
        for placed in overlay.files.values()
        if placed.evidence.kind == "record"
        for path in placed.evidence.paths
    }
    for path, placed in overlay.files.items():
        kind, what = placed.evidence.kind, placed.evidence.facts.get("what", "")
        if kind == "unread":
            gaps.add(GapKind.UNREAD, what, (path,))
        elif kind == "binary" and path not in owners:
            if what == _RUST or what.startswith(_UNREAD_GO):
                gaps.add(GapKind.UNREAD, what, (path,))
            elif path not in recorded and not any(folder in path for folder in _LIBRARY_FOLDERS):
                gaps.add(GapKind.UNOWNED, what, (path,))


def _other_database(overlay: Overlay) -> bool:
    return any(
        placed.evidence.kind == "unread" and placed.evidence.facts.get("what", "").startswith(_OTHER_DATABASES)
        for placed in overlay.files.values()
    )

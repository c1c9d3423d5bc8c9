"""Until when distribution releases get security updates that are free for everybody.

Sources, read in November 2026: Debian's distro-info-data (``debian.csv``, column ``eol-lts``; ``ubuntu.csv``, column
``eol``), wiki.ubuntu.com/Releases for 25.10 and 26.04, and alpinelinux.org/releases. Paid extensions do not count.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

from mcp_dockerhub.supply_chain.advisories.ecosystems import DEBIAN_CODENAMES, UBUNTU_CODENAMES
from mcp_dockerhub.supply_chain.packages import Distro

_DEBIAN: Final[Mapping[str, date]] = {
    "6": date(2016, 2, 29),
    "7": date(2018, 5, 31),
    "8": date(2020, 6, 30),
    "9": date(2022, 6, 30),
    "10": date(2024, 6, 30),
    "11": date(2026, 8, 31),
    "12": date(2028, 6, 30),
    "13": date(2030, 6, 30),
}
_UBUNTU: Final[Mapping[str, date]] = {
    "12.04": date(2017, 4, 28),
    "14.04": date(2019, 4, 25),
    "16.04": date(2021, 4, 30),
    "18.04": date(2023, 5, 31),
    "20.04": date(2025, 5, 29),
    "20.10": date(2021, 7, 22),
    "21.04": date(2022, 1, 20),
    "21.10": date(2022, 7, 14),
    "22.04": date(2027, 6, 1),
    "22.10": date(2023, 7, 20),
    "23.04": date(2024, 1, 25),
    "23.10": date(2024, 7, 11),
    "24.04": date(2029, 5, 31),
    "24.10": date(2025, 7, 10),
    "25.04": date(2026, 1, 15),
    "25.10": date(2026, 7, 1),
    "26.04": date(2031, 4, 30),
}
_ALPINE: Final[Mapping[str, date]] = {
    "3.8": date(2020, 5, 1),
    "3.9": date(2020, 11, 1),
    "3.10": date(2021, 5, 1),
    "3.11": date(2021, 11, 1),
    "3.12": date(2022, 5, 1),
    "3.13": date(2022, 11, 1),
    "3.14": date(2023, 5, 1),
    "3.15": date(2023, 11, 1),
    "3.16": date(2024, 5, 23),
    "3.17": date(2024, 11, 22),
    "3.18": date(2025, 5, 9),
    "3.19": date(2025, 11, 1),
    "3.20": date(2026, 4, 1),
    "3.21": date(2026, 11, 1),
    "3.22": date(2027, 5, 1),
    "3.23": date(2027, 11, 1),
}
_TABLES: Final = {"debian": ("Debian", _DEBIAN), "ubuntu": ("Ubuntu", _UBUNTU), "alpine": ("Alpine", _ALPINE)}


def ended(distro: Distro | None, ecosystems: Iterable[str], today: date) -> tuple[str, ...]:
    """``end_of_life`` of an image's own release, and of those in ``ecosystems`` (``Debian:12``), which its packages
    say of themselves: a document can name both, and they need not agree."""
    releases = (ecosystem.split(":") for ecosystem in sorted(set(ecosystems)) if ":" in ecosystem)
    said = (Distro(parts[0].lower(), parts[1].removeprefix("v")) for parts in releases)
    return tuple(dict.fromkeys(filter(None, (end_of_life(one, today) for one in (distro, *said)))))


def end_of_life(distro: Distro | None, today: date) -> str:
    """A warning in one sentence where the release gets no free security updates any more, else empty.

    A release older than every one listed counts as ended; one that is not listed otherwise says nothing.
    """
    if distro is None or distro.id not in _TABLES:
        return ""
    name, table = _TABLES[distro.id]
    release = _release(distro)
    end = table.get(release)
    if end is None:
        if not _older(release, min(table, key=_numbers)):
            return ""
        return f"{name} {release} is past its end of life: newer vulnerabilities are neither listed nor fixed for it."
    if today <= end:
        return ""
    return (
        f"{name} {release} is past its end of life ({end.isoformat()}): newer vulnerabilities are often neither listed "
        "nor fixed for it, whatever the counts say."
    )


def _release(distro: Distro) -> str:
    if distro.id == "debian":
        return distro.version_id.partition(".")[0] or DEBIAN_CODENAMES.get(distro.codename, "")
    if distro.id == "ubuntu":
        return ".".join((distro.version_id or UBUNTU_CODENAMES.get(distro.codename, "")).split(".")[:2])
    return ".".join(distro.version_id.split(".")[:2])


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def _older(release: str, oldest: str) -> bool:
    parts = release.split(".")
    return all(part.isascii() and part.isdecimal() for part in parts) and _numbers(release) < _numbers(oldest)

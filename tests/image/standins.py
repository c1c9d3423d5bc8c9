"""Stand-ins for other projects' images where those cannot be pulled: the same programs, as this machine has them."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.image.engine import docker

SEARCHED: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class StandIn:
    """What an image of another project has to hold for a test."""

    name: str
    programs: tuple[str, ...]
    """As this machine calls them; in the image Debian's prefix is gone."""
    state: str = ""
    """A folder of its own, and whose it is."""
    owner: str = "0:0"
    data: str = ""
    """A folder that the programs read, at the same place in the image."""

    def build(self, folder: Path) -> str | None:
        """The tag of an image made in an empty folder; None where a program is not installed."""
        found = [shutil.which(program, path=SEARCHED) for program in self.programs]
        if None in found:
            return None
        root = folder / "root"
        for program in filter(None, found):
            _copy(Path(program), root / "bin" / Path(program).name.removeprefix("prometheus-"))
            for library in _libraries(program):
                _copy(library, root / library.relative_to("/"))
        if self.data:
            shutil.copytree(self.data, root / self.data.lstrip("/"))
        (folder / "state").mkdir()
        lines = ["FROM scratch", "COPY root /", "ENV PATH=/bin"]
        if self.state:
            lines.append(f"COPY --chown={self.owner} state {self.state}")
        (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
        tag = f"mcp-image-test/{self.name}:stand-in"
        docker("buildx", "build", "--quiet", "--load", "--tag", tag, str(folder))
        return tag


STAND_INS: Final = {
    "nginx": StandIn("nginx", ("nginx",)),
    "redis": StandIn("redis", ("redis-server", "redis-cli", "sh", "grep"), state="/data", owner="999:1000"),
}
MONITORING: Final = {
    "prometheus": StandIn("prometheus", ("prometheus",), state="/prometheus", owner="65534:65534"),
    "alertmanager": StandIn(
        "alertmanager",
        ("prometheus-alertmanager",),
        state="/alertmanager",
        owner="65534:65534",
        data="/usr/share/prometheus/alertmanager",
    ),
}
"""By the name of the service, whose image the variable NAME_IMAGE names."""


def _libraries(program: str) -> list[Path]:
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [Path(path) for path in re.findall(r"(?:^\s*|=> )(/\S+)", listed, re.MULTILINE)]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)

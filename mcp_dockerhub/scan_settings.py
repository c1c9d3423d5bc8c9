"""How images are read where nothing attached says what is in them, and what is kept of it beyond the process."""

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from mcp_dockerhub.environment import EnvironmentSettings, setting
from mcp_dockerhub.settings import PREFIX


class ScanSettings(EnvironmentSettings):
    """The effective configuration of scans and of the persistent cache, frozen."""

    cache_dir: Path | None = setting(
        f"{PREFIX}CACHE_DIR",
        None,
        "Directory that keeps public digest-addressed documents and what was found in layers, for any number of "
        "processes of one user. Default: nothing outlives the process.",
    )
    cache_dir_max_bytes: int = Field(
        default=1024**3,
        ge=1024 * 1024,
        validation_alias=f"{PREFIX}CACHE_DIR_MAX_BYTES",
        description="Most bytes kept there; what was used longest ago goes first.",
    )
    scanner: Literal["builtin", "syft", "trivy", "none"] = setting(
        f"{PREFIX}SCANNER",
        "builtin",
        "Who lists the packages of an image without an SBOM: the built-in cataloguer, a `syft` or `trivy` on the path, "
        "or nobody.",
    )
    trivy_server: str = setting(
        f"{PREFIX}TRIVY_SERVER", "", "URL of a Trivy server that does the work where the scanner is `trivy`."
    )
    scan_timeout: float = Field(
        default=300.0,
        ge=1,
        le=3600,
        validation_alias=f"{PREFIX}SCAN_TIMEOUT",
        description="Seconds a call that reads layers may take, and each of the layers.",
    )
    scan_max_bytes: int = Field(
        default=8 * 1024**3,
        ge=1024 * 1024,
        validation_alias=f"{PREFIX}SCAN_MAX_BYTES",
        description="Compressed bytes of the largest image whose layers are read.",
    )

    @field_validator("trivy_server")
    @classmethod
    def _server(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username):
            raise ValueError("must be an http or https URL without credentials")
        return value

    @model_validator(mode="after")
    def _server_for_trivy(self) -> Self:
        if self.trivy_server and self.scanner != "trivy":
            raise ValueError(f"{PREFIX}TRIVY_SERVER needs {PREFIX}SCANNER=trivy")
        return self

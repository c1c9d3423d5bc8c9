"""Where what is known about vulnerabilities comes from."""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from mcp_dockerhub.environment import EnvironmentSettings, setting
from mcp_dockerhub.settings import PREFIX

OSV: Final = "https://api.osv.dev"
OSV_ARCHIVES: Final = "https://osv-vulnerabilities.storage.googleapis.com"
KEV: Final = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"
EPSS: Final = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"
OFF: Final = "none"


class AdvisorySettings(EnvironmentSettings):
    """The effective configuration of vulnerability databases, frozen."""

    osv_url: str = setting(f"{PREFIX}OSV_URL", OSV, "Base URL of the OSV API, which packages are matched through.")
    database: Path | None = setting(
        f"{PREFIX}DATABASE",
        None,
        "Path of a local database of advisories, made by `mcp-dockerhub db update`. Where set, packages are matched "
        "with it and nothing is asked over the network.",
    )
    database_max_age: float = Field(
        default=7.0,
        gt=0,
        le=3650,
        validation_alias=f"{PREFIX}DATABASE_MAX_AGE",
        description="Days after which no scan with the local database is called complete: newer advisories are not in "
        "it.",
    )
    osv_archive_url: str = setting(
        f"{PREFIX}OSV_ARCHIVE_URL",
        OSV_ARCHIVES,
        "Base URL of the archives that the local database is made from: `/ECOSYSTEM/all.zip`.",
    )
    kev_url: str = setting(
        f"{PREFIX}KEV_URL",
        "",
        f"URL or path of the catalogue of known exploited vulnerabilities, or `none`. Default: the local database's, "
        f"else `{KEV}`.",
    )
    epss_url: str = setting(
        f"{PREFIX}EPSS_URL",
        "",
        "URL or path of the EPSS scores (CSV, may be gzipped), or `none`. Default: the local database's, else "
        f"`{EPSS}`.",
    )

    @field_validator("osv_url", "osv_archive_url")
    @classmethod
    def _service(cls, value: str) -> str:
        if not _is_url(value):
            raise ValueError("must be an http or https URL without credentials")
        return value.rstrip("/")

    @field_validator("kev_url", "epss_url")
    @classmethod
    def _feed(cls, value: str) -> str:
        if value and value != OFF and not _is_url(value) and not Path(value).is_absolute():
            raise ValueError("must be an http or https URL without credentials, an absolute path, or none")
        return value

    @property
    def configured_origins(self) -> frozenset[str]:
        """Exactly the origins the operator named: exempt from the https and public-address rules."""
        named = (self.osv_url, self.osv_archive_url, self.kev_url, self.epss_url)
        chosen = (urlsplit(url) for url in named if url not in (OSV, OSV_ARCHIVES) and _is_url(url))
        return frozenset(f"{parts.scheme}://{parts.netloc}".lower() for parts in chosen)


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None

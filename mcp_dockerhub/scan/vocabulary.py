"""Words of the command line. Loaded with every command, so nothing else is here."""

from typing import Final, Literal

Format = Literal["table", "json", "sarif", "cyclonedx", "spdx", "markdown"]
FORMATS: Final[tuple[Format, ...]] = ("table", "json", "sarif", "cyclonedx", "spdx", "markdown")
Threshold = Literal["any", "low", "medium", "high", "critical", "kev", "none"]
THRESHOLDS: Final[tuple[Threshold, ...]] = ("any", "low", "medium", "high", "critical", "kev", "none")

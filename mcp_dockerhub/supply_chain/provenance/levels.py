"""The SLSA build level that evidence supports, and what is missing for the next (slsa.dev/spec/v1.1/levels)."""

import re
from dataclasses import dataclass
from typing import Final

from mcp_dockerhub.supply_chain.provenance.build import Build
from mcp_dockerhub.supply_chain.signatures.verdicts import Outcome, Signer, Verdict

_HOSTED: Final = frozenset(
    {
        "https://token.actions.githubusercontent.com",
        "https://gitlab.com",
        "https://agent.buildkite.com",
    }
)
"""Issuers whose certificates only jobs of their hosted build service get."""
_HARDENED: Final = (
    # slsa-framework/slsa-github-generator README: its workflows meet Build Level 3.
    re.compile(
        r"https://github\.com/slsa-framework/slsa-github-generator/\.github/workflows/"
        r"generator_(?:container|generic)_slsa3\.yml@refs/tags/v[0-9.]+"
    ),
)
"""Identities of builders that sign out of reach of the build's own steps."""


@dataclass(frozen=True, slots=True)
class BuildLevel:
    """A level and why it is not the next one."""

    level: int
    """0 to 3."""
    missing: tuple[str, ...]
    """What the evidence lacks for the next level; empty at 3."""


def level_of(build: Build, verdict: Verdict | None) -> BuildLevel:
    """``verdict`` is on the signature over the statement, None where it is not signed."""
    if verdict is not None and verdict.outcome is Outcome.BAD:
        return BuildLevel(0, ("The signature over the provenance is bad, so it says nothing.",))
    unproven = _unproven(verdict)
    if unproven:
        anonymous = () if build.builder else ("The builder does not say who it is (builder.id is empty).",)
        return BuildLevel(1, (unproven, *anonymous))
    signer = verdict.signer if verdict else None
    if signer is None or signer.issuer not in _HOSTED:
        return BuildLevel(1, ("It is signed, but nothing shows that a hosted build service did it.",))
    return _hosted(build, signer)


def _hosted(build: Build, signer: Signer) -> BuildLevel:
    if build.builder != signer.identity:
        return BuildLevel(
            1, ("The builder it names is not the one that signed it, so the build's own steps may have written it.",)
        )
    if any(pattern.fullmatch(signer.identity) for pattern in _HARDENED):
        return BuildLevel(3, ())
    return BuildLevel(2, ("Nothing shows that the build's own steps could not reach the signing identity.",))


def _unproven(verdict: Verdict | None) -> str:
    if verdict is None:
        return "The provenance is not signed: whoever may push to the repository could have written it."
    if verdict.outcome is Outcome.VERIFIED:
        return ""
    return f"The signature over the provenance is not verified: {verdict.reason}"

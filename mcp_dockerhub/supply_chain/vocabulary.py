"""Words and bounds that tools and services share; nothing here costs a start anything."""

from typing import Final, Literal

Where = Literal["index", "referrers", "cosign tag"]
"""Where an attached document was found."""
Format = Literal["summary", "packages", "spdx", "cyclonedx"]
"""How an SBOM is wanted."""
MaterialKind = Literal["image", "git", "http", "other"]
Mode = Literal["min", "max"]
"""How much BuildKit records of a build."""
Status = Literal["no_signature", "not_verifiable_here", "bad_signature", "signed_by_someone_else", "verified"]
"""The five answers about a signature."""
Kind = Literal["signature", "attestation"]
"""A signature of an image itself, or of a statement about it."""
VexStatus = Literal["not_affected", "affected", "fixed", "under_investigation"]
"""What a VEX document says of a vulnerability in a product (OpenVEX 0.2.0, "Status Labels")."""
Severity = Literal["critical", "high", "medium", "low", "negligible", "unknown"]
"""How bad a vulnerability is, as the advisory model has it."""

MAX_KEY: Final = 16_384
"""Characters of a public key in PEM form."""
MAX_IDENTITY: Final = 1024

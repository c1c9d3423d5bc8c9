"""What can be attached to an image, and how to tell from a descriptor what it is."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mcp_dockerhub.reference import Digest
from mcp_dockerhub.registry.media_types import essence
from mcp_dockerhub.registry.models import Descriptor
from mcp_dockerhub.supply_chain.vocabulary import Where

SPDX: Final = "https://spdx.dev/Document"
CYCLONEDX: Final = "https://cyclonedx.org/bom"
PROVENANCE: Final = "https://slsa.dev/provenance/"
COSIGN_SIGNATURE: Final = "https://sigstore.dev/cosign/sign/v1"
"""Predicate of the statements cosign writes, since version 3, in place of a simple signing payload."""

# in-toto.io: BuildKit; predicateType: cosign's .att layers; dev.sigstore.bundle.predicateType: Sigstore bundles.
_PREDICATE_ANNOTATIONS: Final = ("in-toto.io/predicate-type", "dev.sigstore.bundle.predicateType", "predicateType")


class Form(StrEnum):
    """What the bytes of an attached document are."""

    STATEMENT = "statement"
    """An in-toto statement, bare or in a DSSE envelope: the bytes tell."""
    BUNDLE = "bundle"
    """A Sigstore bundle: an envelope or a signature, with what is needed to verify it."""
    SIGNATURE = "signature"
    """A simple signing payload; its signature is in the descriptor's annotations."""
    SBOM = "sbom"
    """An SBOM as it is, without a statement."""


_FORMS: Final = {
    "application/vnd.in-toto": Form.STATEMENT,
    "application/vnd.dsse.envelope.": Form.STATEMENT,
    "application/vnd.dev.sigstore.bundle": Form.BUNDLE,
    "application/vnd.dev.cosign.simplesigning.": Form.SIGNATURE,
    "application/spdx": Form.SBOM,
    "text/spdx": Form.SBOM,
    "application/vnd.cyclonedx": Form.SBOM,
}


@dataclass(frozen=True, slots=True)
class Attachment:
    """One document attached to a manifest, found but not fetched."""

    where: Where
    carrier: Digest
    """The manifest that lists it."""
    subject: Digest
    """The manifest it is attached to: the image's own, or its index."""
    blob: Descriptor
    form: Form
    predicate_type: str = ""
    """By an annotation's word; empty where none says."""

    def may_hold(self, *predicates: str) -> bool:
        """Whether a statement with a predicate type that begins so may be inside: True unless known better."""
        if self.form is Form.SIGNATURE:
            return False
        if self.form is Form.SBOM:
            return bool({SPDX, CYCLONEDX}.intersection(predicates))
        return not self.predicate_type or self.predicate_type.startswith(predicates)

    @property
    def is_signature(self) -> bool:
        """Whether it signs the image itself, rather than a statement about it."""
        if self.form is Form.BUNDLE:
            return self.predicate_type in ("", COSIGN_SIGNATURE)
        return self.form is Form.SIGNATURE


def form_of(media_type: str) -> Form | None:
    """What a blob of this type is; None for anything we do not read."""
    name = essence(media_type)
    return next((form for prefix, form in _FORMS.items() if name.startswith(prefix)), None)


def predicate_of(*descriptors: Descriptor) -> str:
    """The predicate type the first of ``descriptors`` says it has, empty when none does."""
    for descriptor in descriptors:
        for name in _PREDICATE_ANNOTATIONS:
            if descriptor.annotations.get(name):
                return descriptor.annotations[name]
    return ""

"""Packages as an SPDX 2.3 document in JSON (SPDX specification 2.3, clauses 6, 7 and 11)."""

import json
from datetime import UTC
from typing import Any, Final

from mcp_dockerhub.supply_chain.packages import Distro, Package
from mcp_dockerhub.supply_chain.purls import read_purl
from mcp_dockerhub.supply_chain.sbom.licenses import NOT_SAID, Licenses
from mcp_dockerhub.supply_chain.sbom.writing import TOOL, VERSION, Subject
from mcp_dockerhub_security.sanitize import clean_identifier

_DOCUMENT: Final = "SPDXRef-DOCUMENT"
_IMAGE: Final = "SPDXRef-Image"
_SYSTEM: Final = "SPDXRef-OperatingSystem"


def write_spdx(subject: Subject) -> str:
    """The document, in ASCII."""
    licenses = Licenses()
    listed = [_package(package, f"SPDXRef-Package-{place}", licenses) for place, package in enumerate(subject.packages)]
    system = [_system(subject.distro)] if subject.distro else []
    contained = [entry["SPDXID"] for entry in (*system, *listed)]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": subject.ref.familiar,
        "documentNamespace": f"https://spdx.org/spdxdocs/{TOOL}-{subject.identifier}",
        "comment": subject.note,
        "creationInfo": {
            "created": f"{subject.written.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "creators": [f"Tool: {TOOL}-{VERSION}"],
        },
        "packages": [_image(subject), *system, *listed],
        "relationships": [_relation(_DOCUMENT, "DESCRIBES", _IMAGE)]
        + [_relation(_IMAGE, "CONTAINS", identifier) for identifier in contained],
    }
    if licenses.extracted:
        document["hasExtractedLicensingInfos"] = [
            {"licenseId": name, "extractedText": _clean(words), "name": _clean(words)}
            for name, words in licenses.extracted.items()
        ]
    return json.dumps(document, separators=(",", ":"))


def _package(package: Package, identifier: str, licenses: Licenses) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "SPDXID": identifier,
        "name": _clean(package.name),
        "downloadLocation": NOT_SAID,
        "filesAnalyzed": False,
        "licenseConcluded": NOT_SAID,
        "licenseDeclared": licenses.expression(tuple(filter(None, map(_clean, package.licenses)))),
        "copyrightText": NOT_SAID,
    }
    if package.version:
        entry["versionInfo"] = _clean(package.version)
    if package.location:
        entry["sourceInfo"] = f"found at {_clean(package.location)}"
    if package.layer:
        entry["comment"] = f"layerID: {package.layer}"
    if read_purl(package.purl).type:
        entry["externalRefs"] = [_purl(_clean(package.purl))]
    return entry


def _image(subject: Subject) -> dict[str, Any]:
    return {
        "SPDXID": _IMAGE,
        "name": subject.ref.familiar,
        "versionInfo": subject.digest,
        "downloadLocation": NOT_SAID,
        "filesAnalyzed": False,
        "licenseConcluded": NOT_SAID,
        "licenseDeclared": NOT_SAID,
        "copyrightText": NOT_SAID,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [
            {"algorithm": subject.digest.algorithm.upper(), "checksumValue": subject.digest.hex},
        ],
        "externalRefs": [_purl(subject.purl)],
    }


def _system(distro: Distro) -> dict[str, Any]:
    entry = {
        "SPDXID": _SYSTEM,
        "name": _clean(distro.id) or NOT_SAID,
        "downloadLocation": NOT_SAID,
        "filesAnalyzed": False,
        "licenseConcluded": NOT_SAID,
        "licenseDeclared": NOT_SAID,
        "copyrightText": NOT_SAID,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
    }
    return {**entry, "versionInfo": _clean(distro.version_id)} if distro.version_id else entry


def _purl(purl: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _clean(text: str) -> str:
    return clean_identifier(text, 2048)

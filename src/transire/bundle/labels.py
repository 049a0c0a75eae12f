"""A label is not a fact: names on the wire that contradict a deployment's declared regions.

Providers put the place of processing into hosts and model ids: AWS regions (`us-east-1`) and
Bedrock inference profiles (`eu.`, `us.`, `global.`), Azure regions (`westeurope`), Google Cloud
locations (`europe-west4`), and plain `eu` or `us` labels. Each spelling found is a claim of places;
every declared region must lie in one of them, else the declaration is refused. A spelling that
names no single jurisdiction (`global`, `apac`) agrees with no declaration at all.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from transire.domain.deployment import Deployment
from transire.domain.ids import Jurisdiction
from transire.domain.taxonomy import Taxonomy

__all__ = ["contradicting_labels", "region_contradicts"]

_NOWHERE: Final = frozenset[str]()

_AREAS: Final[Mapping[str, frozenset[str]]] = {
    "eu": frozenset({"EU", "EEA"}),
    "europe": frozenset({"EU", "EEA", "GDPR_ADEQUATE"}),
    "us": frozenset({"US"}),
    "usa": frozenset({"US"}),
    "us-gov": frozenset({"US"}),
    "uk": frozenset({"GB"}),
    "ca": frozenset({"CA"}),
    "jp": frozenset({"JP"}),
    "au": frozenset({"AU"}),
    "emea": _NOWHERE,
    "apac": _NOWHERE,
    "global": _NOWHERE,
    "worldwide": _NOWHERE,
}
"""Area words → jurisdictions, in one of which every declared region must lie."""

# fmt: off
_CLOUD_REGIONS: Final[Mapping[str, str]] = {
    # docs.aws.amazon.com, "AWS Regions"
    "us-east-1": "US", "us-east-2": "US", "us-west-1": "US", "us-west-2": "US",
    "us-gov-east-1": "US", "us-gov-west-1": "US", "ca-central-1": "CA", "ca-west-1": "CA",
    "sa-east-1": "BR", "eu-central-1": "DE", "eu-central-2": "CH", "eu-west-1": "IE",
    "eu-west-2": "GB", "eu-west-3": "FR", "eu-north-1": "SE", "eu-south-1": "IT",
    "eu-south-2": "ES", "ap-south-1": "IN", "ap-south-2": "IN", "ap-northeast-1": "JP",
    "ap-northeast-3": "JP", "ap-southeast-2": "AU", "ap-southeast-4": "AU",
    "ap-southeast-1": "SG", "ap-southeast-3": "ID", "ap-southeast-5": "MY",
    "ap-southeast-6": "NZ", "ap-southeast-7": "TH", "ap-east-1": "HK", "ap-east-2": "TW",
    "ap-northeast-2": "KR", "me-south-1": "BH", "me-central-1": "AE", "il-central-1": "IL",
    "af-south-1": "ZA", "mx-central-1": "MX", "cn-north-1": "CN", "cn-northwest-1": "CN",
    # learn.microsoft.com, "Azure regions list"
    "westeurope": "NL", "northeurope": "IE", "francecentral": "FR", "francesouth": "FR",
    "germanywestcentral": "DE", "germanynorth": "DE", "swedencentral": "SE",
    "norwayeast": "NO", "norwaywest": "NO", "polandcentral": "PL", "italynorth": "IT",
    "spaincentral": "ES", "switzerlandnorth": "CH", "switzerlandwest": "CH",
    "uksouth": "GB", "ukwest": "GB", "eastus": "US", "eastus2": "US", "westus": "US",
    "westus2": "US", "westus3": "US", "centralus": "US", "northcentralus": "US",
    "southcentralus": "US", "westcentralus": "US", "canadacentral": "CA", "canadaeast": "CA",
    "brazilsouth": "BR", "brazilsoutheast": "BR", "japaneast": "JP", "japanwest": "JP",
    "australiaeast": "AU", "australiasoutheast": "AU", "centralindia": "IN", "southindia": "IN",
    "westindia": "IN", "southeastasia": "SG", "eastasia": "HK", "koreacentral": "KR",
    "koreasouth": "KR", "southafricanorth": "ZA", "uaenorth": "AE", "qatarcentral": "QA",
    "israelcentral": "IL", "mexicocentral": "MX", "newzealandnorth": "NZ", "austriaeast": "AT",
    "belgiumcentral": "BE", "denmarkeast": "DK",
    # cloud.google.com, "Regions and zones"
    "europe-west1": "BE", "europe-west2": "GB", "europe-west3": "DE", "europe-west4": "NL",
    "europe-west6": "CH", "europe-west8": "IT", "europe-west9": "FR", "europe-west10": "DE",
    "europe-west12": "IT", "europe-north1": "FI", "europe-north2": "SE",
    "europe-central2": "PL", "europe-southwest1": "ES", "us-central1": "US", "us-east1": "US",
    "us-east4": "US", "us-east5": "US", "us-south1": "US", "us-west1": "US", "us-west2": "US",
    "us-west3": "US", "us-west4": "US", "northamerica-northeast1": "CA",
    "northamerica-northeast2": "CA", "southamerica-east1": "BR", "asia-northeast1": "JP",
    "asia-northeast2": "JP", "asia-south1": "IN", "asia-south2": "IN",
    "australia-southeast1": "AU", "australia-southeast2": "AU", "asia-east1": "TW",
    "asia-east2": "HK", "asia-northeast3": "KR", "asia-southeast1": "SG",
    "asia-southeast2": "ID", "me-west1": "IL", "me-central1": "QA", "me-central2": "SA",
    "africa-south1": "ZA", "northamerica-south1": "MX", "southamerica-west1": "CL",
}
# fmt: on
"""Exact cloud regions → country. One that is not listed falls back to its shape below."""

_CLOUD_SHAPE: Final = re.compile(
    r"(?:us-gov|us|eu|ca|sa|ap|me|af|il|mx|cn)-(?:central|(?:north|south)?(?:east|west)?)-\d"
    r"|(?:us|europe|asia|australia|northamerica|southamerica|me|africa)"
    r"-(?:central|(?:north|south)?(?:east|west)?)\d{1,2}",
    re.ASCII,
)
_PREFIX_AREAS: Final = {"us-gov": "us-gov", "us": "us", "eu": "eu", "europe": "europe", "ca": "ca"}
_EDGES: Final = r"(?<![a-z0-9]){}(?![a-z0-9])"
_REGION: Final = re.compile(
    _EDGES.format(
        "(?:"
        + "|".join(sorted(_CLOUD_REGIONS, key=len, reverse=True))
        + f"|{_CLOUD_SHAPE.pattern})"
    ),
    re.ASCII,
)
_WORDS: Final = "|".join(sorted(_AREAS, key=len, reverse=True))
# Not `ca`, `jp`, `au`: in host names these are certificate authorities and first names of machines.
_HOST_WORDS: Final = "us-gov|usa|us|europe|eu|uk|emea|apac|global|worldwide"
_HOST_AREA: Final = re.compile(rf"(?:^|[.-])({_HOST_WORDS})(?=[.-])", re.ASCII)
_MODEL_AREA: Final = re.compile(
    rf"(?:^|/)({_WORDS})(?=\.)|(?<=[a-z0-9][-_@:])({_WORDS})(?=$|[-_@:/])", re.ASCII
)


def contradicting_labels(
    address: str, upstream_model: str, regions: tuple[Jurisdiction, ...], taxonomy: Taxonomy
) -> list[str]:
    """Labels in the host or model id that the declared regions contradict, in order of finding.

    Private and loopback addresses carry no label; a top-level domain (`example.eu`) is none.
    """
    host = (urlsplit(address).hostname or "").lower()
    labels = [] if _is_address(host) else list(_labels(host, _HOST_AREA))
    labels += _labels(upstream_model.lower(), _MODEL_AREA)
    return [
        label
        for label in dict.fromkeys(labels)
        if not all(_agrees(_places(label), region, taxonomy) for region in regions)
    ]


def region_contradicts(place: str, deployment: Deployment, taxonomy: Taxonomy) -> bool:
    """Whether a place that an answer names is none that the catalog allows for.

    Args:
        place: A header's words, one place or several with commas between: `East US 2`,
            `eu-central-1`, `DE,FR`. A word that is no place we know contradicts nothing.
    """
    stated = (_stated(word.strip(), taxonomy) for word in place.split(","))
    return any(
        places is not None and not any(_agrees(places, r, taxonomy) for r in deployment.regions)
        for places in stated
    )


def _stated(word: str, taxonomy: Taxonomy) -> frozenset[str] | None:
    label = word.lower().replace(" ", "")
    if label in _AREAS or _REGION.fullmatch(label):
        return _places(label)
    return frozenset({word}) if word in taxonomy.jurisdictions else None


def _agrees(places: frozenset[str], region: Jurisdiction, taxonomy: Taxonomy) -> bool:
    """The region lies in one of the places, or is a wider name for one of them."""
    if places & taxonomy.jurisdiction_closure([region]):
        return True
    return any(region in taxonomy.jurisdiction_closure([Jurisdiction(p)]) for p in places)


def _labels(text: str, areas: re.Pattern[str]) -> Iterator[str]:
    for match in _REGION.finditer(text):
        yield match.group()
    # A region's own first word is no second claim: `eu-west-2` is London, not the EU.
    for match in areas.finditer(_REGION.sub("#", text)):
        yield next(word for word in match.groups() if word)


def _places(label: str) -> frozenset[str]:
    if label in _AREAS:
        return _AREAS[label]
    if label in _CLOUD_REGIONS:
        return frozenset({_CLOUD_REGIONS[label]})
    prefix = next((p for p in _PREFIX_AREAS if label.startswith(f"{p}-")), "")
    return _AREAS.get(prefix, _NOWHERE)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True

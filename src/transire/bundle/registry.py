"""All YAML files of a bundle, read, resolved and turned into domain values."""

from collections.abc import Mapping
from dataclasses import dataclass

from transire.bundle.catalog import to_catalog, to_routing, to_taxonomy
from transire.bundle.documents.catalog import CatalogDocument
from transire.bundle.documents.routing import RoutingDocument
from transire.bundle.documents.taxonomy import DetectorDocument, TaxonomyDocument
from transire.bundle.experiments import Known, Tried, read_experiments
from transire.bundle.judges import unpriced_judges
from transire.bundle.namemodels import listed_names
from transire.bundle.prompts import read_prompts
from transire.bundle.recognizers.read import read_pack
from transire.bundle.references import References
from transire.bundle.shadows import unpriced
from transire.bundle.yamlread import parse_model, read_yaml
from transire.domain.bundle import DetectorRules, RoutingRules
from transire.domain.deployment import Catalog
from transire.domain.ids import DataClass
from transire.domain.pack import Pack
from transire.domain.prompt import Prompt
from transire.domain.taxonomy import Taxonomy
from transire.errors import BundleError

__all__ = ["Registry", "read_registry"]


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything the YAML files say."""

    taxonomy: Taxonomy
    catalog: Catalog
    routing: RoutingRules
    detector: DetectorRules
    recognizers: Pack
    prompts: Mapping[str, Prompt]
    tried: Tried


def read_registry(files: Mapping[str, bytes]) -> Registry:
    """Read all YAML files of a bundle.

    Raises:
        BundleError: with every located problem that could be found in one go.
    """
    problems: list[str] = []
    taxonomy_at = read_yaml("taxonomy.yaml", files.get("taxonomy.yaml", b""))
    routing_at = read_yaml("routing.yaml", files.get("routing.yaml", b""))
    catalogs_at = [read_yaml(n, d) for n, d in sorted(files.items()) if n.startswith("catalog/")]
    taxonomy = parse_model(TaxonomyDocument, taxonomy_at, problems)
    routing = parse_model(RoutingDocument, routing_at, problems)
    catalogs = [(at, parse_model(CatalogDocument, at, problems)) for at in catalogs_at]
    if problems or taxonomy is None or routing is None:
        raise BundleError(problems)
    check = References(taxonomy, problems)
    check.taxonomy(taxonomy_at)
    merged = check.merge([(at, document) for at, document in catalogs if document is not None])
    provided = {guard for m in merged.moderators.values() for guard in m.categories.values()}
    check.guards(taxonomy_at, provided)
    check.routing(routing_at, routing, merged)
    prompts = read_prompts(files, problems)
    check.prompts(prompts, routing, merged)
    tried = read_experiments(files, Known(taxonomy, routing, merged, prompts), problems)
    _refuse(problems)
    words, catalog = to_taxonomy(taxonomy, provided), to_catalog(merged)
    check.labels(words, catalog)
    problems.extend(unpriced(tried.shadows, catalog.deployments))
    rules = to_routing(routing, words)
    problems.extend(unpriced_judges(rules.judges, catalog.deployments))
    _refuse(problems)
    detector = _detector(taxonomy.detector)
    pack = read_pack(files, words.entities, detector.languages)
    return Registry(words, catalog, rules, detector, pack, prompts, tried)


def _detector(document: DetectorDocument) -> DetectorRules:
    return DetectorRules(
        languages=tuple(document.languages),
        names=tuple(listed_names(document.names)),
        audited=frozenset(map(DataClass, document.audited)),
        **document.model_dump(exclude={"languages", "names", "audited"}),
    )


def _refuse(problems: list[str]) -> None:
    if problems:
        raise BundleError(problems)

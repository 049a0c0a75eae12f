"""Files in, one immutable bundle out, or every located reason why not.

Cedar skips a forbid that errs and then says Allow, and skips entities it does not know; the
checks here (strict validation, no dangling reference, no unknown literal, the sweep) and the rule
that an evaluation error denies together close that.
"""

from collections.abc import Mapping

import cedarpy
import orjson
from cedarpy import pst

from transire.bundle.compiled import CompiledBundle
from transire.bundle.entities import entity_rows
from transire.bundle.judges import idle_judges
from transire.bundle.limits import missing_limits
from transire.bundle.moderators import moderator_notes
from transire.bundle.observed import observed_classes, observed_guards
from transire.bundle.registry import Registry, read_registry
from transire.bundle.rules import Rule, check_rules, lint, read_rules
from transire.bundle.schema import enumerations, schema_text
from transire.bundle.shadows import idle_shadows
from transire.bundle.source import bundle_digest, check_names
from transire.bundle.unfound import unfound_classes
from transire.domain.bundle import Bundle
from transire.domain.ids import PolicyId
from transire.errors import BundleError

__all__ = ["compile_bundle"]


def compile_bundle(files: Mapping[str, bytes], *, must_hold_limits: bool = True) -> CompiledBundle:
    """Compile and check a bundle.

    Args:
        must_hold_limits: Refuse a bundle without the protected `rules/limits/` (only tests of
            other things turn this off).

    Raises:
        BundleError: `problems` holds located reasons.
    """
    if not files:
        raise BundleError(["the bundle is empty: `transire init DIR` writes one to start from"])
    check_names(files)
    registry = read_registry(files)
    rules = read_rules(files)
    if must_hold_limits and (missing := missing_limits(rules)):
        raise BundleError(missing)
    text = schema_text(registry.taxonomy)
    schema = _schema(text)
    rows = entity_rows(registry.taxonomy, registry.catalog)
    entities = _entities(rows, schema)
    ids = _ids(registry, rows)
    check_rules(rules, schema, ids, frozenset(registry.catalog.queues))
    tree = _tree(rules)
    bundle = _bundle(files, registry, rules)
    notes = moderator_notes(registry.catalog.moderators, tree, registry.taxonomy, bundle.guards)
    return CompiledBundle(
        bundle=bundle,
        schema_text=text,
        schema=schema,
        policies=_policies(tree),
        tree=tree,
        entities=entities,
        entity_rows=rows,
        entity_ids=ids,
        warnings=(
            # Blind ones are refused before activation (`sweep`); what is active still loads.
            *(str(c) for c in unfound_classes(bundle, tree) if not c.is_blind),
            *lint(rules),
            *notes,
            *idle_shadows(rules, bundle.shadows),
            *idle_judges(rules, bundle.routing.judges),
        ),
    )


def _bundle(files: Mapping[str, bytes], registry: Registry, rules: list[Rule]) -> Bundle:
    taxonomy, tree = registry.taxonomy, _tree(rules)
    return Bundle(
        digest=bundle_digest(files),
        guards=observed_guards(tree, taxonomy) | taxonomy.audited_guards,
        observed=observed_classes(tree, taxonomy),
        taxonomy=taxonomy,
        catalog=registry.catalog,
        routing=registry.routing,
        detector=registry.detector,
        annotations={PolicyId(rule.id): dict(rule.node.annotations) for rule in rules},
        files=dict(sorted(files.items())),
        recognizers=registry.recognizers,
        prompts=registry.prompts,
        experiments=registry.tried.experiments,
        shadows=registry.tried.shadows,
        permits=frozenset(PolicyId(rule.id) for rule in rules if rule.node.effect == "permit"),
    )


def _schema(text: str) -> cedarpy.Schema:
    try:
        return cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise BundleError([f"taxonomy.yaml:1: makes no valid schema: {error}"]) from None


def _entities(rows: tuple[dict[str, object], ...], schema: cedarpy.Schema) -> cedarpy.Entities:
    try:
        return cedarpy.Entities.from_json_str(orjson.dumps(rows).decode(), schema)
    except ValueError as error:
        raise BundleError([f"catalog: does not fit the schema: {error}"]) from None


def _ids(registry: Registry, rows: tuple[dict[str, object], ...]) -> frozenset[tuple[str, str]]:
    named = {(row["uid"]["type"], row["uid"]["id"]) for row in rows}  # type: ignore[index]
    members = {
        (kind, name) for kind, names in enumerations(registry.taxonomy).items() for name in names
    }
    return frozenset(named | members)


def _tree(rules: list[Rule]) -> pst.PolicySet:
    return pst.PolicySet(
        templates={}, static_policies={rule.id: rule.node for rule in rules}, template_links=()
    )


def _policies(tree: pst.PolicySet) -> cedarpy.PolicySet:
    try:
        return cedarpy.PolicySet.from_pst(tree)
    except ValueError as error:
        raise BundleError([f"rules: {' '.join(str(error).split())}"]) from None

"""The facts that a judge is permitted by: of a request and of its answer, together. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from transire.domain.authorization import Facts, Form
from transire.domain.taxonomy import Taxonomy

__all__ = ["united_facts"]


def united_facts(
    judged: Mapping[Form, tuple[Facts, Facts]],
    asked: Mapping[Form, tuple[Facts, Facts]],
    taxonomy: Taxonomy,
) -> dict[Form, tuple[Facts, Facts]]:
    """(base, asserted) by form of what a judge would receive, and of what was asked.

    A request that had no redacted form counts as it was: then nothing in it could be redacted, and
    what is in it is of the redacted conversation, too.
    """
    forms: dict[Form, tuple[Facts, Facts]] = {}
    for form, (base, asserted) in judged.items():
        known = asked.get(form) or asked[Form.RAW]
        forms[form] = (
            _united(base, known[0], taxonomy),
            _united(asserted, known[1], taxonomy),
        )
    return forms


def _united(one: Facts, other: Facts, taxonomy: Taxonomy) -> Facts:
    if one == other:
        return one
    return replace(
        one,
        stakes=taxonomy.max_stakes(one.stakes, other.stakes),
        data_classes=one.data_classes | other.data_classes,
        failed_classes=one.failed_classes | other.failed_classes,
        uncovered_classes=one.uncovered_classes | other.uncovered_classes,
        reduced_classes=one.reduced_classes | other.reduced_classes,
        unscanned_parts=max(one.unscanned_parts, other.unscanned_parts),
        capabilities=one.capabilities | other.capabilities,
        raised_guards=one.raised_guards | other.raised_guards,
        failed_guards=one.failed_guards | other.failed_guards,
        acceptances=tuple(sorted({*one.acceptances, *other.acceptances})),
    )

"""From entities to data classes, by the taxonomy's rules. Pure."""

from collections.abc import Iterable, Mapping

from transire.classify.recognizer import Hit
from transire.domain.classification import Finding
from transire.domain.ids import DataClass
from transire.domain.taxonomy import EntityRule

__all__ = ["failed_classes", "findings_of", "promised_classes"]


def findings_of(
    hits: Iterable[tuple[int, Hit]], rules: Mapping[str, EntityRule]
) -> tuple[Finding, ...]:
    """Accepted findings: above the entity's score, and in enough places of all parts.

    Args:
        hits: (part index, hit), in part order.
    """
    accepted = [
        Finding(
            part=part,
            start=hit.start,
            end=hit.end,
            entity=hit.entity,
            data_class=rule.data_class,
            score_pct=hit.score_pct,
            via=hit.via,
            by=hit.by,
        )
        for part, hit in hits
        if (rule := rules.get(hit.entity)) is not None and hit.score_pct >= rule.min_score_pct
    ]
    few = {
        entity
        for entity in {finding.entity for finding in accepted}
        if (least := rules[entity].min_count) > 1
        and _places([finding for finding in accepted if finding.entity == entity]) < least
    }
    return tuple([f for f in accepted if f.entity not in few] if few else accepted)


def _places(findings: list[Finding]) -> int:
    """How many findings stand clear of one another, at most: what two found there is one value.

    Always taking the one that ends first gives the most (interval scheduling), so that a further
    finding never makes them fewer.
    """
    count, part, end = 0, -1, 0
    for found in sorted(findings, key=lambda f: (f.part, f.end)):
        if found.part != part or found.start >= end:
            count, part, end = count + 1, found.part, found.end
    return count


def failed_classes(failed: Iterable[str], rules: Mapping[str, EntityRule]) -> frozenset[DataClass]:
    """Classes whose recognizers failed.

    A name that is no entity stands for the whole scan (an opaque blob, a full pool): every
    promised class has failed then.
    """
    names = set(failed)
    if names - rules.keys():
        return promised_classes(rules)
    return frozenset(rules[name].data_class for name in names)


def promised_classes(rules: Mapping[str, EntityRule]) -> frozenset[DataClass]:
    """Every class some entity stands for."""
    return frozenset(rule.data_class for rule in rules.values())

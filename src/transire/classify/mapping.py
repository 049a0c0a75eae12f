"""From entities to data classes, by the taxonomy's rules. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

from transire.classify.recognizer import Hit
from transire.domain.classification import Finding
from transire.domain.ids import DataClass
from transire.domain.taxonomy import EntityRule

__all__ = ["failed_classes", "findings_of", "promised_classes"]


def findings_of(
    hits: Iterable[tuple[int, Hit]], rules: Mapping[str, EntityRule]
) -> tuple[Finding, ...]:
    """Accepted findings: above the entity's score, and enough of them over all parts.

    Args:
        hits: (part index, hit), in part order.
    """
    accepted = [
        (part, hit, rules[hit.entity])
        for part, hit in hits
        if hit.entity in rules and hit.score_pct >= rules[hit.entity].min_score_pct
    ]
    counts = Counter(hit.entity for _, hit, _ in accepted)
    return tuple(
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
        for part, hit, rule in accepted
        if counts[hit.entity] >= rule.min_count
    )


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

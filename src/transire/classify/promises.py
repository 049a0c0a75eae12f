"""Whether what a bundle's taxonomy promises to find is found: each entity's canary, at start-up."""

from collections.abc import Mapping
from typing import Final

from transire.bundle.canaries import CANARIES
from transire.bundle.recognizers.matchers import probes
from transire.classify.reader import TextReader
from transire.domain.taxonomy import EntityRule

__all__ = ["missed"]

_CANARY_S: Final = 5.0


def missed(
    reader: TextReader, rules: Mapping[str, EntityRule], promised: frozenset[str]
) -> frozenset[str]:
    """Promised entities that are not found in their canary text (about 2 ms).

    An entity without an installed recognizer, or without a canary, is missed too.
    """
    own = probes(reader.pack)
    covered = {entity for entity, _ in own}
    pairs = [(e, CANARIES.get(e, "")) for e in rules if e in promised]
    pairs = [(e, text) for e, text in pairs if text or e not in covered]
    pairs += own
    scans = reader.scan_now([text for _, text in pairs], _CANARY_S)
    return frozenset(
        entity
        for (entity, _), scan in zip(pairs, scans, strict=True)
        if not any(
            h.entity == entity and h.score_pct >= rules[entity].min_score_pct for h in scan.hits
        )
    )

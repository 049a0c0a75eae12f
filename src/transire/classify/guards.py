"""Guards of texts, run as recognizers: in one scan, with its views, deadline, memory and worker.

A guard's hits are no findings: nothing is redacted for them, and no data class follows. They are
told apart by the entity they go under.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from transire.classify.gate import Gate
from transire.classify.recognizer import Hit, Recognizer
from transire.classify.traits import Traits, traits_of
from transire.domain.guarding import (
    INDIRECT_INJECTION,
    PROMPT_INJECTION,
    TEXT_GUARDS,
    Guard,
    InputGuard,
)
from transire.guard.texts import text_guards

__all__ = ["PREFIX", "guard_entities", "guard_recognizers"]

PREFIX: Final = "guard:"
"""What the entity of a guard's hit begins with; the guard's name follows."""
_CERTAIN_PCT: Final = 100


def guard_entities(guards: frozenset[Guard]) -> frozenset[str]:
    """The entities to scan for, so that these guards can be judged."""
    asked = guards.intersection(TEXT_GUARDS)
    if INDIRECT_INJECTION in asked:
        asked = (asked - {INDIRECT_INJECTION}) | {PROMPT_INJECTION}
    return frozenset(PREFIX + name for name in asked)


@lru_cache(maxsize=64)
def guard_recognizers(entities: frozenset[str]) -> tuple[Recognizer, ...]:
    """The recognizers of guards among these entities, in a fixed order."""
    asked = [guard for guard in text_guards() if PREFIX + guard.name in entities]
    return tuple(map(_recognizer, asked))


def _recognizer(guard: InputGuard) -> Recognizer:
    entity = PREFIX + guard.name

    def find(text: str, seconds: float) -> Iterator[Hit]:
        return told(traits_of(text), seconds)

    def told(traits: Traits, seconds: float) -> Iterator[Hit]:
        for start, end in guard.spans(traits.text, seconds, traits):
            yield Hit(start, end, entity, _CERTAIN_PCT, by=guard.name)

    gate: Callable[[Traits], bool] = Gate(words=guard.words) if guard.words else _is_foreign
    return Recognizer(entity, gate, find, told)


def _is_foreign(traits: Traits) -> bool:
    return traits.has_other_script

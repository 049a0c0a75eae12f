"""A pack ready to run: one matcher per recognizer, and the texts that prove each one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from transire.bundle.recognizers.patterns import pattern_finder, pattern_gate
from transire.bundle.recognizers.shingles import canary_text, document_finder, salted
from transire.bundle.recognizers.terms import spelling, term_finder
from transire.domain.pack import Pack

__all__ = ["Allowed", "Matcher", "matchers", "probes"]


@dataclass(frozen=True, slots=True)
class Matcher:
    """One recognizer of an operator.

    Attributes:
        gate: A necessary condition on the text.
        find: Yields (start, end, score in percent); takes (text, seconds left) and lets
            `TimeoutError` out.
        languages: Where a text is confidently in none of these, hits do not count; empty: always.
        examples: Texts in which it must find something.
    """

    name: str
    entity: str
    gate: Callable[[str], bool]
    find: Callable[[str, float], Iterator[tuple[int, int, int]]]
    languages: frozenset[str] = frozenset()
    examples: tuple[str, ...] = ()

    def scores(self, text: str, seconds: float) -> list[tuple[int, int, int]]:
        """Everything found in one text, gate included."""
        return list(self.find(text, seconds)) if self.gate(text) else []


def matchers(pack: Pack) -> tuple[Matcher, ...]:
    """Everything compiled; patterns, dictionaries, documents, each in the order of the file."""
    made = [
        Matcher(r.name, r.entity, pattern_gate(r), pattern_finder(r), r.languages, r.examples)
        for r in pack.patterns
    ]
    made += [
        Matcher(r.name, r.entity, _always, term_finder(r), examples=(*r.examples, r.terms[0]))
        for r in pack.terms
    ]
    for document in salted(pack.documents, salt=pack.salt, words=pack.words):
        find = document_finder(document, salt=pack.salt, words=pack.words)
        text = canary_text(document, pack.words)
        made.append(Matcher(document.name, document.entity, _always, find, examples=(text,)))
    return tuple(made)


def probes(pack: Pack) -> tuple[tuple[str, str], ...]:
    """(entity, text) pairs that a working detector finds; checked when it starts."""
    return tuple((m.entity, text) for m in matchers(pack) for text in m.examples)


class Allowed:
    """Jargon that is no finding: looked up by entity and whole span."""

    def __init__(self, pack: Pack) -> None:
        self._terms: dict[str, set[tuple[str, ...]]] = {}
        for rule in pack.allow:
            for entity in rule.entities:
                self._terms.setdefault(entity, set()).update(map(spelling, rule.terms))

    def __bool__(self) -> bool:
        return bool(self._terms)

    def holds(self, entity: str, span: str) -> bool:
        """True where this span is jargon and no finding of this entity."""
        terms = self._terms.get(entity)
        return terms is not None and spelling(span[:_LONGEST]) in terms and len(span) <= _LONGEST


_LONGEST = 400
"""Characters; no term is longer, so no longer span is one."""


def _always(_: str) -> bool:
    return True

"""Dictionaries: whole terms in one pass, whatever their number.

A term is a run of tokens. They stand in a tree, and from each token of a text at most
`MAX_TERM_TOKENS` steps lead down it: linear in the text, constant in the dictionary.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from transire.bundle.recognizers.tokens import ANY, folded, tokens_of
from transire.domain.pack import TermList

__all__ = ["MAX_TERM_TOKENS", "spelling", "term_finder"]

MAX_TERM_TOKENS: Final = 16
_END: Final = " "
"""Marks a whole term in the tree; no token is a blank."""


def spelling(term: str, *, match_case: bool = False) -> tuple[str, ...]:
    """A term's tokens as they are compared."""
    tokens = (match.group() for match in ANY.finditer(term))
    return tuple(tokens) if match_case else tuple(map(folded, tokens))


def term_finder(rule: TermList) -> Callable[[str, float], Iterator[tuple[int, int, int]]]:
    """A function (text, seconds) → spans with scores, the longest term at each place."""
    tree: dict[str, Any] = {}
    for term in rule.terms:
        node = tree
        for token in spelling(term, match_case=rule.match_case):
            node = node.setdefault(token, {})
        node[_END] = {}
    fold: Callable[[str], str] = str if rule.match_case else folded

    def find(text: str, seconds: float) -> Iterator[tuple[int, int, int]]:
        keep = fold
        if text.isascii() and not rule.match_case:
            text, keep = text.lower(), str  # the same offsets, folded in one go
        # Most texts hold no first word of any term, and this is all they cost.
        if tree.keys().isdisjoint(map(keep, ANY.findall(text, timeout=seconds))):
            return
        tokens = [(s, e, keep(t)) for s, e, t in tokens_of(text, ANY, seconds)]
        for at, (start, _, first) in enumerate(tokens):
            node, last, step = tree.get(first), -1, at
            while node is not None:
                if _END in node:
                    last = step
                step += 1
                node = node.get(tokens[step][2]) if step < len(tokens) else None
            if last >= 0:
                yield start, tokens[last][1], rule.score_pct

    return find

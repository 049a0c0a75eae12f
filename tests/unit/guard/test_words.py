"""What a pattern begins with, and that nothing is passed over for it."""

import importlib
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.guard.phrasing import ATTACKS, HARMLESS, MISSED

from transire.classify.traits import traits_of
from transire.domain.guarding import Guard
from transire.guard.phrase import Phrase, PhraseGuard
from transire.guard.texts import text_guards
from transire.guard.words import first_words

GUARDS = [guard for guard in text_guards() if isinstance(guard, PhraseGuard)]
HINTED = [(g.name, phrase) for g in GUARDS for phrase in g.phrases if phrase.hints]
TEXTS = [*(t for texts in ATTACKS.values() for t in texts), *HARMLESS, *(t for _, t in MISSED)]
ROOM_S = 60.0
ANYTHING = "\0"
MOST = 200_000


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"\bignor(?:e|ing)\b", {"ignore", "ignoring"}),
        (r"\b(?:do not|don['’]?t)\b", {"do", "don", "dont"}),
        (r"\bi(?:['’]m| am|m)? ill\b", {"i", "im"}),
        (r"<\|im_start|\bSys\b", {"im", "sys"}),
        (r"(?:^|\n)\s{0,4}end of\b", {"end"}),
        (r"\b(?<!\bnot )(?:ab){1,2}\b", {"ab", "abab"}),
        (r"\bgeb(?:e|st)?\b(?! acht)", {"geb", "gebe", "gebst"}),
        (r"\b\s+x y\b", {"x"}),
    ],
)
def test_the_words_that_a_pattern_begins_with(pattern: str, words: frozenset[str]) -> None:
    assert first_words(pattern) == frozenset(words)


@pytest.mark.parametrize(
    "pattern",
    [
        r"ignore\b",  # may stand inside a word
        r"\bignore",  # may go on
        r"\bignore\w*\b",
        r"\b(?:ab)+\b",
        r"\b(?:ab){0,9}\b",
        r"\b[a-z]o\b",
        r"\b[^o] now\b",
        r"\b.ow\b",
        r"忽略",
        r"\G\snow\b",
        r"(",
        r"",
        r"\b" + r"(?:a|b|c|d)" * 5 + r"\b",
    ],
)
def test_a_pattern_that_may_begin_with_anything_has_none(pattern: str) -> None:
    assert first_words(pattern) is None


def test_a_latin_guard_takes_no_phrase_that_begins_with_anything() -> None:
    with pytest.raises(ValueError, match="begins with no word"):
        PhraseGuard.latin(Guard("jailbreak"), [Phrase(r"\bignore")])


def _ungated(guard: PhraseGuard) -> PhraseGuard:
    bare = [replace(phrase, hints=()) for phrase in guard.phrases]
    make = PhraseGuard.latin if guard.words else PhraseGuard.of_other_scripts
    return make(guard.name, bare)


BARE = [(guard, _ungated(guard)) for guard in GUARDS]


def _assert_nothing_is_passed_over(text: str) -> None:
    traits = traits_of(text)
    for guard, bare in BARE:
        wanted = list(bare.spans(text, ROOM_S))
        assert list(guard.spans(text, ROOM_S, traits)) == wanted
        if wanted and not guard.words:
            assert traits.has_other_script


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("change", [str, str.upper, str.title, lambda t: t + " plain words" * 60])
def test_what_is_found_is_what_all_phrases_find(text: str, change: Any) -> None:
    _assert_nothing_is_passed_over(change(text))


FRAGMENTS = sorted(
    {word for text in TEXTS for word in re.split(r"(?<=\s)", text)}
    | {text for text in TEXTS if len(text) < 80}
    | {f"{hint} " for _, phrase in HINTED for hint in phrase.hints}
    | {f"{word} " for guard in GUARDS for word in guard.words}
)
PIECES = st.sampled_from(FRAGMENTS) | st.text("iısſkK\u212a\u0130 .\n_1é’'", max_size=4)


@given(st.lists(PIECES, min_size=1, max_size=60).map("".join), st.booleans())
def test_no_mixture_of_words_is_passed_over(text: str, is_long: bool) -> None:
    _assert_nothing_is_passed_over(text + " so it goes" * 60 if is_long else text)


def _spelled(items: Any) -> Iterator[str]:
    """Everything a pattern can match, with one sign in place of what is not spelled out."""
    if not items:
        yield ""
        return
    (code, argument), rest = items[0], items[1:]
    kind, firsts = str(code), [ANYTHING]
    if kind in ("AT", "ASSERT", "ASSERT_NOT"):
        firsts = [""]
    elif kind == "LITERAL":
        firsts = [chr(argument).lower()]
    elif kind == "IN" and all(str(c) == "LITERAL" for c, _ in argument):
        firsts = [chr(a).lower() for _, a in argument]
    elif kind == "SUBPATTERN":
        firsts = list(_spelled(tuple(argument[3])))
    elif kind == "BRANCH":
        firsts = [text for branch in argument[1] for text in _spelled(tuple(branch))]
    elif kind in ("MAX_REPEAT", "MIN_REPEAT"):
        low, high, inner = argument
        firsts = [""] if not low else []
        firsts += list(_spelled(tuple(inner))) if int(high) == 1 else [ANYTHING]
    for tail in _spelled(rest):
        for first in firsts:
            yield first + tail


def _needs(pattern: str, hints: tuple[str, ...]) -> bool:
    """Whether whatever matches holds one of these, as far as the pattern spells it out."""
    parse = importlib.import_module("re._parser").parse
    parsed = tuple(parse(pattern.replace(r"\G", "").replace(r"\Z|", "")))
    texts = list(islice(_spelled(parsed), MOST))
    return len(texts) < MOST and all(any(hint in text for hint in hints) for text in texts)


@pytest.mark.parametrize(("name", "phrase"), HINTED)
def test_a_hint_is_part_of_whatever_the_phrase_finds(name: Guard, phrase: Phrase) -> None:
    patterns = (phrase.trigger, *phrase.every)

    assert any(_needs(pattern, phrase.hints) for pattern in patterns), name

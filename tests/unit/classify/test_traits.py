"""What one pass over a text tells."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from transire.classify.traits import CONTROLS, LONG_CHARS, SIGNS, traits_of
from transire.classify.views.spaced import spaced


def tokens_of(text: str) -> list[str]:
    """Runs of ASCII without a blank; a question mark ends one where others stand for characters."""
    blank = r"\s" if text.isascii() else r"\s?"
    return re.findall(rf"[^{blank}\x80-\U0010ffff]+", text)


ascii_texts = st.text(st.characters(max_codepoint=127), max_size=200)


@given(ascii_texts | st.text(max_size=200))
@example("ABC def 123")
@example("")
def test_words_digits_and_capitals_are_what_patterns_over_unicode_say(text: str) -> None:
    traits = traits_of(text)

    assert traits.words == frozenset(re.findall(r"[^\W\d_]+", text.lower()))
    assert traits.digits == len(re.findall(r"\d", text))
    assert traits.shouts == bool(re.search(r"[A-Z]{3}", text))
    longest = max(map(len, tokens_of(text)), default=0)
    assert traits.longest == (longest if longest >= LONG_CHARS else 0)
    told = SIGNS + CONTROLS.decode()
    assert traits.signs.decode() == "".join(c for c in text if c in told)


@given(st.text(st.sampled_from("aB7 .,-x\n|ж你"), max_size=120) | ascii_texts)
@example("a b c d e f g h")
@example("x a b c d e f g\n h")
@example("a.b.c.d.e.f.g.h")
@example("abcdefghij1")
def test_what_tables_rule_out_no_pattern_finds(text: str) -> None:
    traits, runs = traits_of(text), text.split()

    long = [token for token in tokens_of(text) if len(token) >= 11]
    assert traits.is_coded == any(re.search(r"(?<!^)[A-Z0-9]", run) for run in long)
    apart = any(re.search(r"(?:.[._,;|*/-]){7}", run) for run in runs)
    assert not apart or traits.is_spaced
    assert not traits.is_spaced or apart or sum(len(run) == 1 for run in runs) >= 8


@given(
    st.sampled_from(["prose. ", "I am a b ", "a\n", ""]),
    st.lists(st.sampled_from("a4B+@"), min_size=8, max_size=20),
    st.sampled_from(" ._,;|*/-"),
    st.sampled_from(["", " and a word", "\n", " ж"]),
    st.booleans(),
)
def test_whatever_can_be_pulled_together_is_seen(
    before: str, characters: list[str], sign: str, after: str, is_gapped: bool
) -> None:
    run = ["4", *characters, "7"]
    if is_gapped and sign == " ":
        run.insert(5, " ")
    text = before + sign.join(run) + after

    assert not spaced(text) or traits_of(text).is_spaced


@given(st.text(max_size=60), st.sampled_from(["cancer", "dot", "hiv"]))
def test_a_word_in_ascii_is_among_the_pieces_of_any_text(text: str, word: str) -> None:
    assert word.encode() in traits_of(f"{text} {word} {text}").pieces

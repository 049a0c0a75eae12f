"""What one pass over a text tells."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from transire.classify.traits import traits_of

ascii_texts = st.text(st.characters(max_codepoint=127), max_size=200)


@given(ascii_texts | st.text(max_size=200))
@example("ABC def 123")
@example("")
def test_words_digits_and_capitals_are_what_patterns_over_unicode_say(text: str) -> None:
    traits = traits_of(text)

    assert traits.words == frozenset(re.findall(r"[^\W\d_]+", text.lower()))
    assert traits.digits == len(re.findall(r"\d", text))
    assert traits.shouts == bool(re.search(r"[A-Z]{3}", text))
    assert traits.longest == max((len(run) for run in re.findall(r"\S+", text)), default=0)

"""Words of the trade are nobody's name, unless something beside them says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.classify.names.jargon import is_jargon


def judged(text: str, word: str) -> bool:
    start = text.index(word)
    return is_jargon(text, start, start + len(word))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("json", "json"),
        ("Parse this JSON with jq", "JSON"),
        ("Explain monads to me", "monads"),
        ("Write a Dockerfile for docker", "docker"),
        ("Use Celery with Redis", "Celery"),
        ("Why does Travis CI skip my build?", "Travis CI"),
        ("Why does Travis CI skip my build?", "Travis"),
        ("Julia and Python compared", "Julia"),
        ("Python vs Ruby for scripts", "Ruby"),
        ("a Kalman filter for drones", "Kalman"),
        ("Pascal's triangle in rows", "Pascal"),
        ("Monte Carlo methods", "Monte Carlo"),
        ("how do I authenticate with Kerberos", "Kerberos"),
        ("Hi Claude, write a poem", "Claude"),
    ],
)
def test_words_of_the_trade_are_no_names(text: str, word: str) -> None:
    assert judged(text, word)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Dr. Docker will see you", "Docker"),
        ("Herr Redis aus Bonn", "Redis"),
        ("Dear Julia, thank you", "Julia"),
        ("Best regards, Ruby", "Ruby"),
        ("My name is Claude and I want a refund", "Claude"),
        ("my colleague Travis CI", "Travis"),
        ("we met Kelvin Ember there", "Ember"),
        ("please ask Ruby Chen today", "Ruby"),
        ("Hi Ruby, how are you?", "Ruby"),
        ("Dear Claude, how are you?", "Claude"),
        ("please ask Claude Monet today", "Claude"),
        ("Travis called me yesterday", "Travis"),
        ("I met Julia, Python developer", "Julia"),
        ("it was Huffman. Code is attached", "Huffman"),
        ("ask Maria today", "Maria"),
        ("ask Docker Schneider today", "Docker Schneider"),
        ("dockers", "dockers"),
        ("dock", "dock"),
    ],
)
def test_whatever_speaks_of_a_person_makes_it_a_name(text: str, word: str) -> None:
    assert not judged(text, word)


@given(text=st.text(max_size=200), start=st.integers(0, 200), length=st.integers(0, 80))
def test_no_text_breaks_it(text: str, start: int, length: int) -> None:
    assert is_jargon(text, start, start + length) in (True, False)


@given(word=st.text(min_size=1, max_size=30).filter(lambda w: w.lower().strip() not in ("", "ci")))
def test_a_title_before_it_always_makes_it_a_name(word: str) -> None:
    text = f"Dr. {word} docker"

    assert not is_jargon(text, 4, 4 + len(word)) or not word.strip().isalnum()

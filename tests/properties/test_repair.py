"""What holds of repairs of any text: only syntax changes, and nothing is invented."""

import json
import re
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from transire.validate.repair import MAX_EDITS, RULES, apply, repair
from transire.validate.strict_json import NOT_JSON, read

SIGNS = st.sampled_from(
    [
        *(
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            '"',
            "'",
            "\\",
            "\\'",
            '\\"',
            "\n",
            " ",
            "//",
            "/*",
            "*/",
            "#",
        ),
        *(
            "```",
            "```json\n",
            "True",
            "None",
            "null",
            "1",
            "-2.5",
            '"a"',
            "'b'",
            '"a": ',
            "x",
            "...",
        ),
    ]
)
noise = st.lists(SIGNS, max_size=14).map("".join)
words = st.text(st.characters(codec="utf-8", exclude_characters='[]{}"`,:'), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
structures = documents.filter(lambda value: isinstance(value, dict | list))
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?')
_ADDED = re.compile(r"(true|false|null)|[]}]+|\"|\\\"|'|\\[nrt]")


def tokens(text: str) -> list[str]:
    """Strings and numbers of strict JSON, as written."""
    return _TOKEN.findall(text)


def said(token: str, answer: str) -> bool:
    """Whether the answer holds the token, in whichever quotes and with breaks as they were."""
    if not token.startswith('"'):
        return token in answer
    inner = token[1:-1]
    raw = inner.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t")
    plain = {inner, raw, inner.replace("'", "\\'"), raw.replace("'", "\\'")}
    return any(form in answer or form.replace('\\"', '"') in answer for form in plain)


@given(noise | structures.map(json.dumps).flatmap(lambda t: st.tuples(st.just(t), noise, noise).map(
    lambda parts: parts[1] + parts[0] + parts[2])))  # fmt: skip
def test_a_repaired_text_is_one_document_whose_tokens_all_stand_in_the_answer(text: str) -> None:
    edits = repair(text)
    if edits is None:
        return
    made = apply(text, edits)

    assert read(text) is NOT_JSON
    assert read(made) is not NOT_JSON
    assert len(edits) <= MAX_EDITS
    assert {edit.rule for edit in edits} <= RULES
    assert repair(made) is None
    assert all(said(token, text) for token in tokens(made))


@given(noise)
def test_an_edit_writes_nothing_but_syntax(text: str) -> None:
    edits = repair(text) or ()

    assert all(edit.new == "" or _ADDED.fullmatch(edit.new) for edit in edits)
    assert all(first.end <= second.start for first, second in pairwise(edits))


def is_value(words: str) -> bool:
    """Then nobody knows which of the two values is meant."""
    text = words.strip(" \t\r\n")
    is_quoted = len(text) > 1 and text[0] == text[-1] == "'" and "'" not in text[1:-1]
    return is_quoted or text in ("True", "False", "None") or read(text) is not NOT_JSON


@given(structures, words, words, st.booleans())
def test_a_value_in_words_and_fences_is_found_as_it_is(
    value: Any, before: str, after: str, fenced: bool
) -> None:
    text = json.dumps(value)
    answer = f"{before}\n```json\n{text}\n```\n{after}" if fenced else f"{before}: {text}\n{after}"

    edits = repair(answer)

    if is_value(after) or (fenced and is_value(before)):
        assert edits is None
    elif before.rstrip().endswith("'"):
        assert edits is None or read(apply(answer, edits)) == value
    else:
        assert edits is not None
        assert read(apply(answer, edits)) == value


@given(structures, st.integers(1, 4))
def test_closing_brackets_that_are_missing_at_the_end_are_the_only_thing_added(
    value: Any, missing: int
) -> None:
    whole = json.dumps(value)
    lost = len(whole) - len(whole.rstrip("]}"))
    text = whole[: len(whole) - min(missing, lost)]

    edits = repair(text)

    if edits is not None:
        assert read(apply(text, edits)) == value
    else:
        assert text.rstrip("]}")[-1:] in ("[", "{", "") or text[-1:] in "[{"


@given(structures)
def test_what_python_writes_is_read_as_it_meant(value: Any) -> None:
    written = repr(value)

    edits = repair(written)

    if edits is not None:
        assert read(apply(written, edits)) == value

"""What is put right in the syntax of a text, and what stays broken because it would be a guess."""

import json

import pytest

from transire.validate.repair import MAX_CHARS, MAX_CLOSERS, MAX_DEPTH, MAX_EDITS, apply, repair


def repaired(text: str) -> tuple[str, set[str]] | None:
    edits = repair(text)
    return None if edits is None else (apply(text, edits), {edit.rule for edit in edits})


@pytest.mark.parametrize(
    ("text", "expected", "rules"),
    [
        ('{"a": 1', '{"a": 1}', {"closing"}),
        ('{"a": [1, {"b": "x"', '{"a": [1, {"b": "x"}]}', {"closing"}),
        ('{"a": [1, 2]\n', '{"a": [1, 2]}\n', {"closing"}),
        ('{"a": 1,}', '{"a": 1}', {"trailing_comma"}),
        ("[1, [2,], ]", "[1, [2] ]", {"trailing_comma"}),
        ("{'a': 'x'}", '{"a": "x"}', {"single_quotes"}),
        ("{'a': 'say \"it\\'s\"'}", '{"a": "say \\"it\'s\\""}', {"single_quotes"}),
        ("['tab\\t', '\\u00e9']", '["tab\\t", "\\u00e9"]', {"single_quotes"}),
        ("[True, False, None, true]", "[true, false, null, true]", {"python_literal"}),
        ('{"a": "one\ntwo\tthree\r"}', '{"a": "one\\ntwo\\tthree\\r"}', {"raw_newline"}),
        ('{"a": 1, // why\n "b": 2}', '{"a": 1, \n "b": 2}', {"comment"}),
        ('{"a": 1, // why\r\n "b": 2}', '{"a": 1, \n "b": 2}', {"comment"}),
        ('{"a": 1, # why\n "b": /* and */ 2}', '{"a": 1, \n "b":  2}', {"comment"}),
        ('{"a": "http://x", "b": 1,}', '{"a": "http://x", "b": 1}', {"trailing_comma"}),
        ('```json\n{"a": 1}\n```', '{"a": 1}\n', {"fence"}),
        ('```\n{"a": 1}', '{"a": 1}', {"fence"}),
        ('```json\n{"a": 1\n```', '{"a": 1}\n', {"fence", "closing"}),
        ('Here:\n```json\n{"a": "```"}\n```\nBye.', '{"a": "```"}\n', {"fence", "prose"}),
        ("[1]\x0c", "[1]", {"prose"}),
        ('Sure, it\'s this: {"a": 1} Hope it helps!', '{"a": 1} ', {"prose"}),
        ("```python\n'x'\n```", '"x"\n', {"fence", "single_quotes"}),
        ("True", "true", {"python_literal"}),
    ],
)
def test_syntax_that_can_mean_one_thing_alone_is_put_right(
    text: str, expected: str, rules: set[str]
) -> None:
    assert repaired(text) == (expected, rules)
    json.loads(expected)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "x}',  # nobody knows where the string ends
        '{"a": "x',
        "{'a': 'it's'}",
        '{"a": "he said "yes""}',
        '{"a": 1,',  # more was to come
        '{"a": [1, 2, // ... and so on\n 3]}',
        '{"a": [1, /* … */ 3]}',
        '{"a": 1 // note, "b": 2}',  # the comment may hold the rest
        '{"a": 1 // note, "b": 2}\n',
        '{"a": 1 /* note, "b": 2} */',
        '{"a": 1 /* note',
        '{"a": ',  # a value would have to be invented
        '{"a"',
        '{"a": {',
        "[",
        "{,}",
        "[,]",
        "[1,,2]",
        '{"a":}',
        '{"a": 1 "b": 2}',
        '{"a": [1, 2}',  # a bracket is missing in the middle
        '{"a": 1}}',
        '{"a": 1] }',
        '{"a": 1} {"b": 2}',  # which one?
        'Either [1] or {"a": 1}',
        '42 {"a": 1}',
        'null {"a": 1}',
        "{\"a\": 1} 'no'",
        '{"a": 1}\nfalse',
        '{"a": 1 // note\r, "b": 2\n}',  # does the comment end there?
        '{"a": 1 // note\u2028, "b": 2\n}',
        '{"a": 1}, "b": 2}',  # part of the object would be lost
        '{"a": 1}: 2',
        '"a": {"b": 1}',
        "'a': {'b': 1}",
        '1, {"a": 1}',
        '{"a": 1} "b"',
        "the answer is 5",
        "'x' or so",
        "",
        " ",
        "{a: 1}",  # rules that are not ours
        "[NaN,]",
        "[undefined,]",
        "[1e999,]",
        "[01,]",
        "[1.,]",
        "[.5,]",
        "[+1,]",
        "[0x10,]",
        "[1_000,]",
        "```\n01",
        "```\n1.5.2",
        "```\nTrue_story",
        "[1 2,]",
        "[truefalse,]",
        '["\\x41",]',
        '["a\x00",]',
        '["\ud800",]',
        '["\\ud800",]',
        '{"a": 1, "a": 2,}',  # two readers would read two things
        "[1\u00a0,]",
    ],
)
def test_what_would_be_a_guess_is_left_broken(text: str) -> None:
    assert repair(text) is None


@pytest.mark.parametrize("text", ['{"a": 1}', "[]", '"x"', " 1 ", "null", '{"a": "```, // \'"}'])
def test_what_is_json_already_is_left_alone(text: str) -> None:
    assert repair(text) is None


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        ("[" * MAX_CLOSERS + "1", "[" * (MAX_CLOSERS + 1) + "1"),
        ("[" * MAX_DEPTH + "1," + "]" * MAX_DEPTH, "[" * 65 + "1," + "]" * 65),
        ("[1," + " " * (MAX_CHARS - 4) + "]", "[1," + " " * (MAX_CHARS - 3) + "]"),
        (f"[{'None,' * (MAX_EDITS - 1)}]", f"[{'None,' * MAX_EDITS}]"),
        (f"[{'9' * 4_000},]", f"[{'9' * 5_000},]"),
    ],
    ids=["closers", "depth", "size", "edits", "digits"],
)
def test_beyond_a_bound_nothing_is_repaired(within: str, beyond: str) -> None:
    assert repaired(within) is not None
    assert repair(beyond) is None


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "[" * 100_000,
        "'" * 100_000,
        "```" * 40_000,
        ", " * 60_000 + "{",
        "' :" * 40_000 + "{",
        '{"a":1' + "/* */" * 20_000,
        '{"a":"' + "\n" * 100_000 + '"}',
        '{"a": ' + "9" * 100_000 + ",}",
        "\x00" * 100_000,
    ],
    ids=["long", "open", "quotes", "fences", "commas", "keys", "comments", "lines", "9s", "nul"],
)
def test_hostile_text_is_given_up_at_a_bound(text: str) -> None:
    assert repair(text) is None

"""Values return in prose alone: never into an address, markup or code, however it is written."""

import itertools
import json
from collections.abc import Mapping

import pytest

from transire.classify.restore import AnswerRestorer, Original, TextRestorer
from transire.domain.answer import (
    AnswerChoice,
    Chunk,
    ChunkChoice,
    Completion,
    ToolCall,
    ToolCallDelta,
)
from transire.domain.ids import DataClass

NAME = "<PERSON_bcdfghjklm>"
MAIL = "<EMAIL_ADDRESS_nnnnnnnnnn>"
KNOWN: Mapping[str, Original] = {
    NAME: Original("Anna Schmidt", "PERSON", DataClass("IDENTITY")),
    MAIL: Original('"bob"@acme.com', "EMAIL_ADDRESS", DataClass("CONTACT")),
}
NO_BLANKS = "\u00a0\u3000\u2003\u2028\u0085\u202f\u1680\x1c\x1f"
"""What Python calls white space and CommonMark does not (0.31 §2.1)."""
PROSE = [
    "Dear §, hello",
    "**§** and _§_",
    "§'s mail, (§), “§”, ~~§~~",
    "§. Then §! And §?",
    "| § | x |\n|---|---|\n| 1 | § |",
    "* §\n    * §\n        - §",
    "1. §\n\n    § says",
    "> §",
    "Name:§",
    "`code` §, ``a ` b`` §",
    "```\nx\n```\n§",
    "```x``` §",
    "~~~\n<b\n~~~\n§",
    "a < b and §",
    "<b>§</b> and <p>§</p>",
    "§ <§>, § <§>;",
    '<p title="a <b and c">§</p>',
    "<code>a<b</code> §",
    "```php\n<?php if ($a<b) {}\n```\n\n§",
    "```c\nfor (i=0; i<n; i++) s = a<b ? 'x' : \"y\";\n```\n§",
    "<!-- a note --> §",
    "<div>\n  <p class='x'>§</p>\n</div>",
    "x < y, so § <3",
    "List<String> §",
    "连络§，谢谢。§さんは、東京",
    "§。次の方は§",
    "see https://a.example §",
    "[a](https://a.example) §",
    "![i](x.png) §",
    "[§] is a name",
    "§ costs 3.5 and 1.2.",
    "<PERSON_unknownxyz> §",
    "Tom &amp; § and R&D",
    "C:\\Users and §",
    "as [1] says: §",
    "see [the list]: one, § and others",
    "[1]: https://e.example\n\n§ wrote it",
    "[1]: https://e.example 'by §'",
    "[1]:\n\n§",
    "[a](b(c)d) §",
    "连络\u3000§\u00a0!",
    "- one\n\n  §\n\n    - two §\n\n      §\n",
    "> §\n>\n> §\n>  - §",
    "1. one\r\n   - §\r\n\r\n§",
    "@§: look",
]
ELSEWHERE = [
    "`§`",
    "``a ` §``",
    "an ` open tick §",
    "```\n§\n```",
    "```py\nx = '§'",
    "~~~\n§\n~~~",
    "````\n```\n§\n````",
    "```\n> ```\n§\n```",
    "- ```\n  §\n  ```",
    "> ```\n> §\n> ```",
    "    §",
    "text\n\n\t§",
    "<code>§</code>",
    "<pre>\n§\n</pre>",
    "<script>send('§')</script>",
    "https://e.example/§",
    "https://e.example/?q=§&x=1",
    "//e.example/§",
    "https:§",
    "e.example/?q=§",
    "www.e.example/§",
    "10.0.0.1/§",
    "/track/§",
    "https://§.e.example",
    "§.e.example",
    "§。evil.example",
    "§.§.e.example",
    "§@e.example",
    "mailto:§",
    "mailto:x@e.example?subject=§",
    "javascript:alert('§')",
    "\\\\e.example\\§",
    "<https://e.example/§>",
    "[x](https://e.example/?q=§)",
    "[x](/relative?q=§)",
    "[x]( § )",
    "[x](\nhttps://e.example/§)",
    "![](https://e.example/§)",
    "![](<https://e.example/a b §>)",
    "[1]: https://e.example/§",
    '<a href="https://e.example/?q=a b §">x</a>',
    "<a href='//e.example/§'>x</a>",
    '<img\nsrc="https://e.example/\n\n§">',
    "<a href=§>",
    '```\n<img src="https://e.example/?q=\n```\n§">',
    # Character references and escapes are undone in destinations (CommonMark 0.31 §2.4, §2.5).
    "[r]: https&colon;&sol;&sol;evil&period;example&sol;§",
    "see https&#58;&#47;&#x2f;evil&#46;example&#47;§",
    "see &sol;&sol;evil&period;example&sol;§",
    "see https\\:\\/\\/evil\\.example\\/§",
    "see \\/\\/evil\\.example/§",
    "§&period;evil.example",
    "§\\.evil\\.example",
    # A definition's destination, whatever it looks like (§4.7).
    "[r]: §",
    "[r]:§",
    "[r]:\n  §",
    "[r]: a§",
    "[r]: <a b §>",
    "[r]: <&sol; \\> §>",
    "> [r]:\n> §",
    "- [r]: §",
    "1. > [r]:\r\n   > §",
    "[a\nb]: §",
    # A destination ends at its own bracket (§6.3).
    "[x](a(b)§)",
    "[x](a\\)§)",
    "[x](<a) §>)",
    "[x](< \n[c](d((>)§))",
    "<1@§>",
    "<§:x>",
    # What is a tag for a browser, and none for Markdown, or the other way round.
    "<p>`<a ` href=§>",
    '<p b=="><img alt="> " src=§>',
    '<p ="><img alt="> " src=§>',
    '<x y="\n\n<img title="> " src=§>',
    '<!-- > <a title=" --> <img alt="> " src=§>',
    "<?a > <img \n\n src=§ ?>",
    "<!-- --!><img \n\n src=§> -->",
    "<![CDATA[ > <img \n\n src=§ ]]>",
    "<? <!-- --> <img \n\n src=§ ?>",
    "<a/href=§>",
    "<a" + "<b" * 40 + "<i y='" + "<code>" * 3 + "§",
    # Indented code inside of lists and quotations (§4.4, §5.1, §5.2).
    "- a\n\n      §",
    "1. a\n\n       §",
    "- a\n  - b\n\n        §",
    "-     §",
    ">     §",
    "> a\n>\n>     §",
    "# a\n    §",
    "# ```\n§```§```",
    ">>a\n\t~~~§",
    "a```\n```b```§```",
    "\f```\n```\n§",
    "~~~\n~~~\f\n§",
    "~~~\n\n- ~~~\n\n§",
    "`\n    ```\n```\n§",
    "    ```\n\n```\n§\n```",
    "a\r\r    §",
    *(f"[r]: http://evil.example/a{blank}§" for blank in NO_BLANKS),
    *(f"http://evil.example/a{blank}§" for blank in NO_BLANKS),
    *(f"§{blank}a.example" for blank in "\u200b\u2060"),
]


def restored(text: str, *cuts: int) -> str:
    restorer = TextRestorer(KNOWN, lambda _, __: None)
    borders = [0, *cuts, len(text)]
    pieces = [restorer.feed(text[a:b]) for a, b in itertools.pairwise(borders)]
    return "".join(pieces) + restorer.close()


@pytest.mark.parametrize("text", PROSE)
def test_in_prose_the_value_returns(text: str) -> None:
    assert restored(text.replace("§", NAME)) == text.replace("§", "Anna Schmidt")


@pytest.mark.parametrize("text", ELSEWHERE)
def test_in_an_address_or_code_the_placeholder_stays(text: str) -> None:
    assert restored(text.replace("§", NAME)) == text.replace("§", NAME)


@pytest.mark.parametrize("text", PROSE + ELSEWHERE)
def test_where_a_text_is_cut_changes_nothing(text: str) -> None:
    text = text.replace("§", NAME)
    whole = restored(text)

    assert {restored(text, cut) for cut in range(len(text) + 1)} == {whole}
    assert restored(text, *range(1, len(text))) == whole


def test_no_beginning_of_a_placeholder_is_released_before_it_is_certain() -> None:
    text = f"Dear {NAME}, hello"
    for cut in range(len("Dear ") + 1, len("Dear ") + len(NAME)):
        restorer = TextRestorer(KNOWN, lambda _, __: None)

        assert restorer.feed(text[:cut]) == "Dear "
        assert restorer.feed(text[cut:]) + restorer.close() == "Anna Schmidt, hello"


def test_a_placeholder_that_nobody_made_here_stays() -> None:
    for forged in ("<PERSON_bcdfghjklt>", "<PERSON_bcdfghjkl>", "<person_bcdfghjklm>", "<PERSON>"):
        assert restored(f"Dear {forged},") == f"Dear {forged},"


def test_what_waits_for_its_end_is_short() -> None:
    restorer = TextRestorer(KNOWN, lambda _, __: None)

    assert restorer.feed(NAME + "a" * 64) == "Anna Schmidt" + "a" * 64


def test_a_long_word_stays_an_address_to_its_end() -> None:
    text = "https://e.example/" + "a" * 3_000 + NAME

    assert restored(text) == text
    assert restored(text, 700, 1_900) == text


def choice(content: str | None, *calls: ToolCall, refusal: str | None = None) -> Completion:
    answer = AnswerChoice(
        index=0, content=content, refusal=refusal, tool_calls=calls, finish_reason="stop"
    )
    return Completion(choices=(answer,), usage=None, model="m", created=0)


def call(arguments: str, kind: str = "function") -> ToolCall:
    return ToolCall(id="c", name="send", arguments=arguments, kind=kind)


def restorer(*, arguments: bool = False, is_json: bool = False) -> AnswerRestorer:
    return AnswerRestorer(KNOWN, arguments=arguments, is_json=is_json)


def test_a_json_answer_gets_its_values_escaped() -> None:
    document = json.dumps({"to": MAIL, "text": f"Hi {NAME}", MAIL: [1, f"`{NAME}`"]})

    (found,) = restorer(is_json=True).whole(choice(document)).choices

    assert json.loads(found.content or "") == {
        "to": '"bob"@acme.com',
        "text": "Hi Anna Schmidt",
        '"bob"@acme.com': [1, f"`{NAME}`"],
    }


def test_a_placeholder_in_escapes_is_found_in_json() -> None:
    document = json.dumps({"to": NAME}).replace("<", "\\u003c").replace(">", "\\u003E")

    (found,) = restorer(is_json=True).whole(choice(document)).choices

    assert json.loads(found.content or "") == {"to": "Anna Schmidt"}


@pytest.mark.parametrize("text", [f'{{"a": "{NAME}"', "[" * 100_000 + NAME])
def test_what_is_no_json_is_left_to_the_contract(text: str) -> None:
    (found,) = restorer(is_json=True).whole(choice(text)).choices

    assert found.content == text


def test_arguments_of_a_call_are_restored_by_policy_alone() -> None:
    given = call(json.dumps({"to": MAIL, "link": f"https://e.example/{NAME}"}))
    closed, opened = restorer(), restorer(arguments=True)

    assert closed.call(given) == given
    assert json.loads(opened.call(given).arguments) == {
        "to": '"bob"@acme.com',
        "link": f"https://e.example/{NAME}",
    }
    assert closed.facts() == {"placeholders_kept": 2}
    assert opened.facts() == {
        "restored": [{"class": "CONTACT", "count": 1}],
        "placeholders_kept": 1,
    }


def test_a_custom_tools_input_is_text() -> None:
    given = call(f'say "{NAME}"', "custom")

    assert restorer(arguments=True).call(given).arguments == 'say "Anna Schmidt"'


def test_refusal_and_reasoning_are_restored_and_names_of_tools_are_not() -> None:
    answer = AnswerChoice(
        index=0,
        content=None,
        refusal=f"Not for {NAME}",
        tool_calls=(ToolCall(id=NAME, name=NAME, arguments="{}"),),
        finish_reason="stop",
        extras={"reasoning_content": f"{NAME} asks", "other": 1},
    )
    whole = Completion(choices=(answer,), usage=None, model="m", created=0)

    (found,) = restorer(arguments=True).whole(whole).choices

    assert (found.content, found.refusal) == (None, "Not for Anna Schmidt")
    assert found.extras == {"reasoning_content": "Anna Schmidt asks", "other": 1}
    assert (found.tool_calls[0].id, found.tool_calls[0].name) == (NAME, NAME)


def delta(index: int, content: str | None, finish: str | None = None) -> Chunk:
    said = ChunkChoice(index=index, content=content, finish_reason=finish)
    return Chunk(choices=(said,))


def test_the_choices_of_a_stream_are_told_apart() -> None:
    made = restorer()
    given = [delta(0, NAME[:5]), delta(1, "x " + NAME[:9]), delta(0, NAME[5:]), delta(1, NAME[9:])]
    given += [delta(0, None, "stop"), delta(1, " y", "stop")]
    said = {0: "", 1: ""}
    for chunk in map(made.chunk, given):
        for found in chunk.choices:
            said[found.index] += found.content or ""

    assert said == {0: "Anna Schmidt", 1: "x Anna Schmidt y"}
    assert made.rest() == []


def test_what_waits_is_released_where_a_stream_just_ends() -> None:
    made = restorer()
    held = made.chunk(delta(0, f"to {NAME}"))

    assert held.choices[0].content == "to "
    assert [c.choices[0].content for c in made.rest()] == ["Anna Schmidt"]


def test_pieces_of_calls_pass_as_they_are() -> None:
    piece = ToolCallDelta(index=0, id="c", name="send", arguments=NAME)
    chunk = Chunk(choices=(ChunkChoice(index=0, tool_calls=(piece,)),))

    assert restorer(arguments=True).chunk(chunk) == chunk


def test_nothing_restored_is_nothing_to_record() -> None:
    made = restorer()
    made.whole(choice("hello"))

    assert made.facts() == {}


def test_a_value_never_stands_in_a_representation() -> None:
    assert "Anna" not in repr(KNOWN)

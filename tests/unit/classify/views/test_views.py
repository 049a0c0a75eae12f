"""Each disguise is undone, found, and reported where it stands in the text that was sent."""

import base64
import html
import json
import quopri
import time
from urllib.parse import quote

import pytest

from transire.classify.gate import Panel
from transire.classify.recognizers import all_recognizers
from transire.classify.scan import DISGUISED, OPAQUE, Scan, run
from transire.classify.traits import traits_of
from transire.classify.views import MAX_DEPTH, folded, views_of

MAIL = "bob@acme.com"
CARD = "4111 1111 1111 1111"
IBAN = "DE89 3704 0044 0532 0130 00"
BOLD_DIGITS = {ord("0") + n: chr(0x1D7CE + n) for n in range(10)}
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
ARABIC = {ord("0") + n: chr(0x660 + n) for n in range(10)}
CYRILLIC = str.maketrans("aeocpABEKMHOPCT", "аеосрАВЕКМНОРСТ")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def each(form: str) -> str:
    return "".join(form.format(ord(c)) for c in CARD)


FOX = b"The quick brown fox jumps over the lazy dog. " * 3
DISGUISES = {
    "base64": (b64(MAIL.encode()), "base64", "EMAIL_ADDRESS"),
    "base64 without padding": ("Ym9iQGFjbWUuY29tLg", "base64", "EMAIL_ADDRESS"),
    "url-safe base64": (
        base64.urlsafe_b64encode(f"??>>~~ {MAIL} ??".encode()).decode(),
        "base64",
        "EMAIL_ADDRESS",
    ),
    "a short number in base64": (b64(b"536-90-4399"), "base64", "US_SSN"),
    "base64 of utf-16": (b64(MAIL.encode("utf-16-le")), "base64", "EMAIL_ADDRESS"),
    "base64 with an odd byte": (b64(b"\xff\x00" + CARD.encode()), "base64", "CREDIT_CARD"),
    "folded base64": (
        base64.encodebytes(FOX + CARD.encode()).decode().strip(),
        "base64",
        "CREDIT_CARD",
    ),
    "hex": (MAIL.encode().hex(), "hex", "EMAIL_ADDRESS"),
    "hex in capitals": ("0x" + MAIL.encode().hex().upper(), "hex", "EMAIL_ADDRESS"),
    "hex with blanks": (MAIL.encode().hex(" "), "hex", "EMAIL_ADDRESS"),
    "percent, every character": (each("%{:02x}"), "percent", "CREDIT_CARD"),
    "percent, signs": (quote(MAIL), "percent", "EMAIL_ADDRESS"),
    "percent twice": (quote(quote(MAIL)), "percent", "EMAIL_ADDRESS"),
    "html by number": (each("&#{};"), "html", "CREDIT_CARD"),
    "html in hexadecimal": (each("&#x{:x};"), "html", "CREDIT_CARD"),
    "html by name": ("bob&commat;acme&period;com", "html", "EMAIL_ADDRESS"),
    "json escapes": (each("\\u{:04x}"), "escape", "CREDIT_CARD"),
    "escapes in a document in a document": (
        json.dumps(each("\\u{:04x}")).strip('"'),
        "escape",
        "CREDIT_CARD",
    ),
    "hexadecimal escapes": (each("\\x{:02x}"), "escape", "CREDIT_CARD"),
    "quoted-printable": ("bob=40acme.com", "quoted-printable", "EMAIL_ADDRESS"),
    "a soft line break": ("4111 1111 =\n1111 1111", "quoted-printable", "CREDIT_CARD"),
    "full width": (CARD.replace(" ", "").translate(FULL_WIDTH), "nfkc", "CREDIT_CARD"),
    "full-width mail": (MAIL.translate(FULL_WIDTH), "nfkc", "EMAIL_ADDRESS"),
    "mathematical digits": (CARD.translate(BOLD_DIGITS), "nfkc", "CREDIT_CARD"),
    "arabic digits": (CARD.translate(ARABIC), "nfkc", "CREDIT_CARD"),
    "circled digits": ("④①①①①①①①①①①①①①①①", "nfkc", "CREDIT_CARD"),
    "zero width": ("\u200b".join(CARD), "invisible", "CREDIT_CARD"),
    "soft hyphens": ("\u00ad".join(CARD), "invisible", "CREDIT_CARD"),
    "bidi": ("\u202e4111\u202c 1111\u2066 1111 1111", "invisible", "CREDIT_CARD"),
    "keycaps": (each("{:c}\ufe0f\u20e3"), "invisible", "CREDIT_CARD"),
    "tag characters": ("4111 1111\U000e0041 1111 1111", "invisible", "CREDIT_CARD"),
    "struck through": (each("{:c}\u0336"), "invisible", "CREDIT_CARD"),
    "homoglyphs": (IBAN.translate(CYRILLIC), "homoglyph", "IBAN_CODE"),
    "odd dashes": ("536\u201190\u22124399", "nfkc", "US_SSN"),
    "odd blanks": ("4111\u20071111 1111\u20091111", "nfkc", "CREDIT_CARD"),
    "spaced": (" ".join("4111111111111111"), "spaced", "CREDIT_CARD"),
    "spaced mail": (" ".join(MAIL), "spaced", "EMAIL_ADDRESS"),
    "dotted": (".".join("4111111111111111"), "spaced", "CREDIT_CARD"),
    "dots in a number with dashes": (".".join("536-90-4399"), "spaced", "US_SSN"),
    "broken by a line": ("4111 1111\n1111 1111", "broken", "CREDIT_CARD"),
    "low lines": ("_4111_1111_1111_1111_", "glued", "CREDIT_CARD"),
    "glued letters": ("x536-90-4399y", "glued", "US_SSN"),
    "mail in words": ("bob [at] acme [dot] com", "words", "EMAIL_ADDRESS"),
    "mail spelled out": ("bob at acme dot com", "words", "EMAIL_ADDRESS"),
}  # fmt: skip


def scanned(text: str) -> Scan:
    return run(text, time.monotonic() + 20, Panel(all_recognizers()))


def vias(text: str) -> list[str]:
    return [view.via for view in views_of(traits_of(text))]


@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguised_value_is_found_where_it_stands(name: str) -> None:
    disguised, via, entity = DISGUISES[name]
    before = "please look at this: "

    scan = scanned(f"{before}{disguised} and answer.")

    places = [(h.start, h.end) for h in scan.hits if h.entity == entity and via in (h.via or "")]
    assert scan.failed == ()
    assert any(
        start <= len(before) + 5 and end >= len(before) + len(disguised) - 5
        for start, end in places
    ), (scan.hits, vias(f"{before}{disguised}"))


PAIRS = {
    "percent in base64": base64.b64encode(quote(MAIL, safe="").encode()).decode(),
    "base64 in percent": "".join(f"%{b:02x}" for b in base64.b64encode(MAIL.encode())),
    "hex in base64": base64.b64encode(MAIL.encode().hex().encode()).decode(),
    "base64 with zero widths": "\u200b".join(base64.b64encode(MAIL.encode()).decode()),
    "base64 in base64": base64.b64encode(base64.b64encode(MAIL.encode())).decode(),
    "html in json": json.dumps("".join(f"&#{ord(c)};" for c in MAIL)),
    "full width in base64": base64.b64encode(MAIL.translate(FULL_WIDTH).encode()).decode(),
    "base64 in quoted-printable": quopri.encodestring(
        base64.b64encode(f"some words to fill a line, and {MAIL}".encode() * 2)
    ).decode(),
    "quoted-printable in base64": base64.b64encode(b"bob=40acme.com it is").decode(),
    "zero widths in percent": quote("\u200b".join(MAIL)),
    "spaced in base64": base64.b64encode(" ".join(MAIL).encode()).decode(),
}


@pytest.mark.parametrize("name", PAIRS)
def test_one_disguise_inside_another_is_undone(name: str) -> None:
    found = [
        hit for hit in scanned(f"see {PAIRS[name]} there").hits if hit.entity == "EMAIL_ADDRESS"
    ]

    assert any(hit.end - hit.start >= len(PAIRS[name]) * 0.9 for hit in found), found
    assert all(hit.start >= 4 and hit.end <= 4 + len(PAIRS[name]) for hit in found)


RUNS = {
    "arabic digits": "\u0667",
    "digits and signs": ".\u0667",
    "two kinds of digits": "7\u0667",
    "full width": "\uff41\uff42 ",
    "zero widths": "\u200b",
}


@pytest.mark.parametrize("name", RUNS)
def test_a_long_fold_makes_few_pieces(name: str) -> None:
    text = RUNS[name] * 1_000

    view = folded(f"before {text} after")

    assert view is not None
    assert len(view.pieces) <= 4


def test_a_span_inside_a_run_of_folded_letters_leads_to_those_letters() -> None:
    view = folded(f"see {CARD.translate(ARABIC)} and x\u0661y")

    assert view is not None
    assert view.text == f"see {CARD} and x1y"
    assert view.source(6, 8) == (6, 8, "nfkc")
    places = [view.source(at, at + 3) for at in range(len(view.text) - 2)]
    assert [p and p[:2] for p in places] == [(at, at + 3) for at in range(len(places))]


def test_look_alikes_beside_other_digits_are_read_once_each() -> None:
    view = folded("\u0661\u0430\u0662a\u0663 \u200b\u200b4")

    assert view is not None
    assert view.text == "1a2a3 4"


def test_views_are_not_built_after_the_deadline_and_have_failed() -> None:
    scan = run(f"see {quote(MAIL)}", 1.0, Panel(()), lambda: 2.0)

    assert scan.failed == (DISGUISED,)


def test_the_clock_is_looked_at_in_the_middle_of_a_long_view() -> None:
    looks = list[int]()

    views = list(views_of(traits_of("%41\u200b" * 10_000), lambda: looks.append(1)))

    assert len(looks) > len(views) * 4


def nested(text: str, times: int) -> str:
    for _ in range(times):
        text = base64.b64encode(text.encode()).decode()
    return text


def test_the_depth_that_is_read_is_exact() -> None:
    assert scanned(nested(MAIL, MAX_DEPTH)).failed == ()
    assert [h.entity for h in scanned(nested(MAIL, MAX_DEPTH)).hits] == ["EMAIL_ADDRESS"]
    assert DISGUISED in scanned(nested(MAIL, MAX_DEPTH + 1)).failed
    assert DISGUISED in scanned(nested(MAIL, 10)).failed


def test_a_long_blob_that_is_text_is_judged_by_what_it_says() -> None:
    prose = "The river bends where the old mill stands. " * 200

    assert scanned(nested(prose, 1)) == Scan((), ())
    found = scanned(nested(prose + CARD, 1))
    assert [(h.entity, h.via) for h in found.hits] == [("CREDIT_CARD", "base64")]


def test_a_blob_inside_a_blob_is_as_opaque_as_outside() -> None:
    inner = base64.b64encode(bytes(n * n * 31 % 251 for n in range(9_000))).decode()

    assert OPAQUE in scanned(nested(inner, 1)).failed


def test_what_is_known_from_the_text_itself_is_not_found_twice() -> None:
    hits = scanned(f"{MAIL} wrote &quot;hello&quot; to {MAIL}").hits

    assert [(h.entity, h.via) for h in hits] == [("EMAIL_ADDRESS", None)] * 2


PLAIN = {
    "uuid": "const id = '123e4567-e89b-12d3-a456-426614174000'",
    "sha-256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "git": "index 83db48f..bf2a1c0 100644\n--- a/src/getElementById.js\n+++ b/src/getElement.js",
    "data url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
    "numbers": "0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 and 5 3 0 0 7 0 0 0 0",
    "matrix": "\n".join("1 0 1 1 0 0 1 0 1" for _ in range(9)),
    "minified": "function a(b){return b.c?d(e,f):g[h]};var i=j||{};x=10&&y=20;z%20==0",
    "printf": 'printf("%d %20s %5.2f\\n", 100%25, name); a=42;b=3D',
    "windows path": "C:\\new\\table\\results.txt and C:\\\\Users\\\\runner",
    "emoji": "👨\u200d👩\u200d👧 1\ufe0f\u20e3 first ❤\ufe0f",
    "russian": "СО2 и H2O, привет из Т34! Скажи, как дела",
    "chinese": "你好？北京，２０２６年。请用一句话解释。",
    "french": "Combien ça coûte\u202f? 1\u202f234\u00a0€ — merci",
    "prose with at": "meet at noon.Then look (at) the dot matrix at the dot com boom",
    "latex": "\\nabla \\times \\rho \\tau = \\textbf{x}",
    "query": "https://example.com/docs?page=2&amp;q=hello%20world%2Fmore&lang=de",
}


@pytest.mark.parametrize("name", PLAIN)
def test_ordinary_writing_reveals_nothing_and_fails_nothing(name: str) -> None:
    scan = scanned(PLAIN[name])

    assert scan.failed == ()
    assert [h for h in scan.hits if h.via] == []


@pytest.mark.parametrize("text", ["hello", "What is 2 + 2?", "def add(a, b):\n    return a + b"])
def test_plain_text_has_no_views(text: str) -> None:
    assert vias(text) == []


def test_a_window_and_not_the_text_is_read_again() -> None:
    text = "word " * 20_000 + html.escape(f"<{MAIL}>") + " word" * 20_000

    assert sum(len(view.text) for view in views_of(traits_of(text))) < 1_000


def late() -> None:
    raise TimeoutError


@pytest.mark.parametrize(
    "text", ["plain words", "costs 30 % (at least)", "x = 1", "Grüße aus Köln"]
)
def test_a_text_without_another_reading_lacks_none_however_late_it_is(text: str) -> None:
    assert list(views_of(traits_of(text), late)) == []


def test_another_reading_ends_where_its_deadline_has_passed() -> None:
    with pytest.raises(TimeoutError):
        list(views_of(traits_of(b64(MAIL.encode())), late))

"""`recognizers.yaml` is read strictly, and every refusal says where and what to do."""

import pytest
from tests.unit.bundle.recognizers.packs import pack_of, refusal, with_recognizers

from transire.bundle.compile import compile_bundle
from transire.bundle.recognizers.shingles import fingerprint
from transire.bundle.source import bundle_digest

PATTERN = """\
patterns:
  ticket:
    entity: PROJECT_CODENAME
    regex: {regex}
    examples: [{example}]
"""


def pattern(regex: str, example: str = "see ZEPH-1234", **more: str) -> str:
    text = PATTERN.format(regex=f"'{regex}'", example=example)
    return text + "".join(f"    {name}: {value}\n" for name, value in more.items())


def test_every_kind_of_recognizer_is_read() -> None:
    digests = " ".join(
        d.hex() for d in sorted(fingerprint("one two three four five six", salt=b"", words=4))
    )
    pack = pack_of(
        pattern(r"\bZEPH-\d{3,6}\b")
        + "terms:\n  names: {entity: PROJECT_CODENAME, terms: [Wolpertinger, Project Nightjar]}\n"
        + "  long:\n    entity: PROJECT_CODENAME\n    terms: |\n      first\n\n      second one\n"
        + "documents:\n  words: 4\n  registered:\n    plan:\n      entity: BOARD_PAPER\n"
        + f"      min_matches: 1\n      digests: {digests}\n"
        + "allow:\n  jargon: {entities: [EMAIL_ADDRESS], terms: [S3]}\n"
    )

    assert [rule.name for rule in pack.patterns] == ["ticket"]
    assert [rule.terms for rule in pack.terms] == [
        ("Wolpertinger", "Project Nightjar"),
        ("first", "second one"),
    ]
    assert pack.message_level == {"BOARD_PAPER"}
    assert pack.entities == {"BOARD_PAPER", "PROJECT_CODENAME"}
    assert pack.digest


def test_the_file_is_part_of_the_bundles_digest() -> None:
    one, other = (with_recognizers(pattern(r"ZEPH-\d{1,4}") + end) for end in ("", "# x\n"))

    assert bundle_digest(one) != bundle_digest(other)


def test_a_bundle_without_the_file_has_no_recognizers_of_its_own() -> None:
    files = with_recognizers("")
    del files["recognizers.yaml"]

    assert compile_bundle(files).bundle.recognizers.digest == ""


TERMS = "terms:\n  names:\n    entity: PROJECT_CODENAME\n    terms: [{terms}]\n"
REFUSED = {
    "an unknown key": (
        "patterns:\n  a:\n    entity: X\n    regexp: 'a'\n",
        ["recognizers.yaml:4", "regexp"],
    ),
    "an unknown section": ("pattern: {}\n", ["recognizers.yaml:1", "`pattern`"]),
    "broken yaml": ("patterns: [\n", ["recognizers.yaml:2"]),
    "no yaml": ("\ufeff\0", ["recognizers.yaml:1"]),
    "an entity without a class": (
        pattern("ZEPH-1").replace("PROJECT_CODENAME", "CODENAME"),
        ["recognizers.yaml:3", "`CODENAME` has no class", "taxonomy.yaml"],
    ),
    "an allowed entity that does not exist": (
        "allow:\n  a:\n    entities: [NOTHING]\n    terms: [S3]\n",
        ["recognizers.yaml:3", "`NOTHING` has no class"],
    ),
    "a pattern without examples": (
        "patterns:\n  a:\n    entity: PROJECT_CODENAME\n    regex: abc\n",
        ["recognizers.yaml:", "examples"],
    ),
    "a missed example": (
        pattern("ZEPH-[0-9]{3}", "see ZEPH-12"),
        ["recognizers.yaml:5", "`ticket` does not find its own example 1"],
    ),
    "an example below the taxonomy's score": (
        pattern("ZEPH-[0-9]{3}", score_pct="30"),
        ["does not find its own example 1 as `PROJECT_CODENAME` at 50 % or more"],
    ),
    "an example that the allow-list takes away": (
        TERMS.format(terms="S3") + "allow:\n  a: {entities: [PROJECT_CODENAME], terms: [s3]}\n",
        ["`names` does not find its own example 1"],
    ),
    "an unknown validator": (
        pattern("ZEPH-[0-9]{3}", validator="crc32"),
        ["recognizers.yaml:6", "no such validator; there are iban, luhn, mod11, verhoeff"],
    ),
    "an unknown language": (
        pattern("ZEPH-[0-9]{3,4}", languages="[xx]"),
        ["recognizers.yaml:6", "nothing tells `xx` apart", "detector.languages"],
    ),
    "nothing fixed in a pattern": (
        pattern(r"\d{4}"),
        ["recognizers.yaml:4", "holds no fixed text"],
    ),
    "a term without words": (
        TERMS.format(terms="a, ' '"),
        ["recognizers.yaml:4", "term 2 has no word"],
    ),
    "a term that is a page": (
        TERMS.format(terms="a b c d e f g h i j k l m n o p q"),
        ["more than 16"],
    ),
    "a document that can never be found": (
        "documents:\n  registered:\n    plan: {entity: BOARD_PAPER, digests: 0011223344556677}\n",
        ["recognizers.yaml:3", "fewer digests than `min_matches`"],
    ),
    "a digest that is none": (
        "documents:\n  registered:\n    plan: {entity: BOARD_PAPER, digests: xyz}\n",
        ["recognizers.yaml:3", "digests"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_run_or_would_never_count_is_refused_with_its_place(name: str) -> None:
    text, says = REFUSED[name]
    told = refusal(text)

    assert [words for words in says if words not in told] == [], told


def test_a_million_terms_are_refused_and_never_read() -> None:
    many = "\n".join(f"      t{n}" for n in range(1_000_000))
    told = refusal(f"terms:\n  a:\n    entity: PROJECT_CODENAME\n    terms: |\n{many}\n")

    assert "a bundle has at most" in told


def test_no_refusal_quotes_a_term() -> None:
    told = refusal(TERMS.format(terms=f"{'Wolpertinger ' * 20}"))

    assert "Wolpertinger" not in told

"""Operators' recognizers find what they say, in any text, at a cost linear in it."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.bundle.recognizers.matchers import Allowed, Matcher, matchers, probes
from transire.bundle.recognizers.shingles import WINDOW, canary_text, fingerprint
from transire.bundle.recognizers.validators import VALIDATORS
from transire.domain.pack import AllowList, Pack, PatternRule, RegisteredDocument, TermList

MEMO = (
    "The board has agreed in principle to sell the northern mills to the Halvorsen family before "
    "the end of the financial year, subject to the approval of the works council and the lenders."
)
SALT = bytes(range(16))


def term_list(*terms: str, match_case: bool = False) -> TermList:
    return TermList(
        name="names", entity="CODENAME", score_pct=80, terms=terms, match_case=match_case
    )


def rule(regex: str, **more: object) -> PatternRule:
    fields = {"name": "p", "entity": "TICKET", "regex": regex, "score_pct": 60, **more}
    return PatternRule(**fields)  # type: ignore[arg-type]  # a table of tests


def only(**fields: object) -> Matcher:
    (matcher,) = matchers(Pack(digest="x", **fields))  # type: ignore[arg-type]
    return matcher


def found(matcher: Matcher, text: str) -> list[str]:
    return [text[s:e] for s, e, _ in matcher.scores(text, 5)]


def registered(text: str = MEMO, min_matches: int = 3) -> RegisteredDocument:
    digests = fingerprint(text, salt=SALT, words=8)
    return RegisteredDocument(name="memo", entity="PAPER", min_matches=min_matches, digests=digests)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("about WOLPERTINGER and project  nightjar.", ["WOLPERTINGER", "project  nightjar"]),
        ("project\nNightjar", ["project\nNightjar"]),
        ("the project_nightjar folder", []),
        ("src/wolpertinger_test.py", ["wolpertinger"]),
        ("wolpertingers, Xwolpertinger, wolpertinger2", []),
        ("we use C++, not C", ["C++"]),
        ("STRASSE straße Straße", ["STRASSE", "straße", "Straße"]),
        ("ｗｏｌｐｅｒｔｉｎｇｅｒ", ["ｗｏｌｐｅｒｔｉｎｇｅｒ"]),
        ("a project nightjar two of them", ["project nightjar two"]),
    ],
)
def test_terms_are_found_as_whole_words_in_any_case(text: str, expected: list[str]) -> None:
    terms = term_list("Wolpertinger", "Project Nightjar", "Project Nightjar Two", "C++", "Straße")

    assert found(only(terms=(terms,)), text) == expected


def test_a_list_may_match_case() -> None:
    matcher = only(terms=(term_list("SWIFT", match_case=True),))

    assert found(matcher, "swift action by SWIFT") == ["SWIFT"]


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("ZEPH-1234", [30]),
        ("see ticket ZEPH-1234", [65]),
        ("ZEPH-1234, a change request", [65]),
        ("a ticketed event " + "x" * 70 + " ZEPH-1234", [30]),
        ("ticket " + "x " * 40 + "ZEPH-1234", [30]),
    ],
)
def test_a_context_word_near_a_hit_raises_its_score(text: str, scores: list[int]) -> None:
    ticket = rule(r"\bZEPH-\d{4}\b", score_pct=30, context=frozenset({"ticket", "change request"}))

    assert [s for _, _, s in only(patterns=(ticket,)).scores(text, 5)] == scores


def test_a_named_group_narrows_the_finding_and_case_may_be_ignored() -> None:
    staff = rule(r"staff no (?P<v>\d{4})", ignore_case=True)

    assert found(only(patterns=(staff,)), "STAFF NO 1234, \u017ftaff no 5678") == ["1234", "5678"]


VALID = {
    "luhn": ["4111 1111 1111 1111", "79927398713"],
    "iban": ["DE89 3704 0044 0532 0130 00", "gb82west12345698765432"],
    "mod11": ["080442957X", "401-023-2137"],
    "verhoeff": ["2363", "312345678909"],
}


@pytest.mark.parametrize("name", VALIDATORS)
def test_a_validator_accepts_what_its_standard_gives_and_no_one_digit_change(name: str) -> None:
    check = VALIDATORS[name]
    for number in VALID[name]:
        assert check(number)
        for at, char in enumerate(number):
            if char.isdigit():
                changed = str((int(char) + 1) % 10)
                assert not check(number[:at] + changed + number[at + 1 :])


@given(st.text(max_size=80))
def test_no_validator_raises(text: str) -> None:
    assert {check(text) for check in VALIDATORS.values()} <= {True, False}


def test_a_validator_drops_what_does_not_prove_itself() -> None:
    member = rule(r"M(?P<v>\d{11})\b", validator="luhn")

    assert only(patterns=(member,)).scores("M79927398713 M79927398714", 5) == [(1, 12, 100)]


def test_a_registered_document_is_known_by_a_passage_and_by_nothing_else() -> None:
    matcher = only(documents=(registered(),), salt=SALT, words=8)
    quoted = f"Please translate: {MEMO[20:150].upper().replace(' ', chr(10))} Thanks."
    reworded = "The board decided to sell its mills in the north to a family this year."

    assert len(matcher.scores(quoted, 5)) == 1
    assert matcher.scores(reworded, 5) == []
    assert matcher.scores(" ".join(MEMO.split()[:9]), 5) == []


def test_nothing_registered_holds_the_text_and_another_salt_gives_other_digests() -> None:
    document = registered()

    assert all(len(digest) == 8 for digest in document.digests)
    assert document.digests.isdisjoint(fingerprint(MEMO, salt=b"", words=8))


@given(
    st.lists(st.sampled_from("abcdefg"), min_size=30, max_size=60),
    st.integers(min_value=0, max_value=19),
)
def test_any_copied_run_of_words_plus_window_holds_a_kept_digest(
    words: list[str], start: int
) -> None:
    kept = fingerprint(" ".join(words), salt=SALT, words=4)
    passage = " ".join(words[start : start + 4 + WINDOW - 1])
    document = RegisteredDocument(name="d", entity="PAPER", min_matches=1, digests=kept)

    assert only(documents=(document,), salt=SALT, words=4).scores(passage, 5)


def test_each_recognizer_has_a_text_that_proves_it() -> None:
    document = registered()
    pack = Pack(
        digest="x",
        patterns=(rule(r"ZEPH-\d{4}", examples=("see ZEPH-1234",)),),
        terms=(term_list("Wolpertinger"),),
        documents=(document,),
        salt=SALT,
        words=8,
    )

    assert [m.entity for m in matchers(pack) for t in m.examples if m.scores(t, 5)] == [
        "TICKET",
        "CODENAME",
        "PAPER",
    ]
    assert probes(pack)[2] == ("PAPER", canary_text(document, 8))


def test_jargon_is_allowed_for_its_entities_as_the_whole_span_alone() -> None:
    allow = AllowList(name="a", entities=frozenset({"PERSON"}), terms=frozenset({"S3", "EKS"}))
    allowed = Allowed(Pack(digest="x", allow=(allow,)))

    assert allowed.holds("PERSON", "s3")
    assert not allowed.holds("SECRET", "S3")
    assert not allowed.holds("PERSON", "S3 Smith")


EVERYTHING = matchers(
    Pack(
        digest="x",
        patterns=(
            rule(r"\bZEPH-\d{3,6}\b", context=frozenset({"ticket"})),
            rule(r"[a-z]{1,30}\.[a-z]{1,30}=(?P<v>\w{4,40})", ignore_case=True),
        ),
        terms=(term_list("Wolpertinger", *(f"a {'a ' * n}b" for n in range(14))),),
        documents=(registered(),),
        salt=SALT,
        words=8,
    )
)


@given(st.text(max_size=300))
def test_no_text_makes_a_matcher_raise_and_spans_lie_in_the_text(text: str) -> None:
    for matcher in EVERYTHING:
        for start, end, score in matcher.scores(text, 5):
            assert 0 <= start < end <= len(text)
            assert 0 < score <= 100


def hostile() -> dict[str, str]:
    dice = random.Random(7)
    units = ["a", " ", ".", "a ", "a.", "1", "ZEPH-", "ZEPH-1 ", "ticket ZEPH-12345 ", "\u0301"]
    texts = {unit: unit * 50_000 for unit in [*units, "İ", "wolpertinger "]}
    return texts | {"dice": "".join(dice.choice(units) for _ in range(50_000))}


@pytest.mark.slow
@pytest.mark.parametrize("unit", hostile())
def test_twice_the_hostile_text_costs_about_twice_and_never_four_times(unit: str) -> None:
    text = hostile()[unit][:50_000]
    for matcher in EVERYTHING:
        # The best of several runs, and a floor under what a clock can tell.
        half, whole = (
            min(_cpu_s(matcher, part) for _ in range(3)) + 0.02 for part in (text[:25_000], text)
        )
        assert whole < 3 * half
        assert whole < 2


def _cpu_s(matcher: Matcher, text: str) -> float:
    started = time.process_time()
    matcher.scores(text, 30)
    return time.process_time() - started


def test_fifty_thousand_terms_cost_a_text_no_more_than_five() -> None:
    few = only(terms=(term_list(*(f"term{n} of many" for n in range(5))),))
    many = only(terms=(term_list(*(f"term{n} of many" for n in range(50_000))),))
    text = "term3 of many other terms of which term4 is one " * 400

    assert found(few, text) == found(many, text)
    costs = [min(_cpu_s(matcher, text) for _ in range(5)) for matcher in (few, many)]
    assert costs[1] < 4 * costs[0] + 0.02

import pytest

from transire.classify.language import Heard, HeardCache, LanguageJudge, segments_of

ENGLISH = "The committee will meet again next week to talk about the budget for the new school. "
FINNISH = (
    "Hallitus kokoontuu ensi viikolla keskustelemaan uuden koulun rakentamisesta ja rahoista. "
)
GERMAN = "Der Ausschuss trifft sich nächste Woche wieder, um über den Haushalt zu sprechen. "
JUDGE = LanguageJudge(("en", "de", "fi", "ja"))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "en"),
        (FINNISH, "fi"),
        (GERMAN, "de"),
        ("委員会は来週また集まって予算について話し合う予定ですので準備", "ja"),
    ],
)
def test_a_sentence_is_judged(text: str, language: str) -> None:
    assert JUDGE.judge(text) == language


@pytest.mark.parametrize("text", ["", "hello", "LGTM", "1234567890 " * 20, "👍" * 50])
def test_nothing_is_claimed_below_the_floor(text: str) -> None:
    assert JUDGE.judge(text) is None


def test_only_expected_languages_are_judged() -> None:
    assert LanguageJudge(("en",)).judge(ENGLISH) == "en"
    assert LanguageJudge(("en", "fi")).judge(GERMAN) in {"en", "fi", None}


def test_judges_of_other_languages_share_the_model_and_nothing_else() -> None:
    few, many = LanguageJudge(("en", "fi")), LanguageJudge(("de", "en", "fr"))

    assert few._identifier.tk_nextmove is many._identifier.tk_nextmove
    assert [few.judge(FINNISH), many.judge(GERMAN)] == ["fi", "de"]
    assert few.judge(GERMAN) != "de"


def test_what_was_heard_is_remembered_and_the_oldest_is_forgotten() -> None:
    memory, heard = HeardCache(2), []

    def hear(name: str) -> Heard:
        heard.append(name)
        return Heard(frozenset({name}), 1)

    for name in ("en", "de", "en", "fi", "en", "de"):
        answer = memory.of(name.encode(), lambda name=name: hear(name))  # type: ignore[misc]
        assert answer.languages == {name}

    assert heard == ["en", "de", "fi", "de"]


def test_texts_heard_one_by_one_are_what_they_are_together() -> None:
    texts = [ENGLISH * 4, FINNISH * 4, "short"]

    assert JUDGE.joined(map(JUDGE.heard, texts)) == JUDGE.spoken(texts) == {"en", "fi"}


def test_past_the_bound_of_all_texts_together_every_expected_language_counts_as_met() -> None:
    passages = [Heard(frozenset({"en"}), 400)] * 3

    assert JUDGE.joined(passages[:2]) == {"en"}
    assert JUDGE.joined(passages) == {"en", "de", "fi", "ja"}


def test_a_passage_in_another_language_is_not_drowned() -> None:
    text = ENGLISH * 20 + "\n" + FINNISH * 4 + "\n" + ENGLISH * 20

    assert JUDGE.spoken([text]) == {"en", "fi"}


def test_a_short_text_is_no_passage() -> None:
    assert JUDGE.spoken([FINNISH]) == frozenset()


def test_past_the_bound_every_expected_language_counts_as_met() -> None:
    assert JUDGE.spoken([ENGLISH * 6_000]) == {"en", "de", "fi", "ja"}


@pytest.mark.parametrize("length", [0, 1, 199, 200, 201, 399, 400, 401, 999, 5_000])
@pytest.mark.parametrize("line", [1, 7, 80, 250, 10_000])
def test_passages_are_the_text_and_none_is_short(length: int, line: int) -> None:
    text = "".join("\n" if n % line == line - 1 else "a" for n in range(length))

    passages = list(segments_of(text))

    assert "".join(passages) == (text if length >= 200 else "")
    assert all(len(passage) >= 200 for passage in passages)

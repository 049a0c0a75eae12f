"""What remarks on findings amount to, and what keeps them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from transire.errors import RequestError
from transire.workbench.feedback.claims import Claim, claim_of, false_ones, misses
from transire.workbench.feedback.mark import Found, KeptText, Mark
from transire.workbench.feedback.store import FeedbackStore
from transire.workbench.feedback.summary import grouped, labelled_texts

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def mark(number: int = 0, **changes: Any) -> Mark:
    given: dict[str, Any] = {
        "id": f"fb_{number:012x}",
        "kind": "false",
        "entity": "PHONE_NUMBER",
        "data_class": "CONTACT",
        "found": (Found(by="patterns", score_pct=40),),
        "start": 3,
        "end": 6,
        "text_chars": 10,
        "span_digest": f"{number:032x}",
        "text_digest": f"{number:032x}",
        "detector": "d" * 64,
        "version": "0.1.0",
        "who": "ann",
        "when": NOON,
    }
    return Mark(**{**given, **changes})


def found(start: int, end: int, entity: str, score: float = 0.5, by: str = "x") -> dict[str, Any]:
    return {"start": start, "end": end, "entity": entity, "score": score, "by": by, "via": None}


def test_an_author_reads_how_often_what_is_false_and_at_which_score() -> None:
    marks = [mark(n % 9) for n in range(13)]
    marks.append(mark(20, found=(Found(by="patterns", score_pct=75),)))

    (group,) = grouped(marks)

    assert group.told() == (
        "PHONE_NUMBER: false 14 times (10 values), mostly at score 0.40, by patterns"
    )


def test_misses_say_how_many_stayed_below_the_threshold() -> None:
    person: dict[str, Any] = {"entity": "PERSON", "kind": "missed"}
    below = (Found(by="model", score_pct=25), Found(by="forms", score_pct=10))
    marks = [mark(1, **person, found=below), mark(2, **person, found=()), mark(3)]

    first, second = grouped(marks)

    assert first.told() == (
        "PERSON: missed twice (2 values), 1 of them found below the threshold, at most at 0.25"
    )
    assert second.told() == "PHONE_NUMBER: false once (one value), at score 0.40, by patterns"


def test_what_nobody_marked_is_right_and_what_is_false_takes_its_overlaps_along() -> None:
    digest = "0" * 32
    text = KeptText(
        text_digest=digest,
        text="Dr Ann Lee met Bo at 10.0.0.1",
        found=((0, 10, "PERSON"), (3, 10, "PERSON"), (15, 17, "PERSON"), (21, 29, "IP_ADDRESS")),
    )
    marks = [
        mark(1, entity="IP_ADDRESS", text_digest=digest, start=22, end=29),
        mark(2, entity="PLACE", kind="missed", text_digest=digest, start=18, end=20, found=()),
        mark(3, entity="PERSON", text_digest="1" * 32, start=15, end=17),
    ]

    assert labelled_texts([text], marks) == [
        (text.text, [(0, 10, "PERSON"), (15, 17, "PERSON"), (18, 20, "PLACE")])
    ]


@pytest.mark.parametrize(
    "given", ["", "1", "1-2", "a:b", "1:2:", "-1:2", "1:2:3A", "1:2:A:B", "3:3", "4:3", "1:11"]
)
def test_what_is_no_place_in_the_text_is_refused(given: str) -> None:
    with pytest.raises(RequestError):
        claim_of("--false", given, 10)


def test_a_miss_needs_an_entity_and_foreign_labels_are_understood() -> None:
    with pytest.raises(RequestError, match="START:END:ENTITY"):
        claim_of("--missed", "1:2", 10, needs_entity=True)

    assert claim_of("--missed", "1:2:email", 10, needs_entity=True) == Claim(1, 2, "EMAIL_ADDRESS")


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        (Claim(0, 4, None), "several things .* A, B"),
        (Claim(0, 4, "C"), "no `C` was found at `0:4`; found was 0:4:A, 0:4:B"),
        (Claim(0, 3, None), "nothing was found at `0:3`"),
    ],
)
def test_what_was_not_found_cannot_be_false(claim: Claim, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        false_ones([claim], [found(0, 4, "A"), found(0, 4, "B")])


def test_all_who_found_it_stand_in_one_remark_the_surest_first() -> None:
    there = [found(0, 4, "A", 0.75, "forms"), found(0, 4, "A", 0.97, "model"), found(5, 6, "A")]

    (said,) = false_ones([Claim(0, 4, None)], there)

    assert [(f.by, f.score_pct) for f in said.found] == [("model", 97), ("forms", 75)]


def test_what_was_found_or_has_failed_is_no_miss() -> None:
    with pytest.raises(RequestError, match="was found at `2:6`"):
        misses([Claim(0, 4, "A")], [found(2, 6, "A")], [], ())
    with pytest.raises(RequestError, match="has failed"):
        misses([Claim(0, 4, "A")], [], [], {"A"})

    (said,) = misses([Claim(0, 4, "A")], [found(2, 6, "B")], [found(3, 9, "A", 0.2)], ())
    assert [f.score_pct for f in said.found] == [20]


def test_remarks_come_back_as_they_were_kept_and_the_same_one_is_kept_once(tmp_path: Path) -> None:
    store = FeedbackStore(tmp_path / "new" / "feedback")
    first, again, other = mark(1), mark(2, text_digest=f"{1:032x}"), mark(3)

    assert store.marks() == []
    assert store.add([first]) == [first]
    assert store.add([again, other]) == [other]
    assert FeedbackStore(tmp_path / "new" / "feedback").marks() == [first, other]


def test_nobody_else_may_read_what_is_kept(tmp_path: Path) -> None:
    store = FeedbackStore(tmp_path / "feedback")
    text = KeptText(text_digest="0" * 32, text="hello", found=())
    store.digest("span", "x")
    store.add([mark()], text)

    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "feedback").iterdir()}
    assert modes == dict.fromkeys(("feedback.jsonl", "digest.key", "content.jsonl"), 0o600)
    assert (tmp_path / "feedback").stat().st_mode & 0o777 == 0o700
    store.content_file.chmod(0o640)
    with pytest.raises(RequestError, match="its owner alone"):
        store.texts()


def test_one_value_has_one_digest_per_folder_and_another_one_in_another(tmp_path: Path) -> None:
    one, other = FeedbackStore(tmp_path / "a"), FeedbackStore(tmp_path / "b")

    digest = one.digest("span", "Ann")

    assert digest == FeedbackStore(tmp_path / "a").digest("span", "Ann")
    assert digest not in (other.digest("span", "Ann"), one.digest("text", "Ann"))


def test_a_lost_key_is_never_replaced_in_silence(tmp_path: Path) -> None:
    store = FeedbackStore(tmp_path)
    store.digest("span", "x")
    store.add([mark()])
    (tmp_path / "digest.key").unlink()

    for _ in range(2):
        with pytest.raises(RequestError, match=r"digest.key` is missing"):
            FeedbackStore(tmp_path).digest("span", "x")


@pytest.mark.parametrize("key", ["", "00", "x" * 64])
def test_a_key_that_is_none_is_refused(tmp_path: Path, key: str) -> None:
    path = tmp_path / "digest.key"
    path.write_text(f"{key}\n")
    path.chmod(0o600)

    with pytest.raises(RequestError, match="64 hex digits"):
        FeedbackStore(tmp_path).digest("span", "x")


@pytest.mark.parametrize("line", ["CANARY", "{}", '{"id": "CANARY"}'])
def test_a_line_that_is_no_remark_is_named_and_not_quoted(tmp_path: Path, line: str) -> None:
    store = FeedbackStore(tmp_path)
    store.add([mark()])
    with (tmp_path / "feedback.jsonl").open("a") as file:
        file.write(f"{line}\n")

    with pytest.raises(RequestError, match="line 2") as refused:
        store.add([mark(2)])
    assert "CANARY" not in refused.value.message


def test_a_remark_of_a_newer_kind_is_not_half_read(tmp_path: Path) -> None:
    store = FeedbackStore(tmp_path)
    store.add([mark()])
    path = tmp_path / "feedback.jsonl"
    path.write_text(json.dumps({**json.loads(path.read_text()), "more": 1}) + "\n")

    with pytest.raises(RequestError, match="line 1"):
        store.marks()

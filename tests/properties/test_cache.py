"""A kept answer comes back to its own place, whole, or not at all."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from transire.domain.answer import AnswerChoice, Completion, Usage
from transire.domain.cache import CacheRules, Kept, Place, Purge
from transire.domain.ids import (
    ApplicationId,
    BundleDigest,
    DecisionId,
    DeploymentId,
    TenantId,
)
from transire.storage.answers import ANSWERS_FILE, SqliteAnswers

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
PLACE = Place(
    digest=b"d" * 32,
    tenant=TenantId("acme"),
    application=ApplicationId("sales"),
    bundle=BundleDigest("b1"),
    deployment=DeploymentId("eu-economy"),
)
OTHERS: dict[str, Any] = {
    "digest": b"e" * 32,
    "tenant": TenantId("other"),
    "application": ApplicationId("support"),
    "bundle": BundleDigest("b2"),
    "deployment": DeploymentId("us-economy"),
}


def store(path: Path | None, *, at: datetime = NOW, room: int = 1_000_000) -> SqliteAnswers:
    counter = iter(range(10_000))
    return SqliteAnswers(
        path,
        derive=lambda purpose: hashlib.sha256(purpose.encode()).digest(),
        entropy=lambda n: next(counter).to_bytes(n, "big"),
        now=lambda: at,
        max_bytes=room,
    )


def kept(text: str = "an answer", **changes: Any) -> Kept:
    choice = AnswerChoice(index=0, content=text, refusal=None, tool_calls=(), finish_reason="stop")
    usage = Usage(prompt_tokens=3, completion_tokens=4, total_tokens=7, details={"x": {"y": 1}})
    answer = Completion(choices=(choice,), usage=usage, model="m", created=5)
    made = Kept(
        answer=answer,
        decision_id=DecisionId("dec_1"),
        attempt=1,
        answered_at=NOW,
        cost_micro_usd=12,
    )
    return replace(made, **changes)


def run(path: Path | None, work: Callable[[SqliteAnswers], Any], **how: Any) -> Any:
    async def through() -> Any:
        answers = store(path, **how)
        try:
            return await work(answers)
        finally:
            await answers.close()

    return asyncio.run(through())


async def keep_and_recall(answers: SqliteAnswers, what: Kept, where: Place) -> Kept | None:
    await answers.keep(PLACE, what, ttl_s=60)
    return await answers.recall(where)


@given(
    text=st.text(min_size=1),
    cost=st.none() | st.integers(0, 2**53),
    micros=st.integers(0, 59_000_000),
)
@settings(max_examples=50, deadline=None)
def test_what_is_kept_comes_back_equal(text: str, cost: int | None, micros: int) -> None:
    text = text.encode("utf-8", "ignore").decode() or "x"
    at = NOW - timedelta(microseconds=micros)
    what = kept(text, cost_micro_usd=cost, answered_at=at)

    assert run(None, lambda a: keep_and_recall(a, what, PLACE)) == what


@given(changed=st.sets(st.sampled_from(sorted(OTHERS)), min_size=1))
@settings(deadline=None)
def test_a_place_that_differs_in_anything_finds_nothing(changed: set[str]) -> None:
    elsewhere = replace(PLACE, **{name: OTHERS[name] for name in changed})

    assert run(None, lambda a: keep_and_recall(a, kept(), elsewhere)) is None


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_one_changed_bit_of_what_is_stored_is_a_miss(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / ANSWERS_FILE
        run(path, lambda a: a.keep(PLACE, kept(), ttl_s=60))
        with closing(sqlite3.connect(path)) as raw, raw:
            (sealed,) = raw.execute("SELECT sealed FROM answer").fetchone()
            bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
            changed = bytearray(sealed)
            changed[bit // 8] ^= 1 << bit % 8
            raw.execute("UPDATE answer SET sealed = ?", (bytes(changed),))

        assert run(path, lambda a: a.recall(PLACE)) is None
        assert run(path, lambda a: a.held()).answers == 0


@given(column=st.sampled_from(["tenant", "application", "bundle", "deployment"]))
@settings(deadline=None)
def test_a_row_that_is_said_to_be_somebody_elses_opens_for_nobody(column: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / ANSWERS_FILE
        run(path, lambda a: a.keep(PLACE, kept(), ttl_s=60))
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute(f"UPDATE answer SET {column} = ?", (str(OTHERS[column]),))
        moved = replace(PLACE, **{column: OTHERS[column]})

        assert run(path, lambda a: a.recall(moved)) is None


def test_nothing_is_given_after_its_end_nor_with_an_end_put_later(tmp_path: Path) -> None:
    path = tmp_path / ANSWERS_FILE
    run(path, lambda a: a.keep(PLACE, kept(), ttl_s=60))
    just = NOW + timedelta(seconds=59)

    assert run(path, lambda a: a.recall(PLACE), at=just) == kept()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE answer SET ends_ms = ends_ms + 1000000")
    assert run(path, lambda a: a.recall(PLACE), at=just) is None


def test_no_word_of_an_answer_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / ANSWERS_FILE
    run(path, lambda a: a.keep(PLACE, kept("zanzibar"), ttl_s=60))

    assert not any(b"zanzibar" in file.read_bytes() for file in tmp_path.iterdir())
    assert path.stat().st_mode & 0o077 == 0


@given(junk=st.binary(min_size=1, max_size=5_000))
@settings(max_examples=30, deadline=None)
def test_a_file_that_is_no_database_is_made_anew(junk: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / ANSWERS_FILE
        path.write_bytes(junk)

        async def twice(answers: SqliteAnswers) -> Any:
            await answers.recall(PLACE)
            await answers.keep(PLACE, kept(), ttl_s=60)
            return await answers.recall(PLACE)

        assert run(path, twice) == kept()


@given(sizes=st.lists(st.integers(1, 3_000), min_size=1, max_size=25))
@settings(max_examples=30, deadline=None)
def test_the_bound_holds_and_what_came_last_is_there(sizes: list[int]) -> None:
    async def fill(answers: SqliteAnswers) -> tuple[int, Kept | None]:
        for at, size in enumerate(sizes):
            where = replace(PLACE, digest=bytes([at]) * 32)
            assert await answers.keep(where, kept("x" * size), ttl_s=60)
        return (await answers.held()).size_bytes, await answers.recall(where)

    size, last = run(None, fill, room=8_000)

    assert size <= 8_000
    assert last == kept("x" * sizes[-1])


def test_a_tenant_that_fills_the_room_pushes_out_its_own() -> None:
    other = replace(PLACE, digest=b"o" * 32, tenant=TenantId("other"))

    async def fill(answers: SqliteAnswers) -> Kept | None:
        await answers.keep(other, kept("theirs"), ttl_s=60)
        for at in range(30):
            where = replace(PLACE, digest=bytes([at]) * 32)
            await answers.keep(where, kept("x" * 900), ttl_s=60)
        return await answers.recall(other)

    assert run(None, fill, room=8_000) == kept("theirs")


def test_a_purge_and_a_tidying_forget_what_they_name_and_nothing_else() -> None:
    places = [PLACE, *(replace(PLACE, **{n: v, "digest": n.encode()}) for n, v in OTHERS.items())]

    async def left(answers: SqliteAnswers, act: Any) -> set[bytes]:
        for place in places:
            await answers.keep(place, kept(), ttl_s=60)
        await act(answers)
        return {p.digest for p in places if await answers.recall(p) is not None}

    def after(act: Any) -> set[bytes]:
        return set(run(None, lambda a: left(a, act)))

    mine = Purge(tenant=PLACE.tenant, application=PLACE.application)
    everything = {place.digest for place in places}
    assert after(lambda a: a.forget(mine)) == {b"tenant", b"application"}
    assert after(lambda a: a.forget(Purge(tenant=TenantId("other")))) == everything - {b"tenant"}
    serving = {PLACE.deployment}
    tidied = after(lambda a: a.tidy(NOW, PLACE.bundle, serving, {TenantId("other")}))
    assert tidied == {PLACE.digest, b"digest", b"application"}
    late = NOW + timedelta(seconds=60)
    assert after(lambda a: a.tidy(late, PLACE.bundle, serving, ())) == set()


@given(
    tasks=st.dictionaries(st.sampled_from("ab"), st.integers(0, 99)),
    applications=st.dictionaries(st.sampled_from("xy").map(ApplicationId), st.integers(0, 99)),
    ttl_s=st.integers(0, 99),
)
def test_an_answer_is_kept_no_longer_than_any_name_says(
    tasks: dict[str, int], applications: dict[ApplicationId, int], ttl_s: int
) -> None:
    rules = CacheRules(ttl_s=ttl_s, tasks=tasks, applications=applications)

    for task in "abc":
        for application in map(ApplicationId, "xyz"):
            found = rules.ttl_of(application, task)
            named = {tasks.get(task), applications.get(application)} - {None}
            assert found == (min(n for n in named if n is not None) if named else ttl_s)

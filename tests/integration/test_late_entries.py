"""An entry that becomes durable after its caller has gone or was refused."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.unit.score.fleets import (
    authorization_of,
    classification_of,
    deployment,
    request_of,
    verdict,
)

from transire.bundle.acts import ACTIVE_KEY
from transire.bundle.quarantine import VERSION_KEY
from transire.clock import SystemClock
from transire.domain.decision import Case, Choice, Hold
from transire.domain.log import Change, Item, Receipt
from transire.domain.outward import Wire
from transire.domain.ranking import Candidate, Ranking, Terms
from transire.errors import (
    GovernanceUnavailable,
    IntegrityError,
    LogUnavailable,
    LogUncertain,
    StaleError,
    TransireError,
)
from transire.record.log import LogWriter
from transire.record.opening import create_log, open_log
from transire.record.recorder import LogRecorder


@asynccontextmanager
async def opened(directory: Path, **options: Any) -> AsyncIterator[LogWriter]:
    create_log(directory, origin="log.example/test")
    log = open_log(directory, clock=SystemClock(), replica="r1", **options)
    try:
        yield log
    finally:
        await log.close()


@contextmanager
def stalled(log: LogWriter) -> Iterator[threading.Event]:
    """The disk takes as long as the block lasts; the event tells that a batch is in its hands."""
    reached, go_on = threading.Event(), threading.Event()
    write = log._store.write

    def slow(*arguments: Any) -> None:
        reached.set()
        go_on.wait(10)
        write(*arguments)

    log._store.write = slow  # type: ignore[assignment, method-assign] # a slow disk
    try:
        yield reached
    finally:
        go_on.set()
        log._store.write = write  # type: ignore[method-assign]


def case_of(authorization: Any) -> tuple[Case, Choice]:
    candidate = Candidate(verdict("a"), Terms(1, 1, 1, 1_000, 900, 0))
    ranking = Ranking(
        candidates=(candidate,),
        filtered=(),
        reason="only_one",
        scorer_digest="s",
        seed=1,
        target_ms=1,
        near_tie_permille=0,
    )
    case = Case(
        request=request_of(),
        classification=classification_of(),
        redaction=None,
        authorization=authorization,
        ranking=ranking,
    )
    return case, Choice(candidate=candidate)


async def entries(log: LogWriter) -> list[dict[str, Any]]:
    rows = await log.read(lambda reader: reader.leaves(0, 100))
    return [orjson.loads(leaf) for _, leaf in rows]


async def founded(log: LogWriter, authorization: Any) -> None:
    values = {
        ACTIVE_KEY: authorization.bundle_digest,
        VERSION_KEY: str(authorization.quarantine_version),
    }
    changes = tuple(Change(key=key, value=value) for key, value in values.items())
    await log.append(Item(kind="test", fields={}, changes=changes))


async def until(reached: threading.Event) -> None:
    await asyncio.get_running_loop().run_in_executor(None, reached.wait, 10)


async def test_an_entry_that_may_yet_be_written_is_told_from_one_that_cannot(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "data", commit_timeout_s=0.05) as log:
        late: list[Receipt | TransireError] = []
        with stalled(log), pytest.raises(LogUncertain):
            await log.append(Item(kind="test", fields={}), abandoned=late.append)
        following = await log.append(Item(kind="test", fields={}))

        assert [end.index for end in late if isinstance(end, Receipt)] == [0]
        assert following.index == 1


@pytest.mark.parametrize("ending", ["the caller goes away", "the log is too slow"])
async def test_a_permit_that_nobody_can_use_is_closed(tmp_path: Path, ending: str) -> None:
    evaluation = b"[]"
    authorization = replace(
        authorization_of(verdict("a")),
        evaluation=evaluation,
        evaluation_digest=hashlib.sha256(evaluation).hexdigest(),
    )
    case, choice = case_of(authorization)
    wire = Wire(deployment=deployment("a"), body=b"{}", digest=b"w")
    async with opened(tmp_path / "data", commit_timeout_s=0.2) as log:
        await founded(log, authorization)
        recorder = LogRecorder(log, SystemClock())
        with stalled(log) as reached:
            asking = asyncio.ensure_future(
                recorder.permit(
                    case, choice, wire, attempt=1, cause="first", release=None, budgets={}
                )
            )
            await until(reached)
            if ending == "the caller goes away":
                asking.cancel()
            with pytest.raises((asyncio.CancelledError, LogUnavailable)):
                await asking
        await log.append(Item(kind="test", fields={}))
        await recorder.flush()
        written = [e for e in await entries(log) if e["kind"] != "test"]

    assert [e["kind"] for e in written] == ["decision", "outcome"]
    assert written[1]["decision_id"] == written[0]["id"]
    assert (written[1]["status"], written[1]["failure"]) == ("cancelled", "not_sent")


Act = Callable[[LogRecorder, Case, Choice], Awaitable[object]]
ACTS: dict[str, Act] = {
    "a permit": lambda recorder, case, choice: recorder.permit(
        case,
        choice,
        Wire(deployment=deployment("a"), body=b"{}", digest=b"w"),
        attempt=1,
        cause="first",
        release=None,
        budgets={},
    ),
    "a hold": lambda recorder, case, choice: recorder.held(
        case,
        Hold(candidate=choice.candidate, queues=frozenset({"q"})),
        review_id="rev_1",
        review_fields={},
        changes=(),
    ),
    "a refusal": lambda recorder, case, _: recorder.refusal(
        case, case.request, GovernanceUnavailable("no")
    ),
}


@pytest.mark.parametrize("ending", ["the caller goes away", "the log is too slow"])
@pytest.mark.parametrize("act", ACTS)
async def test_a_judged_request_whose_entry_comes_to_nothing_leaves_one_all_the_same(
    tmp_path: Path, act: str, ending: str
) -> None:
    evaluation = b"[]"
    authorization = replace(
        authorization_of(verdict("a")),
        evaluation=evaluation,
        evaluation_digest=hashlib.sha256(evaluation).hexdigest(),
    )
    case, choice = case_of(authorization)
    async with opened(tmp_path / "data", commit_timeout_s=0.2) as log:
        await founded(log, authorization)
        recorder = LogRecorder(log, SystemClock())
        moved = Item(kind="test", fields={}, changes=(Change(key=VERSION_KEY, value="1"),))
        with stalled(log) as reached:
            moving = asyncio.ensure_future(log.append(moved))
            await until(reached)
            asking = asyncio.ensure_future(ACTS[act](recorder, case, choice))
            await asyncio.sleep(0)
            if ending == "the caller goes away":
                asking.cancel()
            with pytest.raises((asyncio.CancelledError, LogUncertain)):
                await asking
            await asyncio.gather(moving, return_exceptions=True)
        await log.append(Item(kind="test", fields={}))
        await recorder.flush()
        written = [e for e in await entries(log) if e["kind"] != "test"]

    assert [(e["kind"], e["id"]) for e in written] == [("decision", case.request.id)]
    assert (written[0]["outcome"], written[0]["code"]) == ("refused", "governance_unavailable")


async def test_a_permit_is_vouched_for_while_nothing_has_moved(tmp_path: Path) -> None:
    evaluation = b"[]"
    authorization = replace(
        authorization_of(verdict("a")),
        evaluation=evaluation,
        evaluation_digest=hashlib.sha256(evaluation).hexdigest(),
    )
    case, choice = case_of(authorization)
    wire = Wire(deployment=deployment("a"), body=b"{}", digest=b"w")
    async with opened(tmp_path / "data") as log:
        await founded(log, authorization)
        recorder = LogRecorder(log, SystemClock())
        permit = await recorder.permit(
            case, choice, wire, attempt=1, cause="first", release=None, budgets={}
        )
        recorder.vouch(permit)
        with pytest.raises(IntegrityError):
            recorder.vouch(replace(permit))
        for key in (VERSION_KEY, ACTIVE_KEY):
            before = log.peek(key)
            for value in ("moved", before):
                change = Change(key=key, value=value)
                await log.append(Item(kind="test", fields={}, changes=(change,)))
                if value == "moved":
                    with pytest.raises(StaleError):
                        recorder.vouch(permit)
        recorder.vouch(permit)

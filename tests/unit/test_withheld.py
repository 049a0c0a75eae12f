"""On the path: what happens when an answer may not be received, or not as it is."""

from dataclasses import replace

import pytest
from tests.conftest import FakeClock
from tests.unit.paths import ANSWER, CHUNK, LAST, FakeExchange, FakeInspector, Path, request

from transire.domain.answer import Completion
from transire.domain.permit import OutcomeStatus
from transire.domain.receiving import Received
from transire.errors import ContractViolated

FACTS = {"received": {"effect": "withheld"}}
CHANGED = replace(ANSWER, choices=(replace(ANSWER.choices[0], content="[SECRET]"),))


async def _withhold(_: Completion) -> Received:
    return Received(
        answer=None,
        policies=("answers.keys",),  # type: ignore[arg-type] # any id
        reasons=("keys stay",),
        facts=FACTS,
    )


async def _change(_: Completion) -> Received:
    return Received(answer=CHANGED, facts={"received": {"effect": "redacted"}})


class Once:
    """Withholds the first answer alone."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, answer: Completion) -> Received:
        self.asked += 1
        return await _withhold(answer) if self.asked == 1 else Received(answer=answer)


async def test_a_withheld_answer_is_mended_by_another_deployment(clock: FakeClock) -> None:
    path = Path(clock, inspector=FakeInspector(Once()))
    routed = await path.router.route(request())

    assert routed.completion is ANSWER
    assert path.events[2].endswith(" contract")
    assert [o.failure for o in path.recorder.outcomes] == ["withheld", ""]


async def test_an_answer_withheld_everywhere_names_rules_and_reasons(clock: FakeClock) -> None:
    path = Path(clock, inspector=FakeInspector(_withhold))
    with pytest.raises(ContractViolated) as caught:
        await path.router.route(request())

    assert caught.value.facts["policies"] == ["answers.keys"]
    assert caught.value.facts["violations"] == [{"kind": "withheld", "path": ""}]
    assert "keys stay" in caught.value.message


async def test_the_outcome_of_a_withheld_answer_says_what_it_cost_and_why(clock: FakeClock) -> None:
    path = Path(clock, inspector=FakeInspector(_withhold))
    with pytest.raises(ContractViolated):
        await path.router.route(request())

    first = path.recorder.outcomes[0]
    assert first.status is OutcomeStatus.CONTRACT_VIOLATED
    assert first.tokens_out == 1
    assert first.released_bytes == 0
    assert first.facts["received"] == FACTS["received"]


async def test_what_goes_on_is_what_was_judged(clock: FakeClock) -> None:
    path = Path(clock, inspector=FakeInspector(_change))
    routed = await path.router.route(request())

    assert routed.completion == CHANGED
    assert path.recorder.outcomes[0].released_bytes == len("[SECRET]")
    assert path.recorder.outcomes[0].facts["received"] == {"effect": "redacted"}


@pytest.mark.parametrize("is_judged", [True, False])
async def test_a_stream_whose_answer_is_judged_is_fetched_whole(
    clock: FakeClock, is_judged: bool
) -> None:
    path = Path(clock, inspector=FakeInspector(_change if is_judged else None))
    path.forwarder.exchange = FakeExchange(ANSWER, (CHUNK, LAST))
    routed = await path.router.route(replace(request(), is_stream=True))

    assert (routed.relay is None) == is_judged
    if routed.relay is not None:
        await routed.relay.cancel()

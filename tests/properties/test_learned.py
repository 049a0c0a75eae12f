"""Whatever a fitted model does, it chooses nothing but what policy and the filters left (I2)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import FakeClock
from tests.unit.score.fleets import (
    authorization_of,
    bundle_of,
    classification_of,
    deployment,
    price,
    request_of,
    verdict,
)

from transire.classify.cues import CueReader
from transire.classify.learned import Hints
from transire.domain.authorization import Authorization
from transire.domain.classification import Signals
from transire.domain.learned import Reading
from transire.domain.ranking import Ranking
from transire.domain.request import Assertions
from transire.score.health import FleetHealth
from transire.score.replay import agrees
from transire.score.scorer import BundleScorer

NAMES = [f"d{i}" for i in range(6)]
RULES: dict[str, Any] = {
    "tasks": ("billing", "default"),
    "task_quality_floor_permille": {"default": 400, "billing": 300},
    "task_quality_target_permille": {"default": 600, "billing": 700},
    "dearer_permille": 500,
}
BUNDLE = bundle_of(
    *(
        deployment(name, price=price(100_000 * (i + 1)), quality_permille={"default": 150 * i})
        for i, name in enumerate(NAMES)
    ),
    **RULES,
)


class Hostile:
    """Answers with anything at all, or raises it."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    drift_permille = None
    foreign_permille = None

    def read(self, text: str, task: str | None, domain: str | None) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


wild = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.none(),
    st.text(max_size=3),
    st.booleans(),
    st.lists(st.integers(), max_size=2),
)
names = st.sampled_from([*NAMES, "nowhere", "", "d0\x00"]) | st.integers() | st.none()
answers = st.one_of(
    st.builds(
        Reading,
        task=st.sampled_from(["billing", "default", "nonsense", ""]) | wild,
        gains=st.dictionaries(names, wild, max_size=8) | wild,
    ),
    st.dictionaries(names, st.integers(-2_000, 2_000)).map(lambda gains: Reading(gains=gains)),  # type: ignore[arg-type]
    wild,
    st.sampled_from([ValueError("x"), RecursionError(), MemoryError(), KeyError(1)]),
)
permissions = st.sets(st.sampled_from(NAMES))


def signals(answer: Any) -> Signals:
    reader = CueReader(BUNDLE.routing, BUNDLE.taxonomy, Hostile(answer))
    return reader.read(request_of(Assertions()), "text", lambda _: None)


def ranked(read: Signals, permitted: set[str]) -> tuple[Ranking, Authorization]:
    scorer = BundleScorer(BUNDLE, FleetHealth(FakeClock()))
    authorization = authorization_of(*(verdict(name) for name in sorted(permitted)))
    told = {
        name: getattr(read, name) for name in ("task", "quality_floor_permille", "needs", "gains")
    }
    ranking = scorer.rank(
        request_of(),
        classification_of(**told),
        authorization,
        exclude=frozenset(),
        seed=3,
    )
    return ranking, authorization


@given(answers, permissions)
def test_a_hostile_model_picks_only_among_what_is_permitted_and_crashes_nothing(
    answer: Any, permitted: set[str]
) -> None:
    ranking, authorization = ranked(signals(answer), permitted)

    assert {c.pair for c in ranking.candidates} <= {v.pair for v in authorization.permitted}
    assert agrees(ranking.to_json())


@given(answers, permissions)
def test_a_hostile_model_neither_removes_a_candidate_nor_lifts_one_over_a_floor(
    answer: Any, permitted: set[str]
) -> None:
    read = signals(answer)
    ranking, _ = ranked(read, permitted)
    floor = max(400, read.quality_floor_permille)

    kept = {c.pair.deployment for c in ranking.candidates}

    assert kept == {n for n in permitted if 150 * NAMES.index(n) >= floor}


@given(answers)
def test_what_passes_the_fence_is_a_known_task_and_whole_gains(answer: Any) -> None:
    hints = Hints(Hostile(answer), BUNDLE.routing.tasks)

    read = hints.read("text", None, None)

    assert read.task in (None, "billing", "default")
    for gain in (read.gains or {}).values():
        assert type(gain) is int
        assert -1_000 <= gain <= 1_000


@given(answers)
def test_a_model_does_not_speak_over_a_cue_or_a_tag(answer: Any) -> None:
    reader = CueReader(BUNDLE.routing, BUNDLE.taxonomy, Hostile(answer))

    read = reader.read(request_of(Assertions(task="billing")), "text", lambda _: None)

    assert (read.task, read.task_by) == ("billing", "tag")

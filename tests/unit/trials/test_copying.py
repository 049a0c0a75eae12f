"""Which requests are copied: by shares, the same every time, and never outside the rules."""

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import FakeClock
from tests.unit.bundle.bundles import pack_files
from tests.unit.test_shadowing import World, compiled

from transire.bundle.compile import compile_bundle
from transire.domain.ids import DecisionId, DeploymentId
from transire.domain.request import Assertions
from transire.domain.shadow import ShadowRules
from transire.domain.trial import CONTROL, MILLION, drawn
from transire.trials.copying import copy_of
from transire.trials.draw import point_of, unit_of
from transire.trials.replay import draw_agrees, is_copied_from

TWO = """\
shadows:
  a-first:
    tasks: [translation]
    targets: {eu-premium: 1000000}
    daily_micro_usd: 1000
  b-second:
    unit: session
    targets: {eu-premium: 200000, us-premium: 300000}
    daily_micro_usd: 1000
"""


class Keys:
    def digest(self, purpose: str, data: bytes) -> bytes:
        return hashlib.sha256(purpose.encode() + data).digest()


def case_of(shadows: str = TWO) -> tuple[Any, Any]:
    world = World(FakeClock()).open(compiled(shadows=shadows))
    return asyncio.run(world.ask()).case, world.bundle


CASE, BUNDLE = case_of()


def asked(name: str, session: str | None = None) -> Any:
    request = replace(CASE.request, id=DecisionId(name), assertions=Assertions(session_id=session))
    return replace(CASE, request=request)


def target_of(case: Any) -> str:
    found = copy_of(case, BUNDLE, Keys())
    return CONTROL if found is None else found[1].variant


def test_requests_are_copied_by_their_shares() -> None:
    targets = [target_of(asked(f"dec_{n}")) for n in range(2_000)]

    assert abs(targets.count("eu-premium") - 400) < 80
    assert abs(targets.count("us-premium") - 600) < 90
    assert targets == [target_of(asked(f"dec_{n}")) for n in range(2_000)]


def test_a_session_is_copied_as_a_whole_or_not_at_all() -> None:
    targets = {s: {target_of(asked(f"dec_{n}", s)) for n in range(9)} for s in "abcdefgh"}

    assert all(len(each) == 1 for each in targets.values())
    assert len(set().union(*targets.values())) > 1


def test_the_first_shadow_that_applies_is_the_only_one() -> None:
    signals = replace(CASE.classification.signals, task="translation")
    translated = replace(CASE, classification=replace(CASE.classification, signals=signals))

    found = copy_of(translated, BUNDLE, Keys())

    assert found is not None
    assert (found[0].id, found[1].variant) == ("a-first", "eu-premium")


@given(name=st.text(min_size=1, max_size=8))
def test_a_draw_replays_from_its_record_and_from_the_bundle(name: str) -> None:
    case = asked(f"dec_{name}")
    found = copy_of(case, BUNDLE, Keys())
    if found is None:
        return
    rules, trial = found
    draw, principal = trial.to_json(), case.request.principal
    head = {
        "id": case.request.id,
        "tenant": principal.tenant,
        "app": principal.application,
        "key_id": principal.key_id,
    }

    assert draw_agrees(draw)
    assert is_copied_from(rules, head, draw, None, Keys())
    assert not is_copied_from(rules, {**head, "id": "dec_other"}, draw, None, Keys())
    assert not is_copied_from(replace(rules, digest="other"), head, draw, None, Keys())


@given(
    shares=st.lists(st.integers(1, MILLION // 8), min_size=1, max_size=8),
    point=st.integers(0, MILLION - 1),
)
def test_shares_are_whole_and_a_point_draws_one_target_or_none(
    shares: list[int], point: int
) -> None:
    targets = tuple((DeploymentId(f"d{n}"), share) for n, share in enumerate(shares))
    rules = ShadowRules(id="s", digest="d", targets=targets, daily_micro_usd=1)

    assert sum(share for _, share in rules.shares) == MILLION
    assert drawn(rules.shares, point) in {CONTROL, *dict(targets)}
    assert (drawn(rules.shares, point) == CONTROL) == (point < dict(rules.shares)[CONTROL])


def test_another_salt_draws_anew() -> None:
    [one] = [s for s in BUNDLE.shadows if s.id == "b-second"]
    units = [unit_of(one, asked(f"dec_{n}").request) for n in range(50)]

    first = [point_of(one, unit, Keys()) for unit in units]
    second = [point_of(replace(one, salt="x"), unit, Keys()) for unit in units]

    assert first != second


def test_a_bundle_without_the_file_copies_nothing() -> None:
    assert copy_of(CASE, compile_bundle(pack_files()).bundle, Keys()) is None

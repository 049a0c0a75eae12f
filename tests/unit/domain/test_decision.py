"""Narrowing one authorization by another: the stricter of each pair, obligations united."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.score.fleets import authorization_of

from transire.domain.authorization import Authorization, Effect, Form, Obligation, Pair, Verdict
from transire.domain.ids import BundleDigest, DeploymentId, PolicyId

REVIEW, LEGAL = Obligation(kind="review", queue="medical"), Obligation(kind="review", queue="legal")
PAIRS = [
    Pair(deployment=DeploymentId(name), form=form) for name, form in product("abc", sorted(Form))
]


def verdict(
    name: str = "a",
    effect: Effect = Effect.PERMIT,
    *obligations: Obligation,
    policies: tuple[str, ...] = (),
    limits: tuple[str, ...] = (),
) -> Verdict:
    return Verdict(
        pair=Pair(deployment=DeploymentId(name), form=Form.RAW),
        effect=effect,
        obligations=obligations,
        policies=tuple(map(PolicyId, policies)),
        limits=limits,
    )


def narrowed(first: Verdict, second: Verdict) -> Verdict:
    (found,) = authorization_of(first).narrowed_by(authorization_of(second)).verdicts
    return found


def test_obligations_and_policies_of_both_are_united() -> None:
    found = narrowed(
        verdict("a", Effect.PERMIT, REVIEW, policies=("b",)),
        verdict("a", Effect.PERMIT, LEGAL, policies=("a",)),
    )

    assert found.queues == {"medical", "legal"}
    assert found.obligations == tuple(sorted((REVIEW, LEGAL)))
    assert found.policies == ("a", "b")


@pytest.mark.parametrize("kept", ["irreversible", "irreversible_arguments"])
@pytest.mark.parametrize("is_first", [True, False])
def test_what_either_keeps_out_of_an_answer_stays_out(kept: str, is_first: bool) -> None:
    redact, keep = Obligation(kind="redact"), Obligation(kind=kept)
    free = verdict("a", Effect.PERMIT, redact)
    careful = verdict("a", Effect.PERMIT, keep, redact)
    found = narrowed(*((careful, free) if is_first else (free, careful)))

    assert free.restores_arguments
    assert not found.restores_arguments
    assert found.is_reversible == (kept != "irreversible")


@pytest.mark.parametrize("is_first", [True, False])
def test_forbid_beats_permit_and_says_why(is_first: bool) -> None:
    forbids = verdict("a", Effect.FORBID, policies=("no",), limits=("quarantine",))
    both = (forbids, verdict()) if is_first else (verdict(), forbids)

    assert narrowed(*both) == forbids


def test_a_pair_the_other_does_not_know_is_forbidden() -> None:
    found = narrowed(verdict("a", limits=("x",)), verdict("b"))

    assert (found.effect, found.limits) == (Effect.FORBID, ("x", "not_permitted_now"))


def test_the_narrowed_set_is_of_the_state_of_now() -> None:
    before = authorization_of(verdict())
    now = Authorization(
        verdicts=before.verdicts,
        facts={},
        bundle_digest=BundleDigest("new"),
        quarantine_version=7,
        evaluated_at=before.evaluated_at + timedelta(seconds=1),
        evaluation=b"[]",
        evaluation_digest="digest",
        is_memo_hit=True,
    )
    found = before.narrowed_by(now)

    assert found == replace(now, verdicts=found.verdicts, request_bundle=before.bundle_digest)
    assert found.narrowed_by(now).request_bundle == before.bundle_digest


verdicts = st.builds(
    Verdict,
    pair=st.sampled_from(PAIRS),
    effect=st.sampled_from(Effect),
    obligations=st.sets(st.sampled_from([REVIEW, LEGAL])).map(lambda o: tuple(sorted(o))),
)
authorizations = st.lists(verdicts, unique_by=lambda v: v.pair).map(lambda v: authorization_of(*v))


@given(authorizations, authorizations)
def test_a_narrowed_pair_is_permitted_by_both_under_the_obligations_of_both(
    first: Authorization, second: Authorization
) -> None:
    for found in first.narrowed_by(second).permitted:
        for given_before in (first.verdict(found.pair), second.verdict(found.pair)):
            assert given_before is not None
            assert given_before.effect is Effect.PERMIT
            assert set(given_before.obligations) <= set(found.obligations)


@given(authorizations, authorizations)
def test_what_both_permit_stays_permitted(first: Authorization, second: Authorization) -> None:
    both = {v.pair for v in first.permitted} & {v.pair for v in second.permitted}

    assert {v.pair for v in first.narrowed_by(second).permitted} == both

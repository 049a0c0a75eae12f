"""One attempt budget: others first, the same again only where that can help, and then nothing."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.score.fleets import verdict

from transire.domain.authorization import Form, Pair
from transire.domain.ids import DeploymentId
from transire.domain.ranking import Candidate, Terms
from transire.errors import UpstreamError
from transire.forward.fallback import AttemptPlan

TERMS = Terms(1, 1, 1, 1_000, 900, 0)
RETRIABLE = ("connect", "timeout", "cut", "status_5xx", "stale")
HOPELESS = ("auth", "status_4xx", "status_429", "redirect", "bad_shape", "context_length", "empty")
TERMINAL = ("deadline", "quarantined")
Attempt = tuple[str, str | None]
"""A deployment and how it failed; None where its answer broke the contract."""


def following(
    names: str,
    *history: Attempt,
    budget: int = 9,
    remaining_s: float = 9.0,
    max_cost: int | None = None,
    worst: dict[str, int | None] | None = None,
) -> tuple[str, str] | None:
    """Name and cause of the next attempt."""
    terms = {n: TERMS._replace(worst_cost_micro_usd=c) for n, c in (worst or {}).items()}
    tried = [
        (
            Pair(deployment=DeploymentId(name), form=Form.RAW),
            None if failure is None else UpstreamError("x", facts={"failure": failure}),
        )
        for name, failure in history
    ]
    found = AttemptPlan().next_attempt(
        [Candidate(verdict(name), terms.get(name, TERMS)) for name in names],
        tried,
        budget=budget,
        remaining_s=remaining_s,
        max_cost_micro_usd=max_cost,
    )
    return None if found is None else (found[0].pair.deployment, found[1])


@pytest.mark.parametrize("failure", RETRIABLE + HOPELESS)
def test_another_deployment_is_tried_before_the_same_again(failure: str) -> None:
    assert following("ab", ("a", failure)) == ("b", "fallback")


@pytest.mark.parametrize("failure", TERMINAL)
def test_a_passed_deadline_and_a_quarantine_end_the_request(failure: str) -> None:
    assert following("ab", ("a", failure)) is None


@pytest.mark.parametrize("failure", RETRIABLE)
def test_the_only_deployment_is_tried_once_more_where_that_can_help(failure: str) -> None:
    assert following("a", ("a", failure)) == ("a", "retry")
    assert following("a", ("a", failure), ("a", failure)) is None


@pytest.mark.parametrize("failure", HOPELESS)
def test_the_only_deployment_is_not_tried_again_where_it_cannot_help(failure: str) -> None:
    assert following("a", ("a", failure)) is None


def test_once_all_were_tried_the_best_that_may_be_retried_is() -> None:
    assert following("ab", ("a", "cut"), ("b", "auth")) == ("a", "retry")
    assert following("ab", ("a", "auth"), ("b", "cut")) == ("b", "retry")


def test_a_broken_contract_is_the_cause_of_what_follows_it() -> None:
    assert following("ab", ("a", None)) == ("b", "contract")
    assert following("a", ("a", None)) == ("a", "contract")


def test_the_budget_counts_every_attempt() -> None:
    assert following("abc", ("a", "cut"), ("b", "cut"), budget=3) == ("c", "fallback")
    assert following("abc", ("a", "cut"), ("b", "cut"), budget=2) is None


def test_no_attempt_starts_in_the_last_moments() -> None:
    assert following("ab", ("a", "cut"), remaining_s=0.05) is not None
    assert following("ab", ("a", "cut"), remaining_s=0.049) is None


def test_without_a_first_attempt_there_is_no_next() -> None:
    assert following("ab") is None


def test_the_other_form_of_a_tried_deployment_is_no_fallback() -> None:
    redacted = Candidate(verdict("a", Form.REDACTED), TERMS)
    tried = Pair(deployment=DeploymentId("a"), form=Form.RAW)
    error = UpstreamError("x", facts={"failure": "auth"})
    plan = AttemptPlan()

    found = plan.next_attempt(
        [redacted], [(tried, error)], budget=9, remaining_s=9, max_cost_micro_usd=None
    )

    assert found is None


def test_what_may_cost_more_than_is_left_is_not_tried() -> None:
    worst: dict[str, int | None] = {"b": 8, "c": 7, "d": None, "a": 7}

    assert following("abc", ("a", "cut"), max_cost=7, worst=worst) == ("c", "fallback")
    assert following("ad", ("a", "cut"), max_cost=7, worst=worst) == ("a", "retry")
    assert following("abcd", ("a", "cut"), max_cost=6, worst=worst) is None


failures = st.sampled_from((*RETRIABLE, *HOPELESS, *TERMINAL, None))


@given(
    st.permutations("abc"),
    st.lists(st.tuples(st.sampled_from("abcd"), failures), max_size=6),
    st.integers(1, 6),
)
def test_what_follows_is_always_a_candidate_inside_the_budget(
    names: Sequence[str], history: list[Attempt], budget: int
) -> None:
    found = following("".join(names), *history, budget=budget)

    assert found is None or (found[0] in names and len(history) < budget)

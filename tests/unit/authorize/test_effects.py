"""From Cedar's answers to one evaluation, and the stricter of two."""

import pytest

from transire.authorize.effects import Answer, Evaluation, combine, stricter
from transire.domain.authorization import Effect, Obligation
from transire.domain.ids import PolicyId

NOTES = {PolicyId("review.a"): {"queue": "careful"}, PolicyId("review.b"): {"reason": "why"}}


def _allow(*policies: str, errors: tuple[str, ...] = ()) -> Answer:
    return Answer(is_allowed=True, is_decided=True, policies=policies, errors=errors)


def _deny(*policies: str, errors: tuple[str, ...] = ()) -> Answer:
    return Answer(is_allowed=False, is_decided=True, policies=policies, errors=errors)


UNDECIDED = Answer(is_allowed=False, is_decided=False, policies=(), errors=())


def _permit(*obligations: Obligation, by: str = "grant") -> Evaluation:
    return Evaluation(Effect.PERMIT, obligations, (PolicyId(by),), ())


def _forbid(*policies: str, errors: tuple[str, ...] = ()) -> Evaluation:
    return Evaluation(Effect.FORBID, (), tuple(map(PolicyId, policies)), errors)


def _review(queue: str, policy: str = "") -> Obligation:
    return Obligation(kind="review", queue=queue, policy=policy)


def test_both_allowed_is_a_permit_without_obligations() -> None:
    assert _permit() == combine(_allow("grant"), _allow("free"), NOTES)


def test_a_denied_route_names_its_forbids_sorted() -> None:
    assert _forbid("a", "b") == combine(_deny("b", "a"), None, NOTES)


def test_a_default_deny_names_no_policy() -> None:
    assert _forbid() == combine(_deny(), None, NOTES)


def test_a_forbidden_release_is_a_review_in_the_queue_that_the_forbid_names() -> None:
    found = combine(_allow("grant"), _deny("review.b", "review.a"), NOTES)

    assert _permit(_review("careful", "review.a"), _review("default", "review.b")) == found


@pytest.mark.parametrize("unreviewed", [None, _deny()], ids=["never asked", "no grant"])
def test_no_grant_of_release_is_a_review_in_the_default_queue(unreviewed: Answer | None) -> None:
    assert _permit(_review("default")) == combine(_allow("grant"), unreviewed, NOTES)


@pytest.mark.parametrize(
    ("route", "unreviewed"),
    [
        (_allow("grant", errors=("bad",)), _allow("free")),
        (_allow("grant"), _allow("free", errors=("bad",))),
        (_allow("grant"), _deny("review.a", errors=("bad",))),
    ],
)
def test_an_error_on_either_question_denies(route: Answer, unreviewed: Answer) -> None:
    found = combine(route, unreviewed, NOTES)

    assert (Effect.FORBID, (), ("bad",)) == (found.effect, found.obligations, found.errors)


@pytest.mark.parametrize("is_first", [True, False])
def test_no_decision_on_either_question_denies_and_is_an_error(is_first: bool) -> None:
    free = _allow("grant")

    found = combine(*((UNDECIDED, free) if is_first else (free, UNDECIDED)), NOTES)

    assert (Effect.FORBID, ("NoDecision",)) == (found.effect, found.errors)


def test_a_forbid_beats_a_permit_whichever_comes_first() -> None:
    permit, forbid = _permit(_review("careful")), _forbid("no")

    assert forbid == stricter(permit, forbid) == stricter(forbid, permit)


def test_two_forbids_name_the_policies_and_errors_of_both() -> None:
    both = stricter(_forbid("b", errors=("y",)), _forbid("a", "b", errors=("x",)))

    assert _forbid("a", "b", errors=("x", "y")) == both


def test_two_permits_unite_obligations_and_policies() -> None:
    both = stricter(_permit(_review("b"), by="g2"), _permit(_review("a"), _review("b"), by="g1"))

    assert (_review("a"), _review("b")) == both.obligations
    assert ("g1", "g2") == both.policies


def test_a_review_that_either_asks_for_is_asked_for() -> None:
    free, careful = _permit(), _permit(_review("careful"))

    assert stricter(free, careful).obligations == (_review("careful"),)
    assert stricter(careful, free).obligations == (_review("careful"),)


def test_two_equal_evaluations_are_one() -> None:
    assert _permit(_review("a")) == stricter(_permit(_review("a")), _permit(_review("a")))

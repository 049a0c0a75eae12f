"""What may be picked of a ranking: permitted now, awaiting nobody, and where it was judged."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.paths import UNTIL, FakeValidator
from tests.unit.record.cases import case as recorded_case
from tests.unit.score.fleets import authorization_of, bundle_of, deployment, request_of, verdict

from transire.domain.authorization import Effect, Facts, Form, Obligation, Pair, Verdict
from transire.domain.decision import Case, Choice
from transire.domain.deployment import Deployment
from transire.domain.governed import Governed
from transire.domain.ids import DecisionId, DeploymentId, Purpose, ReviewId, Stakes
from transire.domain.ports import Release
from transire.domain.ranking import Candidate, Terms
from transire.domain.request import Assertions
from transire.errors import IntegrityError
from transire.picks import (
    confirm,
    free,
    may_note,
    may_repair,
    mend_of,
    redeclared,
    restorer_of,
    seed_of,
)

TERMS = Terms(1, 1, 1, 1_000, 900, 0)


def candidate(name: str, queue: str = "", form: Form = Form.RAW) -> Candidate:
    return Candidate(verdict(name, form, queue=queue), TERMS)


def release(*queues: str, of: str = "ab", is_redacted: bool = False) -> Release:
    return Release(
        review_id=ReviewId("rev_1"),
        conditions=(),
        changes=(),
        assertions=Assertions(),
        deployments=frozenset(map(DeploymentId, of)),
        queues=frozenset(queues),
        is_redacted=is_redacted,
        until=UNTIL,
    )


def names(candidates: list[Candidate]) -> str:
    return "".join(c.pair.deployment for c in candidates)


def test_without_a_release_what_awaits_a_review_is_not_free() -> None:
    assert names(free([candidate("a", "q"), candidate("b"), candidate("c", "p")], None)) == "b"


def test_a_release_frees_its_deployments_of_its_queues_in_their_order() -> None:
    ranked = [candidate("b", "q"), candidate("a", "p"), candidate("c", "q"), candidate("a")]

    assert names(free(ranked, release("q"))) == "ba"
    assert names(free(ranked, release("p", "q"))) == "baa"
    assert names(free(ranked, release())) == "a"


@pytest.mark.parametrize("form", Form)
def test_what_was_looked_at_redacted_goes_redacted(form: Form) -> None:
    ranked = [candidate("a", "q", form)]

    assert names(free(ranked, release("q"))) == "a"
    assert names(free(ranked, release("q", is_redacted=True))) == (
        "a" if form is Form.REDACTED else ""
    )


def case(*verdicts: Verdict) -> Case:
    return replace(recorded_case(), authorization=authorization_of(*verdicts))


def picked(name: str, queue: str = "", form: Form = Form.RAW) -> Choice:
    return Choice(candidate=candidate(name, queue, form))


def test_a_pick_of_the_permitted_set_that_awaits_nobody_is_confirmed() -> None:
    confirm(case(verdict("a")), picked("a"), None)
    confirm(case(verdict("a", queue="q")), picked("a"), release("q", "p"))


@pytest.mark.parametrize(
    "choice", [picked("b"), picked("a", form=Form.REDACTED), picked("forbidden")]
)
def test_a_pick_outside_the_permitted_set_is_not(choice: Choice) -> None:
    forbidden = replace(verdict("forbidden"), effect=Effect.FORBID)
    with pytest.raises(IntegrityError, match="outside"):
        confirm(case(verdict("a"), forbidden), choice, release("q"))


@pytest.mark.parametrize("released", [None, release(), release("p")])
def test_what_the_verdict_asks_for_counts_and_not_what_the_pick_says(
    released: Release | None,
) -> None:
    with pytest.raises(IntegrityError, match="review"):
        confirm(case(verdict("a", queue="q")), picked("a"), released)


class Book:
    """What a redaction replaced; notes how it is asked to put it back."""

    def restorer(self, *, arguments: bool, is_json: bool) -> Any:
        return {"arguments": arguments, "is_json": is_json}


def restored(*obligations: str, form: Any = None, book: Any = None, **changes: Any) -> Any:
    """How values may be put back into the answer to the one pick."""
    made = replace(
        verdict("a", Form.REDACTED),
        obligations=tuple(Obligation(kind=kind) for kind in obligations),
        **changes,
    )
    known = case(made)
    assert known.redaction is not None
    fields = {} if form is None else {"response_format": {"type": form}}
    return restorer_of(
        replace(
            known,
            request=replace(known.request, body=replace(known.request.body, fields=fields)),
            redaction=replace(known.redaction, placeholders=book),
        ),
        picked("a", form=Form.REDACTED),
    )


@pytest.mark.parametrize(
    ("obligations", "how"),
    [
        (("redact",), {"arguments": True, "is_json": False}),
        (("redact", "irreversible_arguments"), {"arguments": False, "is_json": False}),
        (("redact", "irreversible"), None),
        ((), None),
        (("review",), None),
    ],
)
def test_values_are_put_back_as_far_as_the_obligations_let(
    obligations: tuple[str, ...], how: Any
) -> None:
    assert restored(*obligations, book=Book()) == how


@pytest.mark.parametrize(
    ("form", "is_json"),
    [("json_object", True), ("json_schema", True), ("text", False), (None, False)],
)
def test_values_are_escaped_where_the_answer_is_one_document(
    form: str | None, is_json: bool
) -> None:
    assert restored("redact", form=form, book=Book())["is_json"] == is_json


def test_nothing_is_put_back_where_nothing_was_replaced_or_permitted() -> None:
    whole = replace(case(verdict("a")), redaction=None)

    assert restored("redact") is None
    assert restored("redact", book=Book(), effect=Effect.FORBID) is None
    assert restorer_of(whole, picked("a")) is None
    assert restorer_of(case(verdict("b")), picked("a")) is None


def governed(*deployments: Deployment) -> Governed:
    nothing: Any = None
    return Governed(
        bundle=bundle_of(*deployments),
        quarantine=nothing,
        detector=nothing,
        authorizer=nothing,
        scorer=nothing,
    )


def test_what_the_catalog_describes_otherwise_by_now_is_left_in_both_forms() -> None:
    before = governed(deployment("same"), deployment("moved"), deployment("gone"))
    moved = deployment("moved", address="http://127.0.0.1:2/v1")
    now = governed(deployment("same"), moved, deployment("new"))

    assert redeclared(before, now) == {
        Pair(deployment=DeploymentId(name), form=form)
        for name in ("moved", "gone")
        for form in Form
    }
    assert redeclared(before, before) == frozenset()
    assert redeclared(before, governed(*before.bundle.catalog.deployments.values())) == frozenset()


def test_a_seed_is_of_the_decision_alone_and_fits_a_record() -> None:
    one, other = request_of(), replace(request_of(), id=DecisionId("dec_2"))

    assert seed_of(one) == seed_of(replace(one, asked_model="other"))
    assert seed_of(one) != seed_of(other)
    assert 0 <= seed_of(one) < 2**48


STAKES = ("minimal", "limited", "high")


def facts_at(stakes: str) -> Facts:
    return Facts(
        purpose=Purpose("support"),
        stakes=Stakes(stakes),
        data_classes=frozenset(),
        failed_classes=frozenset(),
        uncovered_classes=frozenset(),
        unscanned_parts=0,
        capabilities=frozenset(),
        redacted=False,
    )


def repairs(base: str, asserted: str, named: Any = None, *, stakes: Any = STAKES) -> bool:
    known = recorded_case()
    both = (facts_at(base), facts_at(asserted))
    authorization = replace(known.authorization, facts={Form.RAW: both})
    bundle = bundle_of(repair_stakes=named)
    taxonomy = replace(bundle.taxonomy, stakes=tuple(map(Stakes, stakes)))
    return may_repair(
        replace(known, authorization=authorization), replace(bundle, taxonomy=taxonomy)
    )


def test_answers_are_repaired_at_every_level_but_the_highest_where_the_bundle_names_none() -> None:
    assert [repairs(level, level) for level in STAKES] == [True, True, False]
    assert not repairs("only", "only", stakes=("only",))


def test_the_bundle_names_the_levels_at_which_answers_are_repaired() -> None:
    assert repairs("limited", "high", frozenset({"high"}))
    assert not repairs("minimal", "minimal", frozenset({"high"}))
    assert not repairs("minimal", "minimal", frozenset())


def test_the_highest_stakes_count_the_callers_claim_included() -> None:
    assert not repairs("minimal", "high")
    assert not repairs("high", "minimal")


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("bound", [None, 100])
def test_a_stream_with_a_bound_is_not_repaired_for_nobody_knows_in_time_where_it_was_cut(
    is_stream: bool, bound: int | None
) -> None:
    known = recorded_case()
    body = replace(known.request.body, has_contract=True, max_output_tokens=bound)
    facts = {Form.RAW: (facts_at("minimal"), facts_at("minimal"))}
    asked = replace(
        known,
        request=replace(known.request, body=body),
        authorization=replace(known.authorization, facts=facts),
    )
    bundle = bundle_of(repair_stakes=None)
    taxonomy = replace(bundle.taxonomy, stakes=tuple(map(Stakes, STAKES)))
    bundle = replace(bundle, taxonomy=taxonomy)
    mend = mend_of(asked, bundle, FakeValidator(), is_stream=is_stream)

    assert (mend is None) == (is_stream and bound is not None)


def test_without_facts_nothing_is_repaired() -> None:
    known = recorded_case()
    empty = replace(known, authorization=replace(known.authorization, facts={}))

    assert not may_repair(empty, bundle_of(repair_stakes=frozenset(STAKES)))


def test_a_note_takes_the_bundles_word_one_bundle_no_release_and_no_redaction() -> None:
    def governed(**rules: Any) -> Governed:
        empty: Any = None
        return Governed(bundle_of(**rules), empty, empty, empty, empty)

    told, plain = replace(recorded_case(), redaction=None), governed()
    now = governed(retry_with_errors=True)

    assert may_note(told, now, now, None)
    assert not may_note(told, plain, plain, None)
    assert not may_note(told, now, governed(retry_with_errors=True), None)
    assert not may_note(told, now, now, release("q"))
    assert not may_note(recorded_case(), now, now, None)

"""Answers with classes that the caller may not receive: withheld, or without the values."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.unit.authorize.worlds import classes
from tests.unit.validate.received import (
    CLEAN,
    KEY,
    MAIL,
    answer_of,
    call,
    governed_by,
    receive_of,
    received_of,
    said,
)

from transire.domain.answer import AnswerChoice
from transire.domain.classification import Classification
from transire.domain.ids import Purpose
from transire.domain.request import Assertions, Part

PERMIT = """
@id("answers.all")
permit (principal == Application::"docs-qa", action == Action::"receive", resource);
"""
NO_KEYS = """
@id("answers.keys") @reason("keys stay") @regulation("ISO 27001")
forbid (principal == Application::"docs-qa", action == Action::"receive", resource)
when { context.dataClasses.contains(DataClass::"CREDENTIAL") };
"""
NO_CONTACT = """
@id("answers.contact") @reason("addresses stay")
forbid (principal == Application::"docs-qa", action == Action::"receive", resource)
when { context.dataClasses.contains(DataClass::"CONTACT") };
"""
REDACT = """
@id("answers.redact")
permit (principal == Application::"docs-qa", action == Action::"receive_redacted", resource);
"""
PLACES: dict[str, Callable[[str], AnswerChoice]] = {
    "content": said,
    "refusal": lambda text: replace(CLEAN, content=None, refusal=text),
    "reasoning": lambda text: replace(CLEAN, extras={"reasoning_content": text}),
    "arguments": lambda text: replace(
        CLEAN, content=None, tool_calls=(call(json.dumps({"to": text})),)
    ),
    "custom": lambda text: replace(CLEAN, content=None, tool_calls=(call(text, "custom"),)),
}


def told(choices: Sequence[AnswerChoice]) -> str:
    """Everything the choices say, their log probabilities included."""
    return repr(choices)


async def test_an_answer_that_no_rule_forbids_is_the_very_same_object() -> None:
    receive = receive_of(PERMIT + NO_KEYS)
    assert receive is not None
    answer = answer_of(said(f"Write to {MAIL}"))
    received = await receive(answer)

    assert received.answer is answer
    assert received.facts["received"]["effect"] == "whole"  # type: ignore[index,call-overload]


def test_without_a_rule_about_the_application_nothing_is_read() -> None:
    other = NO_KEYS.replace("docs-qa", "sales")

    assert receive_of(other) is None
    assert receive_of(other.replace('principal == Application::"sales"', "principal")) is not None
    within = other.replace('principal == Application::"sales"', 'principal in Tenant::"acme"')
    assert receive_of(within) is not None
    elsewhere = within.replace("acme", "globex")
    assert receive_of(elsewhere) is None


@pytest.mark.parametrize("place", sorted(PLACES))
async def test_a_forbidden_class_is_withheld_wherever_it_stands(place: str) -> None:
    received = await received_of(PERMIT + NO_KEYS, CLEAN, PLACES[place](f"the key is {KEY}"))

    assert received.answer is None
    assert received.policies == ("answers.keys",)
    assert received.reasons == ("keys stay (ISO 27001)",)
    assert KEY not in repr(received)


@pytest.mark.parametrize("place", sorted(PLACES))
async def test_where_values_may_be_replaced_they_are_and_the_rest_stays(place: str) -> None:
    choice = PLACES[place](f"the key is {KEY}, write to {MAIL}")
    received = await received_of(PERMIT + NO_KEYS + REDACT, CLEAN, choice)

    assert received.answer is not None
    first, second = received.answer.choices
    assert first is CLEAN
    assert KEY not in told([second])
    assert "[SECRET]" in told([second])
    assert MAIL in told([second])
    assert all(json.loads(c.arguments) for c in second.tool_calls if c.kind == "function")


async def test_what_the_record_says_is_names_and_counts() -> None:
    rules = PERMIT + NO_KEYS + REDACT
    received = await received_of(rules, said(f"{KEY} and {MAIL}, again {KEY}"))

    facts: Any = received.facts["received"]
    assert facts["effect"] == "redacted"
    assert facts["classes"] == [
        {"class": "CONTACT", "count": 1},
        {"class": "CREDENTIAL", "count": 2},
    ]
    assert facts["redactions"] == 2
    assert facts["policies"] == ["answers.all"]
    assert facts["bundle"] == governed_by(rules).bundle.digest
    assert KEY not in json.dumps(facts)
    assert MAIL not in json.dumps(facts)


async def test_log_probabilities_do_not_spell_what_was_replaced() -> None:
    spelled = {"content": [{"token": KEY, "logprob": 0, "bytes": None, "top_logprobs": []}]}
    received = await received_of(PERMIT + NO_KEYS + REDACT, said(KEY, logprobs=spelled))

    assert received.answer is not None
    assert KEY not in told(received.answer.choices)


async def test_nothing_permits_means_withheld() -> None:
    received = await received_of(NO_KEYS, CLEAN)

    assert received.answer is None
    assert received.policies == ()
    assert received.reasons == ("no rule lets this application receive it",)


async def test_classes_forbidden_only_together_are_all_replaced() -> None:
    both = NO_KEYS.replace("};", '&& context.dataClasses.contains(DataClass::"CONTACT") };')
    received = await received_of(PERMIT + both + REDACT, said(f"{KEY} {MAIL}"))

    assert received.answer is not None
    assert received.answer.choices[0].content == "[SECRET] [EMAIL_ADDRESS]"


async def test_what_is_left_is_put_to_policy_again() -> None:
    never = """
    @id("answers.no-remedy") @reason("not even so")
    forbid (principal == Application::"docs-qa", action == Action::"receive", resource)
    when { context.redacted };
    """
    received = await received_of(PERMIT + NO_KEYS + REDACT + never, said(KEY))

    assert received.answer is None
    assert received.policies == ("answers.keys",)


async def test_json_stays_json() -> None:
    text = json.dumps({"n": 4111111111111111, "key": KEY, MAIL: [MAIL]})
    received = await received_of(PERMIT + NO_KEYS + NO_CONTACT + REDACT, said(text))

    assert received.answer is not None
    content = received.answer.choices[0].content
    assert content is not None
    assert json.loads(content) == {
        "n": 4111111111111111,
        "key": "[SECRET]",
        "[EMAIL_ADDRESS]": ["[EMAIL_ADDRESS]"],
    }


async def test_a_claim_of_the_caller_opens_nothing() -> None:
    bound = PERMIT.replace(";", ' when { context.stakes == Stakes::"high" };')
    asserted = Assertions(stakes=governed_by(bound).bundle.taxonomy.stakes[-1])
    raised = await received_of(bound, CLEAN, assertions=asserted)
    closed = PERMIT + NO_KEYS.replace(
        'context.dataClasses.contains(DataClass::"CREDENTIAL")', 'context.stakes == Stakes::"high"'
    )
    narrowed = await received_of(closed, CLEAN, assertions=asserted)
    plain = await received_of(closed, CLEAN)

    assert raised.answer is None
    assert narrowed.answer is None
    assert plain.answer is not None
    assert Purpose("document_qa") in governed_by(closed).bundle.taxonomy.purposes


@dataclass
class Unwell:
    """A detector that could not look for credentials."""

    real: Any

    async def classify_answer(self, parts: Sequence[Part], tenant: str) -> Classification:
        seen: Classification = await self.real.classify_answer(parts, tenant)
        return replace(seen, failed=classes("CREDENTIAL"))

    async def redact_answer(self, *asked: Any) -> Any:
        return await self.real.redact_answer(*asked)


async def test_a_scan_that_failed_is_a_fact_for_policy_and_no_redaction_mends_it() -> None:
    failed = NO_KEYS.replace("dataClasses", "failedClasses")
    rules = PERMIT + failed + NO_CONTACT + REDACT
    governed = governed_by(rules)
    unwell: Any = Unwell(governed.detector)
    received = await received_of(
        rules, said(f"Write to {MAIL}"), governed=replace(governed, detector=unwell)
    )

    assert received.answer is None
    assert received.facts["received"]["failed_classes"] == ["CREDENTIAL"]  # type: ignore[index,call-overload]


async def test_an_answer_too_long_to_be_read_has_failed_in_every_class() -> None:
    failed = NO_KEYS.replace("dataClasses", "failedClasses")
    governed = governed_by(PERMIT + failed)
    longest = governed.bundle.detector.max_chars
    received = await received_of(PERMIT + failed, said("x" * (longest + 1)))

    assert received.answer is None
    assert received.policies == ("answers.keys",)


async def test_a_rule_that_errs_withholds() -> None:
    erring = """
    @id("answers.erring") @reason("why")
    forbid (principal == Application::"docs-qa", action == Action::"receive", resource)
    when { context.unscannedParts + 9223372036854775807 + 1 > 0 };
    """
    received = await received_of(PERMIT + erring, CLEAN)

    assert received.answer is None
    assert received.facts["received"]["errors"] == ["answers.erring"]  # type: ignore[index,call-overload]

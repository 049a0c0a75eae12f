"""The four situations this kind of product exists for, as requests."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["SITUATIONS", "Case"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request of the demo.

    Attributes:
        situation: The heading it stands under.
        shows: What it shows, for the table.
        expects: `ok`, `denied` or `held`.
        faults: Deployment → how it misbehaves while this is asked (`upstream.MODES`).
        told: Headers that the answer must have.
    """

    situation: str
    application: str
    shows: str
    prompt: str
    expects: str = "ok"
    body: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)


_LONG = "The lessee shall maintain the premises in good order and condition. " * 2_000
_TICKET = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {
            "name": "ticket",
            "schema": {
                "type": "object",
                "properties": {"title": {"type": "string"}, "priority": {"type": "integer"}},
                "required": ["title", "priority"],
                "additionalProperties": False,
            },
        },
    }
}

SITUATIONS: tuple[Case, ...] = (
    Case(
        situation="support triage",
        application="support-triage",
        shows="a simple question goes to a cheap model",
        prompt="What are your opening hours on Saturday?",
    ),
    Case(
        situation="support triage",
        application="support-triage",
        shows="a billing dispute goes to the stronger tier",
        prompt="I was charged twice for my order and want a refund. Please open a dispute.",
    ),
    Case(
        situation="support triage",
        application="support-triage",
        shows="a JSON answer with a missing brace is repaired and says so",
        prompt="Make a ticket of this: the parcel has not arrived.",
        body=_TICKET,
        faults={"eu-economy": "missing_brace", "us-economy": "missing_brace"},
        told={"x-transire-repaired": "closing", "x-transire-attempts": "1"},
    ),
    Case(
        situation="support triage",
        application="support-triage",
        shows="one with a wrong type is asked for again, elsewhere",
        prompt="Make a ticket of this: the parcel arrived open.",
        body=_TICKET,
        faults={"eu-economy": "wrong_type"},
        told={"x-transire-attempts": "2"},
    ),
    Case(
        situation="document Q&A",
        application="docs-qa",
        shows="personal data stays in the EEA",
        prompt=(
            "Summarise this: the tenant (erika.mustermann@example.de, IBAN DE89 3704 0044 0532 "
            "0130 00) may leave with thirty days' notice."
        ),
    ),
    Case(
        situation="document Q&A",
        application="docs-qa",
        shows="a long contract needs a model that can hold it",
        prompt=f"{_LONG}\nHow long is the notice period?",
    ),
    Case(
        situation="document Q&A",
        application="docs-qa",
        shows="asked for citations, only a grounded model will do",
        prompt="How long is the notice period? Please cite your sources.",
    ),
    Case(
        situation="engineering copilot",
        application="copilot",
        shows="renaming a variable needs no large model",
        prompt="Rename the variable foo to customer_count in this function: def f(foo): return foo",
    ),
    Case(
        situation="engineering copilot",
        application="copilot",
        shows="a vulnerability stays on our own machines",
        prompt="Here is an auth bypass in our login code, see CVE-2026-31337. Write the fix.",
    ),
    Case(
        situation="engineering copilot",
        application="copilot",
        shows="credentials go to nobody",
        prompt="Why does this fail? client = Client(key='AKIA2E4Q7RT3XYZWUVKL')",
        expects="denied",
    ),
    Case(
        situation="multilingual sales",
        application="sales",
        shows="routine translation goes to the high-throughput model",
        prompt="Translate into German: Thank you for your order, it ships tomorrow.",
    ),
    Case(
        situation="multilingual sales",
        application="sales",
        shows="a regulated health claim is held for a person",
        prompt="Write a claim for the leaflet: our device lowers blood pressure in two weeks.",
        expects="held",
    ),
)

"""The four situations this kind of product exists for, as requests.

What comes of them is not arranged: the simulated models answer by habits of their own (`voices`),
and the router deals with that.
"""

from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["SITUATIONS", "TICKET", "Case"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request of the demo.

    Attributes:
        situation: The heading it stands under.
        shows: What it shows, for the table; at most 27 characters.
        expects: `ok`, `denied` or `held`.
        told: Headers that the answer must have.
        is_quoted: The table shows what was answered.
    """

    situation: str
    application: str
    shows: str
    prompt: str
    expects: str = "ok"
    body: dict[str, Any] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    is_quoted: bool = False


_LONG: Final = "The lessee shall maintain the premises in good order and condition. " * 2_000
_ORDER: Final = "Thank you for your order, it ships tomorrow."
TICKET: Final[dict[str, Any]] = {
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

SITUATIONS: Final[tuple[Case, ...]] = (
    Case(
        situation="support triage",
        application="support-triage",
        shows="a simple question",
        prompt="What are your opening hours on Saturday?",
    ),
    Case(
        situation="support triage",
        application="support-triage",
        shows="a billing dispute",
        prompt="I was charged twice for my order and want a refund. Please open a dispute.",
        told={"x-transire-escalated": "evaluator", "x-transire-attempts": "2"},
        is_quoted=True,
    ),
    Case(
        situation="support triage",
        application="support-triage",
        shows="JSON without its last brace",
        prompt="Make a ticket of this: parcel [4711] has not arrived.",
        body=TICKET,
        told={"x-transire-repaired": "closing", "x-transire-attempts": "1"},
        is_quoted=True,
    ),
    Case(
        situation="support triage",
        application="support-triage",
        shows="JSON with a wrong type",
        prompt="Make a ticket of this: two parcels arrived open.",
        body=TICKET,
        told={"x-transire-attempts": "2"},
        is_quoted=True,
    ),
    Case(
        situation="document Q&A",
        application="docs-qa",
        shows="personal data",
        prompt=(
            "Summarise this: the tenant (erika.mustermann@example.de, IBAN DE89 3704 0044 0532 "
            "0130 00) may leave with thirty days' notice."
        ),
    ),
    Case(
        situation="document Q&A",
        application="docs-qa",
        shows="a contract of 140 kB",
        prompt=f"{_LONG}\nHow long is the notice period?",
    ),
    Case(
        situation="document Q&A",
        application="docs-qa",
        shows="a question wanting sources",
        prompt="How long is the notice period? Please cite your sources.",
        told={"x-transire-attempts": "1"},
        is_quoted=True,
    ),
    Case(
        situation="engineering copilot",
        application="copilot",
        shows="a variable to rename",
        prompt="Rename the variable foo to customer_count in this function: def f(foo): return foo",
    ),
    Case(
        situation="engineering copilot",
        application="copilot",
        shows="a vulnerability in our code",
        prompt="Here is an auth bypass in our login code, see CVE-2026-31337. Write the fix.",
    ),
    Case(
        situation="engineering copilot",
        application="copilot",
        shows="a credential in the code",
        prompt="Why does this fail? client = Client(key='AKIA2E4Q7RT3XYZWUVKL')",
        expects="denied",
    ),
    Case(
        situation="multilingual sales",
        application="sales",
        shows="a translation into German",
        prompt=f"Translate into German: {_ORDER}",
        told={"x-transire-attempts": "1"},
        is_quoted=True,
    ),
    Case(
        situation="multilingual sales",
        application="sales",
        shows="a translation into Polish",
        prompt=f"Translate into Polish: {_ORDER}",
        told={"x-transire-attempts": "2"},
        is_quoted=True,
    ),
    Case(
        situation="multilingual sales",
        application="sales",
        shows="a regulated health claim",
        prompt="Write a claim for the leaflet: our device lowers blood pressure in two weeks.",
        expects="held",
    ),
)

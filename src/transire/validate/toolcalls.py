"""Which tools an answer calls, against those offered, allowed and required. Pure.

Arguments are judged by `contract`, which has the schemas; here are names and counts alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from transire.domain.answer import AnswerChoice
from transire.domain.ports import Violation
from transire.domain.request import Assertions, Body

__all__ = ["MAX_CALLS", "Offer", "of_choice", "offer_of"]

MAX_CALLS: Final = 128
"""OpenAI's own limit on offered tools; an answer with more calls is not read further."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What an answer may and must call.

    Attributes:
        tools: Offered tools by name, as they stand in the body.
        kinds: `function` or `custom`, by name.
        allowed: Names that may be called.
        required: Names that must be called.
        needs_one: Some call is required.
    """

    tools: Mapping[str, Mapping[str, Any]]
    kinds: Mapping[str, str]
    allowed: frozenset[str]
    required: frozenset[str]
    needs_one: bool


def offer_of(body: Body, asserted: Assertions) -> Offer:
    """Read `tools`, `tool_choice` and the assertions; each of them only narrows."""
    tools = _tools(body)
    kinds = {name: kind for name, (kind, _) in tools.items()}
    allowed = frozenset(tools)
    if asserted.allowed_tools is not None:
        allowed &= asserted.allowed_tools
    required = asserted.required_tools
    choice: Any = body.fields.get("tool_choice")
    if choice == "none":
        allowed = frozenset()
    elif isinstance(choice, Mapping):
        named = frozenset({_name_in(choice)})
        allowed &= named
        required |= named
    offered = {name: inner for name, (_, inner) in tools.items()}
    return Offer(offered, kinds, allowed, required, needs_one=choice == "required")


def of_choice(offer: Offer, choice: AnswerChoice) -> Iterator[Violation]:
    """Calls of tools that may not be called, and required ones that are missing."""
    if len(choice.tool_calls) > MAX_CALLS:
        yield Violation(kind="tool_unknown", path="message.tool_calls", choice=choice.index)
        return
    for index, call in enumerate(choice.tool_calls):
        is_offered = call.name in offer.allowed and call.kind == offer.kinds[call.name]
        if not is_offered or not call.id:
            path = f"message.tool_calls[{index}]"
            yield Violation(kind="tool_unknown", path=path, choice=choice.index)
    called = {call.name for call in choice.tool_calls}
    if not offer.required <= called or (offer.needs_one and not called):
        yield Violation(kind="tool_required", path="message.tool_calls", choice=choice.index)


def _tools(body: Body) -> dict[str, tuple[str, Mapping[str, Any]]]:
    offered: Any = body.fields.get("tools") or ()
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for tool in offered:
        inner = tool.get(tool.get("type"))
        if isinstance(inner, Mapping) and isinstance(inner.get("name"), str):
            found[inner["name"]] = tool["type"], inner
    return found


def _name_in(choice: Mapping[str, Any]) -> str:
    """Name of a named `tool_choice`; empty, which no tool is called, where there is none."""
    inner = choice.get(str(choice.get("type")))
    name = inner.get("name") if isinstance(inner, Mapping) else None
    return name if isinstance(name, str) else ""

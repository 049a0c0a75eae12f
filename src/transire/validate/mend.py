"""Put right what a whole answer's JSON texts lack in syntax, before anything is judged.

Texts are the content, where the request asks for JSON, and the arguments of calls of tools that
were offered with a schema. What `repair` makes of one replaces it and is named in the choice; the
log probabilities of a replaced text describe another text and are left out. Here is only where the
reading runs: on the event loop while that is quick, else in a child that can be killed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from transire.domain.answer import AnswerChoice, Repair, ToolCall
from transire.errors import GovernanceUnavailable, RequestError
from transire.validate import toolcalls
from transire.validate.isolation import Isolation, OverTimeError
from transire.validate.judge import LOCAL_CHARS, Judge
from transire.validate.plans import Plans
from transire.validate.repair import MAX_CHARS, apply, repair
from transire.validate.strict_json import NOT_JSON, read
from transire.validate.toolcalls import Offer

__all__ = ["MAX_TEXTS", "Mender"]

LOCAL_REPAIR_CHARS: Final = 2 * 1024
"""8 ms at worst, 4 µs for a token of at least two characters (measured)."""

MAX_TEXTS: Final = 16
"""Texts of one answer that are looked at; those after them are judged as they are."""


class Mender:
    """Mends the choices of one answer; `MAX_TEXTS` bounds them together.

    Args:
        plans: For the schemas of tools that are not strict, which nothing else compiles.
        party: Whose answer it is.
    """

    def __init__(self, isolation: Isolation, judge: Judge, plans: Plans, party: str) -> None:
        self._isolation = isolation
        self._judge = judge
        self._plans = plans
        self._party = party
        self._left = MAX_TEXTS

    async def mended(self, offer: Offer, choice: AnswerChoice, *, is_json: bool) -> AnswerChoice:
        """The choice, with whatever could be put right; the very same where nothing was.

        Args:
            is_json: Its content is to be one JSON document.
        """
        calls, repairs, content = list(choice.tool_calls), list[Repair](), choice.content
        if is_json and content and not calls and (made := await self._text(content)) is not None:
            content, rules = made
            repairs.append(self._repair("message.content", rules, choice))
        for at, call in enumerate(calls[: toolcalls.MAX_CALLS]):
            if (made := await self._arguments(offer, call)) is not None:
                calls[at], path = replace(call, arguments=made[0]), f"message.tool_calls[{at}]"
                repairs.append(self._repair(f"{path}.function.arguments", made[1], choice))
        if not repairs:
            return choice
        return replace(
            choice,
            content=content,
            tool_calls=tuple(calls),
            logprobs=None,
            repaired=tuple(repairs),
        )

    @staticmethod
    def _repair(at: str, rules: tuple[str, ...], choice: AnswerChoice) -> Repair:
        dropped = () if choice.logprobs is None else ("logprobs",)
        return Repair(at=at, rules=rules, dropped=dropped)

    async def _arguments(self, offer: Offer, call: ToolCall) -> tuple[str, tuple[str, ...]] | None:
        """Repaired arguments that satisfy the tool's schema, strict or not."""
        tool = offer.tools.get(call.name)
        schema = tool.get("parameters") if tool is not None else None
        if call.kind == "custom" or not isinstance(schema, Mapping) or not call.arguments:
            return None
        made = await self._text(call.arguments)
        return made if made is not None and await self._fits(schema, made[0]) else None

    async def _fits(self, schema: Mapping[str, Any], text: str) -> bool:
        try:
            wanted = self._plans.of(schema, "tools")
        except RequestError:
            return False  # a schema we would not compile vouches for nothing
        try:
            judged = await self._judge.judge(wanted, text, self._party)
        except GovernanceUnavailable:
            return False  # as in `_text`
        return judged.state == "valid" and judged.is_object

    async def _text(self, text: str) -> tuple[str, tuple[str, ...]] | None:
        """(repaired text, names of the rules); None where it is JSON, or nothing makes it JSON."""
        if self._left <= 0 or len(text) > MAX_CHARS:
            return None
        self._left -= 1
        if len(text) <= LOCAL_CHARS and read(text) is not NOT_JSON:
            return None
        try:
            is_local = len(text) <= LOCAL_REPAIR_CHARS
            edits = repair(text) if is_local else await self._isolation.repair(text, self._party)
        except (OverTimeError, GovernanceUnavailable):
            return None  # a repair is a favour: without it the answer is judged as it is
        return (apply(text, edits), tuple(sorted({e.rule for e in edits}))) if edits else None

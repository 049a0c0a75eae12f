"""Decide where a JSON text is judged: here when that is provably quick, else in a child.

Here means on the event loop, so the bound is strict: at most `LOCAL_STEPS` subschema evaluations
(25 ns each, so 10 ms), no keyword whose cost that number does not bound, and a text that parses in
under 2 ms. An answer that fails is explained in a child, because explaining can be far slower
than judging. A child costs 0.3 ms.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from transire.validate.compiled import Library, SchemaError, compile_schema
from transire.validate.isolation import Isolation, OverTimeError
from transire.validate.schema import Plan
from transire.validate.strict_json import MAX_CHARS, NOT_JSON, read

__all__ = [
    "ANY_OBJECT",
    "CACHED",
    "Judge",
    "Judgement",
    "is_local",
]

LOCAL_STEPS: Final = 400_000
LOCAL_CHARS: Final = 64 * 1024
CACHED: Final = 256
"""Schemas of at most 64 kB: 16 MB of sources and about as much compiled, at worst."""

ANY_OBJECT: Final = Plan(b'{"type":"object"}', 2, is_isolated=False)
"""What JSON mode and the arguments of a non-strict tool call must be."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one text: `valid`, `invalid`, `not_json`, `bad_schema` or `over`.

    Attributes:
        at: Where in the schema it failed, positions only; empty if unknown.
        is_object: The value is a JSON object.
    """

    state: str
    at: str = ""
    is_object: bool = False


class Judge:
    """Puts texts to schemas, bounded in time.

    INVARIANT (I6): `admit` always compiles and never looks into the cache, so the time it takes
    says nothing about what other principals sent.
    """

    def __init__(self, isolation: Isolation) -> None:
        self._isolation = isolation
        self._library = Library(CACHED)

    async def admit(self, plan: Plan, *, aside: bool = False, party: str = "") -> bool:
        """Compile a schema where it may run; False where the library refuses it.

        What cannot run here is not compiled here either: a pattern costs most while it compiles.

        Args:
            aside: Compile in a thread; for what is large, or one of many.
            party: Who asks; parties take turns at the children.

        Raises:
            OverTimeError: it takes too long to compile, or (`BusyError`) no child came free.
        """
        if plan.is_isolated:
            return await self._isolation.compiles(plan.source, party)
        source = plan.source
        try:
            compiled = (
                await asyncio.to_thread(compile_schema, source) if aside else compile_schema(source)
            )
            self._library.put(source, compiled)
        except SchemaError:
            return False
        return True

    async def judge(self, plan: Plan, text: str, party: str = "") -> Judgement:
        """Judge one text against one admitted schema."""
        if len(text) > MAX_CHARS:
            return Judgement("not_json")
        if is_local(plan, text):
            value = read(text)
            if value is NOT_JSON:
                return Judgement("not_json")
            if self._is_valid(plan, value):
                return Judgement("valid", is_object=isinstance(value, dict))
        try:
            answer = await self._isolation.judge(plan.source, text, party)
        except OverTimeError:
            return Judgement("over")
        return Judgement(
            str(answer["state"]), str(answer.get("at", "")), bool(answer.get("is_object"))
        )

    def _is_valid(self, plan: Plan, value: Any) -> bool:
        try:
            return self._library.get(plan.source).is_valid(value)
        except SchemaError:
            return False


def is_local(plan: Plan, text: str) -> bool:
    """Whether the event loop can bear it; `,` and `:` bound the number of values from above."""
    if plan.is_isolated or len(text) > LOCAL_CHARS:
        return False
    values = 1 + text.count(",") + text.count(":") + text.count("[")
    return plan.steps * values <= LOCAL_STEPS

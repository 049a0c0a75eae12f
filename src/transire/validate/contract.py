"""The stage: everything that is wrong with a whole answer, in order, as kinds and positions.

Order: how it ended → which tools it calls → strict JSON → schema. A cut
answer is reported as cut and looked at no further: what is left of it can look complete. Reading
a refusal (`message.refusal`, alone) stops there too: it is an answer, and the caller is told.
"""

import asyncio
import operator
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from transire.alarms import within
from transire.domain.answer import AnswerChoice, Completion, ToolCall
from transire.domain.ports import Violation
from transire.domain.request import Body, RoutingRequest
from transire.errors import GovernanceUnavailable, RequestError
from transire.validate import finish, toolcalls
from transire.validate.isolation import BusyError, Isolation, OverTimeError
from transire.validate.judge import ANY_OBJECT, CACHED, Judge, Judgement
from transire.validate.mend import Mender
from transire.validate.plans import Plans
from transire.validate.schema import Plan, plan
from transire.validate.toolcalls import Offer

__all__ = ["ContractValidator"]

MAX_VIOLATIONS: Final = 20
MAX_SCHEMAS: Final = 128
"""As many as OpenAI allows tools."""

_INLINE_BYTES: Final = 16 * 1024
"""Schemas of larger bodies are examined in a thread, so that the loop does not wait."""
_FORMAT: Final = "response_format.json_schema.schema"


class ContractValidator:
    """Implements `domain.ports.Validator`. Belongs to one event loop; `close` ends its children.

    Args:
        workers: Child processes at once, for schemas that could be slow.
        schema_deadline_s: What compiling one schema, or judging one text, may take.
        answer_deadline_s: What judging one whole answer may take.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        schema_deadline_s: float = 1.0,
        answer_deadline_s: float = 5.0,
    ) -> None:
        self._isolation = Isolation(children=workers, deadline_s=schema_deadline_s)
        self._judge = Judge(self._isolation)
        self._plans = Plans(CACHED)
        self._answer_deadline_s = answer_deadline_s

    async def check_request(self, request: RoutingRequest) -> None:
        """Refuse a schema we will not compile (size, depth, remote `$ref`, patterns).

        Raises:
            RequestError: with `param` and what to change.
            GovernanceUnavailable: no child process could be started, or none came free.
        """
        body, party = request.body, request.principal.key_id
        if not body.has_contract:
            return
        is_large = body.size_bytes > _INLINE_BYTES
        for schema, where in _schemas_of(body):
            # Each takes tens of milliseconds at the size limit, and there may be 128.
            made = await asyncio.to_thread(plan, schema, where) if is_large else plan(schema, where)
            self._plans.put(made)
            try:
                is_schema = await self._judge.admit(made, aside=is_large, party=party)
            except BusyError:
                raise GovernanceUnavailable(
                    "all schema checkers are busy; send the request again"
                ) from None
            except OverTimeError:
                raise RequestError(
                    f"the schema at `{where}` takes too long to compile; make it smaller",
                    param=where,
                ) from None
            if not is_schema:
                raise RequestError(
                    f"the schema at `{where}` is not a JSON Schema, or holds a pattern that is "
                    "too large or uses look-around or back-references",
                    param=where,
                )

    async def violations(self, request: RoutingRequest, answer: Completion) -> Sequence[Violation]:
        """Everything wrong with the answer, in order; empty means it keeps the contract."""
        found = list(finish.of_answer(request.body, answer))
        offer = toolcalls.offer_of(request.body, request.assertions)
        try:
            with within(self._answer_deadline_s):
                for choice in answer.choices:
                    async for violation in self._of_choice(request, offer, choice):
                        found.append(violation)
                        if len(found) >= MAX_VIOLATIONS:
                            return found
        except TimeoutError:
            found.append(Violation(kind="deadline"))
        return found

    async def repaired(self, request: RoutingRequest, answer: Completion) -> Completion:
        """See `domain.ports.Validator`; what takes too long is left as it is."""
        body = request.body
        if not body.has_contract:
            return answer
        mender = Mender(self._isolation, self._judge, self._plans, request.principal.key_id)
        offer = toolcalls.offer_of(body, request.assertions)
        is_json = self._content_plan(body) is not None
        choices = list(answer.choices)
        try:
            async with asyncio.timeout(self._answer_deadline_s):
                for at, choice in enumerate(choices):
                    if finish.is_ended(body, answer, choice):
                        choices[at] = await mender.mended(offer, choice, is_json=is_json)
        except TimeoutError:
            return answer
        is_same = all(map(operator.is_, choices, answer.choices))
        return answer if is_same else replace(answer, choices=tuple(choices))

    async def close(self) -> None:
        """End the child processes."""
        await self._isolation.close()

    async def _of_choice(
        self, request: RoutingRequest, offer: Offer, choice: AnswerChoice
    ) -> AsyncIterator[Violation]:
        is_promised = (
            self._content_plan(request.body) is not None
            or bool(offer.required or offer.needs_one)
            or bool(choice.tool_calls)
        )
        ending = list(finish.of_choice(choice, is_promised=is_promised))
        for violation in ending:
            yield violation
        is_refusal = bool(choice.refusal) and not (choice.tool_calls or choice.content)
        if ending or finish.is_cut(choice) or is_refusal:
            return
        for violation in toolcalls.of_choice(offer, choice):
            yield violation
        for index, call in enumerate(choice.tool_calls[: toolcalls.MAX_CALLS]):
            found = await self._of_call(request, offer, call, index, choice.index)
            if found is not None:
                yield found
        if not choice.tool_calls:
            found = await self._of_content(request, choice)
            if found is not None:
                yield found

    async def _of_content(self, request: RoutingRequest, choice: AnswerChoice) -> Violation | None:
        wanted = self._content_plan(request.body)
        if wanted is None:
            return None
        judged = await self._judge.judge(wanted, choice.content or "", request.principal.key_id)
        if judged.state == "invalid" and wanted is ANY_OBJECT:
            judged = Judgement("not_json")
        kind = {"not_json": "not_json", "over": "deadline", "invalid": "schema"}.get(judged.state)
        if kind is None:
            # A schema the child would not compile was refused in `check_request` already.
            kind = "" if judged.state == "valid" else "schema"
        path = f"message.content{_fragment(judged)}"
        return Violation(kind=kind, path=path, choice=choice.index) if kind else None

    async def _of_call(
        self, request: RoutingRequest, offer: Offer, call: ToolCall, index: int, choice: int
    ) -> Violation | None:
        tool = offer.tools.get(call.name)
        if tool is None or call.kind == "custom":
            return None
        # Some upstreams write no arguments as an empty text; the caller's tool sees `{}`.
        judged = await self._judge.judge(
            self._arguments_plan(tool), call.arguments or "{}", request.principal.key_id
        )
        if judged.state == "valid" and judged.is_object:
            return None
        kind = "deadline" if judged.state == "over" else "tool_arguments"
        path = f"message.tool_calls[{index}].function.arguments{_fragment(judged)}"
        return Violation(kind=kind, path=path, choice=choice)

    def _content_plan(self, body: Body) -> Plan | None:
        form: Any = body.fields.get("response_format")
        kind = form.get("type") if isinstance(form, Mapping) else None
        if kind not in ("json_object", "json_schema"):
            return None
        if kind == "json_schema" and "schema" in form["json_schema"]:
            return self._plans.of(form["json_schema"]["schema"], _FORMAT)
        return ANY_OBJECT

    def _arguments_plan(self, function: Mapping[str, Any]) -> Plan:
        if _is_strict(function):
            return self._plans.of(function["parameters"], "tools")
        return ANY_OBJECT


def _fragment(judged: Judgement) -> str:
    """`#/…`: where in the caller's own schema, as a pointer with positions for names."""
    return f"#{judged.at}" if judged.at else ""


def _schemas_of(body: Body) -> list[tuple[Any, str]]:
    """Every schema that an answer will be put to, with its path in the request."""
    form: Any = body.fields.get("response_format")
    found: list[tuple[Any, str]] = []
    if isinstance(form, Mapping) and form.get("type") == "json_schema":
        inner = form.get("json_schema")
        if isinstance(inner, Mapping) and "schema" in inner:
            found.append((inner["schema"], _FORMAT))
    tools: Any = body.fields.get("tools") or ()
    for index, tool in enumerate(tools):
        function = tool.get("function")
        if isinstance(function, Mapping) and _is_strict(function):
            found.append((function["parameters"], f"tools[{index}].function.parameters"))
    if len(found) > MAX_SCHEMAS:
        raise RequestError(f"at most {MAX_SCHEMAS} schemas are checked", param="tools")
    return found


def _is_strict(function: Mapping[str, Any]) -> bool:
    """Only `strict: true` promises that arguments satisfy the schema (OpenAI function calling)."""
    return function.get("strict") is True and function.get("parameters") is not None

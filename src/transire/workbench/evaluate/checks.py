"""What a check finds in an answer. Pure; patterns run in linear time, whoever wrote them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from transire.errors import RequestError
from transire.validate.compiled import SchemaError, compile_schema

if TYPE_CHECKING:
    from transire.workbench.evaluate.suite import CheckDocument

__all__ = ["Answered", "broken", "compile_checks"]

_CITED: Final = re.compile(r"\[\d{1,3}\]|https?://\S")
_MOST_CHARS: Final = 1_000_000
"""A longer answer breaks every check: nobody asked for a megabyte."""


class Answered(NamedTuple):
    """An answer's first choice, as checks see it.

    Attributes:
        calls: (name, arguments) of its tool calls; arguments that are no object are empty.
        cites: The answer carries citations of its own (`annotations`).
    """

    text: str
    calls: tuple[tuple[str, Mapping[str, Any]], ...]
    cites: bool

    @classmethod
    def of(cls, completion: Mapping[str, Any]) -> "Answered":
        """Of a chat completion; what is missing is empty."""
        choices = completion.get("choices") or [{}]
        message = choices[0].get("message") or {}
        calls = [call.get("function") or {} for call in message.get("tool_calls") or ()]
        return cls(
            text=message.get("content") or "",
            calls=tuple((str(c.get("name")), _arguments(c.get("arguments"))) for c in calls),
            cites=bool(message.get("annotations")),
        )


def compile_checks(case: str, checks: Sequence["CheckDocument"]) -> None:
    """Refuse a pattern or schema that cannot be judged, before anything is asked or paid.

    Raises:
        RequestError: names case and check.
    """
    for check in checks:
        schema = _schema_of(check)
        if schema is None:
            continue
        try:
            compile_schema(orjson.dumps(schema))
        except (SchemaError, TypeError, ValueError):
            raise RequestError(
                f"case `{case}`: `{check.kind}` cannot be judged: no such schema, or a pattern "
                "that is too large or uses look-around or back-references"
            ) from None


def broken(checks: Sequence["CheckDocument"], answer: Answered) -> list[str]:
    """Kinds of the checks that do not hold, in order; `judge` is asked elsewhere."""
    if len(answer.text) > _MOST_CHARS:
        return ["size"]
    return [
        check.kind
        for check in checks
        if check.judge is None and not _HOLDS[check.kind](check, answer)
    ]


def _schema_of(check: "CheckDocument") -> dict[str, Any] | None:
    if check.regex is not None:
        return {"type": "string", "pattern": check.regex}
    return check.json_schema


def _fits(check: "CheckDocument", value: Any) -> bool:
    return compile_schema(orjson.dumps(_schema_of(check))).is_valid(value)


def _is_json(check: "CheckDocument", answer: Answered) -> bool:
    try:
        return _fits(check, orjson.loads(answer.text))
    except ValueError:
        return False


def _calls(check: "CheckDocument", answer: Answered) -> bool:
    wanted = check.tool_call
    assert wanted is not None  # by kind
    return any(
        name == wanted.name
        and all(k in given and given[k] == v for k, v in wanted.arguments.items())
        for name, given in answer.calls
    )


def _cites(check: "CheckDocument", answer: Answered) -> bool:
    if isinstance(check.citation, list):
        return any(source in answer.text for source in check.citation)
    return answer.cites or _CITED.search(answer.text) is not None


_HOLDS: Final[Mapping[str, Callable[["CheckDocument", Answered], bool]]] = {
    "contains": lambda check, answer: _fold(check.contains) in _fold(answer.text),
    "lacks": lambda check, answer: _fold(check.lacks) not in _fold(answer.text),
    "exact": lambda check, answer: answer.text.strip() == str(check.exact).strip(),
    "regex": lambda check, answer: _fits(check, answer.text),
    "json_schema": _is_json,
    "tool_call": _calls,
    "citation": _cites,
}


def _fold(text: str | None) -> str:
    return (text or "").casefold()


def _arguments(text: Any) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}

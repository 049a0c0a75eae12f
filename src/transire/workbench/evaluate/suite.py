"""A golden set: cases with what a good answer must be. YAML, or JSON lines with one case each."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from transire.bundle.yamlread import read_yaml
from transire.errors import BundleError, RequestError
from transire.workbench.evaluate.checks import compile_checks

__all__ = [
    "CaseDocument",
    "CheckDocument",
    "JudgeDocument",
    "SuiteDocument",
    "ToolCallDocument",
    "read_suite",
]

_MOST_BYTES: Final = 16 * 1024 * 1024
_MOST_CASES: Final = 10_000

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class ToolCallDocument(_Model):
    """A call that must be in the answer; arguments that are given must be among its own."""

    name: str
    arguments: dict[str, Any] = {}


class JudgeDocument(_Model):
    """A question to another model about the answer, and the score it must give at least."""

    criteria: str
    model: str | None = None
    least: Annotated[float, Field(gt=0, le=1)] = 0.7


class CheckDocument(_Model):
    """One thing that must be so of an answer; exactly one member."""

    contains: str | None = None
    lacks: str | None = None
    exact: str | None = None
    regex: str | None = None
    json_schema: dict[str, Any] | None = None
    tool_call: ToolCallDocument | None = None
    citation: bool | list[str] | None = None
    judge: JudgeDocument | None = None

    @property
    def kind(self) -> str:
        """The member it has."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _is_one(self) -> "CheckDocument":
        given = [n for n in type(self).model_fields if getattr(self, n) is not None]
        if len(given) != 1 or self.citation is False:
            raise ValueError("a check is exactly one of " + ", ".join(type(self).model_fields))
        return self


class CaseDocument(_Model):
    """One request, and what must be so of its answer.

    `request` holds further members of the body: `tools`, `response_format`, `max_tokens`, ….
    """

    id: Id
    task: Id | None = None
    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    request: dict[str, Any] = {}
    checks: Annotated[list[CheckDocument], Field(min_length=1, max_length=32)]

    @model_validator(mode="after")
    def _is_asked(self) -> "CaseDocument":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("a case has either a `prompt` or `messages`")
        if {"model", "messages", "stream", "transire"} & self.request.keys():
            raise ValueError("`request` may not hold model, messages, stream or transire")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over all of it: results of a case that was changed are not its own."""
        return hashlib.sha256(
            orjson.dumps(self.model_dump(), option=orjson.OPT_SORT_KEYS)
        ).hexdigest()

    @property
    def text(self) -> str:
        """What a predictor reads of it: the last user message."""
        if self.prompt is not None:
            return self.prompt
        said = [m.get("content") for m in self.messages or () if m.get("role") == "user"]
        last = said[-1] if said else ""
        if isinstance(last, list):
            return "\n".join(str(p.get("text", "")) for p in last if isinstance(p, dict))
        return str(last or "")

    def body(self, deployment: str, *, is_tagged: bool = True) -> dict[str, Any]:
        """The request as an application would send it, pinned to one deployment."""
        messages = self.messages or [{"role": "user", "content": self.prompt}]
        own = {} if self.task is None or not is_tagged else {"transire": {"task": self.task}}
        return {**self.request, "model": deployment, "messages": messages, **own}


class SuiteDocument(_Model):
    """A golden set, and by default whom it is asked of and who judges."""

    deployments: list[str] = []
    judge: str | None = None
    cases: Annotated[list[CaseDocument], Field(min_length=1, max_length=_MOST_CASES)]


def read_suite(path: Path) -> SuiteDocument:
    """Read a suite: `.jsonl` is one case a line, anything else YAML.

    Raises:
        RequestError: where it is wrong and what would be right; never with its words.
    """
    try:
        data = path.read_bytes()
        if len(data) > _MOST_BYTES:
            raise RequestError(f"a suite has at most {_MOST_BYTES} bytes")
        suite = SuiteDocument.model_validate(_document(path, data))
    except BundleError as error:
        raise RequestError(error.problems[0]) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the suite"
        raise RequestError(f"`{path.name}`: {where}: {first['msg'].lower()}") from None
    ids = [case.id for case in suite.cases]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise RequestError(f"`{path.name}`: the case `{twice[0]}` stands twice")
    for case in suite.cases:
        compile_checks(case.id, case.checks)
    return suite


def _document(path: Path, data: bytes) -> Any:
    if path.suffix != ".jsonl":
        return read_yaml(path.name, data).value
    cases = []
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                cases.append(json.loads(line))
            except (ValueError, RecursionError):
                raise RequestError(f"`{path.name}`: line {number} is not JSON") from None
    return {"cases": cases}

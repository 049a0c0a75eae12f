"""A chat request in full, rebuilt from known, typed fields (I11).

The result's `fields` is OpenAI-shaped JSON in modern form: `functions` became `tools`, both token
bounds became `max_tokens` (the forwarder spells it as the deployment does), `reasoning.effort`
became `reasoning_effort`. `model`, `stream` and what is consumed here are not in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from transire.classify.collector import Collector
from transire.classify.extension import read_extension
from transire.classify.fields import BODY, Kind
from transire.classify.messages import read_messages
from transire.classify.tokens import estimate_tokens
from transire.classify.tools import read_tools
from transire.domain.request import Assertions, Body, JsonValue, Pointer
from transire.errors import RequestError

__all__ = ["Normalized", "normalize", "rebuild_with"]

_SAMPLING: Final = (
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "logit_bias",
    "parallel_tool_calls",
    "verbosity",
    "store",
    "service_tier",
    "prompt_cache_retention",
    "web_search_options",
    "audio",
)


_CAPABILITY_NAMES: Final = tuple(n for n, row in BODY.items() if row.kind is Kind.CAPABILITY)
_PLAIN: Final = frozenset({"model", "messages", "stream", "stream_options", "transire"})
"""A body of these alone has nothing but messages that is forwarded."""
_FREE_FORM: Final = ("web_search_options", "audio")
"""Of these, the ones that may hold words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalized:
    """A request without its credential.

    Attributes:
        assertions: Names not yet checked against a taxonomy; `models` not yet resolved.
    """

    asked_model: str
    body: Body
    assertions: Assertions
    is_stream: bool
    wants_usage: bool


def normalize(
    document: Mapping[str, JsonValue],
    *,
    headers: Mapping[str, str],
    unknown_fields: str,
    size_bytes: int,
) -> Normalized:
    """Rebuild a parsed body.

    Args:
        headers: Lower-cased; only `x-transire-*` are read.
        unknown_fields: `refuse` or `omit`.

    Raises:
        RequestError, TooLargeError: with the path of what is wrong and what to do.
    """
    collector = Collector(omits_unknown=unknown_fields == "omit")
    known = collector.known(document, BODY, ())
    if "model" not in known:
        raise RequestError(
            "`model` is missing; `auto` lets policy and scorer choose", param="model"
        )
    if "messages" not in known:
        raise RequestError("`messages` is missing", param="messages")
    fields: dict[str, Any] = {"messages": read_messages(known["messages"], collector)}
    if not known.keys() <= _PLAIN:
        _special(known, fields, collector)
    stream_options = known.get("stream_options") or {}
    return Normalized(
        asked_model=known["model"],
        body=_body(fields, collector, known, size_bytes),
        assertions=read_extension(known.get("transire") or {}, headers),
        is_stream=known.get("stream", False),
        wants_usage=stream_options.get("include_usage") is True,
    )


def _special(known: Mapping[str, Any], fields: dict[str, Any], collector: Collector) -> None:
    """Whatever else than messages is forwarded."""
    read_tools(known, fields, collector)
    _format(known, fields, collector)
    _bounds(known, fields, collector)
    _reasoning(known, fields)
    fields.update({name: known[name] for name in _SAMPLING if name in known})
    for name in _FREE_FORM:
        if name in known:
            collector.schema((name,), known[name])
    _capability_fields(known, fields, collector)


def rebuild_with(body: Body, replacements: Mapping[Pointer, str]) -> Body:
    """The same body with the text at some pointers replaced; everything else is shared.

    Linear: a container is copied once, however many of its values change.
    """
    changes: dict[str | int, Any] = {}
    for pointer, text in replacements.items():
        level = changes
        for step in pointer[:-1]:
            level = level.setdefault(step, {})
        level[pointer[-1]] = text
    parts = tuple(
        replace(part, text=replacements[part.pointer]) if part.pointer in replacements else part
        for part in body.parts
    )
    return replace(body, fields=_changed(body.fields, changes), parts=parts)


def _changed(node: Any, changes: Mapping[str | int, Any]) -> Any:
    """A copy with some values set; `changes` mirrors the containers, with texts for leaves."""
    copy: Any = dict(node) if isinstance(node, Mapping) else list(node)
    for step, change in changes.items():
        inner = copy[step]
        if not isinstance(change, str):
            copy[step] = _changed(inner, change)
        elif isinstance(inner, dict):  # a bare string part that became a text part
            copy[step] = {"type": "text", "text": change}
        else:
            copy[step] = change
    return copy


def _body(
    fields: dict[str, Any], collector: Collector, known: Mapping[str, Any], size_bytes: int
) -> Body:
    if fields.get("store") is True:
        collector.egress(("store",), "store")
    has_format = fields.get("response_format", {}).get("type") in ("json_object", "json_schema")
    return Body(
        fields=fields,
        parts=tuple(collector.parts),
        capabilities=frozenset(collector.capabilities),
        asked_by=tuple(collector.asked_by),
        needs=frozenset(collector.needs),
        ignored=tuple(collector.ignored),
        size_bytes=size_bytes,
        tokens_estimate=sum(estimate_tokens(part.text) for part in collector.parts),
        max_output_tokens=fields.get("max_tokens"),
        n=known.get("n", 1),
        names_functions=bool(known.get("functions")),
        has_contract=has_format or bool(fields.get("tools")),
        # A custom tool's input comes in events of its own kind, which are not read piece by piece.
        is_held=has_format
        or fields.get("tool_choice") not in (None, "auto", "none")
        or "custom_tools" in collector.needs,
        carried=tuple(collector.carried),
    )


def _format(known: Mapping[str, Any], fields: dict[str, Any], collector: Collector) -> None:
    given = known.get("response_format")
    if given is not None:
        kind = given.get("type")
        if kind == "json_schema":
            fields["response_format"] = _schema_format(given, collector)
            collector.needs.add("json_schema")
        elif kind in ("text", "json_object"):
            fields["response_format"] = {"type": kind}
            if kind == "json_object":
                collector.needs.add("json_mode")
        else:
            raise RequestError(
                "`response_format.type` must be text, json_object or json_schema",
                param="response_format.type",
            )
    stop = known.get("stop")
    if stop:
        fields["stop"] = stop
        items = stop if isinstance(stop, list) else [stop]
        for i, text in enumerate(items):
            at: Pointer = ("stop", i) if isinstance(stop, list) else ("stop",)
            collector.text(at, text, "request")
    if prediction := known.get("prediction"):
        fields["prediction"] = prediction
        collector.schema(("prediction",), prediction)
        collector.needs.add("prediction")


def _schema_format(given: Mapping[str, Any], collector: Collector) -> dict[str, Any]:
    inner = given.get("json_schema")
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        raise RequestError(
            "`response_format.json_schema` must be an object with `name`",
            param="response_format.json_schema",
        )
    if not isinstance(inner.get("schema", {}), dict):
        raise RequestError(
            "`response_format.json_schema.schema` must be an object",
            param="response_format.json_schema.schema",
        )
    at: Pointer = ("response_format", "json_schema")
    built = {}
    for name, value in inner.items():
        if name not in ("name", "description", "schema", "strict"):
            collector.unknown(at, name)
        elif value is not None:
            built[name] = value
    collector.schema(at, built)
    return {"type": "json_schema", "json_schema": built}


def _bounds(known: Mapping[str, Any], fields: dict[str, Any], collector: Collector) -> None:
    bounds = [known[n] for n in ("max_tokens", "max_completion_tokens") if n in known]
    if bounds:
        fields["max_tokens"] = min(bounds)
    if known.get("n", 1) != 1:
        fields["n"] = known["n"]
    if known.get("logprobs"):
        fields["logprobs"] = True
        collector.needs.add("logprobs")
        if "top_logprobs" in known:
            fields["top_logprobs"] = known["top_logprobs"]
    modalities = known.get("modalities")
    if modalities is not None and modalities != ["text"]:
        collector.egress(("modalities",), "audio")
        fields["modalities"] = ["text", "audio"]


def _reasoning(known: Mapping[str, Any], fields: dict[str, Any]) -> None:
    effort = known.get("reasoning_effort")
    if effort is None and "reasoning" in known:
        effort = known["reasoning"].get("effort")
        if effort is not None and not BODY["reasoning_effort"].check(effort):
            expects = BODY["reasoning_effort"].expects
            raise RequestError(f"`reasoning.effort` must be {expects}", param="reasoning.effort")
    if effort is not None:
        fields["reasoning_effort"] = effort


def _capability_fields(
    known: Mapping[str, Any], fields: dict[str, Any], collector: Collector
) -> None:
    for name in _CAPABILITY_NAMES:
        if name not in known:
            continue
        fields[name] = known[name]
        if isinstance(known[name], dict):
            collector.schema((name,), known[name])
        collector.carried.append(((name,), name))

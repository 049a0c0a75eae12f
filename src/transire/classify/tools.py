"""The tools a request offers, and which of them the answer may or must call; rebuilt (I11)."""

from collections.abc import Mapping
from typing import Any, Final

from transire.classify.collector import Collector
from transire.classify.fields import TOOL
from transire.domain.request import Pointer, path_of
from transire.errors import RequestError, TooLargeError

__all__ = ["read_tools"]

_MAX_TOOLS: Final = 512
_TOOL_TYPES: Final = (
    ("description", str, "a string"),
    ("parameters", dict, "an object"),
    ("strict", bool, "true or false"),
    ("format", dict, "an object"),
)


def read_tools(known: Mapping[str, Any], fields: dict[str, Any], collector: Collector) -> None:
    """Write `tools` and `tool_choice` into the fields that are sent.

    Legacy `functions` and `function_call` are read as these.

    Raises:
        RequestError, TooLargeError: with what to change.
    """
    given = list(known.get("tools") or ())
    given += [{"type": "function", "function": f} for f in known.get("functions") or ()]
    if len(given) > _MAX_TOOLS:
        raise TooLargeError(f"`tools` may hold {_MAX_TOOLS} tools", param="tools")
    choice, given = _allowed(known.get("tool_choice", known.get("function_call")), given)
    tools = [_tool(tool, ("tools", i), collector) for i, tool in enumerate(given)]
    tools = [tool for tool in tools if tool is not None]
    if tools:
        fields["tools"] = tools
        collector.needs.add("tools")
    if choice is not None:
        fields["tool_choice"] = _choice(choice, fields.get("tools") or [])


def _tool(value: Any, at: Pointer, collector: Collector) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        raise RequestError(f"`{path_of(at)}` must be an object", param=path_of(at))
    kind = "function" if value.get("type") is None else value["type"]
    if not isinstance(kind, str):
        where = f"{path_of(at)}.type"
        raise RequestError(f"`{where}` must be a string", param=where)
    if kind not in ("function", "custom"):
        # A hosted tool runs at the provider: what it fetches or sends is beyond this router.
        collector.egress(at, "hosted_tools")
        collector.schema(at, value)
        return dict(value)
    fields = collector.known(value, TOOL, at)
    inner = fields.get(kind)
    where = f"{path_of(at)}.{kind}.name"
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str) or not inner["name"]:
        raise RequestError(f"`{where}` must be a non-empty string", param=where)
    names = (
        ("name", "description", "parameters", "strict")
        if kind == "function"
        else (
            "name",
            "description",
            "format",
        )
    )
    built = {}
    for name, item in inner.items():
        if name not in names:
            collector.unknown((*at, kind), name)
        elif item is not None:
            built[name] = item
    if kind == "custom":
        collector.needs.add("custom_tools")
    _check_tool(built, (*at, kind))
    collector.schema((*at, kind), built)
    return {"type": kind, kind: built}


def _check_tool(built: Mapping[str, Any], at: Pointer) -> None:
    for name, kind, expects in _TOOL_TYPES:
        if name in built and not isinstance(built[name], kind):
            where = path_of((*at, name))
            raise RequestError(f"`{where}` must be {expects}", param=where)


def _allowed(choice: Any, given: list[Any]) -> tuple[Any, list[Any]]:
    """`allowed_tools` in simpler words: no other tool is offered, and its mode is the choice.

    What is left out goes to no deployment, so it is not read either, and no answer may call it.
    """
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return choice, given
    inner = choice.get("allowed_tools", choice)
    listed = inner.get("tools") if isinstance(inner, dict) else None
    names = {_offered(tool) for tool in listed} if isinstance(listed, list) else {None}
    if None in names or not names <= {_offered(tool) for tool in given}:
        message = "`tool_choice.allowed_tools` must have `tools`, each naming an offered tool"
        raise RequestError(message, param="tool_choice.allowed_tools.tools")
    mode = inner.get("mode")
    if mode not in ("auto", "required"):
        message = "`tool_choice.allowed_tools.mode` must be auto or required"
        raise RequestError(message, param="tool_choice.allowed_tools.mode")
    return mode, [tool for tool in given if _offered(tool) in names]


def _offered(tool: Any) -> str | None:
    """The name of a tool that was not read yet; None where it has none."""
    if not isinstance(tool, dict):
        return None
    inner = tool.get("function") or tool.get("custom") or tool
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else None


def _choice(value: Any, tools: list[dict[str, Any]]) -> Any:
    if value == "required" and not tools:
        raise RequestError("`tool_choice: required` needs `tools`", param="tool_choice")
    if value in ("none", "auto", "required"):
        return value
    kinds = {inner["name"]: kind for kind, inner in map(_named, tools) if "name" in inner}
    name = None
    if isinstance(value, dict):
        inner = value.get("function") or value.get("custom") or value
        name = inner.get("name") if isinstance(inner, dict) else None
    if not isinstance(name, str) or name not in kinds:
        raise RequestError(
            "`tool_choice` must be none, auto, required or name an offered tool",
            param="tool_choice",
        )
    return {"type": kinds[name], kinds[name]: {"name": name}}


def _named(tool: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """A tool's kind and what stands under it; nothing for a hosted tool, which has no name."""
    inner = tool.get(tool["type"]) if tool["type"] in ("function", "custom") else None
    return tool["type"], inner if isinstance(inner, dict) else {}

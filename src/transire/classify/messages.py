"""Messages, content parts and tool calls, rebuilt from typed fields.

Legacy forms are mapped: role `function` to `tool`, `function_call` to `tool_calls`. What SDKs send
back on turn two (`reasoning_content` and its kin) is kept and marked `carried`: the forwarder
leaves it out, and names it, where a deployment does not list it.
"""

from collections.abc import Mapping
from typing import Any, Final

from transire.classify.collector import Collector
from transire.classify.fields import MESSAGE, PART, TOOL_CALL
from transire.classify.media import AUDIO_FORMATS, is_bare, is_base64, media_type
from transire.domain.request import PartKind, Pointer, path_of
from transire.errors import RequestError, TooLargeError

__all__ = ["MAX_MESSAGES", "read_messages"]

MAX_MESSAGES: Final = 4_096
_MAX_PARTS: Final = 1_024
_CARRIED: Final = ("refusal", "annotations", "reasoning_content", "reasoning", "reasoning_details")
_LEGACY_ID: Final = "call_legacy"


def read_messages(value: list[Any], collector: Collector) -> list[dict[str, Any]]:
    """Rebuild every message in order.

    Raises:
        RequestError, TooLargeError: with the path of what is wrong, never its value.
    """
    if not value:
        raise RequestError("`messages` must hold at least one message", param="messages")
    if len(value) > MAX_MESSAGES:
        raise TooLargeError(f"`messages` may hold {MAX_MESSAGES} messages", param="messages")
    return [_message(m, ("messages", i), collector) for i, m in enumerate(value)]


def _message(value: Any, at: Pointer, collector: Collector) -> dict[str, Any]:
    fields = collector.known(_object(value, at), MESSAGE, at)
    role = fields.get("role")
    if role is None:
        raise RequestError(f"`{path_of(at)}.role` is missing", param=f"{path_of(at)}.role")
    message: dict[str, Any] = {"role": "tool" if role == "function" else role}
    if "content" in fields:
        message["content"] = _content(fields["content"], (*at, "content"), role, collector)
    elif role != "assistant":
        raise RequestError(f"`{path_of(at)}.content` is missing", param=f"{path_of(at)}.content")
    if "name" in fields and role != "function":
        message["name"] = fields["name"]
        collector.text((*at, "name"), fields["name"], role, PartKind.NAME)
    _tool_fields(fields, message, at, role, collector)
    for name in _CARRIED:
        if name in fields:
            _carry(name, fields[name], message, (*at, name), role, collector)
    if "audio" in fields:
        spoken = _token(fields["audio"].get("id"), (*at, "audio", "id"))
        message["audio"] = {"id": spoken}
        collector.text((*at, "audio", "id"), spoken, role, PartKind.NAME)
    return message


def _tool_fields(
    fields: Mapping[str, Any],
    message: dict[str, Any],
    at: Pointer,
    role: str,
    collector: Collector,
) -> None:
    calls = [
        _tool_call(call, (*at, "tool_calls", i), role, collector)
        for i, call in enumerate(fields.get("tool_calls") or ())
    ]
    if legacy := fields.get("function_call"):
        function = _function_call(legacy, (*at, "tool_calls", len(calls)), role, collector)
        calls.append({"id": _LEGACY_ID, "type": "function", "function": function})
    if calls:
        message["tool_calls"] = calls
    if role == "function":
        message["tool_call_id"] = _LEGACY_ID
    elif "tool_call_id" in fields:
        message["tool_call_id"] = fields["tool_call_id"]
        collector.text((*at, "tool_call_id"), fields["tool_call_id"], role, PartKind.NAME)
    elif role == "tool":
        where = f"{path_of(at)}.tool_call_id"
        raise RequestError(f"`{where}` is missing", param=where)


def _carry(
    name: str,
    value: Any,
    message: dict[str, Any],
    at: Pointer,
    role: str,
    collector: Collector,
) -> None:
    if isinstance(value, str):
        collector.text(at, value, role)
    elif value:
        collector.schema(at, value, role)
    else:
        return
    message[name] = value
    collector.carried.append((at, name))


def _tool_call(value: Any, at: Pointer, role: str, collector: Collector) -> dict[str, Any]:
    fields = collector.known(_object(value, at), TOOL_CALL, at)
    kind = fields.get("type", "function")
    call: dict[str, Any] = {"id": _token(fields.get("id"), (*at, "id")), "type": kind}
    collector.text((*at, "id"), call["id"], role, PartKind.NAME)
    if kind == "function":
        call["function"] = _function_call(fields.get("function"), at, role, collector)
    else:
        custom = _object(fields.get("custom"), (*at, "custom"))
        _only(custom, ("name", "input"), (*at, "custom"), collector)
        call["custom"] = {
            "name": _token(custom.get("name"), (*at, "custom", "name")),
            "input": _string(custom.get("input"), (*at, "custom", "input")),
        }
        collector.needs.add("custom_tools")
        collector.text((*at, "custom", "name"), call["custom"]["name"], role, PartKind.NAME)
        collector.text((*at, "custom", "input"), call["custom"]["input"], role)
    if "extra_content" in fields:
        call["extra_content"] = fields["extra_content"]
        collector.schema((*at, "extra_content"), fields["extra_content"], role)
        collector.carried.append(((*at, "extra_content"), "extra_content"))
    return call


def _function_call(value: Any, at: Pointer, role: str, collector: Collector) -> dict[str, Any]:
    at = (*at, "function")
    fields = _object(value, at)
    _only(fields, ("name", "arguments"), at, collector)
    name = _token(fields.get("name"), (*at, "name"))
    arguments = _string(fields.get("arguments", ""), (*at, "arguments"))
    collector.text((*at, "name"), name, role, PartKind.NAME)
    collector.text((*at, "arguments"), arguments, role, PartKind.JSON)
    return {"name": name, "arguments": arguments}


def _content(value: Any, at: Pointer, role: str, collector: Collector) -> Any:
    if isinstance(value, str):
        collector.text(at, value, role)
        return value
    if len(value) > _MAX_PARTS:
        raise TooLargeError(f"`{path_of(at)}` may hold {_MAX_PARTS} parts", param=path_of(at))
    return [_part(part, (*at, i), role, collector) for i, part in enumerate(value)]


def _part(value: Any, at: Pointer, role: str, collector: Collector) -> dict[str, Any]:
    if isinstance(value, str):
        collector.text(at, value, role)
        return {"type": "text", "text": value}
    fields = collector.known(_object(value, at), PART, at)
    kind = fields.get("type", "text" if "text" in fields else "")
    if kind in ("text", "refusal"):
        text = _string(fields.get(kind), (*at, kind))
        collector.text((*at, kind), text, role)
        return {"type": kind, kind: text}
    if kind == "image_url":
        return {"type": kind, kind: _image(fields.get(kind), (*at, kind), role, collector)}
    if kind == "file":
        return {"type": kind, kind: _file(fields.get(kind), (*at, kind), role, collector)}
    if kind == "input_audio":
        return {"type": kind, kind: _audio(fields.get(kind), (*at, kind), role, collector)}
    where = f"{path_of(at)}.type"
    raise RequestError(
        f"`{where}` must be one of text, image_url, file, input_audio, refusal", param=where
    )


def _audio(value: Any, at: Pointer, role: str, collector: Collector) -> dict[str, Any]:
    fields = _object(value, at)
    _only(fields, ("data", "format"), at, collector)
    data = _string(fields.get("data"), (*at, "data"))
    if not is_base64(data):
        where = path_of((*at, "data"))
        raise RequestError(f"`{where}` must be base64", param=where)
    kind = fields.get("format")
    if kind not in AUDIO_FORMATS:
        where = path_of((*at, "format"))
        raise RequestError(f"`{where}` must be one of {', '.join(AUDIO_FORMATS)}", param=where)
    collector.opaque((*at, "data"), PartKind.AUDIO, "audio", role)
    return {"data": data, "format": kind}


def _image(value: Any, at: Pointer, role: str, collector: Collector) -> dict[str, Any]:
    fields = {"url": value} if isinstance(value, str) else _object(value, at)
    _only(fields, ("url", "detail"), at, collector)
    url = _string(fields.get("url"), (*at, "url"))
    collector.needs.add("vision")
    kind = media_type(url)
    if kind is None or not kind.startswith("image/"):
        # What stands at a remote address is read by the provider, from the provider's network.
        collector.egress(at, "remote_url")
    if not is_bare(url):
        collector.text((*at, "url"), url, role)
    collector.opaque((*at, "url"), PartKind.IMAGE, kind or "image/*", role)
    image: dict[str, Any] = {"url": url}
    if (detail := fields.get("detail")) is not None:
        if detail not in ("auto", "low", "high", "original"):
            where = f"{path_of(at)}.detail"
            raise RequestError(f"`{where}` must be one of auto, low, high, original", param=where)
        image["detail"] = detail
    return image


def _file(value: Any, at: Pointer, role: str, collector: Collector) -> dict[str, Any]:
    fields = _object(value, at)
    _only(fields, ("file_data", "file_id", "filename"), at, collector)
    collector.needs.add("files")
    file: dict[str, Any] = {}
    if (identifier := fields.get("file_id")) is not None:
        collector.egress((*at, "file_id"), "file_id")
        file["file_id"] = _token(identifier, (*at, "file_id"))
        collector.text((*at, "file_id"), file["file_id"], role, PartKind.NAME)
    if (name := fields.get("filename")) is not None:
        file["filename"] = _string(name, (*at, "filename"))
        collector.text((*at, "filename"), file["filename"], role, PartKind.NAME)
    if (data := fields.get("file_data")) is not None:
        file["file_data"] = _string(data, (*at, "file_data"))
        is_bytes = is_base64(data)
        if media_type(data) is None and not is_bytes:
            # Neither bytes nor a name for them: some upstreams fetch what looks like an address.
            collector.egress((*at, "file_data"), "remote_url")
        if not is_bytes and not is_bare(data):
            collector.text((*at, "file_data"), data, role)
        collector.opaque((*at, "file_data"), PartKind.FILE, "file", role)
    return file


def _only(
    fields: Mapping[str, Any], names: tuple[str, ...], at: Pointer, collector: Collector
) -> None:
    for name in fields:
        if name not in names:
            collector.unknown(at, name)


def _object(value: Any, at: Pointer) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RequestError(f"`{path_of(at)}` must be an object", param=path_of(at))
    return value


def _string(value: Any, at: Pointer) -> str:
    if not isinstance(value, str):
        raise RequestError(f"`{path_of(at)}` must be a string", param=path_of(at))
    return value


def _token(value: Any, at: Pointer) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 256 or not value.isprintable():
        raise RequestError(f"`{path_of(at)}` must be an identifier", param=path_of(at))
    return value

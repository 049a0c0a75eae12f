"""What a caller may assert: the `transire` object and `x-transire-*` headers, its members' twins.

Both narrow; where both speak of one thing, the stricter value counts, and where neither is
stricter (two purposes) the request is refused, because a router must not choose between claims.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from transire.domain.ids import DataClass, Jurisdiction, Purpose, Stakes
from transire.domain.request import Assertions
from transire.errors import RequestError

__all__ = ["read_extension"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_SESSION: Final = re.compile(r"[A-Za-z0-9._:/=+-]{1,128}")

_NOTHING: Final = Assertions()


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("a name")
    return value


def _names(value: Any) -> frozenset[str]:
    items = [v.strip() for v in value.split(",")] if isinstance(value, str) else value
    if not isinstance(items, list) or len(items) > 64:
        raise ValueError("up to 64 names")
    return frozenset(_name(item) for item in items)


def _session(value: Any) -> str:
    if not isinstance(value, str) or not _SESSION.fullmatch(value):
        raise ValueError("up to 128 characters of A-Z a-z 0-9 . _ : / = + -")
    return value


def _amount(scale: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = float(value) if isinstance(value, str) else value
        if type(number) not in (int, float) or not 0 <= number * scale <= high:
            raise ValueError(f"a number from 0 to {high // scale}")
        return int(number * scale)

    return read


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = int(value) if isinstance(value, str) else value
        if type(number) is not int or not low <= number <= high:
            raise ValueError(f"an integer from {low} to {high}")
        return number

    return read


def _redaction(value: Any) -> str:
    if value not in ("require", "forbid", "allow"):
        raise ValueError("one of allow, require, forbid")
    return str(value)


def _off(value: Any) -> str:
    if value not in ("off", "allow"):
        raise ValueError("one of allow, off")
    return str(value)


_READERS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "purpose": ("purpose", _name),
    "task": ("task", _name),
    "domain": ("domain", _name),
    "stakes": ("stakes", _name),
    "data_classes": ("data_classes", _names),
    "jurisdictions": ("jurisdictions", _names),
    "max_cost_usd": ("max_cost_micro_usd", _amount(1_000_000, 1_000_000_000)),
    "max_latency_ms": ("max_latency_ms", _integer(1, 3_600_000)),
    "min_quality": ("min_quality_permille", _amount(1_000, 1_000)),
    "priority": ("priority", _integer(0, 9)),
    "session_id": ("session_id", _session),
    "redaction": ("redaction", _redaction),
    "required_tools": ("required_tools", _names),
    "allowed_tools": ("allowed_tools", _names),
    "cache": ("cache", _off),
    "shadow": ("shadow", _off),
}


def read_extension(extension: Mapping[str, Any], headers: Mapping[str, str]) -> Assertions:
    """Join the two places a caller can assert in.

    Args:
        extension: The body's `transire` object.
        headers: All headers, lower-cased.

    Raises:
        RequestError: an unknown member or header, a wrong value, or two claims that contradict.
    """
    if not extension and not any(name.startswith("x-transire-") for name in headers):
        return _NOTHING
    body = _read(extension, "transire.", lambda name: name)
    spoken = {k: v for k, v in headers.items() if k.startswith("x-transire-")}
    spoken.pop("x-transire-review-id", None)
    head = _read(spoken, "", lambda name: name.removeprefix("x-transire-").replace("-", "_"))
    merged = dict(body)
    for name, value in head.items():
        merged[name] = _stricter(name, merged[name], value) if name in merged else value
    for name in ("redaction", "cache", "shadow"):
        if merged.get(name) == "allow":
            del merged[name]
    typed: dict[str, Any] = {**merged}
    for name, kind in (("purpose", Purpose), ("stakes", Stakes)):
        if name in typed:
            typed[name] = kind(typed[name])
    for name, member in (("data_classes", DataClass), ("jurisdictions", Jurisdiction)):
        if name in typed:
            typed[name] = frozenset(map(member, typed[name]))
    return replace(_NOTHING, **typed)


def _read(fields: Mapping[str, Any], prefix: str, spelled: Callable[[str], str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for given, value in fields.items():
        if value is None:
            continue
        name = spelled(given)
        where = f"{prefix}{given}" if _NAME.fullmatch(given) else f"{prefix}…"
        if name not in _READERS:
            known = ", ".join(sorted(_READERS))
            raise RequestError(f"`{where}` is not known; known are {known}", param=where)
        field, reader = _READERS[name]
        try:
            found[field] = reader(value)
        except (ValueError, OverflowError) as error:
            text = str(error) if str(error).startswith(("a", "one", "up")) else "a number"
            raise RequestError(f"`{where}` must be {text}", param=where) from None
    return found


def _stricter(name: str, body: Any, head: Any) -> Any:
    if name in ("max_cost_micro_usd", "max_latency_ms", "priority"):
        return min(body, head)
    if name == "min_quality_permille":
        return max(body, head)
    if name in ("data_classes", "required_tools"):
        return body | head
    if name in ("jurisdictions", "allowed_tools"):
        if not body & head:
            raise RequestError(f"header and body name {name} that exclude one another")
        return body & head
    if name in ("cache", "shadow"):
        return "off" if "off" in (body, head) else body
    if body != head:
        raise RequestError(f"header and body assert different values for `{name}`")
    return body

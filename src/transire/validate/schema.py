"""Read a caller's JSON Schema before anything compiles it: refuse it, or say what it can cost.

A schema is a program that a caller sends. Refused: more than 64 kB, more than 32
levels, a `$ref` that is not a JSON pointer to a schema inside itself, dynamic references, nested
`$id`, unknown drafts, very many or very long patterns. What is left gets a `Plan`:

- `steps` bounds the work at one place of an answer, by expanding references. Sixty lines of `allOf`
  with two `$ref` each expand to 2⁶⁰, so an expansion above `MAX_STEPS` is refused.
- `is_isolated` says that the cost is not bounded by `steps` × size of the answer: recursion (a
  recursive `anyOf` is exponential in the answer's depth), patterns, formats, uniqueness and
  unevaluated keywords. These run only where they can be killed (`isolation`).

Keywords: JSON Schema 2020-12 core §8, §10, §11 and its predecessors back to draft 6.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import orjson

from transire.errors import RequestError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_STEPS", "MAX_UNEVALUATED_STEPS", "Plan", "locate", "plan"]

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 32
MAX_STEPS: Final = 1_000_000
"""Subschemas after expanding references: 16 bytes of schema each, at the size limit, is 4,000."""

MAX_UNEVALUATED_STEPS: Final = 20_000
"""The same where an `unevaluated…` keyword stands anywhere: the library collects what references
evaluate once for each way to them, and takes 30 ms for so many, 0.5 s for four times as many."""

MAX_PATTERNS: Final = 64
MAX_PATTERN_CHARS: Final = 512
"""Compiling takes at most 0.2 ms for each at the size limit of `judge` (measured)."""

_DRAFTS: Final = frozenset(
    {
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-06/schema",
    }
)
_DYNAMIC: Final = ("$dynamicRef", "$recursiveRef")
_ONE: Final = (
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_LIST: Final = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_MAP: Final = ("properties", "patternProperties", "dependentSchemas", "dependencies")
_DEFINITIONS: Final = ("$defs", "definitions")
_UNBOUNDED: Final = frozenset(
    {
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
        "format",
        "pattern",
        "patternProperties",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
    }
)
_UNEVALUATED: Final = frozenset({"unevaluatedItems", "unevaluatedProperties"})
_WORDS: Final = frozenset(
    {*_ONE, *_LIST, *_UNBOUNDED, "$ref", "const", "dependentRequired", "enum", "exclusiveMaximum"}
    | {"exclusiveMinimum", "maxContains", "maxItems", "maxLength", "maxProperties", "maximum"}
    | {"minContains", "minItems", "minLength", "minProperties", "minimum", "multipleOf"}
    | {"required", "type"}
)
_Pointer: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A schema that may be compiled.

    Attributes:
        source: Its bytes, as the worker receives it and as it is cached by.
        steps: Subschemas one place of an answer may meet, references expanded.
        is_isolated: Its cost is not bounded by `steps`: run it where it can be killed.
    """

    source: bytes
    steps: int
    is_isolated: bool


@dataclass(slots=True)
class _Node:
    weight: int
    targets: list[_Pointer]
    is_unbounded: bool
    is_unevaluated: bool = False


def plan(schema: Any, where: str) -> Plan:
    """Examine a schema; `where` is its path in the request, for errors.

    Raises:
        RequestError: with `param` and what to change; never with the schema's own words.
    """
    try:
        source = orjson.dumps(schema)
    except (TypeError, ValueError):
        raise _refused(where, "must be plain JSON with integers below 2**63") from None
    if len(source) > MAX_BYTES:
        raise _refused(where, f"is {len(source)} bytes long; the limit is {MAX_BYTES}")
    _check_depth(schema, where)
    nodes: dict[_Pointer, _Node] = {}
    patterns: list[str] = []
    _visit(schema, (), nodes, patterns, where)
    _check_patterns(patterns, where)
    for node in nodes.values():
        if any(target not in nodes for target in node.targets):
            raise _refused(where, "holds a `$ref` that names no schema inside it")
    steps, is_recursive = _expand(nodes)
    if steps > MAX_STEPS:
        raise _refused(where, f"expands to more than {MAX_STEPS} subschemas through its `$ref`s")
    if steps > MAX_UNEVALUATED_STEPS and any(node.is_unevaluated for node in nodes.values()):
        raise _refused(
            where,
            f"expands to more than {MAX_UNEVALUATED_STEPS} subschemas through its `$ref`s, too "
            "many beside `unevaluatedProperties` or `unevaluatedItems`",
        )
    return Plan(source, steps, is_recursive or any(n.is_unbounded for n in nodes.values()))


def locate(schema: Any, path: list[str | int]) -> str:
    """A path into a schema with every name of the caller's own replaced by its position.

    `["properties", "iban", "type"]` becomes `/properties/0/type` where `iban` is the first
    property: enough for the caller, who has the schema, and nothing for a log (I6).
    """
    text, node, is_name = "", schema, False
    for step in path:
        shown: str | int = "*"
        if isinstance(step, int):
            shown = step
        elif is_name and isinstance(node, Mapping) and step in node:
            shown = list(node).index(step)
        elif not is_name and (step in _WORDS or step in _MAP or step in _DEFINITIONS):
            shown = step
        text += f"/{shown}"
        is_name = not is_name and (step in _MAP or step in _DEFINITIONS)
        node = _step(schema, node, step)
    return text


def _step(schema: Any, node: Any, step: str | int) -> Any:
    if isinstance(node, Mapping) and step == "$ref" and isinstance(node.get("$ref"), str):
        target: Any = schema
        for name in _pointer(node["$ref"]) or ():
            is_index = isinstance(target, list) and name.isdigit()
            target = _step(schema, target, int(name) if is_index else name)
        return target
    if isinstance(node, Mapping):
        return node.get(step)
    if isinstance(node, list) and isinstance(step, int) and step < len(node):
        return node[step]
    return None


def _visit(
    schema: Any, at: _Pointer, nodes: dict[_Pointer, _Node], patterns: list[str], where: str
) -> None:
    if isinstance(schema, bool):
        nodes[at] = _Node(1, [], is_unbounded=False)
        return
    if not isinstance(schema, dict):
        raise _refused(where, "is not a JSON Schema")
    _check_identity(schema, at, where)
    node = nodes[at] = _Node(
        1 + _size(schema),
        [],
        is_unbounded=not _UNBOUNDED.isdisjoint(schema),
        is_unevaluated=not _UNEVALUATED.isdisjoint(schema),
    )
    if isinstance(schema.get("pattern"), str):
        patterns.append(schema["pattern"])
    by_pattern = schema.get("patternProperties")
    if isinstance(by_pattern, dict):  # anything else the compiler refuses by name
        patterns += by_pattern
    for relative, child, is_applied in _children(schema):
        if is_applied:
            node.targets.append(at + relative)
        _visit(child, at + relative, nodes, patterns, where)
    if "$ref" in schema:
        pointer = _pointer(schema["$ref"])
        if pointer is None:
            raise _refused(where, "may hold only a `$ref` that is a JSON pointer inside it (`#/…`)")
        node.targets.append(pointer)


def _children(schema: Mapping[str, Any]) -> Iterator[tuple[_Pointer, Any, bool]]:
    """(relative pointer, subschema, whether it is applied and not only defined)."""
    for name in _ONE:
        if name in schema and not isinstance(schema[name], list):
            yield (name,), schema[name], True
    for name in _LIST:
        inner = schema.get(name)
        if isinstance(inner, list):
            for index, child in enumerate(inner):
                yield (name, str(index)), child, True
    for name in (*_MAP, *_DEFINITIONS):
        inner = schema.get(name)
        if isinstance(inner, dict):
            for key, child in inner.items():
                if not (name == "dependencies" and isinstance(child, list)):
                    yield (name, key), child, name in _MAP


def _check_identity(schema: Mapping[str, Any], at: _Pointer, where: str) -> None:
    if at and "$id" in schema:
        raise _refused(where, "may have an `$id` at its root alone")
    if any(name in schema for name in _DYNAMIC):
        raise _refused(where, "may not use dynamic references")
    draft = schema.get("$schema")
    if draft is not None and (not isinstance(draft, str) or draft.rstrip("#") not in _DRAFTS):
        raise _refused(where, "names an unknown `$schema`; use draft 2020-12, 2019-09, 7 or 6")


def _check_patterns(patterns: list[str], where: str) -> None:
    if len(patterns) > MAX_PATTERNS:
        raise _refused(where, f"holds {len(patterns)} patterns; the limit is {MAX_PATTERNS}")
    if any(len(pattern) > MAX_PATTERN_CHARS for pattern in patterns):
        raise _refused(where, f"holds a pattern of more than {MAX_PATTERN_CHARS} characters")


def _check_depth(value: Any, where: str) -> None:
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise _refused(where, f"is nested deeper than {MAX_DEPTH} levels")
        level = [
            child
            for outer in level
            for child in (outer.values() if isinstance(outer, dict) else outer)
        ]


def _size(schema: Mapping[str, Any]) -> int:
    """Weight of one schema object itself: its keywords and the members of its lists."""
    return sum(len(v) if isinstance(v, list) else 1 for v in schema.values())


def _pointer(reference: Any) -> _Pointer | None:
    """RFC 6901 §6: a URI fragment; None for anything that is not one."""
    if reference == "#":
        return ()
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    steps = unquote(reference[2:]).split("/")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)


def _expand(nodes: Mapping[_Pointer, _Node]) -> tuple[int, bool]:
    """(steps from the root with references expanded, whether it can reach itself)."""
    steps: dict[_Pointer, int] = {}
    open_now: set[_Pointer] = set()
    is_recursive = False
    stack: list[tuple[_Pointer, bool]] = [((), False)]
    while stack:
        at, is_done = stack.pop()
        if is_done:
            total = nodes[at].weight + sum(steps.get(t, 0) for t in nodes[at].targets)
            # Capped, so that 2⁶⁰ does not become a long integer on the way.
            steps[at] = min(total, MAX_STEPS + 1)
            open_now.discard(at)
        elif at in open_now:
            is_recursive = True
        elif at not in steps:
            open_now.add(at)
            stack.append((at, True))
            stack.extend((target, False) for target in nodes[at].targets)
    return steps[()], is_recursive


def _refused(where: str, why: str) -> RequestError:
    return RequestError(f"the schema at `{where}` {why}", param=where)

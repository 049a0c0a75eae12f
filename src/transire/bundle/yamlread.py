"""YAML with line numbers, one meaning per spelling, and no surprises.

Only `true` and `false` are booleans (a country is `NO`), dates stay text, duplicate keys are
errors. Aliases are refused: a bundle has no use for them, and they can explode.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from transire.errors import BundleError

__all__ = ["Document", "parse_model", "read_yaml"]

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file and where each value stands: path of keys and indexes → line."""

    name: str
    value: Any
    lines: dict[tuple[str | int, ...], int] = field(repr=False)

    def where(self, path: tuple[str | int, ...]) -> str:
        """`file:line` of the value at `path`, or of its nearest known parent."""
        while path not in self.lines and path:
            path = path[:-1]
        return f"{self.name}:{self.lines.get(path, 1)}"


_BOOL: Final = "tag:yaml.org,2002:bool"
_INT: Final = "tag:yaml.org,2002:int"
_FLOAT: Final = "tag:yaml.org,2002:float"
_REPLACED: Final = (_BOOL, _INT, _FLOAT, "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge")


class _Loader(yaml.SafeLoader):
    """A safe loader with JSON's scalars alone: no octal `010`, no sexagesimal `1:30`."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver(_INT, re.compile(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789"))
_Loader.add_implicit_resolver(
    _FLOAT, re.compile(r"^-?(?:0|[1-9][0-9]*)\.[0-9]+$"), list("-0123456789")
)


def read_yaml(name: str, data: bytes) -> Document:
    """Parse one file.

    Raises:
        BundleError: not YAML, a duplicate key, an alias, or a top level that is no mapping.
    """
    try:
        loader = _Loader(data.decode())
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except UnicodeDecodeError:
        raise BundleError([f"{name}:1: the file is not UTF-8"]) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BundleError([f"{name}:{line}: {error.problem or 'not YAML'}"]) from None
    except (yaml.YAMLError, RecursionError):
        raise BundleError([f"{name}:1: not YAML, or nested too deeply"]) from None
    if node is None:
        return Document(name, {}, {})
    lines: dict[tuple[str | int, ...], int] = {}
    value = _build(name, node, (), lines, set())
    if not isinstance(value, dict):
        raise BundleError([f"{name}:1: the top level must be a mapping"])
    return Document(name, value, lines)


def _build(
    name: str,
    node: yaml.Node,
    path: tuple[str | int, ...],
    lines: dict[tuple[str | int, ...], int],
    seen: set[int],
) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if id(node) in seen:
        raise BundleError([f"{name}:{line}: aliases are not allowed"])
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise BundleError([f"{name}:{key_line}: a key must be a plain word"])
            key = str(key_node.value)
            if key in built:
                raise BundleError([f"{name}:{key_line}: `{key}` stands twice"])
            lines[(*path, key)] = key_line
            built[key] = _build(name, value_node, (*path, key), lines, seen)
        return built
    if isinstance(node, yaml.SequenceNode):
        return [_build(name, item, (*path, i), lines, seen) for i, item in enumerate(node.value)]
    return _scalar(name, node, line)


def _scalar(name: str, node: yaml.Node, line: int) -> Any:
    constructor = _Loader("")
    try:
        return constructor.construct_object(node)
    except (yaml.YAMLError, ValueError):
        raise BundleError([f"{name}:{line}: this value cannot be read"]) from None
    finally:
        constructor.dispose()


def parse_model(model: type[M], document: Document, problems: list[str]) -> M | None:
    """The file as a typed value, or None with every located reason added to `problems`."""
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            path = tuple(step for step in item["loc"] if step != "[key]")
            spelled = ".".join(str(step) for step in path)
            problems.append(f"{document.where(path)}: `{spelled}`: {item['msg'].lower()}")
        return None

"""What is refused of a caller's schema, and what the rest may cost."""

from typing import Any

import pytest

from transire.errors import RequestError
from transire.validate.judge import LOCAL_CHARS, is_local
from transire.validate.schema import MAX_BYTES, MAX_DEPTH, MAX_UNEVALUATED_STEPS, locate, plan


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(levels - 1):
        schema = {"not": schema}
    return schema


def doubling(levels: int) -> dict[str, Any]:
    definitions: dict[str, Any] = {
        f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}, {"$ref": f"#/$defs/a{i + 1}"}]}
        for i in range(levels)
    }
    definitions[f"a{levels}"] = {"type": "integer"}
    return {"$defs": definitions, "$ref": "#/$defs/a0"}


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"description": "x" * MAX_BYTES}, "bytes long"),
        (nested(MAX_DEPTH + 1), "deeper than 32"),
        ({"default": [[[]] * 3] * 3, "not": nested(MAX_DEPTH)}, "deeper than 32"),
        (doubling(60), "expands to more than"),
        ({"$ref": "http://example.org/x"}, "JSON pointer inside"),
        ({"$ref": "other.json#/a"}, "JSON pointer inside"),
        ({"$ref": "#anchor"}, "JSON pointer inside"),
        ({"$ref": 3}, "JSON pointer inside"),
        ({"$ref": "#/$defs/none"}, "names no schema"),
        ({"x": {"type": "null"}, "$ref": "#/x"}, "names no schema"),
        ({"$dynamicRef": "#a"}, "dynamic"),
        ({"$recursiveRef": "#"}, "dynamic"),
        ({"properties": {"a": {"$id": "http://example.org/a"}}}, "root alone"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "unknown `\\$schema`"),
        ({"$schema": 7}, "unknown `\\$schema`"),
        ({"properties": {"a": 3}}, "not a JSON Schema"),
        ([], "not a JSON Schema"),
        ("string", "not a JSON Schema"),
        ({"allOf": [{"pattern": "a"}] * 65}, "65 patterns"),
        ({"patternProperties": {"a" * 513: True}}, "513|512 characters"),
        ({"maximum": 2**70}, "plain JSON"),
    ],
)
def test_refused_schema_says_why(schema: Any, word: str) -> None:
    with pytest.raises(RequestError, match=word) as caught:
        plan(schema, "here")

    assert caught.value.param == "here"


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        nested(MAX_DEPTH),
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"},
        {"$id": "https://example.org/root", "$defs": {"a": {}}, "$ref": "#/$defs/a"},
        {"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}},
        {"definitions": {"a/b~c": {}}, "$ref": "#/definitions/a~1b~0c"},
        {"dependencies": {"a": ["b"], "c": {"type": "object"}}},
        {"enum": [{"$ref": "http://example.org/only-data"}]},
    ],
)
def test_ordinary_schema_is_accepted(schema: Any) -> None:
    assert plan(schema, "here").steps >= 1


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"$ref": "#"}}},
        {"$defs": {"t": {"items": {"$ref": "#/$defs/t"}}}, "$ref": "#/$defs/t"},
        {"$ref": "#"},
        {"pattern": "^a$"},
        {"properties": {"at": {"format": "date-time"}}},
        {"items": {"uniqueItems": True}},
        {"unevaluatedProperties": False},
    ],
)
def test_schema_without_bounded_cost_is_isolated(schema: Any) -> None:
    assert plan(schema, "here").is_isolated
    assert not is_local(plan(schema, "here"), "{}")


def test_expansion_counts_each_use_of_a_definition() -> None:
    assert plan(doubling(10), "here").steps > 2**10
    assert not plan(doubling(10), "here").is_isolated


def test_unused_definition_costs_nothing() -> None:
    bare = plan({"type": "object"}, "here").steps

    assert plan({"type": "object", "$defs": doubling(15)["$defs"]}, "here").steps == bare + 1


def test_small_answer_to_a_small_schema_is_judged_on_the_spot() -> None:
    small = plan({"properties": {"a": {"type": "integer"}}}, "here")

    assert is_local(small, '{"a": 1}')
    assert not is_local(small, " " * (LOCAL_CHARS + 1))
    assert not is_local(small, "[" + "1," * 30_000 + "1]" + "," * 60_000)


def test_place_in_a_schema_is_told_without_the_callers_names() -> None:
    schema = {
        "$defs": {"secret": {"properties": {"x": {}, "hidden": {"enum": [1]}}}},
        "properties": {"first": {}, "type": {"$ref": "#/$defs/secret"}},
    }

    shown = locate(
        schema,
        ["properties", "type", "$ref", "properties", "hidden", "enum"],
    )

    assert shown == "/properties/1/$ref/properties/1/enum"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (["x-mine"], "/*"),
        (["properties", "absent"], "/properties/*"),
        (["allOf", 3, "type"], "/allOf/3/type"),
    ],
)
def test_unknown_step_of_a_place_is_masked(path: list[str | int], expected: str) -> None:
    assert locate({"properties": {}}, path) == expected


@pytest.mark.parametrize("word", ["unevaluatedProperties", "unevaluatedItems"])
def test_few_ways_are_taken_beside_unevaluated_keywords_and_more_elsewhere(word: str) -> None:
    assert plan(doubling(14), "x").steps > MAX_UNEVALUATED_STEPS
    assert plan({**doubling(10), word: False}, "x").is_isolated
    with pytest.raises(RequestError, match=word):
        plan({**doubling(14), word: False}, "x")

"""What holds of schemas and answers of any shape."""

import io
import json
from typing import Any

import jsonschema_rs
import orjson
from hypothesis import given
from hypothesis import strategies as st

from transire.errors import RequestError
from transire.validate.compiled import SchemaError, compile_schema
from transire.validate.schema import MAX_BYTES, MAX_STEPS, locate, plan
from transire.validate.strict_json import NOT_JSON, read
from transire.validate.worker import HEADER, ONLY_COMPILE, SIZE, serve

KEYWORDS = [
    "type",
    "properties",
    "items",
    "allOf",
    "anyOf",
    "$ref",
    "$defs",
    "required",
    "enum",
    "not",
    "pattern",
    "patternProperties",
    "$id",
    "$schema",
    "minimum",
    "additionalProperties",
    "zebra",
]
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.sampled_from(["object", "string", "integer", "#", "#/$defs/zebra", "http://x", "a+"])
    | st.text(max_size=5)
)
junk = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYWORDS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=25,
)
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(junk)
def test_any_schema_is_planned_within_bounds_or_refused_by_name(schema: Any) -> None:
    planned, param = None, "here"
    try:
        planned = plan(schema, "here")
    except RequestError as error:
        param = error.param or ""

    assert param == "here"
    if planned is not None:
        assert len(planned.source) <= MAX_BYTES
        assert 1 <= planned.steps <= MAX_STEPS


@given(junk, documents)
def test_planned_schema_compiles_and_judges_without_a_foreign_exception(
    schema: Any, document: Any
) -> None:
    try:
        planned = plan(schema, "here")
        compiled = compile_schema(planned.source)
    except (RequestError, SchemaError):
        return

    assert compiled.is_valid(document) in (True, False)


@given(
    junk, st.lists(st.sampled_from(KEYWORDS) | st.integers(0, 5) | st.just("secret"), max_size=8)
)
def test_place_never_spells_a_name_that_is_not_a_keyword(
    schema: Any, path: list[str | int]
) -> None:
    shown = locate(schema, path)

    assert "secret" not in shown
    assert "zebra" not in shown
    assert shown.count("/") == len(path)


@given(documents)
def test_one_document_reads_back_as_itself(document: Any) -> None:
    assert read(json.dumps(document)) == document


@given(st.text(max_size=40))
def test_what_reads_is_what_the_standard_reader_reads(text: str) -> None:
    value = read(text)

    if value is not NOT_JSON:
        assert value == json.loads(text)


@given(st.dictionaries(st.text(max_size=3), st.integers(), min_size=1, max_size=3), st.integers())
def test_repeated_key_is_never_one_document(fields: dict[str, int], second: int) -> None:
    key = json.dumps(next(iter(fields)))
    text = json.dumps(fields)[:-1] + f", {key}: {second}}}"

    assert read(text) is NOT_JSON


@given(
    st.lists(st.tuples(junk, st.none() | st.text(max_size=20)), max_size=5), st.binary(max_size=7)
)
def test_worker_answers_every_whole_frame_and_leaves_at_a_torn_one(
    jobs: list[tuple[Any, str | None]], torn: bytes
) -> None:
    frames = b""
    for schema, text in jobs:
        source = orjson.dumps(schema)
        data = b"" if text is None else text.encode("utf-8", "surrogatepass")
        size = ONLY_COMPILE if text is None else len(data)
        frames += HEADER.pack(len(source), size) + source + data
    sink = io.BytesIO()

    serve(io.BytesIO(frames + torn), sink)

    sink.seek(0)
    states = []
    while header := sink.read(SIZE.size):
        states.append(orjson.loads(sink.read(SIZE.unpack(header)[0]))["state"])
    assert len(states) == len(jobs)
    assert set(states) <= {"valid", "invalid", "not_json", "bad_schema"}


@given(
    st.fixed_dictionaries({}, optional={"a": st.integers() | st.text(max_size=3), "b": st.none()})
)
def test_local_and_library_verdicts_agree(document: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["b"]}

    compiled = compile_schema(plan(schema, "here").source)

    expected = jsonschema_rs.Draft202012Validator(schema).is_valid(document)
    assert compiled.is_valid(document) is expected

"""RFC 8785: the reference suite through rfc8785, and our profile equal to it."""

import json
from pathlib import Path

import orjson
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from transire.record.entry import decode_entry, encode_entry

_keys = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
_text = st.text(st.characters(codec="utf-8"), max_size=30)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)
entries = st.dictionaries(_keys, _values, max_size=8)


def test_the_reference_suite_holds_for_the_library_we_compare_with(vectors: Path) -> None:
    inputs = sorted((vectors / "jcs").rglob("input/*.json"))
    assert len(inputs) >= 5
    for file in inputs:
        expected = (file.parent.parent / "output" / file.name).read_bytes()
        assert expected.rstrip(b"\n") == rfc8785.dumps(json.loads(file.read_text())), file.name


@given(entries)
def test_an_entry_has_the_bytes_that_rfc_8785_gives(fields: dict[str, object]) -> None:
    encoded = encode_entry(fields)  # type: ignore[arg-type]

    assert rfc8785.dumps(fields) == encoded  # type: ignore[arg-type]
    assert decode_entry(encoded) == orjson.loads(encoded)

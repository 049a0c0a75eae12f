"""Committed state by the first word of its keys."""

from hypothesis import given
from hypothesis import strategies as st

from transire.record.mirror import Mirror

_KEYS = st.sampled_from(["a", "a/", "a/b", "a/bc", "ab/c", "b/a", "b/a/c"])


@given(
    st.dictionaries(_KEYS, st.text(max_size=2)), st.lists(st.tuples(_KEYS, st.none() | st.text()))
)
def test_it_answers_as_one_dictionary_would(
    values: dict[str, str], changes: list[tuple[str, str | None]]
) -> None:
    mirror, plain = Mirror(values), dict(values)
    for key, value in changes:
        mirror.put(key, value)
        if value is None:
            plain.pop(key, None)
        else:
            plain[key] = value

    for prefix in ("a/", "a/b", "b/", "c/"):
        assert mirror.scan(prefix) == sorted(i for i in plain.items() if i[0].startswith(prefix))
    assert {key: mirror.get(key) for key in plain} == plain
    assert mirror.get("nothing") is None

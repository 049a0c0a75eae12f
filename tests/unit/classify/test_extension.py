"""What a caller keeps back, in the body, in a header, or in both."""

import pytest

from transire.classify.extension import read_extension
from transire.errors import RequestError


@pytest.mark.parametrize("name", ["cache", "shadow"])
@pytest.mark.parametrize(
    ("body", "header", "read"),
    [
        ("off", None, "off"),
        (None, "off", "off"),
        ("allow", "off", "off"),
        ("off", "allow", "off"),
        ("allow", None, None),
        (None, "allow", None),
    ],
)
def test_whoever_says_off_is_heard(
    name: str, body: str | None, header: str | None, read: str | None
) -> None:
    headers = {} if header is None else {f"x-transire-{name}": header}

    asserted = read_extension({} if body is None else {name: body}, headers)

    assert getattr(asserted, name) == read


@pytest.mark.parametrize("name", ["cache", "shadow"])
@pytest.mark.parametrize("value", ["on", "", True, 1, ["off"]])
def test_any_other_word_is_refused(name: str, value: object) -> None:
    with pytest.raises(RequestError, match="one of allow, off"):
        read_extension({name: value}, {})

"""A short digest stands for exactly one bundle, or for none."""

import pytest

from transire.bundle.shortdigest import resolve
from transire.errors import ConflictError, RequestError

A = "0123456789abcdef" * 4
B = "0123456789abcdee" + A[16:]
C = "f" * 64


@pytest.mark.parametrize("text", [A, A[:63], A[:16], C[:8]])
def test_the_first_eight_digits_or_more_of_one_digest_name_it(text: str) -> None:
    assert resolve(text, [A, B, C]) == (C if text.startswith("f") else A)


def test_digits_that_begin_none_name_none() -> None:
    assert resolve("eeeeeeee", [A, B, C]) is None
    assert resolve(A[:8], []) is None


@pytest.mark.parametrize("text", [A[:8], A[:15]])
def test_digits_that_begin_several_are_refused_and_name_them(text: str) -> None:
    with pytest.raises(ConflictError, match=f"{B}, {A}"):
        resolve(text, [A, B, C])


@pytest.mark.parametrize("text", ["", "f" * 7, "f" * 65, "FFFFFFFF", "nonsense", " " * 8, "%" * 8])
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="first 8 or more"):
        resolve(text, [A, B, C])

"""The closed list of check digits that a pattern may ask for. Pure; letters and digits count."""

from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["VALIDATORS"]

_D: Final = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
"""Multiplication in the dihedral group D5, row by column (Verhoeff 1969)."""
_P: Final = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)
"""Verhoeff's permutation by position from the right, modulo 8."""
_LONGEST: Final = 64
"""Characters; no check digit is defined for longer numbers, and none is computed."""


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    doubled = [2 * int(d) for d in digits[-2::-2]]
    return (sum(int(d) for d in digits[::-2]) + sum(n - 9 * (n > 9) for n in doubled)) % 10 == 0


def _iban(number: str) -> bool:
    """ISO 13616: letters are 10 to 35, the first four go last, and the rest modulo 97 is 1."""
    if not 15 <= len(number) <= 34 or not (number[:2].isalpha() and number[2:4].isdigit()):
        return False
    return int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97 == 1


def _mod11(number: str) -> bool:
    """Weights 1, 2, 3 … from the right, the last place may be X for ten (ISBN-10, UK NHS)."""
    values = [10 if c == "X" else int(c) for c in reversed(number)]
    return sum(weight * value for weight, value in enumerate(values, 1)) % 11 == 0


def _verhoeff(digits: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(_D[check][int(_P[place % 8][int(digit)])])
    return check == 0


def _cleaned(check: Callable[[str], bool], *, letters: str) -> Callable[[str], bool]:
    """Separators are taken out; any other sign, or too long a number, proves nothing."""

    def judge(text: str) -> bool:
        number = "".join(c for c in text.upper() if c not in " \t-./")
        if not 2 <= len(number) <= _LONGEST or not number.isascii():
            return False
        places = number[:-1] if letters == "X" else number
        is_plain = number.isalnum() if letters == "all" else places.isdigit()
        is_ended = letters != "X" or number[-1].isdigit() or number[-1] == "X"
        return is_plain and is_ended and check(number)

    return judge


VALIDATORS: Final[Mapping[str, Callable[[str], bool]]] = {
    "luhn": _cleaned(_luhn, letters=""),
    "iban": _cleaned(_iban, letters="all"),
    "mod11": _cleaned(_mod11, letters="X"),
    "verhoeff": _cleaned(_verhoeff, letters=""),
}
"""Name → whether a matched text proves itself; total: never raises."""

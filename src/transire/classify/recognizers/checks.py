"""Check digits of countries' numbers of people, as their issuers publish them. Pure.

Each takes the number as it stands in a text, with its dots and dashes, in the length that its shape
in `nationals` gives it.
"""

from collections.abc import Sequence
from datetime import date

__all__ = [
    "begins_with_a_day",
    "is_australian_medicare",
    "is_austrian",
    "is_baltic",
    "is_belgian",
    "is_bsn",
    "is_bulgarian",
    "is_cpf",
    "is_german_tax",
    "is_irish",
    "is_nir",
    "is_portuguese",
    "is_romanian",
    "is_spanish_insured",
    "is_swedish",
    "is_turkish",
    "passes_ean",
    "passes_iso_11_10",
    "passes_luhn",
]


def passes_luhn(value: str) -> bool:
    """Whether the digits end in their check digit (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(int(c) for c in reversed(value) if c.isdigit()):
        doubled = digit * (1 + place % 2)
        total += doubled - 9 * (doubled > 9)
    return total % 10 == 0


def is_cpf(value: str) -> bool:
    """Receita Federal: two digits modulo 11."""
    digits = _digits(value)
    if _is_one_digit(digits):
        return False
    for length in (9, 10):
        rest = _weighted(digits, range(length + 1, 1, -1)) * 10 % 11 % 10
        if digits[length] != rest:
            return False
    return True


def is_nir(value: str) -> bool:
    """INSEE: 97 less the number modulo 97; Corsica's departments are 19 and 18."""
    plain = value.replace(" ", "").replace("2A", "19").replace("2B", "18")
    return plain.isdigit() and 97 - int(plain[:13]) % 97 == int(plain[13:])


def is_belgian(value: str) -> bool:
    """Rijksregister: 97 less the first nine modulo 97, with a 2 in front from 2000 on."""
    plain = "".join(map(str, _digits(value)))
    last = int(plain[9:])
    return any(97 - int(head + plain[:9]) % 97 == last for head in ("", "2"))


def is_swedish(value: str) -> bool:
    """Skatteverket: a date and Luhn over the last ten."""
    plain = "".join(map(str, _digits(value)))[-10:]
    return _is_day(int(plain[2:4]), int(plain[4:6]) % 60) and passes_luhn(plain)


def is_romanian(value: str) -> bool:
    """Casa Națională: a day, a county, weights modulo 11."""
    digits = _digits(value)
    rest = _weighted(digits[:12], (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    is_day = _is_day(digits[3] * 10 + digits[4], digits[5] * 10 + digits[6])
    county = digits[7] * 10 + digits[8]
    return is_day and 1 <= county <= 52 and digits[12] == (1 if rest == 10 else rest)


def is_bulgarian(value: str) -> bool:
    """GRAO: weights modulo 11."""
    digits = _digits(value)
    rest = _weighted(digits[:9], (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10
    return digits[9] == rest


def is_spanish_insured(value: str) -> bool:
    """Seguridad Social: the first ten modulo 97."""
    plain = "".join(map(str, _digits(value)))
    return int(plain[:10]) % 97 == int(plain[10:])


def passes_ean(value: str) -> bool:
    """GS1: weights one and three, as on the Swiss AHV card."""
    digits = _digits(value)
    return sum(d * (1 + 2 * (i % 2)) for i, d in enumerate(digits)) % 10 == 0


def is_german_tax(value: str) -> bool:
    """BZSt, IdNr: ISO 7064 MOD 11,10, one digit twice or thrice among the first ten."""
    digits = _digits(value)
    return len(set(digits[:10])) in (8, 9) and passes_iso_11_10(value)


def passes_iso_11_10(value: str) -> bool:
    """ISO 7064 MOD 11,10."""
    rest = 10
    digits = _digits(value)
    for digit in digits[:-1]:
        rest = ((digit + rest) % 10 or 10) * 2 % 11
    return (11 - rest) % 10 == digits[-1]


def is_bsn(value: str) -> bool:
    """Rijksoverheid: the eleven test, whose last weight is minus one."""
    digits = _digits(value)
    return not _is_one_digit(digits) and _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def is_portuguese(value: str) -> bool:
    """Autoridade Tributária: weights modulo 11."""
    digits = _digits(value)
    rest = _weighted(digits[:8], range(9, 1, -1)) % 11
    return digits[8] == (0 if rest < 2 else 11 - rest)


def is_irish(value: str) -> bool:
    """Weights 8 to 2, nine for the second letter, modulo 23."""
    second = 0 if len(value) == 8 or value[8] == "W" else ord(value[8]) - 64
    rest = (_weighted(_digits(value), range(8, 1, -1)) + 9 * second) % 23
    return value[7] == ("W" if rest == 0 else chr(64 + rest))


def is_austrian(value: str) -> bool:
    """Sozialversicherung: the fourth digit checks the others."""
    digits = _digits(value)
    weights = (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)
    return _weighted(digits, weights) % 11 == digits[3]


def begins_with_a_day(value: str) -> bool:
    """Check digits are no longer given to everybody (Denmark since 2007): a day must do."""
    digits = _digits(value)
    return _is_day(digits[2] * 10 + digits[3], (digits[0] * 10 + digits[1]) % 40)


def is_baltic(value: str) -> bool:
    """Estonia and Lithuania: two rows of weights modulo 11."""
    digits = _digits(value)
    for weights in ((1, 2, 3, 4, 5, 6, 7, 8, 9, 1), (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)):
        rest = _weighted(digits[:10], weights) % 11
        if rest != 10:
            return digits[10] == rest
    return digits[10] == 0


def is_turkish(value: str) -> bool:
    """Nüfus: two digits from sums of the others."""
    digits = _digits(value)
    odd, even = sum(digits[0:9:2]), sum(digits[1:8:2])
    return digits[9] == (odd * 7 - even) % 10 and digits[10] == sum(digits[:10]) % 10


def is_australian_medicare(value: str) -> bool:
    """Services Australia: the ninth digit."""
    digits = _digits(value)
    return _weighted(digits[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == digits[8]


def _digits(value: str) -> list[int]:
    return [int(c) for c in value if c.isascii() and c.isdigit()]


def _weighted(digits: Sequence[int], weights: Sequence[int]) -> int:
    return sum(d * w for d, w in zip(digits, weights, strict=False))


def _is_one_digit(digits: Sequence[int]) -> bool:
    return len(set(digits)) == 1


def _is_day(month: int, day: int) -> bool:
    try:
        date(2000, month, day)
    except ValueError:
        return False
    return True

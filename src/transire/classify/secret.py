"""Credentials by their published prefixes and shapes: found CREDENTIAL goes to nobody.

The families follow the providers' own documentation of their token formats. Each has a gate on a
literal that must stand in the text.
"""

import base64
import binascii
import re
from functools import partial
from typing import Final

import regex

from transire.classify.gate import Gate
from transire.classify.recognizer import Recognizer, pattern_recognizer
from transire.classify.traits import Traits

__all__ = ["secret_recognizers"]

_EDGE: Final = r"(?<![A-Za-z0-9_])"
# What stands in every token of the family, the length of its shortest token, and its shape.
_PREFIXES: Final = (
    ("AKIA", 20, r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Z0-9])"),
    ("gh", 40, r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    ("github_pat_", 71, r"github_pat_[A-Za-z0-9_]{60,255}"),
    ("glpat-", 26, r"glpat-[A-Za-z0-9_-]{20,}"),
    ("xox", 15, r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("_live_", 24, r"[sr]k_live_[A-Za-z0-9]{16,}"),
    ("_test_", 24, r"[sr]k_test_[A-Za-z0-9]{16,}"),
    ("sk-", 23, r"sk-(?:proj-|svcacct-|admin-|ant-[a-z0-9]+-|or-v1-)?[A-Za-z0-9_-]{20,}"),
    ("AIza", 39, r"AIza[A-Za-z0-9_-]{35}"),
    ("hf_", 33, r"hf_[A-Za-z0-9]{30,}"),
    ("npm_", 40, r"npm_[A-Za-z0-9]{36}"),
    ("pypi-", 55, r"pypi-[A-Za-z0-9_-]{50,}"),
    ("SG.", 52, r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"),
    ("ya29.", 25, r"ya29\.[A-Za-z0-9_-]{20,}"),
    ("dop_v1_", 71, r"dop_v1_[a-f0-9]{64}"),
    ("shp", 38, r"shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}"),
    ("AccountKey=", 51, r"AccountKey=[A-Za-z0-9+/=]{40,}"),
    ("ts", 31, r"ts[kp]_[A-Za-z0-9]{6,}_[A-Za-z0-9_-]{20,}"),
)


def secret_recognizers() -> list[Recognizer]:
    """Prefix families, private keys, tokens, credentials in URLs, and assigned passwords."""
    return [
        *(_prefixed(*family) for family in _PREFIXES),
        pattern_recognizer(
            "PRIVATE_KEY",
            Gate(shouts=True, check=lambda t: "PRIVATE KEY" in t.text),
            # The header alone: a body may be cut, folded or escaped.
            [(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----", 100)],
        ),
        pattern_recognizer(
            "SECRET",
            Gate(longest=32, check=lambda t: "eyJ" in t.text),
            [(rf"{_EDGE}eyJ[A-Za-z0-9_-]{{8,}}\.eyJ[A-Za-z0-9_-]{{8,}}\.[A-Za-z0-9_-]{{8,}}", 70)],
            validate=_is_jwt,
        ),
        pattern_recognizer(
            "URL_CREDENTIAL",
            Gate(signs="@", check=lambda t: "://" in t.text),
            [(r"[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"<>]{0,128}:(?P<v>[^\s/@'\"<>]{3,256})@", 90)],
            validate=_is_no_placeholder,
            flags=regex.I,
        ),
        *_assigned(),
        *_given(),
    ]


def _assigned() -> list[Recognizer]:
    """What stands after a name for a password, and after a sign or a verb."""
    return [
        pattern_recognizer(
            "PASSWORD",
            Gate(signs="=:", check=_names_secret),
            [
                (
                    r"(?<![\w-])(?:[\w-]{0,32}[_-]|[a-z]{1,8})?(?:password|passwd|passwort|pwd|secret|api_?key|"
                    r"secret_?(?:access_?)?key|(?:signing|encryption|master)_?key|passphrase|"
                    r"(?:access|auth|refresh|session|bearer|api|bot)_?token|client_?secret|"
                    r"private_?token|passcode|kennwort|contraseña|mot de passe|senha|wachtwoord|"
                    r"hasło|lösenord|parola|şifre)['\"]?"
                    r"\s{0,3}(?:=|:|:=|=>)\s{0,3}(?P<q>['\"]?)"
                    r"(?P<v>[^\s'\",;(){}<>\[\]]{6,128})(?P=q)(?![\w(.\[])",
                    80,
                ),
            ],
            validate=_is_no_placeholder,
            flags=regex.I,
        ),
        pattern_recognizer(
            "PASSWORD",
            Gate(signs="=:", longest=16, check=lambda t: "token" in t.lower),
            # A bare `token` is mostly a word of a program; its value must look drawn.
            [
                (
                    r"(?<![\w-])token['\"]?\s{0,3}(?:=|:)\s{0,3}(?P<q>['\"]?)"
                    r"(?P<v>(?=[A-Za-z_-]*\d)(?=[^A-Za-z\s]*[A-Za-z])[A-Za-z0-9_-]{16,128})(?P=q)"
                    r"(?![\w(.\[])",
                    70,
                ),
            ],
            validate=_is_no_placeholder,
            flags=regex.I,
        ),
        pattern_recognizer(
            "PASSWORD",
            Gate(words=frozenset({"password", "passwort", "passphrase", "pwd"})),
            [
                (
                    r"\b(?:password|passwort|passphrase|pwd)\s+"
                    r"(?:(?:for|of|zu|für)\s+(?:[^\s.]{1,24}\s+){1,4}?)?(?:is|ist|lautet)\s+"
                    r"['\"]?(?P<v>(?=[^\s'\"]*[\d!@#$%^&*])[^\s'\"]{6,128})",
                    80,
                ),
            ],
            validate=_is_no_placeholder,
            flags=regex.I,
        ),
    ]


def _given() -> list[Recognizer]:
    """Passwords as commands, documents and people in a hurry give them."""
    drawn = r"(?=[^\s<'\"`]*\d)(?=[^\s<'\"`]*[a-z])[^\s<'\"`]{6,128}"
    shapes = (
        ("<", rf"<(?:\w{{1,16}}:)?\w{{0,16}}(?:password|passwd|pwd|secret)>(?P<v>{drawn})(?=</)"),
        (
            "-",
            rf"(?<![\w-])--(?:[a-z]{{1,16}}-)?(?:password|passwd|pass|pwd)[ =]['\"]?(?P<v>{drawn})",
        ),
        (":=", rf"(?<![\w-])(?:pw|pass)\s?[:=]\s?['\"]?(?P<v>{drawn})"),
    )
    return [
        pattern_recognizer(
            "PASSWORD",
            Gate(digits=1, check=partial(_holds_one, signs)),
            [(shape, 80)],
            validate=_is_no_placeholder,
            flags=regex.I,
        )
        for signs, shape in shapes
    ]


def _holds_one(signs: str, traits: Traits) -> bool:
    lower = traits.lower
    has_word = "pass" in lower or "pw" in lower or "secret" in lower
    return has_word and any(sign in lower for sign in signs)


def _prefixed(literal: str, least: int, shape: str) -> Recognizer:
    gate = Gate(longest=least, check=lambda t: literal in t.text)
    return pattern_recognizer("SECRET", gate, [(_EDGE + shape, 100)], validate=_has_variety)


_SIGNS_OF_SECRETS: Final = (
    *("passw", "pwd", "secret", "token", "api_key", "apikey", "signing", "tion_key", "tionkey"),
    *(
        "master_key",
        "masterkey",
        "passphrase",
        "passcode",
        "kennwort",
        "contraseña",
        "mot de passe",
    ),
    *("senha", "wachtwoord", "hasło", "lösenord", "parola", "şifre"),
)
"""Parts of every name that an assignment is asked for, in lower case."""


def _names_secret(traits: Traits) -> bool:
    lower = traits.lower
    return any(sign in lower for sign in _SIGNS_OF_SECRETS)


def _has_variety(text: str) -> bool | None:
    """Drop examples such as `sk-xxxxxxxxxxxxxxxxxxxx`: a secret's tail has many characters."""
    return None if len(set(text[-16:])) >= 6 else False


def _is_jwt(text: str) -> bool | None:
    head = text.split(".", 1)[0]
    try:
        decoded = base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))
    except (ValueError, binascii.Error):
        return False
    return b'"alg"' in decoded


_PLACEHOLDER: Final = re.compile(
    r"(?i)^(?:x+|\*+|\.+|-+|<.*|\$.*|%.*|\{.*|your.*|change.?me.*|example.*|placeholder.*|redacted.*"
    r"|none|null|true|false|undefined|string|str|password.*|secret.*|token.*|os\.environ.*"
    r"|process\.env.*|env\..*|self\..*|config\..*|settings\..*|request\..*|args\..*|getenv.*)$"
)
_IDENTIFIER: Final = re.compile(
    r"^[a-z]+(?:[_.][a-z]+)*$|^[a-z]+(?:[A-Z][a-z]+)+$|^[A-Z_]+$"
    r"|^[A-Za-z_]+(?:\.[A-Za-z_]+)+\.?$|^[a-z]\w*\.[A-Z_]+\.?$"
)


def _is_no_placeholder(text: str) -> bool | None:
    """Code names variables and configuration; a value has digits, signs or odd case in it."""
    if _PLACEHOLDER.match(text) or _IDENTIFIER.match(text) or len(set(text)) < 4:
        return False
    return None

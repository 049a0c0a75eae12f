"""E-mail addresses, private suffixes included: internal mail is what a company guards most."""

from typing import Final

import regex

from transire.classify.gate import Gate
from transire.classify.recognizer import Recognizer, pattern_recognizer

__all__ = ["mail_recognizer"]


_LOCAL: Final = r"(?<![\w.+%-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}"
_HOST: Final = r"(?:[\w](?:[\w-]{0,61}[\w])?\.){1,8}[^\W\d_]{2,24}(?!_?[^\W_]|-)"
_BARE_HOST: Final = r"(?:localhost|intranet|corp|internal)(?![\w-]|\.\w)"


def mail_recognizer() -> Recognizer:
    """RFC 5322 dot-atoms before a dotted host name; no look-up of suffixes, no socket."""
    return pattern_recognizer(
        "EMAIL_ADDRESS",
        Gate(signs="@"),
        [
            (rf"{_LOCAL}@{_HOST}", 100),
            # Internal hosts without a dot: weaker, because `user@host` is also an ssh target.
            (rf"(?<![\w.+%-])[a-z][\w.+-]{{1,63}}@{_BARE_HOST}", 60),
        ],
        flags=regex.I,
    )

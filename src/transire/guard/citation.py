"""Whether a text names where it has something from: by mark, link, or a list of sources. Pure."""

from typing import Final

import regex

__all__ = ["has_citation"]

_CITED: Final = regex.compile(
    r"https?://[^\s]{4}|\bdoi:\s{0,2}10\.|\bwww\.\w"
    r"|\[\^?\d{1,3}(?:[,;–-] ?\d{1,3}){0,8}\]|\[\d{1,3}\]\(|【\d{1,3}|\[\^[\w-]{1,32}\]"
    r"|\[(?:source|quelle|fuente|fonte|bron|ref|doc|document|chunk)\b[^\]\n]{0,120}\]"
    r"|\((?:see |cf\. |vgl\. )?[A-ZÀ-Þ][^()\n]{0,60}?,? (?:19|20)\d\d[a-z]?(?:, [^()\n]{0,30})?\)"
    r"|^\W{0,4}(?:sources?|references?|citations?|quellen?|références?|fuentes?|fonti?|fontes?|"
    r"bronn?e?n?|литература|источники)\b\W{0,4}:",
    regex.MULTILINE | regex.IGNORECASE,
)
_TIMEOUT_S: Final = 0.5


def has_citation(text: str) -> bool:
    """Whether anything in it looks like a citation.

    Raises:
        TimeoutError: it could not be read in time.
    """
    return _CITED.search(text, timeout=_TIMEOUT_S) is not None

"""What redaction puts in place of a value, and what it stood for. Pure.

A placeholder is `<ENTITY_nonce>`. The nonce is keyed to tenant, credential and conversation, and
to the value: one value has one placeholder in a conversation, in another one it has another, and
nobody can make one up or guess the value from it. Its letters are no digits, so that no recognizer
of numbers reads one, and no vowels, so that it spells no word.

Values are never stored. A caller sends its whole conversation with every turn, so each request
finds its values anew, and the same placeholders with them; they are forgotten with the request.
"""

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from transire.classify.restore import AnswerRestorer, Original
from transire.domain.ids import DataClass
from transire.domain.restoring import Restorer
from transire.domain.taxonomy import EntityRule

__all__ = ["PlaceholderBook", "conversation_key", "placeholder_namer"]

_NONCE_BYTES: Final = 5
_WIDE_NONCE_BYTES: Final = 32
"""Where two values of one request meet in the first bytes: 100,000 values do once in 200 times."""
_LETTERS: Final = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_]")

Namer = Callable[[str, str, int], str]
"""(entity, value, bytes of the nonce) → placeholder."""


def conversation_key(digest: Callable[[str, bytes], bytes], scope: Sequence[str]) -> bytes:
    """The 32-byte key of one conversation, derived from the installation's.

    Args:
        scope: Tenant, credential and conversation; each is length-prefixed, so that no two
            scopes are one.
    """
    data = "".join(f"{len(name)}:{name}" for name in scope)
    return digest("placeholder", data.encode(errors="surrogatepass"))


def placeholder_namer(key: bytes) -> Namer:
    """The placeholders of one conversation."""

    def name(entity: str, value: str, size: int = _NONCE_BYTES) -> str:
        spelled = f"{len(entity)}:{entity}{value}".encode(errors="surrogatepass")
        nonce = hmac.digest(key, spelled, "sha256")[:size].hex().translate(_LETTERS)
        return f"<{_NO_NAME.sub('_', entity)}_{nonce}>"

    return name


@dataclass(slots=True)
class PlaceholderBook:
    """Everything that one request had replaced; implements `domain.restoring.Placeholders`.

    Args:
        namer: Of the request's conversation.
        rules: Entity → its class.
    """

    namer: Namer
    rules: Mapping[str, EntityRule]
    originals: dict[str, Original] = field(default_factory=dict, repr=False)

    def name(self, entity: str, value: str) -> str:
        """The placeholder of a value, which is remembered for this request."""
        placeholder = self.namer(entity, value, _NONCE_BYTES)
        known = self.originals.get(placeholder)
        if known is not None and known.value != value:
            placeholder = self.namer(entity, value, _WIDE_NONCE_BYTES)
        rule = self.rules.get(entity)
        data_class = DataClass("") if rule is None else rule.data_class
        self.originals[placeholder] = Original(value, entity, data_class)
        return placeholder

    def restorer(self, *, arguments: bool, is_json: bool) -> Restorer:
        """See `domain.restoring.Placeholders`."""
        return AnswerRestorer(self.originals, arguments=arguments, is_json=is_json)

"""Log probabilities of an answer that policy judges: they may spell what was judged, no more.

OpenAI's `logprobs.content` lists the answer's tokens a second time, each with its bytes and with
other tokens that might have stood there (`top_logprobs`). What is read and judged is the text; so

- tokens whose bytes together are exactly that text stay, spelled anew from those bytes;
- any others (of reasoning, of a text that was changed) are another text that nobody has read, and
  are left out;
- alternatives are left out always: one from each place spells a text, as many as there are ways
  through them, and no reading of some of them judges the rest.

Pure. Numbers are not text: a probability stays as the deployment gave it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from transire.domain.answer import AnswerChoice, Completion
from transire.domain.request import JsonValue

__all__ = ["only_judged"]


def only_judged(answer: Completion) -> tuple[Completion, tuple[str, ...]]:
    """The answer without log probabilities that say more than its text, and what was left out.

    Returns:
        The very same answer where it has none; names (`logprobs`, `top_logprobs`), sorted.
    """
    if all(choice.logprobs is None for choice in answer.choices):
        return answer, ()
    left_out = set[str]()
    choices = tuple(_judged(choice, left_out) for choice in answer.choices)
    return replace(answer, choices=choices), tuple(sorted(left_out))


def _judged(choice: AnswerChoice, left_out: set[str]) -> AnswerChoice:
    if choice.logprobs is None:
        return choice
    tokens = _tokens(choice.logprobs)
    spelled = None if tokens is None else [_bytes_of(token) for token in tokens]
    text = (choice.content or "").encode(errors="surrogatepass")
    if tokens is None or spelled is None or b"".join(spelled) != text:
        left_out.add("logprobs")
        return replace(choice, logprobs=None)
    if any(token.get("top_logprobs") for token in tokens):
        left_out.add("top_logprobs")
    content: list[JsonValue] = [
        {
            "token": _spelling(data),
            "logprob": token.get("logprob"),
            "bytes": list(data),
            "top_logprobs": [],
        }
        for token, data in zip(tokens, spelled, strict=True)
    ]
    return replace(choice, logprobs={"content": content, "refusal": None})


def _tokens(logprobs: JsonValue) -> list[Mapping[str, Any]] | None:
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, list) or not all(isinstance(one, Mapping) for one in content):
        return None
    return [one for one in content if isinstance(one, Mapping)]


def _bytes_of(token: Mapping[str, Any]) -> bytes:
    """What the token stands for; empty where that cannot be told, so that nothing adds up."""
    given = token.get("bytes")
    if given is None:
        return str(token.get("token", "")).encode(errors="surrogatepass")
    if not all(type(one) is int and 0 <= one < 256 for one in given):
        return b""
    return bytes(given)


def _spelling(data: bytes) -> str:
    """As OpenAI spells a token: its text, or, of a piece of a character, its bytes in hex."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{one:02x}" for one in data)

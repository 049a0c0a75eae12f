"""The keyed digests of a body (ADR 6); a plain hash of "yes" would be a dictionary away."""

from typing import Final

import orjson

from transire.domain.ports import Keyed
from transire.domain.request import Body

__all__ = ["content_digest", "request_mac"]

_SAMPLING: Final = frozenset(
    {"temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "logit_bias"}
    | {"logprobs", "top_logprobs", "parallel_tool_calls", "verbosity", "reasoning_effort"}
)
"""Harmless fields: a caller may change them between a hold and its release."""


def content_digest(keyed: Keyed, body: Body) -> bytes:
    """Over everything classified and sent: bound by the permit."""
    return keyed.digest("content", _canonical(body, leave_out=frozenset()))


def request_mac(keyed: Keyed, asked_model: str, body: Body) -> bytes:
    """Over every content and egress-changing field, `model`, `n` and token bounds.

    Leaves out `stream`, `transire`, `user` and sampling: it identifies a request for review.
    """
    data = asked_model.encode() + b"\x00" + _canonical(body, leave_out=_SAMPLING)
    return keyed.digest("request", data)


def _canonical(body: Body, *, leave_out: frozenset[str]) -> bytes:
    fields = {name: value for name, value in body.fields.items() if name not in leave_out}
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)

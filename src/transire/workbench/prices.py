"""Prices of a public list, as a catalog holds them; pure.

The list is the `data.json` of genai-prices (github.com/pydantic/genai-prices, MIT; a file of some
hundred kilobytes, not a dependency): providers, each with models, each with prices in dollars per
million tokens, which may have tiers by the prompt's length and may begin at a date. What is taken
is the dearest tier in force: a price is an upper bound wherever it decides.

Unknown is not zero: a model that is not listed, has no price for both directions, or is listed as
free, stays unknown.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any, Final

from transire.errors import RequestError

__all__ = ["MOST_BYTES", "Listed", "as_document", "read_list"]

MOST_BYTES: Final = 64 * 1024 * 1024
_DEAREST_USD: Final = Decimal(1_000_000)
"""A dollar a token: beyond it a list is broken, not dear."""
_MICRO: Final = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What a list says of the names asked for; prices in micro-USD per million tokens.

    Attributes:
        prices: Name → (input, output).
        unknown: Names without a usable price, sorted.
        source: Names the list by the digest of its bytes.
    """

    prices: Mapping[str, tuple[int, int]]
    unknown: tuple[str, ...]
    source: str
    as_of: str


def read_list(data: bytes, wanted: Collection[str], as_of: str) -> Listed:
    """The prices of `provider/model` names in force on an ISO date.

    Raises:
        RequestError: it is not such a list.
    """
    try:
        document = json.loads(data, parse_float=Decimal, parse_int=Decimal, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise RequestError("the price list is not JSON") from None
    if isinstance(document, dict):
        document = document.get("providers")
    if not isinstance(document, list):
        raise RequestError("the price list is no list of providers, as genai-prices has them")
    prices: dict[str, tuple[int, int]] = {}
    for provider in document:
        for name, model in _models(provider):
            if name in wanted and (pair := _in_force(model.get("prices"), as_of)) is not None:
                prices[name] = pair
    digest = hashlib.sha256(data).hexdigest()
    return Listed(
        prices=dict(sorted(prices.items())),
        unknown=tuple(sorted(set(wanted) - prices.keys())),
        source=f"genai-prices sha256:{digest}",
        as_of=as_of,
    )


def as_document(listed: Listed) -> dict[str, Any]:
    """The section `price_list` of a catalog file."""
    return {
        "price_list": {
            name: {
                "input_micro_usd_per_mtok": into,
                "output_micro_usd_per_mtok": out,
                "source": listed.source,
                "as_of": listed.as_of,
            }
            for name, (into, out) in listed.prices.items()
        }
    }


def _models(provider: Any) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(provider, dict) or not isinstance(provider.get("models"), list):
        return []
    return [
        (f"{provider.get('id')}/{model.get('id')}", model)
        for model in provider["models"]
        if isinstance(model, dict)
    ]


def _in_force(prices: Any, as_of: str) -> tuple[int, int] | None:
    """Input and output of what counts on a date; None where either is unknown."""
    if isinstance(prices, dict):
        prices = [{"prices": prices}]
    if not isinstance(prices, list):
        return None
    begun: list[tuple[str, Any]] = []
    hourly: list[Any] = []
    for row in prices:
        if not isinstance(row, dict):
            return None
        limit = row.get("constraint") or {}
        start = limit.get("start_date", "") if isinstance(limit, dict) else ""
        if limit and not start:
            hourly.append(row.get("prices"))  # by the time of day: any of them may count
        elif isinstance(start, str) and start <= as_of:
            begun.append((start, row.get("prices")))
    newest = max((start for start, _ in begun), default=None)
    counting = [*hourly, *(said for start, said in begun if start == newest)]
    pairs = [(_dearest(p, "input_mtok"), _dearest(p, "output_mtok")) for p in counting]
    known = [(into, out) for into, out in pairs if into is not None and out is not None]
    if not known or len(known) < len(pairs):
        return None
    return max(into for into, _ in known), max(out for _, out in known)


def _dearest(prices: Any, name: str) -> int | None:
    """Micro-USD per million tokens, rounded up; None where it is unknown, free or absurd."""
    said = prices.get(name) if isinstance(prices, dict) else None
    if isinstance(said, dict):
        tiers = said.get("tiers")
        rows = tiers if isinstance(tiers, list) else []
        steps = [said.get("base"), *(t.get("price") for t in rows if isinstance(t, dict))]
    else:
        steps = [said]
    known = [step for step in steps if isinstance(step, Decimal)]
    if len(known) < len(steps):
        return None
    try:
        dearest = max(known)
        if not 0 < dearest <= _DEAREST_USD:
            return None
        return int((dearest * _MICRO).to_integral_value(rounding=ROUND_CEILING))
    except InvalidOperation:
        return None


def _refused(name: str) -> None:
    raise ValueError(f"`{name}` is no number")

"""Prices of a public list: what is taken, and what stays unknown."""

import json
from typing import Any

import pytest

from transire.errors import RequestError
from transire.workbench.prices import as_document, read_list

NAMES = ["acme/one", "acme/two"]


def listing(prices: Any, model: str = "one") -> bytes:
    return json.dumps(
        [{"id": "acme", "models": [{"id": model, "match": {"equals": model}, "prices": prices}]}]
    ).encode()


def price(prices: Any, as_of: str = "2026-06-01") -> tuple[int, int] | None:
    return read_list(listing(prices), ["acme/one"], as_of).prices.get("acme/one")


def test_dollars_become_whole_micro_dollars_rounded_up() -> None:
    assert price({"input_mtok": 0.15, "output_mtok": 0.6}) == (150_000, 600_000)
    assert price({"input_mtok": 0.0000001, "output_mtok": 3}) == (1, 3_000_000)


def test_the_dearest_tier_counts_because_a_price_bounds() -> None:
    tiered = {"base": 3, "tiers": [{"start": 200_000, "price": 6}]}

    assert price({"input_mtok": tiered, "output_mtok": 15}) == (6_000_000, 15_000_000)


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [("2026-03-12", (10_000_000, 20_000_000)), ("2026-03-13", (5_000_000, 9_000_000))],
)
def test_the_newest_price_that_has_begun_counts(as_of: str, expected: tuple[int, int]) -> None:
    history = [
        {"prices": {"input_mtok": 10, "output_mtok": 20}},
        {"constraint": {"start_date": "2026-03-13"}, "prices": {"input_mtok": 5, "output_mtok": 9}},
        {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 1, "output_mtok": 1}},
    ]

    assert price(history, as_of) == expected


def test_where_the_hour_decides_the_dearest_hour_counts() -> None:
    hours = [
        {
            "constraint": {"start_time": "00:00:00Z", "end_time": "08:00:00Z"},
            "prices": {"input_mtok": 9, "output_mtok": 1},
        },
        {"prices": {"input_mtok": 2, "output_mtok": 4}},
    ]

    assert price(hours) == (9_000_000, 4_000_000)


@pytest.mark.parametrize(
    "prices",
    [
        {"input_mtok": 0, "output_mtok": 0},
        {"input_mtok": 1},
        {"output_mtok": 1},
        {"input_mtok": -1, "output_mtok": 1},
        {"input_mtok": "1", "output_mtok": 1},
        {"input_mtok": True, "output_mtok": 1},
        {"input_mtok": 1e300, "output_mtok": 1},
        {"input_mtok": {"base": 1, "tiers": [{"price": None}]}, "output_mtok": 1},
        {"input_mtok": {}, "output_mtok": 1},
        [],
        [{"constraint": {"start_date": "2030-01-01"}, "prices": {"input_mtok": 1}}],
        ["odd"],
        None,
        7,
    ],
)
def test_what_has_no_price_for_both_directions_is_unknown_and_never_zero(prices: Any) -> None:
    listed = read_list(listing(prices), ["acme/one"], "2026-06-01")

    assert (listed.prices, listed.unknown) == ({}, ("acme/one",))


def test_only_what_is_asked_for_is_taken_and_what_is_missing_is_named() -> None:
    listed = read_list(listing({"input_mtok": 1, "output_mtok": 2}), NAMES, "2026-06-01")

    assert listed.prices == {"acme/one": (1_000_000, 2_000_000)}
    assert listed.unknown == ("acme/two",)


def test_the_list_is_named_by_its_bytes_and_its_day() -> None:
    data = listing({"input_mtok": 1, "output_mtok": 2})
    row = as_document(read_list(data, NAMES, "2026-06-01"))["price_list"]["acme/one"]
    other = read_list(data + b" ", NAMES, "2026-06-01")

    assert row["as_of"] == "2026-06-01"
    assert row["source"].startswith("genai-prices sha256:")
    assert row["source"] != other.source


@pytest.mark.parametrize("data", [b"", b"{", b"7", b'{"x": 1}', b"[NaN]", b"[" * 100_000, b"\xff"])
def test_what_is_no_price_list_is_refused(data: bytes) -> None:
    with pytest.raises(RequestError):
        read_list(data, NAMES, "2026-06-01")

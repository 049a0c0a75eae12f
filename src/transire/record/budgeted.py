"""What the log itself says about budgets, told entry by entry. Pure.

The rules are in audit/FORMAT.md, "Rules across entries".
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from transire.domain.budget import Spend, sums_after
from transire.domain.permit import NOT_SENT, Outcome, OutcomeStatus
from transire.errors import BudgetExceeded, IntegrityError
from transire.record.attempts import SENT
from transire.record.releases import pair_in
from transire.record.shape import moment_of

__all__ = ["Budgeted"]

_LATE: Final = timedelta(minutes=1)
"""How long after its permit was made an entry may be written; a day may end in between."""

_SHADOWS: Final = "shadow/"
_JUDGES: Final = "judge/"
"""What copies of an experiment, or a judge's judgments, may cost is a budget that is named so."""

_OK: Final = 200
"""The HTTP status of every answer."""
_Whose = tuple[str, str, str]
"""Bundle, tenant, application."""


class Budgeted:
    """The sums of budgets at a place in the log, and what open attempts have reserved of them.

    What a bundle asks of an application does not change while the bundle is what it is: the first
    permit under it shows which budgets, and what each one's limit, period and scope are.
    """

    def __init__(self) -> None:
        self._sums: dict[str, str] = {}
        self._reserved: dict[tuple[str, int], tuple[Spend, ...]] = {}
        self._asked: dict[_Whose, tuple[str, ...]] = {}
        self._terms: dict[tuple[str, str], tuple[int | None, bool, bool]] = {}

    def reserve(
        self,
        what: str,
        attempt: tuple[str, int],
        entry: Mapping[str, Any],
        asker: tuple[str, str, str],
    ) -> None:
        """Hear an entry with a permit.

        Args:
            asker: Tenant, application and key of its decision.

        Raises:
            IntegrityError: it reserves more than its budget had left, of another time, or of
                other budgets than its bundle's.
        """
        spends = tuple(Spend(**row) for row in entry["permit"].get("reserved", ()))
        bundle, periods = entry["permit"]["bundle"], _periods(entry)
        if entry["permit"].get("cached") is None:  # which spends nothing (`answered`)
            self._demand_all(what, _of_catalog(what, spends, entry), (bundle, *asker[:2]))
            if len({spend.micro_usd for spend in spends}) > 1:
                raise IntegrityError(f"{what} reserves different amounts for one attempt")
            _demand_enough(what, spends, entry)
        for spend in spends:
            if spend.period not in periods:
                raise IntegrityError(f"{what} reserves of another day or month")
            self._demand_terms(what, spend, bundle, asker[2])
            if self._sums.get(spend.key, "").partition(" ")[0] > spend.period:
                raise IntegrityError(f"{what} reserves of a period that is over")
            try:
                self._sums |= sums_after(self._sums.get, (spend,))
            except BudgetExceeded:
                raise IntegrityError(f"{what} permits beyond the budget {spend.budget}") from None
        if spends:
            self._reserved[attempt] = spends

    def _demand_all(self, what: str, spends: Sequence[Spend], whose: _Whose) -> None:
        names = tuple(spend.budget for spend in spends)
        if self._asked.setdefault(whose, names) != names:
            raise IntegrityError(f"{what} reserves of other budgets than its bundle asks of it")

    def _demand_terms(self, what: str, spend: Spend, bundle: str, key_id: str) -> None:
        is_daily = len(spend.period) == len("2026-11-26")
        shared = f"budget/{spend.budget}/{'day' if is_daily else 'month'}"
        if spend.key not in (shared, f"{shared}/{key_id}"):
            raise IntegrityError(f"{what} reserves under a key that is not its budget's")
        terms = (spend.limit_micro_usd, is_daily, spend.key == shared)
        if self._terms.setdefault((bundle, spend.budget), terms) != terms:
            raise IntegrityError(
                f"{what} reserves of {spend.budget} on other terms than its bundle's"
            )

    def settle(self, what: str, attempt: tuple[str, int], entry: Mapping[str, Any]) -> None:
        """Hear an outcome.

        Raises:
            IntegrityError: it is charged what is no amount, or where nothing was reserved, or
                another amount than goes with how it ended.
        """
        spends = self._reserved.pop(attempt, ())
        charged = entry.get("charged_micro_usd")
        if charged is not None and (not spends or charged < 0):
            raise IntegrityError(f"{what} is charged what was not reserved, or no amount")
        if spends and charged != _due(what, entry):
            raise IntegrityError(f"{what} is charged another amount than its end says")
        if charged is None:
            return
        self._sums |= sums_after(self._sums.get, (spend.settled(charged) for spend in spends))


def _demand_enough(what: str, spends: Sequence[Spend], entry: Mapping[str, Any]) -> None:
    """What is ranked reserves at least what its ranking says that it costs at most.

    Raises:
        IntegrityError: it reserves less, or nobody knows what it costs.
    """
    if not spends or entry.get("ranking") is None:  # nothing is ranked for a shadow or a judge
        return
    ranked, pair = entry["ranking"]["candidates"], pair_in(entry["permit"])
    names = ranked["deployment"]
    pairs = list(zip(names, ranked.get("form") or ["raw"] * len(names), strict=False))
    if pair not in pairs:
        return
    worst = ranked["worst_cost_micro_usd"][pairs.index(pair)]
    if worst is None or spends[0].micro_usd < worst:
        raise IntegrityError(f"{what} reserves less than it can cost")


def _due(what: str, entry: Mapping[str, Any]) -> int | None:
    """What goes with how an attempt ended, as `Outcome` says; None where nobody knows.

    Raises:
        IntegrityError: it says that it was answered, and that nothing had left or an error came.
    """
    tokens = 1 if "tokens_out" in (entry.get("left_out") or ()) else entry.get("tokens_out")
    outcome = Outcome(
        status=OutcomeStatus(entry["status"]),
        failure=entry["failure"],
        http_status=entry.get("http_status"),
        tokens_out=tokens,
        cost_micro_usd=entry.get("cost_micro_usd"),
    )
    is_odd = outcome.http_status != _OK or outcome.failure in NOT_SENT
    if outcome.status in SENT and is_odd:
        raise IntegrityError(f"{what} is an answer, and says that there was none")
    return outcome.charged_micro_usd


def _of_catalog(
    what: str, spends: tuple[Spend, ...], entry: Mapping[str, Any]
) -> tuple[Spend, ...]:
    """What an entry reserves of the catalog's budgets; the last of a shadow or judgment is its own.

    Raises:
        IntegrityError: one of these reserves nothing of its own, or something else does.
    """
    match entry["kind"]:
        case "shadow.permitted":
            own = _SHADOWS + entry["experiment"]["id"]
        case "judge.permitted":
            own = _JUDGES + entry["judged"]["judge"]
        case _:
            if any(spend.budget.startswith((_SHADOWS, _JUDGES)) for spend in spends):
                raise IntegrityError(f"{what} is neither shadow nor judgment and reserves as one")
            return spends
    if not spends or spends[-1].budget != own:
        raise IntegrityError(f"{what} does not reserve of the budget that is its own")
    return spends[:-1]


def _periods(entry: Mapping[str, Any]) -> frozenset[str]:
    """The days and months an entry's permit may reserve of.

    What an attempt reserves is of the moment its permit was made: right before the entry's `ts`,
    or, where the log was so slow that the permit was over by then, right before its end.
    """
    ends = entry["permit"].get("expires_at", entry["ts"])
    moment = min(moment_of(entry["ts"]), moment_of(ends))
    days = {at.date().isoformat() for at in (moment, moment - _LATE)}
    return frozenset(days | {day[:7] for day in days})

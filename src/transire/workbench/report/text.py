"""The report as a page of text: what one wants to know first, then tables that fit a terminal."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from transire.workbench.report.pins import Pins
from transire.workbench.report.sample import KEPT
from transire.workbench.report.summary import Groups, Report
from transire.workbench.report.tally import CAUSES, Tally

__all__ = ["dollars", "pins_text", "plain", "report_text"]

_MOST_REASONS: Final = 8
_WIDEST_NAME: Final = 28
_UNKNOWN: Final = "?"
_NONE: Final = "–"
_TRAFFIC: Final = (
    "decisions",
    "permit",
    "deny",
    "hold",
    "refuse",
    "tries",
    "ok",
    "failed",
    "broken",
    "cost",
)
_RATES: Final = (*CAUSES, "verdict", "repaired", "held", "accuracy")
_OF: Final = "of attempts, answers, requests"
_BY_FEEDBACK: Final = ("judged", "helped", "from", "to", "cost per success", "from", "to")
_PACE: Final = ("p50 ms", "p95", "p99", "first p50", "p95", "tokens in", "out", "cost per ok")


def report_text(report: Report, *, by_feedback: bool = False) -> str:
    """The whole page.

    Args:
        by_feedback: Tell, too, what a task costs that succeeded by feedback.
    """
    total = report.total
    if not total.decisions.total() and not report.throttled:
        return "no decisions in this window"
    is_graded = total.graded > 0
    rates = (*_RATES, "judge") if is_graded else _RATES
    blocks = [
        _headline(report),
        _table("by task", _TRAFFIC, _rows(report.tasks, _traffic)),
        _table("", _PACE, _rows(report.tasks, _pace)),
        _table(_OF, rates, _rates(report.tasks, is_graded=is_graded)),
        _table(
            "by deployment", ("forbidden", *_TRAFFIC), _rows(report.deployments, _of_deployment)
        ),
        _table("", _PACE, _rows(report.deployments, _pace)),
        _table(_OF, rates, _rates(report.deployments, is_graded=is_graded)),
        *(_helped(report) if by_feedback else ()),
        *_why(report),
        _notes(report),
    ]
    return "\n\n".join(block for block in blocks if block)


def pins_text(pins: Pins) -> str:
    """Every finding as a sentence, and what could not be judged."""
    lines = []
    for finding in pins.findings:
        what = {
            "pin": f"{plain(finding.task)}: better pinned"
            + (
                f" to {plain(finding.deployment)}" if finding.deployment else ", once one is vetted"
            ),
            "costly_pin": f"{plain(finding.task)}: the pin to {plain(finding.deployment or '')} "
            "has become costly",
        }[finding.kind]
        lines += [f"{what} ({finding.why})", f"    {plain(finding.says, 1_000)}"]
    if not lines:
        tasks = "1 task" if pins.tasks == 1 else f"{pins.tasks} tasks"
        lines = [f"nothing to suggest in {tasks}"]
    if pins.thin:
        names = ", ".join(plain(name) for name in pins.thin[:_MOST_REASONS])
        more = len(pins.thin) - _MOST_REASONS
        names += f" and {more} more" if more > 0 else ""
        lines += ["", f"fewer than {pins.least} answers, so nothing is said of: {names}"]
    if pins.left_out:
        lines += ["", f"{pins.left_out} events of further tasks or names were left out"]
    return "\n".join(lines)


def dollars(micro_usd: float) -> str:
    """US dollars with as many digits as matter."""
    value = micro_usd / 1_000_000
    return (
        f"${value:,.2f}" if value >= 100 else f"${value:.4f}" if value >= 0.01 else f"${value:.6f}"
    )


def plain(name: str, most: int = _WIDEST_NAME) -> str:
    """A name without anything that would move a terminal's cursor, cut at `most`."""
    shown = "".join(c if c.isprintable() else "�" for c in name)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _headline(report: Report) -> str:
    total = report.total
    parts = [
        f"{total.decisions.total():,} decisions{_span(report)}",
        f"{total.ok:,} answers ok of {total.attempts:,} attempts",
        f"{_cost(total)} spent, {_per_success(total)} per successful answer",
    ]
    rates = [f"{cause} {_percent(total.rate(cause))}" for cause in CAUSES]
    return (
        "\n".join(parts)
        + f"\nof the attempts: {', '.join(rates)}"
        + f"\nof the answers: repaired {_percent(total.repair_rate)}"
        + (
            f"\nof the judged answers: with a verdict {_percent(total.verdict_rate)}"
            * bool(total.judged)
        )
        + f"\nheld for review: {_percent(total.review_rate)}"
        + (
            f"\naccuracy {_percent(total.accuracy)} of {total.scores:,} scores given"
            * bool(total.scores)
        )
        + (
            f"\njudges say {_percent(total.mean_grade)} of {total.graded:,} answers, nothing of "
            f"{total.ungraded:,}, for {dollars(total.judging_micro_usd)}"
            * bool(total.graded or total.ungraded)
        )
    )


def _span(report: Report) -> str:
    window = report.window
    parts = [
        f" since {window.since.isoformat()}" if window.since else "",
        f" until {window.until.isoformat()}" if window.until else "",
        f" of tenant {plain(window.tenant)}" if window.tenant else "",
        f" of application {plain(window.app)}" if window.app else "",
    ]
    return "".join(parts)


def _rows(groups: Groups, cells: Callable[[Tally], list[str]]) -> list[tuple[str, list[str]]]:
    return [(plain(name), cells(tally)) for name, tally in groups.ranked()]


def _traffic(tally: Tally) -> list[str]:
    counts = [
        tally.decisions.total(),
        *(tally.decisions[name] for name in ("permitted", "denied", "review_required", "refused")),
        tally.attempts,
        tally.ok,
        tally.statuses["failed"],
        tally.statuses["contract_violated"],
    ]
    return [*(f"{count:,}" if count else _NONE for count in counts), _cost(tally)]


def _of_deployment(tally: Tally) -> list[str]:
    return [f"{tally.forbidden:,}" if tally.forbidden else _NONE, *_traffic(tally)]


def _pace(tally: Tally) -> list[str]:
    times = [*tally.latency.quantiles(0.5, 0.95, 0.99), *tally.first_byte.quantiles(0.5, 0.95)]
    tokens = [tally.tokens_in, tally.tokens_out] if tally.metered else [None, None]
    unknown = _UNKNOWN if tally.attempts else _NONE
    return [
        *(_NONE if value is None else f"{value:,}" for value in times),
        *(unknown if value is None else f"{value:,}" for value in tokens),
        _per_success(tally),
    ]


def _rates(groups: Groups, *, is_graded: bool) -> list[tuple[str, list[str]]]:
    """Rows in which anything was tried again, repaired, held or scored."""
    rows = [
        (
            name,
            [
                *map(tally.rate, CAUSES),
                tally.verdict_rate,
                tally.repair_rate,
                tally.review_rate,
                tally.accuracy,
                *([tally.mean_grade] if is_graded else []),
            ],
        )
        for name, tally in groups.ranked()
    ]
    return [(plain(name), list(map(_percent, rates))) for name, rates in rows if any(rates)]


def _helped(report: Report) -> list[str]:
    """What feedback says, of as many as were judged; of what nobody judged, there is no row."""
    total = report.total
    if not total.rated:
        return ["nobody judged an answer: nothing can be said of success by feedback"]
    lines = f"{total.helped:,} of {total.rated:,} judged answers helped, of {total.ok:,} in all"
    groups = (("by task", report.tasks), ("by deployment", report.deployments))
    tables = [
        _table(
            title,
            _BY_FEEDBACK,
            [(plain(name), _judged(tally)) for name, tally in of.ranked() if tally.rated],
        )
        for title, of in groups
    ]
    return ["\n\n".join([lines, *tables])]


def _judged(tally: Tally) -> list[str]:
    share, cost = tally.helped_share, tally.cost_per_helped_micro_usd
    assert share is not None  # somebody judged
    least = "≥ " if tally.uncosted else ""
    return [
        f"{tally.rated:,}",
        *map(_percent, share),
        *([_UNKNOWN] * 3 if cost is None else [least + dollars(value) for value in cost]),
    ]


def _cost(tally: Tally) -> str:
    if not tally.attempts:
        return _NONE
    if not tally.costed:
        return _UNKNOWN
    return ("≥ " if tally.uncosted else "") + dollars(tally.cost_micro_usd)


def _per_success(tally: Tally) -> str:
    value = tally.cost_per_success_micro_usd
    if value is None:
        return _UNKNOWN if tally.ok else _NONE
    return ("≥ " if tally.uncosted else "") + dollars(value)


def _percent(value: float | None) -> str:
    return _NONE if value is None else f"{value:.1%}"


def _table(title: str, heads: Sequence[str], rows: Sequence[tuple[str, list[str]]]) -> str:
    if not rows:
        return ""
    first = max(len(title), *(len(name) for name, _ in rows))
    widths = [max(len(head), *(len(cells[i]) for _, cells in rows)) for i, head in enumerate(heads)]
    lines = [(title, list(heads)), *rows]
    shown = [
        f"{name:<{first}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
        for name, cells in lines
    ]
    return "\n".join([shown[0], "─" * len(shown[0]), *shown[1:]])


def _why(report: Report) -> list[str]:
    return [
        _listed("denied by policy (a decision counts for each that forbade)", report.policies),
        _listed("denied by what is not a policy", report.limits),
        _listed("error codes", report.codes),
        _listed("refused at the door, by limit", report.throttled),
        _listed("escalated, by verdict on the answer before", report.total.escalated_for),
        _listed("not escalated in spite of a verdict, by reason", report.total.not_escalated),
    ]


def _listed(title: str, counts: Counter[str]) -> str:
    top = counts.most_common(_MOST_REASONS)
    lines = [f"  {count:>7,}  {plain(name, 64)}" for name, count in top]
    more = len(counts) - len(top)
    return (
        "\n".join([title, *lines, *([f"           and {more} more"] if more else [])])
        if top
        else ""
    )


def _notes(report: Report) -> str:
    total, notes = report.total, list[str]()
    if total.uncosted:
        notes.append(
            f"the cost of {total.uncosted:,} of {total.attempts:,} attempts is unknown; "
            "≥ is what is known of it"
        )
    if open_ := total.attempts - total.statuses.total():
        notes.append(f"{open_:,} attempts have no outcome yet")
    if total.superseded_micro_usd:
        spent = dollars(total.superseded_micro_usd)
        notes.append(f"{spent} of the cost was for answers that a better one superseded")
    if report.unexplained["denied"]:
        notes.append(f"the verdicts of {report.unexplained['denied']:,} denials are not in the log")
    if total.releases:
        notes.append(f"{total.releases:,} of the permitted were held before; counted once more")
    if not total.latency.is_exact:
        notes.append(f"times are of {KEPT:,} answers drawn from each group")
    return "\n".join(f"· {note}" for note in notes)

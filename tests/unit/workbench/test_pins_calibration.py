"""How sure a pin is: suggested hardly ever where nothing differs, nearly always where much does."""

from random import Random

import pytest
from tests.unit.workbench.test_report import Entry, decision, ended

from transire.workbench.report.pins import find_pins
from transire.workbench.report.trace import Window

RUNS = 100
ALIKE = {"a": 0.95, "b": 0.95, "c": 0.95}
ONE_BETTER = {"a": 0.97, "b": 0.77, "c": 0.77}


def day(seed: int, answers: int, good: dict[str, float], newest: float | None) -> list[Entry]:
    """One task, its load spread evenly; the last hundred answers may be worse."""
    random, entries = Random(seed), list[Entry]()
    for number in range(answers):
        name = random.choice(sorted(good))
        is_newest = newest is not None and number >= answers - 100
        share = newest if newest is not None and is_newest else good[name]
        status = "ok" if random.random() < share else "contract_violated"
        cost = random.randint(5, 15)
        entries.append(decision(number, deployment=name))
        entries.append(ended(number, status, name, cost_micro_usd=cost))
    return entries


def suggested(answers: int, good: dict[str, float], why: str, newest: float | None = None) -> int:
    """Of a hundred days, in how many something is suggested for this reason."""
    found = 0
    for seed in range(RUNS):
        pins = find_pins(day(seed, answers, good, newest), Window(), lambda _: None)
        found += any(finding.why == why for finding in pins.findings)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("answers", [60, 300, 1_000])
def test_equals_are_told_apart_in_no_more_than_a_few_of_a_hundred_tasks(answers: int) -> None:
    """One false finding in a hundred comparisons, of which such a task has three."""
    assert suggested(answers, ALIKE, "instability") <= 5


@pytest.mark.slow
@pytest.mark.parametrize("answers", [300, 1_000])
def test_a_deployment_that_answers_a_fifth_better_is_found(answers: int) -> None:
    assert suggested(answers, ONE_BETTER, "instability") >= 95


@pytest.mark.slow
def test_a_regression_of_the_newest_hundred_answers_is_found() -> None:
    assert suggested(300, {"a": 0.97}, "regression", newest=0.8) >= 95
    assert suggested(300, {"a": 0.97}, "regression") <= 3

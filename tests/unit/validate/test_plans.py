"""Plans are made once a request, whatever is judged by them."""

import pytest

from transire.validate import plans as module
from transire.validate.plans import Plans
from transire.validate.schema import Plan, plan

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where a plan was made."""
    calls: list[str] = []

    def counting(schema: object, where: str) -> Plan:
        calls.append(where)
        return plan(schema, where)

    monkeypatch.setattr(module, "plan", counting)
    return calls


def test_what_was_examined_is_not_planned_again(made: list[str]) -> None:
    plans, first = Plans(2), plan(SCHEMA, "here")
    plans.put(first)

    assert plans.of(dict(SCHEMA), "here") is first
    assert made == []


def test_what_was_forgotten_is_planned_again(made: list[str]) -> None:
    plans = Plans(2)
    for title in ("a", "b", "c"):
        plans.of({"title": title}, title)
    plans.of({"title": "b"}, "b")
    plans.of({"title": "a"}, "a")

    assert made == ["a", "b", "c", "a"]
    assert len(plans) == 2

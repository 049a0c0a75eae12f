"""Shared fixtures: an injected clock, and the places of foreign vectors and data."""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

# Routers, log writers and commands are started by the dozen; where Python may not keep what it has
# compiled, each of them would compile every module again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# `make test` draws the same examples on every machine, so that a run can be repeated;
# `make explore` draws new ones, and more of them.
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=60,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore",
    deadline=None,
    max_examples=1000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

REPOSITORY = Path(__file__).resolve().parents[1]


class FakeClock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.start = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


_LONGEST_FIRST = ("api", "integration", "properties", "docs", "policies")
"""Folders whose files take long, in their order: what comes last should end at once everywhere."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stable, so that within a folder the random order stays as it was drawn."""
    items.sort(key=_turn_of)


def _turn_of(item: pytest.Item) -> int:
    folder = item.path.relative_to(REPOSITORY / "tests").parts[0]
    last = len(_LONGEST_FIRST)
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else last


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A command run in a test may have pointed the operational log at a stream that is closed."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def vectors() -> Path:
    path = Path(os.environ.get("TRANSIRE_VECTORS", REPOSITORY.parent / "shared" / "vectors"))
    if not path.is_dir():
        pytest.skip(f"no foreign vectors at {path}: set TRANSIRE_VECTORS")
    return path

"""Under overload the lower priorities are turned away first, and before a queue grows."""

import heapq
from collections import Counter
from random import Random

import pytest
from tests.conftest import FakeClock

from transire.errors import ThrottledError
from transire.limits.admission import Admission, AdmissionLimits, Place, places_for
from transire.limits.bucket import Rate

PLACES = 64
SERVICE_S = 0.5
CAPACITY_PER_S = PLACES / SERVICE_S
SECONDS = 40.0


def shed(times_the_capacity: float, clock: FakeClock) -> tuple[Counter[int], Counter[int], int]:
    """(asked, refused) by priority, and the most requests at once, in virtual time.

    A quarter of the traffic each has priority 0, 3, 6 and 9; every request holds its place for
    half a second on average, as one that waits for an upstream does.
    """
    random = Random(7)
    rate = Rate(per_s=1e9, burst=1e9)
    limits = AdmissionLimits(in_flight=PLACES, per_principal=10**6, rate=rate)
    admission = Admission(clock, limits)
    asked, refused, most = Counter[int](), Counter[int](), 0
    leaving: list[tuple[float, int, Place]] = []
    now, number = 0.0, 0
    while now < SECONDS:
        now += random.expovariate(CAPACITY_PER_S * times_the_capacity)
        number += 1
        while leaving and leaving[0][0] <= now:
            heapq.heappop(leaving)[2].__exit__(None, None, None)
        priority = (0, 3, 6, 9)[number % 4]
        asked[priority] += 1
        place = admission.enter(f"key-{priority}", priority=priority)
        try:
            place.__enter__()
        except ThrottledError:
            refused[priority] += 1
            continue
        heapq.heappush(leaving, (now + random.expovariate(1 / SERVICE_S), number, place))
        most = max(most, admission.in_flight)
    return asked, refused, most


def shares(asked: Counter[int], refused: Counter[int]) -> list[float]:
    return [refused[priority] / asked[priority] for priority in (0, 3, 6, 9)]


@pytest.mark.parametrize("times", [1.2, 1.5, 2.0, 3.0])
def test_the_lower_a_priority_the_more_of_it_is_shed(times: float, clock: FakeClock) -> None:
    lost = shares(*shed(times, clock)[:2])

    assert lost == sorted(lost, reverse=True)
    assert lost[0] > lost[-1]


@pytest.mark.parametrize(("times", "most"), [(1.2, 0.001), (1.5, 0.001), (2.0, 0.01)])
def test_the_highest_priority_hardly_notices_twice_the_load(
    times: float, most: float, clock: FakeClock
) -> None:
    asked, refused, _ = shed(times, clock)

    assert refused[9] / asked[9] <= most


def test_at_two_thirds_of_the_capacity_only_the_lowest_is_ever_shed(clock: FakeClock) -> None:
    lost = shares(*shed(0.66, clock)[:2])

    assert lost[0] <= 0.15
    assert lost[1:] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("times", [1.5, 3.0, 10.0])
def test_nothing_queues_however_much_is_asked(times: float, clock: FakeClock) -> None:
    *_, most = shed(times, clock)

    assert most <= PLACES == places_for(9, PLACES)

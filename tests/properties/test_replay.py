"""Whatever moves between attempts, each one's record leads to the same answer again (I3, I8).

The path is the real one, with policy, scorer and recorder, over a log in memory; what answers
always fails, and between two attempts bundles, quarantines and detectors change.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.conftest import FakeClock
from tests.fakes import MemoryLog
from tests.properties.test_authorize import Rule, _text, bundles
from tests.unit.authorize.worlds import GRANT, asking, judged, redacted, ruled
from tests.unit.paths import FakeDetector, FakeForwarder, Path

from transire.api.replay import replay
from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.acts import ACTIVE_KEY
from transire.bundle.compiled import CompiledBundle
from transire.bundle.quarantine import VERSION_KEY
from transire.domain.bundle import Bundle, Quarantine, RoutingRules
from transire.domain.classification import Classification, Redaction
from transire.domain.governed import Governed
from transire.domain.ids import BundleDigest, DataClass, DeploymentId, ProviderId
from transire.domain.outward import Wire
from transire.domain.ports import Keyed
from transire.domain.request import Assertions, RoutingRequest
from transire.errors import TransireError, UpstreamError
from transire.identity.digests import InstallationKeys
from transire.limits.sessions import SessionMemory
from transire.picks import Approved
from transire.record.recorder import LogRecorder
from transire.score.health import FleetHealth
from transire.score.scorer import BundleScorer

DOWN = UpstreamError("down", facts={"failure": "status_5xx"})
BUDGET = 6


@dataclass(frozen=True)
class Moment:
    """What governs from one attempt to the next.

    Attributes:
        bundle: Which of the bundles is active.
        found: What the detector of this moment finds.
        seconds: How long this lasts.
    """

    bundle: int = 0
    providers: frozenset[ProviderId] = frozenset()
    deployments: frozenset[DeploymentId] = frozenset()
    found: tuple[str, ...] = ()
    seconds: int = 1


@dataclass
class ReadingDetector(FakeDetector):
    """Finds what its moment says, and redacts it."""

    names: tuple[str, ...] = ()

    async def classify(self, request: RoutingRequest) -> Classification:
        return replace(judged(*self.names), detector_digest=self.digest)

    async def redact(self, request: Any, classification: Any) -> Redaction | None:
        return redacted(judged("PSEUDONYMISED"))


@dataclass
class History(Path):
    """A path whose every attempt fails, and on which the next moment then begins."""

    moments: list[Moment] = field(default_factory=list)
    compiled: list[CompiledBundle] = field(default_factory=list)
    asked: RoutingRequest = field(default_factory=asking)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.log = MemoryLog()
        log: Any = self.log
        self.detectors = [ReadingDetector(names=m.found) for m in self.moments]
        for detector in self.detectors:
            detector.digest = "reads " + ",".join(detector.names)
        self.quarantines = [
            Quarantine(version=n, providers=m.providers, deployments=m.deployments)
            for n, m in enumerate(self.moments)
        ]
        self.measured = FleetHealth(self.clock)
        self.forwarder = Failing(self.events, history=self)
        self.at = -1
        self.go_on()
        self.rewire(
            recorder=LogRecorder(log, self.clock),
            forwarder=self.forwarder,
            health=self.measured,
        )

    def go_on(self) -> None:
        """The next moment begins; the last one stays."""
        self.at = min(self.at + 1, len(self.moments) - 1)
        self.clock.advance(self.moments[self.at].seconds)
        self.log.state |= {
            ACTIVE_KEY: self.now.digest,
            VERSION_KEY: str(self.quarantines[self.at].version),
        }

    @property
    def now(self) -> CompiledBundle:
        return self.compiled[self.moments[self.at].bundle % len(self.compiled)]

    def governed(self) -> Governed:
        return Governed(
            bundle=self.now.bundle,
            quarantine=self.quarantines[self.at],
            detector=self.detectors[self.at],
            authorizer=CedarAuthorizer(self.now),
            scorer=BundleScorer(self.now.bundle, self.measured),
        )

    async def live(self) -> list[dict[str, Any]]:
        """Route one request to its end; its entries, as they would be read from the log."""
        with suppress(TransireError):
            await self.router.route(replace(self.asked, deadline_s=1_000))
        entries = [orjson.loads(orjson.dumps(entry)) for entry in self.log.entries]
        return [entry for entry in entries if entry["kind"] in ("decision", "attempt")]


@dataclass
class Failing(FakeForwarder):
    history: Any = None

    async def send(self, permit: Any, wire: Wire, **_: Any) -> Any:
        self.history.go_on()
        raise DOWN


class Kept:
    """An archive that holds what was recorded, and evaluates afresh."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.disclosed: frozenset[str] = frozenset()

    async def authorizer(self, digest: str) -> CedarAuthorizer:
        return CedarAuthorizer(next(c for c in self._history.compiled if c.digest == digest))

    async def routing(self, digest: str) -> RoutingRules:
        return next(c for c in self._history.compiled if c.digest == digest).bundle.routing

    async def bundle(self, digest: str) -> Bundle:
        return next(c for c in self._history.compiled if c.digest == digest).bundle

    @property
    def keyed(self) -> Keyed:
        return InstallationKeys(bytes(32))

    async def facts(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self._history.log.blobs[entry["facts"]])
        return found

    async def keeps(self, entry: Mapping[str, Any]) -> bool:
        return frozenset(entry.get("sd", ())) <= self.disclosed

    async def quarantine(self, version: int) -> Quarantine:
        return self._history.quarantines[version]

    async def approved(self, review_id: str) -> Approved:
        raise AssertionError("nothing here was released by a person")


def compiled(index: int, rules: list[Rule]) -> CompiledBundle:
    """Everything open but for these rules, under a digest of its own."""
    made = ruled(GRANT + "".join(_text(i, rule) for i, rule in enumerate(rules)))
    digest = BundleDigest(hashlib.sha256(str(index).encode()).hexdigest())
    routing = replace(made.bundle.routing, max_attempts=BUDGET)
    return replace(made, bundle=replace(made.bundle, digest=digest, routing=routing))


def lived(moments: list[Moment], many: list[list[Rule]]) -> tuple[History, list[dict[str, Any]]]:
    history = History(
        FakeClock(),
        moments=moments,
        compiled=[compiled(i, rules) for i, rules in enumerate(many)],
    )
    return history, asyncio.run(history.live())


def replayed(history: History, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return asyncio.run(replay(entries, Kept(history)))


Names: TypeAlias = st.SearchStrategy[frozenset[Any]]
providers: Names = st.frozensets(
    st.sampled_from(["nordwind", "atlantic", "acme-it"]).map(ProviderId), max_size=1
)
deployments: Names = st.frozensets(
    st.sampled_from(["eu-economy", "eu-premium", "us-premium"]).map(DeploymentId), max_size=1
)
moments = st.builds(
    Moment,
    bundle=st.integers(0, 2),
    providers=providers,
    deployments=deployments,
    found=st.sampled_from([(), ("CONTACT",), ("CONTACT", "HEALTH")]),
    seconds=st.integers(0, 5),
)


@given(st.lists(moments, min_size=1, max_size=BUDGET), st.lists(bundles, min_size=1, max_size=3))
def test_every_attempt_of_any_history_is_replayable(
    history: list[Moment], many: list[list[Rule]]
) -> None:
    path, entries = lived(history, many)
    assume(entries)  # nothing is sent for what waits for a person
    told = replayed(path, entries)

    assert told["replayable"] is told["agrees"] is True
    assert len(told["attempts"]) == len(entries) - 1
    for entry, attempt in zip(entries[1:], told["attempts"], strict=True):
        assert attempt["agrees"] is True
        assert attempt["evaluation"] == entry["evaluation"]
        assert entry["request_bundle"] == entries[0]["bundle"]


@given(
    st.lists(moments, min_size=1, max_size=BUDGET),
    st.lists(bundles, min_size=1, max_size=3),
    st.sampled_from(["CONTACT", "HEALTH"]).map(DataClass),
    st.sampled_from(["eu-economy", "us-premium", "nowhere"]).map(DeploymentId),
)
def test_a_turn_of_a_session_replays_without_the_session(
    history: list[Moment], many: list[list[Rule]], earlier: DataClass, answered: DeploymentId
) -> None:
    """What came from memory stands in the record: replay has no memory to ask."""
    path = History(
        FakeClock(),
        moments=history,
        compiled=[compiled(i, rules) for i, rules in enumerate(many)],
        asked=asking(Assertions(session_id="s")),
    )
    memory, rules = SessionMemory(path.clock), path.now.bundle.routing.sessions
    judgement = path.governed().authorizer.authorize(
        path.asked, judged(earlier), None, quarantine=Quarantine(), now=path.clock.now()
    )
    memory.saw(path.asked, judgement, rules)
    memory.answered(path.asked, answered)
    path.rewire(sessions=memory)
    entries = asyncio.run(path.live())
    assume(entries)
    told = replayed(path, entries)

    assert earlier in entries[0]["session"]["raw"]["found"]
    assert entries[0]["ranking"]["sticky"] == answered
    assert told["replayable"] is told["agrees"] is True


MOVING = [
    Moment(),
    Moment(deployments=frozenset({DeploymentId("eu-economy")})),
    Moment(bundle=1, found=("CONTACT",)),
]


def test_a_history_that_moves_is_told_attempt_by_attempt() -> None:
    path, entries = lived(MOVING, [[], []])
    told = replayed(path, entries)

    assert len(entries) == BUDGET
    assert [a["quarantine"] for a in told["attempts"][:2]] == [1, 2]
    assert [a["bundle"] for a in told["attempts"][:2]] == [c.digest for c in path.compiled]
    assert "eu-economy" not in {a["deployment"] for a in told["attempts"]}
    assert len({entry["evaluation"] for entry in entries[:2]}) == 2
    assert entries[2]["detector"] == "reads CONTACT"


def test_an_unmoved_history_keeps_one_evaluation() -> None:
    path, entries = lived([Moment(found=("CONTACT",))], [[]])

    assert len(entries) == BUDGET
    assert len({(entry["evaluation"], entry["facts"]) for entry in entries}) == 1
    assert replayed(path, entries)["agrees"] is True


def _elsewhere(entry: dict[str, Any]) -> None:
    entry["permit"]["deployment"] = "eu-economy"


def _unblocked(entry: dict[str, Any]) -> None:
    entry["quarantine"] = 0


def _reordered(entry: dict[str, Any]) -> None:
    for column in entry["ranking"]["candidates"].values():
        column.reverse()


def _ranked_more(entry: dict[str, Any]) -> None:
    for name, column in entry["ranking"]["candidates"].items():
        column.append("eu-economy" if name == "deployment" else column[-1])


@pytest.mark.parametrize("change", [_elsewhere, _unblocked, _reordered, _ranked_more])
def test_an_attempt_that_was_recorded_otherwise_does_not_agree(change: Any) -> None:
    path, entries = lived(MOVING, [[], []])
    change(entries[1])
    told = replayed(path, entries)

    assert told["attempts"][0]["agrees"] is told["agrees"] is False


def test_what_an_earlier_attempt_closed_stays_closed_for_a_later_one() -> None:
    """What attempt 2 found quarantined was free again at attempt 3, and is closed all the same."""
    history = [Moment(), MOVING[1], Moment()]
    path, entries = lived(history, [[]])
    _elsewhere(entries[2])
    told = replayed(path, entries)

    assert told["attempts"][1]["policy_agrees"] is True
    assert told["attempts"][1]["permit_agrees"] is False


def test_an_attempt_without_facts_is_not_replayable_and_neither_is_what_follows() -> None:
    path, entries = lived(MOVING, [[], []])
    del entries[1]["facts"]
    told = replayed(path, entries)

    assert [a["replayable"] for a in told["attempts"]] == [False] * (BUDGET - 1)
    assert (told["replayable"], told["agrees"]) == (False, True)


def test_an_entry_whose_disclosure_was_erased_is_not_replayable_and_one_that_keeps_it_is() -> None:
    path, entries = lived(MOVING, [[], []])
    entries[1]["sd"] = ["a field's digest"]
    archive = Kept(path)
    erased = asyncio.run(replay(entries, archive))
    archive.disclosed = frozenset(entries[1]["sd"])
    kept = asyncio.run(replay(entries, archive))

    assert (erased["replayable"], kept["replayable"]) == (False, True)
    assert [one["replayable"] for one in erased["attempts"]] == [False] * (BUDGET - 1)

"""The keeper on the path: who is drawn, what is recorded, and a canary that takes itself back."""

import hashlib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from tests.conftest import FakeClock
from tests.fakes import MemoryLog
from tests.unit.bundle.bundles import pack_files
from tests.unit.paths import COMPILED, Path, request

from transire.bundle.acts import ACTIVE_KEY
from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.quarantine import VERSION_KEY
from transire.domain.decision import Hold
from transire.domain.ids import DataClass, DecisionId, DeploymentId
from transire.domain.permit import Outcome, OutcomeStatus
from transire.domain.request import Assertions
from transire.domain.trial import CONTROL, Experiment
from transire.errors import BundleError, PolicyDenied, UpstreamError
from transire.prompting import fill_shelf
from transire.record.recorder import LogRecorder
from transire.score.health import FleetHealth
from transire.score.replay import agrees as score_agrees
from transire.score.scorer import BundleScorer
from transire.trials.keeper import TrialKeeper
from transire.trials.replay import draw_agrees, is_drawn_from

BAD, HEALTH = DeploymentId("eu-economy"), DataClass("HEALTH")
CANARY = """\
experiments:
  tone:
    kind: canary
    applications: [support-triage]
    unit: request
    variants:
      control: {share_permille: 500}
      terse: {share_permille: 500, prompt: support@2, prefer: [eu-economy]}
    guard: {min_samples: 10, error_permille: 20}
"""


class PlainKeys:
    def digest(self, purpose: str, data: bytes) -> bytes:
        return hashlib.sha256(purpose.encode() + data).digest()


def with_experiments(text: str = CANARY) -> CompiledBundle:
    files = pack_files()
    tenants = files["catalog/tenants.yaml"].decode()
    bound = tenants.replace("support-triage: {", "support-triage: {prompt: support@1, ")
    return compile_bundle(
        {
            **files,
            "catalog/tenants.yaml": bound.encode(),
            "experiments.yaml": text.encode(),
            "prompts/support@1.yaml": b"text: Answer.\n",
            "prompts/support@2.yaml": b"text: Answer badly.\n",
        }
    )


class Lab(Path):
    """The path with a real scorer, recorder and keeper over a log in memory."""

    async def open(
        self, compiled: CompiledBundle, log: MemoryLog | None = None, boot: str = "lab"
    ) -> "Lab":
        self.bundle = compiled.bundle
        self.log = log or MemoryLog()
        self.log.state |= {ACTIVE_KEY: compiled.digest, VERSION_KEY: "0"}
        self.compiled = compiled
        self.prompts = await fill_shelf(compiled.bundle, self.detector)
        entries: Any = self.log
        self.taken_back: list[tuple[str, str]] = []
        self.keeper = TrialKeeper(
            entries,
            PlainKeys(),
            self.governed,
            boot=boot,
            rolled_back=lambda *told: self.taken_back.append(told),
        )
        self.measured = FleetHealth(self.clock)
        self.real = BundleScorer(compiled.bundle, self.measured)
        self.rewire(trials=self.keeper, recorder=LogRecorder(entries, self.clock))
        return self

    def governed(self) -> Any:
        from transire.authorize.cedar import CedarAuthorizer

        if not hasattr(self, "compiled"):
            return super().governed()
        return replace(
            super().governed(), authorizer=CedarAuthorizer(self.compiled), scorer=self.real
        )

    async def ask(self, number: int, **changes: Any) -> dict[str, Any]:
        """One request; its decision as it would be read from the log."""
        made = request(id=DecisionId(f"dec_{number}"), **changes)
        self.router.answered(await self.router.route(made))
        found = [e for e in self.log.entries if e.get("id") == made.id]
        entry: dict[str, Any] = orjson.loads(orjson.dumps(found[0]))
        return entry


@pytest.fixture
def lab(clock: FakeClock) -> Lab:
    return Lab(clock)


async def test_variants_are_drawn_by_their_shares_and_each_entry_replays_its_draw(lab: Lab) -> None:
    await lab.open(with_experiments())
    told = [(await lab.ask(n)) for n in range(200)]
    terse = [e for e in told if e["experiment"]["variant"] == "terse"]

    assert 70 < len(terse) < 130
    assert all(draw_agrees(e["experiment"]) for e in told)
    assert {e["prompt"]["ref"] for e in terse} == {"support@2"}
    assert {e["chosen"]["deployment"] for e in terse} == {BAD}
    assert {e["prompt"]["ref"] for e in told if e not in terse} == {"support@1"}


async def test_a_canary_whose_answers_are_superseded_takes_itself_back(lab: Lab) -> None:
    await lab.open(with_experiments())
    ends = {CONTROL: OutcomeStatus.OK, "terse": OutcomeStatus.SUPERSEDED}
    first: Any = SimpleNamespace(attempt=1)
    for n in range(80):
        made = request(id=DecisionId(f"dec_{n}"))
        seen, governed = await lab.detector.classify(made), lab.governed()
        allowed = governed.authorizer.authorize(
            made, seen, None, quarantine=governed.quarantine, now=lab.clock.now()
        )
        drawn = lab.keeper.assigned(made, seen, allowed, governed)
        assert drawn.trial is not None
        told = lab.keeper.counted(drawn, first, Outcome(status=ends[drawn.trial.variant]))
        assert told is not None
        lab.keeper.learn(told)

    [entry] = [e for e in lab.log.entries if e["kind"] == "experiment.rolled_back"]

    assert (entry["variant"], entry["metric"]) == ("terse", "error")


@pytest.mark.parametrize("kind", ["ab", "bandit"])
async def test_replay_finds_what_the_log_alone_cannot_tell(lab: Lab, kind: str) -> None:
    text = CANARY.replace("kind: canary", f"kind: {kind}").rpartition("    guard:")[0]
    await lab.open(with_experiments(text))
    [experiment] = lab.bundle.experiments
    entry = await lab.ask(1)
    draw, permitted = entry["experiment"], lab.bundle.catalog.deployments.keys()

    def agrees(told: Experiment, **changes: Any) -> bool:
        changed = {**entry, "experiment": {**draw, **changes}}
        return draw_agrees(changed["experiment"]) and is_drawn_from(
            told, changed, None, permitted, PlainKeys()
        )

    moved = draw["point_ppm"] ^ 1  # beside it, and in the same share
    alone = {"variants": [CONTROL], "shares_ppm": [1_000_000], "propensity_ppm": 1_000_000}

    assert agrees(experiment)
    assert not agrees(experiment, point_ppm=moved)
    assert not agrees(experiment, unit="key")
    assert not agrees(experiment, digest="0" * 64)
    assert not agrees(replace(experiment, salt="another"))
    assert not agrees(
        experiment, variant=CONTROL, **alone, **({"state": [[0, 0]]} if kind == "bandit" else {})
    )
    if kind == "bandit":
        assert not agrees(experiment, explore_permille=200)
        assert not agrees(experiment, reward="feedback")
    else:
        assert not agrees(experiment, shares_ppm=[499_000, 501_000])


async def test_a_session_keeps_its_variant(lab: Lab) -> None:
    await lab.open(with_experiments(CANARY.replace("unit: request", "unit: session")))
    asked = [Assertions(session_id=f"s{n % 5}") for n in range(20)]
    told = [(await lab.ask(n, assertions=a))["experiment"] for n, a in enumerate(asked)]

    assert all(told[n]["variant"] == told[n % 5]["variant"] for n in range(20))
    assert {draw["unit"] for draw in told} == {"session"}
    assert len({draw["variant"] for draw in told}) == 2


async def test_a_canary_that_fails_is_taken_back_and_stays_so(lab: Lab, clock: FakeClock) -> None:
    await lab.open(with_experiments())
    lab.forwarder.failing = {BAD: UpstreamError("down", facts={"failure": "status_5xx"})}
    told = [await lab.ask(n) for n in range(80)]
    entries: list[dict[str, Any]] = orjson.loads(orjson.dumps(lab.log.entries))
    back = [e for e in entries if e["kind"] == "experiment.rolled_back"]
    behind = entries[entries.index(back[0]) :]
    later = [e["experiment"]["variant"] for e in behind if e["kind"] == "decision"]

    assert len(back) == 1
    assert (back[0]["variant"], back[0]["metric"]) == ("terse", "error")
    assert lab.taken_back == [("tone", "error")]
    assert {e["experiment"]["variant"] for e in told} == {"control", "terse"}
    assert later
    assert set(later) == {"control"}

    again = await Lab(clock).open(with_experiments(), lab.log)
    restarted = [(await again.ask(1_000 + n))["experiment"] for n in range(20)]

    assert {draw["variant"] for draw in restarted} == {"control"}

    anew = await Lab(clock).open(with_experiments(CANARY + "    salt: two\n"), lab.log)
    fresh = [(await anew.ask(2_000 + n))["experiment"]["variant"] for n in range(20)]

    assert set(fresh) == {"control", "terse"}


async def test_a_canary_whose_deployment_is_shut_out_by_the_breaker_is_taken_back(
    lab: Lab,
) -> None:
    await lab.open(with_experiments())
    for _ in range(20):
        lab.measured.finished(BAD, failure="status_5xx", latency_ms=9)
    told = [await lab.ask(n) for n in range(80)]
    terse = [e for e in told if e["experiment"]["variant"] == "terse"]
    entries: list[dict[str, Any]] = orjson.loads(orjson.dumps(lab.log.entries))
    [back] = [e for e in entries if e["kind"] == "experiment.rolled_back"]

    assert terse
    assert all(e["experiment"]["unwell"] is True for e in terse)
    assert all(BAD != e["chosen"]["deployment"] for e in told)
    assert not any("unwell" in e["experiment"] for e in told if e not in terse)
    assert (back["metric"], back["bad"], back["control_bad"]) == ("error", back["attempts"], 0)


async def test_what_does_no_harm_stays(lab: Lab) -> None:
    await lab.open(with_experiments())
    for n in range(150):
        await lab.ask(n)

    assert [e for e in lab.log.entries if e["kind"] == "experiment.rolled_back"] == []


@pytest.mark.parametrize(("stakes", "takes_part"), [(0, True), (-1, False)])
async def test_the_highest_stakes_take_part_in_nothing(
    stakes: int, takes_part: bool, lab: Lab
) -> None:
    await lab.open(with_experiments())
    level = lab.bundle.taxonomy.stakes[stakes]
    advice = await lab.router.advise(request(assertions=Assertions(stakes=level)))

    assert (advice.case.request.trial is not None) == takes_part


async def test_a_pick_that_waits_for_a_person_is_control_without_a_draw(lab: Lab) -> None:
    every = ", ".join(COMPILED.bundle.taxonomy.stakes)
    await lab.open(with_experiments(CANARY.replace("unit:", f"stakes: [{every}]\n    unit:")))
    highest = lab.bundle.taxonomy.stakes[-1]
    advice = await lab.router.advise(request(assertions=Assertions(stakes=highest)))

    assert isinstance(advice.choice, Hold)
    assert advice.case.request.trial is None
    assert advice.case.request.prompt is not None
    assert advice.case.request.prompt.prompt.ref == "support@1"


@pytest.mark.parametrize("only", ["us-premium", "us-economy", "eu-economy"])
async def test_no_variant_leads_outside_the_permitted_set(lab: Lab, only: str) -> None:
    text = CANARY.replace("prefer: [eu-economy]", f"only: [{only}]")
    await lab.open(with_experiments(text))
    lab.detector.found = frozenset({HEALTH})
    for n in range(30):
        try:
            await lab.ask(n)
        except PolicyDenied:
            break
    free = Lab(lab.clock)
    await free.open(with_experiments())
    free.detector.found = frozenset({HEALTH})
    classification = await free.detector.classify(request())
    governed = free.governed()
    permitted = governed.authorizer.authorize(
        request(), classification, None, quarantine=governed.quarantine, now=free.clock.now()
    ).permitted
    names = {verdict.pair.deployment for verdict in permitted}
    entries: list[dict[str, Any]] = orjson.loads(orjson.dumps(lab.log.entries))
    went = {e["chosen"]["deployment"] for e in entries if "chosen" in e}

    assert went <= names


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("share_permille: 500}", "share_permille: 400}"), "add up to 1000"),
        (("support@2", "support@9"), "the prompt `support@9`"),
        (("[eu-economy]", "[nowhere]"), "the deployment `nowhere`"),
        (("control:", "usual:"), "a variant `control`"),
        (("kind: canary", "kind: ab"), "a canary has a `guard`"),
    ],
)
def test_what_is_wrong_with_an_experiment_is_told(change: tuple[str, str], told: str) -> None:
    with pytest.raises(BundleError) as refused:
        with_experiments(CANARY.replace(*change))

    assert any(told in p and p.startswith("experiments.yaml:") for p in refused.value.problems)


async def test_a_bandit_records_the_counts_its_shares_came_from(lab: Lab) -> None:
    text = CANARY.replace("kind: canary", "kind: bandit").rpartition("    guard:")[0]
    await lab.open(with_experiments(text))
    lab.forwarder.failing = {BAD: UpstreamError("down", facts={"failure": "status_5xx"})}
    told = [(await lab.ask(n))["experiment"] for n in range(120)]

    assert told[0]["state"] == [[0, 0], [0, 0]]
    assert all(draw_agrees(draw) for draw in told)
    assert told[-1]["shares_ppm"][1] < 100_000
    assert told[-1]["shares_ppm"][1] >= 50_000


def heard(lab: Lab, boot: str) -> list[dict[str, Any]]:
    """The entries as a log of this boot holds them."""
    entries: list[dict[str, Any]] = orjson.loads(orjson.dumps(lab.log.entries))
    return [{**entry, "boot": boot} for entry in entries]


async def test_a_variant_that_keeps_to_a_dead_deployment_costs_nobody_the_answer(
    lab: Lab,
) -> None:
    text = CANARY.replace("prefer: [eu-economy]", "only: [eu-economy]").replace("10,", "1000,")
    await lab.open(with_experiments(text))
    lab.forwarder.failing = {BAD: UpstreamError("down", facts={"failure": "status_5xx"})}
    told = [await lab.ask(n) for n in range(20)]  # each is answered
    entries = heard(lab, "lab")
    terse = {e["id"]: e for e in told if e["experiment"]["variant"] == "terse"}
    later = [e for e in entries if e["kind"] == "attempt"]
    counted = [e["counted"] for e in entries if e.get("counted") and e["decision_id"] in terse]

    assert terse
    assert {e["chosen"]["deployment"] for e in terse.values()} == {BAD}
    assert [e["decision_id"] for e in later] == list(terse)
    assert {e["permit"]["cause"] for e in later} == {"fallback"}
    assert BAD not in {e["permit"]["deployment"] for e in later}
    assert all(e["experiment"] == terse[e["decision_id"]]["experiment"] for e in later)
    assert all(score_agrees(e["ranking"]) for e in later)
    assert [one["bad"] for one in counted] == [["error"]] * len(terse)


async def test_a_restart_goes_on_with_what_a_canary_and_control_were_counted(
    lab: Lab, clock: FakeClock
) -> None:
    """Ten samples of each are needed: neither of the two starts alone has them."""
    text = CANARY.replace("min_samples: 10", "min_samples: 12")
    await lab.open(with_experiments(text))
    lab.forwarder.failing = {BAD: UpstreamError("down", facts={"failure": "status_5xx"})}
    before = [(await lab.ask(n))["experiment"]["variant"] for n in range(20)]
    again = await Lab(clock).open(with_experiments(text), boot="second")
    again.forwarder.failing = dict(lab.forwarder.failing)
    for entry in heard(lab, "first"):
        again.keeper.hear(entry)
    after = [(await again.ask(100 + n))["experiment"]["variant"] for n in range(20)]
    [back] = [e for e in heard(again, "second") if e["kind"] == "experiment.rolled_back"]

    assert max(before.count("terse"), after.count("terse")) < 12
    assert back["attempts"] == back["bad"] >= 12
    assert back["attempts"] > after.count("terse")


async def test_a_restarted_bandit_knows_what_it_knew(lab: Lab, clock: FakeClock) -> None:
    text = CANARY.replace("kind: canary", "kind: bandit").rpartition("    guard:")[0]
    await lab.open(with_experiments(text))
    lab.forwarder.failing = {BAD: UpstreamError("down", facts={"failure": "status_5xx"})}
    for n in range(60):
        await lab.ask(n)
    known = (await lab.ask(60))["experiment"]
    again = await Lab(clock).open(with_experiments(text), boot="second")
    for entry in heard(lab, "first"):
        again.keeper.hear(entry)
    drawn = (await again.ask(99))["experiment"]

    assert sum(count for _, count in drawn["state"]) == 61
    assert sum(count for _, count in known["state"]) == 60
    assert drawn["shares_ppm"][1] < 100_000


async def test_what_this_boot_counted_itself_is_not_counted_again(lab: Lab) -> None:
    text = CANARY.replace("kind: canary", "kind: bandit").rpartition("    guard:")[0]
    await lab.open(with_experiments(text))
    for n in range(10):
        await lab.ask(n)
    for entry in heard(lab, "lab"):
        lab.keeper.hear(entry)
    drawn = (await lab.ask(10))["experiment"]

    assert sum(count for _, count in drawn["state"]) == 10


async def test_an_outcome_says_what_it_counts_for_and_of_no_plain_comparison(lab: Lab) -> None:
    await lab.open(with_experiments())
    lab.forwarder.failing = {BAD: UpstreamError("down", facts={"failure": "status_5xx"})}
    entry: dict[str, Any] = {}
    while entry.get("variant") != "terse":
        entry = (await lab.ask(len(lab.log.entries)))["experiment"]
    counted = [e["counted"] for e in lab.log.entries if "counted" in e][-1]
    plain = CANARY.replace("kind: canary", "kind: ab").rpartition("    guard:")[0]
    compared = await Lab(lab.clock).open(with_experiments(plain))
    await compared.ask(1)

    assert counted == {
        "digest": entry["digest"],
        "variant": "terse",
        "task": "",
        "won": 0,
        "bad": ["error"],
    }
    assert not any("counted" in e for e in compared.log.entries)

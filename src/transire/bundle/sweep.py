"""The sweep: ask a bundle a finite space of questions, and demand that no rule errs.

Validation does not prevent evaluation errors (integer overflow, for one), and Cedar skips a forbid
that errs. At run time an error denies (I4); before activation it refuses the bundle. The
sweep also asks whether the bundle could ever be replaced: one whose rules let nobody propose and
another approve would govern for ever.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from threading import Lock
from typing import Final

import cedarpy
import orjson

from transire.bundle.compiled import CompiledBundle
from transire.bundle.instants import instants_of
from transire.bundle.rules import actions_of, read_rules
from transire.bundle.space import (
    Question,
    act_questions,
    act_rows,
    answer_questions,
    cache_questions,
    judge_questions,
    moderation_questions,
    route_questions,
    shadow_questions,
)
from transire.bundle.unfound import unfound_classes
from transire.domain.bundle import Bundle
from transire.domain.ids import PolicyId
from transire.errors import BundleError

__all__ = ["Sweep", "demand_sound", "sweep"]

MAX_QUESTIONS: Final = 4_000
"""Questions about routing: about a second for 50 policies; a count, so that no clock decides."""
_RECEIVING: Final = frozenset({"receive", "receive_redacted"})
_MAX_ACTS: Final = 20_000
_BATCH: Final = 64
"""Questions per call: Cedar holds the GIL, and a router may be serving beside this thread."""
_KEPT: Final = 32
"""Sound bundles remembered; a hundred bytes each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What the questions showed.

    Attributes:
        questions: How many were asked.
        errors: Policy id → the first question it erred on, in words.
        undecided: Questions Cedar could not read; a fault of ours, and a refusal.
        never_determining: Policies that decided nothing in this space: vacuous, or shadowed.
    """

    questions: int
    errors: dict[PolicyId, str]
    undecided: tuple[str, ...]
    never_determining: tuple[PolicyId, ...]


@dataclass(slots=True)
class _Tally:
    questions: int = 0
    errors: dict[PolicyId, str] = field(default_factory=dict)
    undecided: list[str] = field(default_factory=list)
    determining: set[str] = field(default_factory=set)


def sweep(compiled: CompiledBundle, *, now: datetime, limit: int = MAX_QUESTIONS) -> Sweep:
    """Ask the whole space, at most `limit` questions about routing and as many about answers.

    Reproducible for one `now`.
    """
    entities = _with_act_rows(compiled)
    questions = chain(
        route_questions(compiled.bundle, now, limit),
        _answers(compiled, now, limit),
        _named("cache", cache_questions, compiled, now, limit),
        _named("shadow", shadow_questions, compiled, now, limit),
        _named("judge", judge_questions, compiled, now, limit),
        _named("moderate", moderation_questions, compiled, now, limit),
        islice(act_questions(compiled.bundle, now), _MAX_ACTS),
    )
    tally = _Tally()
    for question, result in _ask(compiled, entities, questions):
        tally.questions += 1
        tally.determining.update(result.diagnostics.reasons)
        if result.decision is cedarpy.Decision.NoDecision:
            tally.undecided.append(question.about)
        for error in result.diagnostics.errors:
            tally.errors.setdefault(_policy_in(error), question.about)
    ids = compiled.bundle.annotations
    return Sweep(
        questions=tally.questions,
        errors=tally.errors,
        undecided=tuple(tally.undecided),
        never_determining=tuple(sorted(p for p in ids if p not in tally.determining)),
    )


def _answers(compiled: CompiledBundle, now: datetime, limit: int) -> Iterable[Question]:
    """Questions about answers, where some rule is about them."""
    named = (actions_of(node) for node in compiled.tree.static_policies.values())
    is_asked = any(actions & _RECEIVING for actions in named)
    return answer_questions(compiled.bundle, now, limit) if is_asked else ()


def _named(
    action: str,
    questions: Callable[[Bundle, datetime, int], Iterator[Question]],
    compiled: CompiledBundle,
    now: datetime,
    limit: int,
) -> Iterable[Question]:
    """Questions about an action, where some rule names it."""
    named = (actions_of(node) for node in compiled.tree.static_policies.values())
    is_asked = any(action in actions for actions in named)
    return questions(compiled.bundle, now, limit) if is_asked else ()


def demand_sound(compiled: CompiledBundle, *, now: datetime, solo: bool) -> Sweep:
    """Sweep, and refuse what must not become active.

    Whoever activates what was proposed a minute ago does not wait for the same answers again: they
    depend on the sources, on the mode, and on the place of `now` among the bundle's instants. What
    is refused is never remembered.

    Raises:
        BundleError: a rule errs somewhere, nobody could ever replace this bundle, or nothing
            looks for one of its classes.
    """
    instants = instants_of(compiled)
    judged = instants.judged(now)
    key = (compiled.digest, solo, instants.window(judged))
    found = _sound.recall(key)
    if found is None:
        found = _swept(compiled, judged, solo=solo)
        _sound.remember(key, found)
    return found


class _Sound:
    """Sweeps without a problem, the least recently wanted out first; safe from several threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: OrderedDict[Hashable, Sweep] = OrderedDict()
        self._lock = Lock()

    def recall(self, key: Hashable) -> Sweep | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def remember(self, key: Hashable, found: Sweep) -> None:
        with self._lock:
            self._held[key] = found
            if len(self._held) > self._size:
                self._held.popitem(last=False)


_sound: Final = _Sound(_KEPT)


def _swept(compiled: CompiledBundle, now: datetime, *, solo: bool) -> Sweep:
    found = sweep(compiled, now=now)
    blind = [str(c) for c in unfound_classes(compiled.bundle, compiled.tree) if c.is_blind]
    problems = blind + [
        f"{_place(compiled, policy)}: `{policy}` fails to evaluate for {about}"
        for policy, about in sorted(found.errors.items())
    ]
    if found.undecided:
        problems.append(f"rules: no decision is possible for {found.undecided[0]}")
    if not _is_replaceable(compiled, now, solo=solo):
        other = "a person" if solo else "another person"
        problems.append(
            f"rules: nobody could ever replace this bundle: it must let a person propose, {other} "
            "approve, and someone activate"
        )
    if problems:
        raise BundleError(problems)
    return found


def _is_replaceable(compiled: CompiledBundle, now: datetime, *, solo: bool) -> bool:
    """Some author's bundle can be approved by another person and activated by someone."""
    allowed: dict[str, set[tuple[str, str]]] = {
        "propose": set(),
        "approve": set(),
        "activate": set(),
    }
    wanted = f'"solo":{"true" if solo else "false"}'
    questions = (
        q
        for q in act_questions(compiled.bundle, now)
        if q.request["action"]["id"] in allowed and wanted in q.request["context"]
    )
    for question, result in _ask(compiled, _with_act_rows(compiled), questions):
        if result.decision is cedarpy.Decision.Allow and not result.diagnostics.errors:
            request = question.request
            author = request["resource"]["id"].removeprefix("by-")
            allowed[request["action"]["id"]].add((request["principal"]["id"], author))
    authors = {author for person, author in allowed["propose"] if person == author}
    return any(
        any(a == author and (solo or p != author) for p, a in allowed["approve"])
        and any(a == author for _, a in allowed["activate"])
        for author in authors
    )


def _ask(
    compiled: CompiledBundle, entities: cedarpy.Entities, questions: Iterable[Question]
) -> Iterator[tuple[Question, cedarpy.AuthzResult]]:
    rest = iter(questions)
    while batch := list(islice(rest, _BATCH)):
        results = cedarpy.is_authorized_batch(
            [q.request for q in batch], compiled.policies, entities, compiled.schema
        )
        yield from zip(batch, results, strict=True)


def _with_act_rows(compiled: CompiledBundle) -> cedarpy.Entities:
    rows = orjson.dumps(act_rows(compiled.bundle)).decode()
    try:
        return compiled.entities.with_added_json_str(rows, compiled.schema)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise BundleError([f"rules: acts cannot be asked about: {reason}"]) from None


def _policy_in(error: str) -> PolicyId:
    """The policy an error names; Cedar's text may quote values, so only the id is kept."""
    _, _, rest = error.partition("policy `")
    return PolicyId(rest.partition("`")[0] or "unknown")


def _place(compiled: CompiledBundle, policy: PolicyId) -> str:
    rules = {rule.id: rule.where for rule in read_rules(compiled.bundle.files)}
    return rules.get(policy, "rules")

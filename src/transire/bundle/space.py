"""A finite space of questions to Cedar, drawn from taxonomy and catalog. Pure.

Each value of each fact appears at least once for every application, against a neutral rest; the
combinations that follow are drawn by the bundle's own digest, so the same bundle is always asked
the same questions.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, Final

import orjson

from transire.bundle.entities import INSTALLATION, datetime_value, reference, uid
from transire.domain.bundle import Bundle

__all__ = [
    "Question",
    "act_questions",
    "act_rows",
    "answer_questions",
    "cache_questions",
    "judge_questions",
    "moderation_questions",
    "route_questions",
    "shadow_questions",
]

_SPREAD: Final = 3
"""Deployments asked per combination of facts, in rotation, so that large fleets stay bounded."""
_DRAWN: Final = 100
"""Drawn combinations of facts, beside those where one fact alone is odd."""
_MAX_PARTIES: Final = 40
"""People, tenants and applications asked about, each; rules speak of roles, not of the 41st."""

_OF_LOG: Final = ("read_audit", "erase", "explain")
"""What people do to a tenant's log."""

Axes = Mapping[str, Sequence[Any]]
Actions = Mapping[bool, Sequence[str]]
"""Whether something is redacted → the actions that are then asked about."""

_ROUTES: Final = ("route", "route_unreviewed")
_ROUTING: Final[Actions] = {False: _ROUTES, True: (*_ROUTES, "restore", "restore_arguments")}
_RECEIVING: Final[Actions] = {False: ("receive", "receive_redacted"), True: ("receive",)}
_CACHING: Final[Actions] = {False: ("cache",), True: ()}
_SHADOWING: Final[Actions] = {False: ("shadow",), True: ("shadow",)}
_JUDGING: Final[Actions] = {False: ("judge",), True: ("judge",)}
_OF_MODERATORS: Final = (*_ROUTES, "moderate")
_MODERATING: Final[Actions] = {False: _OF_MODERATORS, True: _OF_MODERATORS}


@dataclass(frozen=True, slots=True)
class Question:
    """One Cedar request; `about` says it in words, for people."""

    request: dict[str, Any]
    about: str


def route_questions(bundle: Bundle, now: datetime, limit: int) -> Iterator[Question]:
    """At most `limit` questions about routing, over all applications.

    Args:
        now: The moment the neutral facts stand at; contract boundaries are asked as well.
    """
    yield from _questions(bundle, now, limit, _ROUTING)


def answer_questions(bundle: Bundle, now: datetime, limit: int) -> Iterator[Question]:
    """At most `limit` questions about what an answer may hold, in the same facts."""
    yield from _questions(bundle, now, limit, _RECEIVING)


def cache_questions(bundle: Bundle, now: datetime, limit: int) -> Iterator[Question]:
    """At most `limit` questions about keeping answers, in the same facts."""
    yield from _questions(bundle, now, limit, _CACHING)


def shadow_questions(bundle: Bundle, now: datetime, limit: int) -> Iterator[Question]:
    """At most `limit` questions about shadows, in the same facts."""
    yield from _questions(bundle, now, limit, _SHADOWING)


def judge_questions(bundle: Bundle, now: datetime, limit: int) -> Iterator[Question]:
    """At most `limit` questions about judges, in the same facts."""
    yield from _questions(bundle, now, limit, _JUDGING)


def moderation_questions(bundle: Bundle, now: datetime, limit: int) -> Iterator[Question]:
    """At most `limit` questions about moderators: of `moderate`, and of routes, which bind it."""
    yield from _questions(bundle, now, limit, _MODERATING, sorted(bundle.catalog.moderators))


def _questions(
    bundle: Bundle,
    now: datetime,
    limit: int,
    asked_of: Actions,
    deployments: Sequence[str] | None = None,
) -> Iterator[Question]:
    axes = _axes(bundle, now)
    applications = list(bundle.catalog.applications)[:_MAX_PARTIES]
    if deployments is None:
        deployments = sorted(bundle.catalog.deployments)
    if not applications or not deployments:
        return
    contexts = [(a, c, o) for c, o in _single(axes) for a in applications]
    drawn = islice(_drawn(axes, applications, seed=bundle.digest), _DRAWN)
    asked = 0
    for turn, (application, context, oddity) in enumerate(chain(contexts, drawn)):
        text = orjson.dumps({k: v for k, v in context.items() if v is not None}).decode()
        for deployment in _rotate(deployments, turn * _SPREAD):
            for action in asked_of[context["redacted"]]:
                if asked >= limit:
                    return
                asked += 1
                yield Question(
                    _request("Application", application, action, "Deployment", deployment, text),
                    f"`{application}` → `{deployment}` ({oddity})",
                )


def act_rows(bundle: Bundle) -> list[dict[str, Any]]:
    """Ephemeral entities that acts are about: review items and bundles by every author."""
    people = sorted(bundle.catalog.people)[:_MAX_PARTIES]
    rows = [
        _row("PolicyBundle", f"by-{person}", {"author": reference("User", person)})
        for person in people
    ]
    for tenant in sorted(bundle.catalog.tenants)[:_MAX_PARTIES]:
        attrs = {
            "tenant": reference("Tenant", tenant),
            "queue": "default",
            "stakes": reference("Stakes", bundle.taxonomy.stakes[0]),
            "dataClasses": [],
            "keyHolders": [],
        }
        rows.append(_row("ReviewItem", f"{tenant}-plain", attrs, [uid("Tenant", tenant)]))
        if people:
            holder = reference("User", people[0])
            owned = {**attrs, "requestedBy": holder, "keyHolders": [holder]}
            rows.append(_row("ReviewItem", f"{tenant}-owned", owned, [uid("Tenant", tenant)]))
    return rows


def act_questions(bundle: Bundle, now: datetime) -> Iterator[Question]:
    """Every person's every act, in both modes; applications' `explain` too."""
    catalog = bundle.catalog
    people = sorted(catalog.people)[:_MAX_PARTIES]
    rows = act_rows(bundle)
    bundles = [r["uid"]["id"] for r in rows if r["uid"]["type"] == "PolicyBundle"]
    reviews = [r["uid"]["id"] for r in rows if r["uid"]["type"] == "ReviewItem"]
    acts: list[tuple[tuple[str, ...], str, Iterable[str]]] = [
        (("release", "view_content"), "ReviewItem", reviews),
        (("propose", "approve", "activate"), "PolicyBundle", bundles),
        (("quarantine", "lift_quarantine"), "Installation", [INSTALLATION]),
        (("mint_key", "revoke_key"), "Application", sorted(catalog.applications)[:_MAX_PARTIES]),
        (("invite", "revoke_credential"), "User", people),
    ]
    audits = sorted(catalog.tenants)[:_MAX_PARTIES]
    plain = {"now": datetime_value(now)}
    for person in people:
        for actions, kind, names in acts:
            for name in names:
                for solo in (False, True):
                    context = {**plain, "solo": solo}
                    yield from _acts("User", person, actions, kind, name, context)
        for name in audits:
            yield from _acts("User", person, _OF_LOG, "AuditLog", name, plain)
    for application in sorted(catalog.applications)[:_MAX_PARTIES]:
        for name in audits:
            yield from _acts("Application", application, ("explain",), "AuditLog", name, plain)


def _acts(
    principal: str,
    name: str,
    actions: Iterable[str],
    kind: str,
    resource: str,
    context: Mapping[str, Any],
) -> Iterator[Question]:
    text = orjson.dumps(context).decode()
    for action in actions:
        yield Question(
            _request(principal, name, action, kind, resource, text),
            f"`{name}` {action} {kind} `{resource}`",
        )


def _axes(bundle: Bundle, now: datetime) -> Axes:
    """Fact → its values; the first is the neutral one, None leaves the fact out."""
    taxonomy = bundle.taxonomy
    single = [[], *([c] for c in sorted(taxonomy.data_classes)), sorted(taxonomy.data_classes)]
    classes = [_refs("DataClass", taxonomy.class_closure(c)) for c in single]
    guards = [[], *([g] for g in taxonomy.guards), taxonomy.guards]
    capabilities = [[], *([c] for c in taxonomy.egress_capabilities), taxonomy.egress_capabilities]
    places = sorted({t.home for t in bundle.catalog.tenants.values()})
    people = sorted(bundle.catalog.people)[:1]
    return {
        "purpose": [reference("Purpose", p) for p in taxonomy.purposes],
        "stakes": [reference("Stakes", s) for s in taxonomy.stakes],
        "dataClasses": classes,
        "failedClasses": classes,
        "uncoveredClasses": classes,
        "reducedClasses": classes,
        "unscannedParts": [0, 1, 1_000_000],
        "capabilities": [_refs("Capability", c) for c in capabilities],
        "redacted": [False, True],
        "now": [datetime_value(m) for m in _moments(bundle, now)],
        "subjectRegion": [None, *(reference("Jurisdiction", j) for j in places)],
        "user": [None, *(reference("User", p) for p in people)],
        "raisedGuards": [_refs("Guard", g) for g in guards],
        "failedGuards": [_refs("Guard", g) for g in guards],
    }


def _moments(bundle: Bundle, now: datetime) -> list[datetime]:
    contracts = [c for t in bundle.catalog.tenants.values() for c in t.contracts.values()]
    edges = sorted({m for c in contracts for m in (c.valid_from, c.valid_until)})
    far = [datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
    return [now, *far, *edges[:50]]


def _single(axes: Axes) -> Iterator[tuple[dict[str, Any], str]]:
    neutral = {name: values[0] for name, values in axes.items()}
    yield neutral, "neutral facts"
    for name, values in axes.items():
        for index, value in enumerate(values[1:], start=1):
            yield {**neutral, name: value}, f"{name} #{index}"


def _drawn(
    axes: Axes, applications: Sequence[str], *, seed: str
) -> Iterator[tuple[str, dict[str, Any], str]]:
    draw = random.Random(seed)  # noqa: S311 - a reproducible sample, not a secret
    while True:
        picked = {name: draw.randrange(len(values)) for name, values in axes.items()}
        facts = {name: axes[name][index] for name, index in picked.items()}
        oddity = ", ".join(f"{name} #{index}" for name, index in picked.items() if index)
        yield draw.choice(applications), facts, oddity or "neutral facts"


def _rotate(names: Sequence[str], start: int) -> Iterator[str]:
    count = min(_SPREAD, len(names))
    return islice((names[(start + i) % len(names)] for i in range(count)), count)


def _refs(kind: str, names: Iterable[str]) -> list[Any]:
    return [reference(kind, name) for name in sorted(names)]


def _row(
    kind: str, name: str, attrs: Mapping[str, Any], parents: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    return {"uid": uid(kind, name), "attrs": dict(attrs), "parents": list(parents)}


def _request(
    principal: str, name: str, action: str, kind: str, resource: str, context: str
) -> dict[str, Any]:
    return {
        "principal": uid(principal, name),
        "action": uid("Action", action),
        "resource": uid(kind, resource),
        "context": context,
    }

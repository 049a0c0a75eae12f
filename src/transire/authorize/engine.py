"""Asking Cedar about every deployment: once per distinct profile, in one batch.

Deployments with equal attributes and parents get equal answers unless a policy or another entity
names one of them, so one representative is asked for each such profile (research: cedar §2: 13 ×
at 50 deployments, exact).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import cedarpy
import orjson
from cedarpy import pst

from transire.authorize.effects import Answer, Evaluation, combine
from transire.authorize.memo import Instants, Memo, instants_of, to_cedar_time
from transire.bundle.compiled import CompiledBundle
from transire.bundle.entities import datetime_value, reference, uid
from transire.bundle.rules import context_reads
from transire.domain.decision import Facts
from transire.domain.ids import ApplicationId, DeploymentId
from transire.errors import GovernanceUnavailable

__all__ = ["CedarEngine", "Evaluations", "ask", "context_of"]

Evaluations = Mapping[DeploymentId, Evaluation]

_MEMO_SIZE: Final = 4_096


def ask(
    requests: Sequence[dict[str, Any]],
    policies: cedarpy.PolicySet,
    entities: cedarpy.Entities,
    schema: cedarpy.Schema | None,
) -> list[Answer]:
    """Put questions to Cedar in one batch; answers in the same order.

    Raises:
        GovernanceUnavailable: the binding itself failed; the caller denies everything.
    """
    if not requests:
        return []
    try:
        results = cedarpy.is_authorized_batch(list(requests), policies, entities, schema)
    except Exception:  # noqa: BLE001 - any failure of the binding denies (research: cedar §4.4)
        raise GovernanceUnavailable("the policy engine failed") from None
    return [_answer(result) for result in results]


def _answer(result: cedarpy.AuthzResult) -> Answer:
    return Answer(
        is_allowed=result.decision is cedarpy.Decision.Allow,
        is_decided=result.decision is not cedarpy.Decision.NoDecision,
        policies=tuple(result.diagnostics.reasons),
        errors=tuple(_policy_in(error) for error in result.diagnostics.errors),
    )


def _policy_in(error: str) -> str:
    """The policy an error names; Cedar's text may quote values, so only the id is kept."""
    _, _, rest = error.partition("policy `")
    return rest.partition("`")[0] or "unknown"


def context_of(facts: Facts, now: datetime) -> str:
    """The Cedar context as JSON text, shared by every question about one request."""
    context: dict[str, Any] = {
        "now": datetime_value(now),
        "purpose": reference("Purpose", facts.purpose),
        "stakes": reference("Stakes", facts.stakes),
        "dataClasses": _set("DataClass", facts.data_classes),
        "failedClasses": _set("DataClass", facts.failed_classes),
        "uncoveredClasses": _set("DataClass", facts.uncovered_classes),
        "unscannedParts": facts.unscanned_parts,
        "capabilities": _set("Capability", facts.capabilities),
        "redacted": facts.redacted,
    }
    if facts.subject_region is not None:
        context["subjectRegion"] = reference("Jurisdiction", facts.subject_region)
    if facts.user is not None:
        context["user"] = reference("User", facts.user)
    return orjson.dumps(context).decode()


def _set(kind: str, names: Iterable[str]) -> list[Any]:
    return [reference(kind, name) for name in sorted(names)]


class CedarEngine:
    """Evaluates one compiled bundle; pure but for its memo."""

    def __init__(self, compiled: CompiledBundle) -> None:
        self.compiled = compiled
        self._profiles = _profiles(compiled)
        self._instants: Instants | None = instants_of(compiled)
        self._reads = context_reads(compiled.tree.static_policies)
        self._memo: Memo[Evaluations] = Memo(_MEMO_SIZE)

    def window(self, now: datetime) -> tuple[int, int] | None:
        """The window of `now`, or None where no two moments are alike."""
        return None if self._instants is None else self._instants.window(now)

    def evaluate(
        self, application: ApplicationId, facts: Facts, now: datetime
    ) -> tuple[Evaluations, bool]:
        """Every deployment's evaluation, and whether it was remembered.

        Raises:
            GovernanceUnavailable: the application is unknown, or the engine failed.
        """
        if ("Application", application) not in self.compiled.entity_ids:
            raise GovernanceUnavailable("the application is not in the active catalog")
        now = to_cedar_time(now)
        key = self._key(application, facts, now)
        if key is not None and (known := self._memo.get(key)) is not None:
            return known, True
        found = self._evaluate(application, facts, now)
        if key is not None:
            self._memo.remember(key, found)
        return found, False

    def _key(self, application: ApplicationId, facts: Facts, now: datetime) -> Any:
        window = self.window(now)
        if window is None:
            return None
        reads = self._reads
        return (
            application,
            window,
            _if_read(reads, "purpose", facts.purpose),
            _if_read(reads, "stakes", facts.stakes),
            _if_read(reads, "dataClasses", facts.data_classes),
            _if_read(reads, "failedClasses", facts.failed_classes),
            _if_read(reads, "uncoveredClasses", facts.uncovered_classes),
            _if_read(reads, "unscannedParts", facts.unscanned_parts),
            _if_read(reads, "capabilities", facts.capabilities),
            _if_read(reads, "redacted", facts.redacted),
            _if_read(reads, "subjectRegion", facts.subject_region),
            _if_read(reads, "user", facts.user),
        )

    def _evaluate(self, application: ApplicationId, facts: Facts, now: datetime) -> Evaluations:
        context = context_of(facts, now)
        heads = [profile[0] for profile in self._profiles]
        routes = self._ask(application, "route", heads, context)
        open_heads = [h for h, answer in zip(heads, routes, strict=True) if answer.is_allowed]
        unreviewed = dict(
            zip(
                open_heads,
                self._ask(application, "route_unreviewed", open_heads, context),
                strict=True,
            )
        )
        annotations = self.compiled.bundle.annotations
        found: dict[DeploymentId, Evaluation] = {}
        for profile, route in zip(self._profiles, routes, strict=True):
            evaluation = combine(route, unreviewed.get(profile[0]), annotations)
            found.update(dict.fromkeys(profile, evaluation))
        return found

    def _ask(
        self, application: str, action: str, deployments: Sequence[str], context: str
    ) -> list[Answer]:
        principal, act = uid("Application", application), uid("Action", action)
        requests = [
            {
                "principal": principal,
                "action": act,
                "resource": uid("Deployment", deployment),
                "context": context,
            }
            for deployment in deployments
        ]
        compiled = self.compiled
        return ask(requests, compiled.policies, compiled.entities, compiled.schema)


def _if_read(reads: frozenset[str] | None, attribute: str, value: object) -> object:
    return value if reads is None or attribute in reads else None


def _profiles(compiled: CompiledBundle) -> list[list[DeploymentId]]:
    """Deployments grouped by what policy can tell apart, sorted."""
    named = {u.id for u in pst.entity_uids(compiled.tree) if str(u.type) == "Deployment"}
    groups: dict[bytes, list[DeploymentId]] = {}
    for row in compiled.entity_rows:
        if row["uid"]["type"] != "Deployment":
            continue
        name = row["uid"]["id"]
        profile = {"attrs": row["attrs"], "parents": row["parents"]}
        if name in named:
            profile["named"] = name
        key = orjson.dumps(profile, option=orjson.OPT_SORT_KEYS)
        groups.setdefault(key, []).append(DeploymentId(name))
    return sorted(groups.values())

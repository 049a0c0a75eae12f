"""Asking Cedar about every deployment: once per distinct profile, in one batch per action.

Deployments with equal attributes and parents get equal answers unless a policy or another entity
names one of them, so one representative is asked for each such profile: exact, and the larger the
fleet of equals, the cheaper. `route_unreviewed` is asked only where `route` is allowed, and
`restore` and `restore_arguments` there of the redacted form.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import cedarpy
import orjson
from cedarpy import pst

from transire.authorize.effects import Answer, Evaluation, combine, keeping
from transire.authorize.memo import Memo, fact_projection
from transire.bundle.compiled import CompiledBundle
from transire.bundle.entities import datetime_value, reference, uid
from transire.bundle.instants import instants_of
from transire.domain.authorization import Facts
from transire.domain.ids import ApplicationId, DeploymentId
from transire.errors import GovernanceUnavailable

__all__ = ["CedarEngine", "Evaluations", "ask", "context_of"]

Evaluations = Mapping[DeploymentId, Evaluation]

_MEMO_ROWS: Final = 200_000
"""Evaluations remembered, counted per deployment: about 20 MB of references."""
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
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - any failure denies, and a panic is no `Exception`
        raise GovernanceUnavailable("the policy engine failed") from None
    return [_answer(result) for result in results]


def _answer(result: cedarpy.AuthzResult) -> Answer:
    is_decided = result.decision is not cedarpy.Decision.NoDecision
    return Answer(
        is_allowed=result.decision is cedarpy.Decision.Allow,
        is_decided=is_decided,
        policies=tuple(result.diagnostics.reasons),
        # Without a decision the errors are about our own inputs and name no policy.
        errors=tuple(map(_policy_in, result.diagnostics.errors)) if is_decided else (),
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
        "reducedClasses": _set("DataClass", facts.reduced_classes),
        "raisedGuards": _set("Guard", facts.raised_guards),
        "failedGuards": _set("Guard", facts.failed_guards),
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
        self._compiled = compiled
        self._profiles = _profiles(compiled)
        self._instants = instants_of(compiled)
        self._observed = fact_projection(compiled)
        rows = max(sum(map(len, self._profiles)), 1)
        self._memo: Memo[Evaluations] = Memo(min(_MEMO_SIZE, max(_MEMO_ROWS // rows, 16)))

    def judged(self, now: datetime) -> datetime:
        """The moment this bundle is asked about at `now`: what replay must ask about again."""
        return self._instants.judged(now)

    def window(self, judged: datetime) -> Hashable:
        """Equal for two judged moments that no comparison of this bundle tells apart."""
        return self._instants.window(judged)

    def key(self, application: ApplicationId, facts: Facts, judged: datetime) -> Hashable:
        """Equal for two questions that this bundle must answer alike."""
        # The form is always kept: what may be put back is asked about the redacted one alone.
        return application, self.window(judged), facts.redacted, self._observed(facts)

    def evaluate(
        self, application: ApplicationId, facts: Facts, now: datetime
    ) -> tuple[Evaluations, bool]:
        """Every deployment's evaluation, and whether it was remembered.

        Raises:
            GovernanceUnavailable: the application is unknown, or the engine failed.
        """
        # Cedar skips what it does not know instead of refusing it: ask about known ids only.
        if ("Application", application) not in self._compiled.entity_ids:
            raise GovernanceUnavailable("the application is not in the active catalog")
        judged = self.judged(now)
        key = self.key(application, facts, judged)
        known = self._memo.recall(key)
        if known is not None:
            return known, True
        return self._memo.remember(key, self._evaluate(application, facts, judged)), False

    def answer(
        self,
        application: ApplicationId,
        action: str,
        deployment: DeploymentId,
        facts: Facts,
        now: datetime,
    ) -> Answer:
        """Cedar's answer on one action and deployment, nothing combined or remembered.

        Raises:
            GovernanceUnavailable: one of them is not in the catalog, or the engine failed.
        """
        known = self._compiled.entity_ids
        if not {("Application", application), ("Deployment", deployment)} <= known:
            raise GovernanceUnavailable("what is asked about is not in the active catalog")
        context = context_of(facts, self.judged(now))
        return self._ask(application, action, [deployment], context)[0]

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
        restore, arguments = self._restoring(application, facts, open_heads, context)
        annotations = self._compiled.bundle.annotations
        found: dict[DeploymentId, Evaluation] = {}
        for profile, route in zip(self._profiles, routes, strict=True):
            head = profile[0]
            evaluation = combine(route, unreviewed.get(head), annotations)
            if facts.redacted:
                evaluation = keeping(evaluation, restore.get(head), arguments.get(head))
            found.update(dict.fromkeys(profile, evaluation))
        return found

    def _restoring(
        self, application: str, facts: Facts, heads: Sequence[DeploymentId], context: str
    ) -> tuple[Mapping[DeploymentId, Answer], Mapping[DeploymentId, Answer]]:
        """Whether values may be put back into an answer, and into arguments of its tool calls."""
        if not facts.redacted:
            return {}, {}
        restore = dict(zip(heads, self._ask(application, "restore", heads, context), strict=True))
        open_heads = [head for head in heads if restore[head].is_allowed]
        answers = self._ask(application, "restore_arguments", open_heads, context)
        return restore, dict(zip(open_heads, answers, strict=True))

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
        compiled = self._compiled
        return ask(requests, compiled.policies, compiled.entities, compiled.schema)


def _profiles(compiled: CompiledBundle) -> list[list[DeploymentId]]:
    """Deployments grouped by what policy can tell apart, sorted."""
    named = {u.id for u in pst.entity_uids(compiled.tree) if str(u.type) == "Deployment"}
    named.update(_named_in([row["attrs"], row.get("tags")] for row in compiled.entity_rows))
    groups: dict[bytes, list[DeploymentId]] = {}
    for row in compiled.entity_rows:
        name = row["uid"]["id"]
        # A moderator is a resource, too, and none of a route.
        if row["uid"]["type"] != "Deployment" or name in compiled.bundle.catalog.moderators:
            continue
        profile = {key: value for key, value in row.items() if key != "uid"}
        if name in named:
            profile["named"] = name
        key = orjson.dumps(profile, option=orjson.OPT_SORT_KEYS)
        groups.setdefault(key, []).append(DeploymentId(name))
    return sorted(groups.values())


def _named_in(value: object) -> Iterator[str]:
    """Deployments that an entity's attributes or tags refer to."""
    if isinstance(value, Mapping):
        if value.get("type") == "Deployment":
            yield str(value.get("id"))
        for inner in value.values():
            yield from _named_in(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for inner in value:
            yield from _named_in(inner)

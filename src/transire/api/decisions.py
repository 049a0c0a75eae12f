"""`POST /v1/decisions` (advice), and what one decision was: entry, explanation, proof, replay."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from transire.api.archive import LogArchive
from transire.api.errors import MAX_IGNORED, openai_error
from transire.api.intake import Intake
from transire.api.reasons import because, filtered_rows
from transire.api.replay import replay
from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.acts import format_moment
from transire.bundle.compiled import CompiledBundle
from transire.bundle.quarantine import list_quarantined
from transire.domain.authorization import Effect
from transire.domain.decision import Hold
from transire.domain.ids import PolicyId
from transire.domain.request import Principal
from transire.errors import AccessError, NotFoundError, TransireError
from transire.installation import Installation
from transire.record.disclosing import with_disclosed
from transire.record.fields import evaluation_rows
from transire.record.merkle import Prover, leaf_hash
from transire.router import Advice

__all__ = [
    "AdviceEndpoint",
    "Decisions",
    "may_explain",
]


class AdviceEndpoint:
    """Advice on the same body as chat; permits nothing, and spends no review it names."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._intake = Intake(installation)

    async def __call__(self, request: Request) -> Response:
        """Say what would happen."""
        installation, decision_id = self._installation, self._intake.decision_id()
        try:
            principal = self._intake.principal(request)
            with installation.admission.enter(principal.key_id, priority=principal.priority):
                routing = await self._intake.read_or_refuse(
                    request, principal, decision_id, scope="decisions"
                )
                self._intake.reconsider(routing)
                advice = await installation.router.advise(routing)
        except TransireError as error:
            error.decision_id = decision_id
            return openai_error(error)
        headers = {
            "x-transire-decision-id": decision_id,
            "x-transire-bundle": advice.case.authorization.bundle_digest[:16],
        }
        if routing.body.ignored:
            headers["x-transire-ignored"] = ", ".join(routing.body.ignored[:MAX_IGNORED])
        return Response(
            orjson.dumps(self._document(advice, principal)),
            media_type="application/json",
            headers=headers,
        )

    def _document(self, advice: Advice, principal: Principal) -> dict[str, Any]:
        case, choice = advice.case, advice.choice
        document: dict[str, Any] = {
            "decision_id": case.request.id,
            "bundle": case.authorization.bundle_digest,
            "outcome": "denied",
            "deployment": None,
            "region": None,
            "review_id": None,
            "obligations": [],
            "ranking": [],
        }
        if advice.error is not None:
            document["error"] = {"code": advice.error.code, "message": advice.error.message}
        sees_all = may_explain(self._installation, principal)
        if choice is not None:
            candidate = choice.candidate
            deployment = advice.governed.bundle.catalog.deployments[candidate.pair.deployment]
            document |= {
                "outcome": "review_required" if isinstance(choice, Hold) else "permitted",
                "deployment": deployment.id,
                "region": ",".join(deployment.regions),
                "form": candidate.pair.form,
                "review_id": None if isinstance(choice, Hold) else choice.released_by,
                "obligations": [
                    {"kind": o.kind, "queue": o.queue} for o in candidate.verdict.obligations
                ],
            }
            shown = case.ranking.candidates if sees_all else [candidate]
            document["ranking"] = [
                {
                    "deployment": c.pair.deployment,
                    "form": c.pair.form,
                    "cost_micro_usd": c.terms.cost_micro_usd,
                    "latency_ms": c.terms.latency_ms,
                    "success_permille": c.terms.success_permille,
                    "quality_permille": c.terms.quality_permille,
                }
                for c in shown
            ]
        if sees_all:
            document["evaluation"] = evaluation_rows(case.authorization.evaluation)
        return document


def may_explain(installation: Installation, principal: Principal) -> bool:
    """Whether Cedar's `explain` lets this principal see other candidates and policies."""
    resource = {"type": "AuditLog", "id": principal.tenant}
    if principal.person is not None:
        return installation.acts.may(principal.person, "explain", resource)
    authorizer = installation.governed.authorizer
    return isinstance(authorizer, CedarAuthorizer) and authorizer.allows_application(
        principal.application or "", "explain", resource, now=installation.clock.now()
    )


def _described(policy: str, compiled: CompiledBundle | None) -> dict[str, str]:
    """A policy's effect and annotations; empty where its bundle is not at hand."""
    if compiled is None:
        return {}
    name, bundle = PolicyId(policy), compiled.bundle
    effect = Effect.PERMIT if name in bundle.permits else Effect.FORBID
    return {"effect": effect, **bundle.annotations.get(name, {})}


class Decisions:
    """Reading one decision."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._prover = Prover()  # used on the thread that reads the log, and there alone

    async def find(self, principal: Principal, decision_id: str) -> list[dict[str, Any]]:
        """The decision's entries, for its own application or an auditor of its tenant.

        Raises:
            NotFoundError: it does not exist, or not for this principal; says how far was looked.
        """
        page = await self._installation.projection.of_decision(decision_id, principal.key_id)
        entries = [{"index": index, **entry} for index, entry in page.entries]
        head = entries[0] if entries else None
        missing = NotFoundError("no such decision", facts={"complete_to": page.complete_to})
        if head is None or head.get("tenant") != principal.tenant:
            raise missing
        if principal.person is None and head.get("app") != principal.application:
            raise missing
        if principal.person is not None:
            resource = {"type": "AuditLog", "id": principal.tenant}
            self._installation.acts.require(principal, "read_audit", resource)
        return entries

    async def ended(self, principal: Principal, decision_id: str) -> str | None:
        """The status of its last attempt; None where it has none yet."""
        entries = await self.find(principal, decision_id)
        ends = [str(e["status"]) for e in entries if e["kind"] == "outcome"]
        return ends[-1] if ends else None

    async def summary(self, principal: Principal, decision_id: str) -> dict[str, Any]:
        """What an application may know of its own decision, and an auditor of any of the tenant's.

        A person who may read the log is shown what people did about the decision's reviews, too,
        and what they wrote where it was not erased; an application never is.
        """
        entries = await self.find(principal, decision_id)
        if principal.person is not None:
            return {"decision_id": decision_id, "entries": await self._told(principal, entries)}
        if may_explain(self._installation, principal):
            return {"decision_id": decision_id, "entries": entries}
        head = entries[0]
        return {
            "decision_id": decision_id,
            "outcome": head.get("outcome"),
            "code": head.get("code"),
            "ts": head["ts"],
            "bundle": head.get("bundle"),
            "deployment": (head.get("chosen") or {}).get("deployment"),
            "index": head["index"],
            "attempts": [
                {name: e.get(name) for name in ("attempt", "status", "failure", "deployment")}
                for e in entries
                if e["kind"] == "outcome"
            ],
        }

    async def _told(
        self, principal: Principal, entries: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """A decision's entries, then its reviews', with what was written beside them.

        Only for a person whom `find` let read the tenant's log.
        """
        it = self._installation
        reviews = {str(e["review_id"]) for e in entries if e.get("review_id")}
        acts = await it.projection.of_reviews(reviews, str(principal.tenant))
        rows = [(int(e["index"]), {k: v for k, v in e.items() if k != "index"}) for e in entries]
        known = {index for index, _ in rows}
        rows += [(index, dict(entry)) for index, entry in acts if index not in known]
        return await it.log.read(lambda reader: with_disclosed(reader, rows))

    async def explain(self, principal: Principal, decision_id: str) -> dict[str, Any]:
        """Which policies permitted or forbade each candidate, and why the winner won."""
        if not may_explain(self._installation, principal):
            raise AccessError("`explain` is not allowed for this credential; it takes an auditor")
        head = (await self.find(principal, decision_id))[0]
        rows = []
        if head.get("evaluation"):
            blob = await self._installation.log.blob(head["evaluation"])
            rows = evaluation_rows(blob) if blob is not None else []
        archive = LogArchive(self._installation)
        compiled = await archive.compiled(head["bundle"]) if head.get("bundle") else None
        bundle = compiled.bundle if compiled else None
        named = sorted({p for row in rows for p in row["policies"]})
        return {
            "decision_id": decision_id,
            "index": head["index"],
            "outcome": head.get("outcome"),
            "code": head.get("code"),
            "chosen": head.get("chosen"),
            "facts": await archive.facts(head),
            "signals": head.get("signals"),
            "ranking": head.get("ranking"),
            "candidates": [{**row, "because": because(row, bundle)} for row in rows],
            "filtered": filtered_rows(head, bundle),
            "policies": {p: _described(p, compiled) for p in named},
            **(await self._people(principal, head, rows) if principal.person else {}),
        }

    async def _people(
        self, principal: Principal, head: dict[str, Any], rows: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """Who held, released or blocked what, and why; for people who may read the log alone."""
        acts = [e for e in await self._told(principal, [head]) if e["kind"].startswith("review.")]
        blocks = []
        if any("quarantine" in row["limits"] for row in rows):
            blocks = [
                {"what": b.name, "by": b.by, "at": format_moment(b.at), "reason": b.reason}
                for b in await list_quarantined(self._installation.log)
                if b.kind != "tenant" or b.id == principal.tenant
            ]
        return {"review_id": head.get("review_id"), "review": acts, "quarantined": blocks}

    async def proof(self, principal: Principal, decision_id: str) -> dict[str, Any]:
        """An inclusion proof of the decision's entry under the newest checkpoint.

        The entry itself holds classes, other candidates and their terms: it is shown where
        `explain` is allowed; its hash, which is salted, proves as much and tells nothing.
        """
        head = (await self.find(principal, decision_id))[0]
        index = head["index"]
        sees_all = may_explain(self._installation, principal)

        def prove(reader: Any) -> dict[str, Any]:
            size, note = reader.checkpoint()
            leaf = reader.leaves(index, index + 1)[0][1]
            path = self._prover.path(reader.leaf_hashes, index, size)
            return {
                "index": index,
                **({"leaf": leaf.decode()} if sees_all else {}),
                "leaf_hash": leaf_hash(leaf).hex(),
                "proof": [step.hex() for step in path],
                "checkpoint": note,
                "public_key": self._installation.log.public_key,
            }

        return await self._installation.log.read(prove)

    async def replay(self, principal: Principal, decision_id: str) -> dict[str, Any]:
        """The decision and its later attempts, made again; all must agree with the record (I8)."""
        entries = await self.find(principal, decision_id)
        return await replay(entries, LogArchive(self._installation))

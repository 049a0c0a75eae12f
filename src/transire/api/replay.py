"""Deciding again from recorded facts: the decision, and every later attempt (I8).

A later attempt is permitted in the request's own set narrowed by the evaluation of each attempt up
to it (I3). Each of these evaluations is assembled again from the facts, the bundle and the
quarantine that its entry names, the ranking is ordered again from its terms, and the pick is made
again from the ranking and what became of the attempts before. What an entry does not hold is "not
replayable", never a guess.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from transire.api.archive import Archive
from transire.api.beside import copied, put_to_judge
from transire.api.reassembled import authorization_of, facts_of, pair_of
from transire.domain.authorization import Authorization, Form
from transire.domain.ids import (
    ApplicationId,
    DeploymentId,
    Jurisdiction,
    TenantId,
)
from transire.domain.ranking import Candidate
from transire.domain.request import Assertions
from transire.forward.replay import Asked, pick_agrees
from transire.picks import free
from transire.score.replay import agrees, is_whole, ranking_from_record
from transire.trials.replay import draw_agrees, is_drawn_from

__all__ = ["replay"]

_JUDGED: Final = "judge.permitted"


async def replay(entries: Sequence[Mapping[str, Any]], archive: Archive) -> dict[str, Any]:
    """Decide again, attempt by attempt; each must agree with the record (I8).

    Args:
        entries: All of one decision, in the log's order: the decision itself is the first.

    Raises:
        NotFoundError, IntegrityError, BundleError: the log does not hold what its entries name.
    """
    head, told = entries[0], list[dict[str, Any]]()
    attempts = [entry for entry in entries if entry["kind"] == "attempt"]
    stood: Authorization | None = None
    asked: list[Asked] = []
    for entry in (head, *attempts):
        is_there = _is_replayable(head, entry) and await archive.keeps(entry)
        if not is_there or (told and stood is None):
            stood = None
            told.append({**_named(entry), "replayable": False})
            continue
        now = await authorization_of(head, entry, archive)
        stood = now if stood is None else stood.narrowed_by(now)
        ranked = _ranked(entry, stood)
        compared = _compared(entry, now, stood, ranked)
        if (cached := await _cached(head, entry, now, archive)) is not None:
            compared["cache_agrees"] = cached
        if (moderated := await _moderated(head, entry, archive)) is not None:
            compared["moderation_agrees"] = moderated
        if compared.get("permit_agrees"):
            asked.append(await _asked(entry, ranked, entries, archive))
        if (picked := await _picked(head, entry, ranked, asked, archive)) is not None:
            compared["pick_agrees"] = picked
        if "experiment" in entry:
            compared["experiment_agrees"] = await _drawn(head, entry, now, archive)
        compared = {"agrees": all(compared.values()), **compared}
        compared["evaluation"] = now.evaluation_digest
        told.append({**_named(entry), "replayable": True, **compared})
    shadows = [await copied(head, e, archive) for e in entries if e["kind"] == "shadow.permitted"]
    judged = [await put_to_judge(head, e, archive) for e in entries if e["kind"] == _JUDGED]
    every = [*told, *shadows, *judged]
    whole = {"replayable": all(one["replayable"] for one in every)}
    if told[0]["replayable"]:
        whole["agrees"] = all(one["agrees"] for one in every if one["replayable"])
    return {
        **told[0],
        **whole,
        "decision_id": head["id"],
        "attempts": told[1:],
        **({"shadows": shadows} if shadows else {}),
        **({"judgments": judged} if judged else {}),
    }


def _is_replayable(head: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether an entry holds all that was seen; one of an earlier version may not."""
    if not entry.get("facts") or "ranking" not in entry:
        return False
    return "cut" not in head["limits"] and is_whole(entry["ranking"])


def _named(entry: Mapping[str, Any]) -> dict[str, Any]:
    if entry["kind"] != "attempt":
        return {}
    permit = entry["permit"]
    return {
        **{name: permit[name] for name in ("attempt", "cause", "deployment")},
        **{name: permit[name] for name in ("bundle", "quarantine")},
        "request_bundle": entry.get("request_bundle"),
    }


def _ranked(entry: Mapping[str, Any], stood: Authorization) -> list[Candidate]:
    """The ranking ordered again, each candidate with what policy asks of it."""
    ranked = ranking_from_record(entry["ranking"]).candidates
    verdicts = {verdict.pair: verdict for verdict in stood.permitted}
    return [c._replace(verdict=verdicts.get(c.pair, c.verdict)) for c in ranked]


def _compared(
    entry: Mapping[str, Any], now: Authorization, stood: Authorization, ranked: list[Candidate]
) -> dict[str, Any]:
    """Record and replay side by side.

    Args:
        now: What this entry's own facts lead to.
        stood: The request's set, narrowed up to here.
        ranked: What that was ordered as.
    """
    permitted, pairs = {v.pair for v in stood.permitted}, {c.pair for c in ranked}
    compared = {
        "policy_agrees": now.evaluation_digest == entry["evaluation"],
        "ranking_agrees": agrees(entry["ranking"]) and pairs <= permitted,
    }
    if "permit" in entry:
        compared["permit_agrees"] = pair_of(entry["permit"]) in pairs & permitted
    return compared


async def _asked(
    entry: Mapping[str, Any],
    ranked: Sequence[Candidate],
    entries: Sequence[Mapping[str, Any]],
    archive: Archive,
) -> Asked:
    """An attempt, with what of its ranking awaited nobody."""
    review_id = entry.get("review_id")
    approved = await archive.approved(review_id) if review_id else None
    unheld = free(ranked, approved)
    return Asked(entry=entry, candidates=ranked, free=unheld, outcome=_end_of(entry, entries))


def _end_of(
    entry: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """How an attempt ended, where that is known."""
    number = entry["permit"]["attempt"]
    ends = (e for e in entries if e["kind"] == "outcome" and e["attempt"] == number)
    return next((end for end in ends if end["status"] != "unknown"), None)


async def _picked(
    head: Mapping[str, Any],
    entry: Mapping[str, Any],
    ranked: Sequence[Candidate],
    asked: Sequence[Asked],
    archive: Archive,
) -> bool | None:
    """Whether what was chosen follows; None where nothing was, or the entries do not say enough."""
    if entry.get("outcome") == "review_required":
        best = ranked[0] if ranked else None
        return (
            best is not None and best.pair == pair_of(entry["chosen"]) and bool(best.verdict.queues)
        )
    if "permit" not in entry or len(asked) != entry["permit"]["attempt"]:
        return None  # an attempt that is not permitted has been told of
    routing = await archive.routing(head["bundle"])
    return pick_agrees(
        asked, routing, head["signals"]["task"], head["limits"].get("max_cost_micro_usd")
    )


async def _drawn(
    head: Mapping[str, Any], entry: Mapping[str, Any], now: Authorization, archive: Archive
) -> bool:
    """Whether the draw is what its own numbers, and the bundle's experiment, lead to.

    That of a later attempt is its decision's.
    """
    draw = entry["experiment"]
    if entry is not head:
        return bool(draw == head.get("experiment"))
    experiments = (await archive.bundle(head["bundle"])).experiments
    found = next((one for one in experiments if one.id == draw["id"]), None)
    users = {facts.user for both in now.facts.values() for facts in both}
    permitted = {verdict.pair.deployment for verdict in now.permitted}
    return (
        found is not None
        and draw_agrees(draw)
        and is_drawn_from(found, head, next(iter(users), None), permitted, archive.keyed)
    )


async def _moderated(
    head: Mapping[str, Any], entry: Mapping[str, Any], archive: Archive
) -> bool | None:
    """Whether policy says the same of asking moderators; None where none was to be heard.

    Nobody is asked again: what moderators said is among the facts of the decision.
    """
    stood = entry.get("moderation")
    if stood is None:
        return None
    limits = head["limits"]
    now = (await archive.authorizer(entry["bundle"])).assemble_moderation(
        ApplicationId(head["app"]),
        TenantId(head["tenant"]),
        await facts_of(stood, archive),
        Assertions(
            jurisdictions=frozenset(map(Jurisdiction, limits["jurisdictions"])),
            redaction=limits["redaction"],
        ),
        quarantine=await archive.quarantine(entry["quarantine"]),
        now=datetime.fromisoformat(stood["evaluated_at"]),
    )
    permitted = {verdict.pair for verdict in now.permitted}
    open_to = {pair.deployment for pair in permitted}
    return now.evaluation_digest == stood["evaluation"] and all(
        row["deployment"] not in open_to if row["result"] == "denied" else pair_of(row) in permitted
        for row in stood["asked"]
    )


async def _cached(
    head: Mapping[str, Any], entry: Mapping[str, Any], now: Authorization, archive: Archive
) -> bool | None:
    """Whether the rules of `cache` say the same of a hit; None of anything else."""
    permit = entry.get("permit") or {}
    if permit.get("cached") is None:
        return None
    policies = (await archive.authorizer(entry["bundle"])).cache(
        ApplicationId(head["app"]),
        now.facts[Form.RAW],
        DeploymentId(permit["deployment"]),
        now=datetime.fromisoformat(entry["evaluated_at"]),
    )
    return bool(policies) and list(policies) == permit["cached"]["policies"]

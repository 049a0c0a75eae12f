"""Governed change: a bundle is proposed, approved by another person, activated by an entry.

Nothing else makes a bundle active: files, signals and start-up only propose (I9). Each act
is one entry; what it was based on are that entry's conditions, judged by the log inside the batch.
Sources travel in the log as a blob under the digest, so every digest that was ever proposed can be
compiled again from the log alone.

    propose → approve → activate            roll-back is a proposal like any other

The first activation has no active bundle to be judged by: `genesis`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from transire.bundle.acts import (
    ACTIVE_KEY,
    Act,
    Entries,
    is_solo,
    policy_bundle,
    still_active,
)
from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.prompts import FOLDER, rewritten
from transire.bundle.proposal import (
    APPROVAL_LIFETIME,
    PROPOSAL_PREFIX,
    Approval,
    Proposal,
    demand_evidence,
    proposal_key,
)
from transire.bundle.source import archive, unarchive
from transire.bundle.sweep import demand_sound
from transire.domain.ids import BundleDigest
from transire.domain.log import Change, Condition, DecisionLog, Item
from transire.errors import AccessError, BundleError, ConflictError, NotFoundError

__all__ = [
    "activate",
    "active_digest",
    "approve",
    "list_proposals",
    "load_bundle",
    "propose",
    "show_proposal",
    "vet",
]


async def propose(
    log: DecisionLog,
    act: Act,
    files: Mapping[str, bytes],
    *,
    prove: Callable[[CompiledBundle], None],
) -> Proposal:
    """Check a bundle and put it up for approval against the active one.

    Args:
        prove: Runs the bundle's own tests, off the event loop; raises where one fails.

    Raises:
        BundleError: it is not sound, or one of its tests fails; nothing was recorded.
        AccessError: the active bundle does not let this person propose.
        ConflictError: it is active or proposed already, or the active bundle moved meanwhile.
    """
    solo = await is_solo(log)
    act.require("propose", policy_bundle(BundleDigest("candidate"), act.person), solo=solo)
    compiled = await vet(files, act.now, solo=solo)
    await asyncio.to_thread(prove, compiled)
    if changed := rewritten(act.active.bundle.prompts, compiled.bundle.prompts):
        raise BundleError(
            [f"{FOLDER}{ref}.yaml: this version is in force with another text" for ref in changed]
        )
    digest = compiled.digest
    if digest == act.active.digest:
        raise ConflictError("this bundle is the active one already")
    stored = await log.get(proposal_key(digest))
    if stored is not None and Proposal.from_text(stored).is_open(act.active.digest):
        raise ConflictError("this bundle is proposed already; it waits for approval")
    proposal = Proposal(
        digest=digest, parent=act.active.digest, author=act.person, proposed_at=act.now
    )
    await log.append(
        Item(
            kind="policy.proposed",
            fields=proposal.entry_fields(),
            conditions=(
                *still_active(act, solo=solo),
                Condition(key=proposal_key(digest), equals=stored),
            ),
            changes=(Change(key=proposal_key(digest), value=proposal.to_text()),),
            blobs={digest: archive(files)},
        )
    )
    return proposal


async def approve(log: DecisionLog, act: Act, digest: BundleDigest) -> Proposal:
    """Approve a proposal as another person than its author.

    Raises:
        AccessError: the active bundle does not allow it, or it would be a self-approval.
        NotFoundError: nobody proposed this digest.
        ConflictError: the proposal lapsed or was activated, or something moved meanwhile.
    """
    solo = await is_solo(log)
    stored, proposal = await _open_proposal(log, act, digest)
    if proposal.author == act.person and not solo:
        raise AccessError(
            "authors cannot approve their own bundle; add a second person with `transire people "
            "add`"
        )
    act.require("approve", policy_bundle(digest, proposal.author), solo=solo)
    approval = Approval(by=act.person, at=act.now)
    approved = proposal.approved(approval)
    await log.append(
        Item(
            kind="policy.approved",
            fields=proposal.approval_fields(approval),
            since=approval.at,  # so that what counts by `at` counts by the entry's own time
            conditions=(
                *still_active(act, solo=solo),
                Condition(key=proposal_key(digest), equals=stored),
            ),
            changes=(Change(key=proposal_key(digest), value=approved.to_text()),),
        )
    )
    return approved


async def activate(
    log: DecisionLog,
    act: Act,
    digest: BundleDigest,
    *,
    entries: Entries,
    prepare: Callable[[CompiledBundle], Awaitable[None]],
) -> CompiledBundle:
    """Make an approved proposal the active bundle, recompiled from the log's own copy.

    What the state says about proposal and approvals must stand in the log's entries, checked
    against the signed checkpoint: an approval written into the database is none (ADR 10).

    The approver's right is judged again now, under the bundle that is still active: whoever lost
    the role since has approved nothing.

    Args:
        prepare: Awaited right before the entry is written, from which on no permit is given under
            the earlier bundle: whoever runs the new one makes it ready here.

    Raises:
        AccessError: the active bundle does not let this person activate.
        NotFoundError: nobody proposed this digest.
        ConflictError: no approval counts (any more), it lapsed, or something moved meanwhile.
        BundleError: it is no longer sound; nothing changed.
        IntegrityError: the state contradicts the entries.
    """
    solo = await is_solo(log)
    stored, proposal = await _open_proposal(log, act, digest)
    resource = policy_bundle(digest, proposal.author)
    act.require("activate", resource, solo=solo)
    approvers = [
        approval
        for approval in proposal.counting(act.now, solo=solo)
        if act.allows(approval.by, "approve", resource, solo=solo)
    ]
    if not approvers:
        raise ConflictError(
            "no approval counts: it needs one by a person who may approve now, given within the "
            "last 7 days; ask with `transire bundle approve`"
        )
    found = await entries.read_entries(frozenset({"policy.proposed", "policy.approved"}))
    demand_evidence(proposal, approvers, found)
    compiled = await vet(await _files(log, digest), act.now, solo=solo)
    await prepare(compiled)
    conditions = (
        *still_active(act, solo=solo),
        Condition(key=proposal_key(digest), equals=stored),
    )
    await log.append(_activation(act, proposal, approvers, conditions))
    return compiled


def _activation(
    act: Act,
    proposal: Proposal,
    approvers: Sequence[Approval],
    conditions: tuple[Condition, ...],
) -> Item:
    digest = proposal.digest
    return Item(
        kind="policy.activated",
        fields={
            "bundle_digest": digest,
            "parent": proposal.parent,
            "author": proposal.author,
            "approved_by": sorted(approval.by for approval in approvers),
            "by": act.person,
        },
        conditions=conditions,
        until=min(approval.at for approval in approvers) + APPROVAL_LIFETIME,
        changes=(
            Change(key=ACTIVE_KEY, value=digest),
            Change(key=proposal_key(digest), value=proposal.to_activated().to_text()),
        ),
    )


async def active_digest(log: DecisionLog) -> BundleDigest | None:
    """The active digest, or None before genesis."""
    digest = await log.get(ACTIVE_KEY)
    return None if digest is None else BundleDigest(digest)


async def list_proposals(log: DecisionLog) -> list[Proposal]:
    """Every proposal ever made, newest first."""
    rows = await log.scan(PROPOSAL_PREFIX)
    proposals = [Proposal.from_text(text) for _, text in rows]
    return sorted(proposals, key=lambda p: (p.proposed_at, p.digest), reverse=True)


async def show_proposal(log: DecisionLog, digest: BundleDigest) -> Proposal:
    """One proposal.

    Raises:
        NotFoundError: nobody proposed this digest.
    """
    _, proposal = await _proposal(log, digest)
    return proposal


async def load_bundle(
    log: DecisionLog, digest: BundleDigest, *, must_hold_limits: bool = True
) -> CompiledBundle:
    """Compile a digest from the log's own copy of its sources.

    Args:
        must_hold_limits: False only to replay a bundle older than today's protected rules.

    Raises:
        NotFoundError: the log never held it.
        IntegrityError: what is stored is not the bundle of this digest.
        BundleError: it does not compile under this version.
    """
    files = await _files(log, digest)
    return await asyncio.to_thread(compile_bundle, files, must_hold_limits=must_hold_limits)


async def vet(files: Mapping[str, bytes], now: datetime, *, solo: bool) -> CompiledBundle:
    """Compile and sweep off the event loop.

    Raises:
        BundleError: it is not sound, with every located problem.
    """
    return await asyncio.to_thread(_vet_now, files, now, solo)


def _vet_now(files: Mapping[str, bytes], now: datetime, solo: bool) -> CompiledBundle:
    compiled = compile_bundle(files)
    demand_sound(compiled, now=now, solo=solo)
    return compiled


async def _files(log: DecisionLog, digest: BundleDigest) -> dict[str, bytes]:
    data = await log.blob(digest)
    if data is None:
        raise NotFoundError("the log holds no bundle of this digest")
    return unarchive(data, digest)


async def _proposal(log: DecisionLog, digest: BundleDigest) -> tuple[str, Proposal]:
    stored = await log.get(proposal_key(digest))
    if stored is None:
        raise NotFoundError("nobody proposed a bundle of this digest")
    return stored, Proposal.from_text(stored)


async def _open_proposal(log: DecisionLog, act: Act, digest: BundleDigest) -> tuple[str, Proposal]:
    stored, proposal = await _proposal(log, digest)
    state = proposal.state(act.active.digest)
    if state == "activated":
        raise ConflictError("this proposal was activated; a roll-back is a new proposal")
    if state == "lapsed":
        raise ConflictError("another bundle became active since; propose this one again")
    return stored, proposal

"""What was sent beside the attempts of a request, decided again: shadows and judgments (I8)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from transire.api.archive import Archive
from transire.api.reassembled import authorization_of, pair_of
from transire.domain.ids import ApplicationId
from transire.evidence import point_of
from transire.trials.copying import is_open
from transire.trials.replay import draw_agrees, is_copied_from

__all__ = ["copied", "put_to_judge"]


async def copied(
    head: Mapping[str, Any], entry: Mapping[str, Any], archive: Archive
) -> dict[str, Any]:
    """A shadow, permitted and drawn again from what its entry holds."""
    permit = entry["permit"]
    named = {name: permit[name] for name in ("cause", "deployment", "bundle", "quarantine")}
    is_there = bool(entry.get("facts")) and "cut" not in head["limits"]
    if not is_there or not await archive.keeps(entry):
        return {**named, "replayable": False}
    now, pair = await authorization_of(head, entry, archive), pair_of(permit)
    policies = (await archive.authorizer(entry["bundle"])).shadow(
        ApplicationId(head["app"]),
        now.facts[pair.form],
        pair.deployment,
        now=datetime.fromisoformat(entry["evaluated_at"]),
    )
    draw, shadows = entry["experiment"], (await archive.bundle(entry["bundle"])).shadows
    found = next((one for one in shadows if one.id == draw["id"]), None)
    users = {each.user for both in now.facts.values() for each in both}
    compared = {
        "policy_agrees": now.evaluation_digest == entry["evaluation"],
        "experiment_agrees": found is not None
        and draw_agrees(draw)
        and is_copied_from(found, head, draw, next(iter(users), None), archive.keyed),
        "permit_agrees": is_open(now, pair),
        "shadow_agrees": list(policies) == entry["policies"] != [],
    }
    return {**named, "replayable": True, "agrees": all(compared.values()), **compared}


async def put_to_judge(
    head: Mapping[str, Any], entry: Mapping[str, Any], archive: Archive
) -> dict[str, Any]:
    """A judgment, permitted and drawn again; what the judge said is not made again.

    A model does not say the same twice: the score is the record's.
    """
    permit, judged = entry["permit"], entry["judged"]
    named = {name: permit[name] for name in ("cause", "deployment", "bundle", "quarantine")}
    named["attempt"] = judged["attempt"]
    is_there = bool(entry.get("facts")) and "cut" not in head["limits"]
    if not is_there or not await archive.keeps(entry):
        return {**named, "replayable": False}
    now = await authorization_of(head, entry, archive, is_any_model=True)
    pair = pair_of(permit)
    policies = (await archive.authorizer(entry["bundle"])).judge(
        ApplicationId(head["app"]),
        now.facts[pair.form],
        pair.deployment,
        now=datetime.fromisoformat(entry["evaluated_at"]),
    )
    rules = (await archive.bundle(entry["bundle"])).routing.judges.get(judged["judge"])
    is_named = rules is not None and (rules.digest, rules.deployment) == (
        judged["digest"],
        pair.deployment,
    )
    point = judged.get("point_ppm")
    is_drawn = is_named and (
        point is None
        or (
            rules is not None
            and judged.get("share_ppm") == rules.share_ppm > point
            and point == point_of(rules, head["tenant"], head["id"], archive.keyed)
        )
    )
    compared = {
        "policy_agrees": now.evaluation_digest == entry["evaluation"],
        "permit_agrees": is_open(now, pair),
        "judge_agrees": is_drawn and list(policies) == entry["policies"] != [],
    }
    return {**named, "replayable": True, "agrees": all(compared.values()), **compared}

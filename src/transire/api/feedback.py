"""`POST /v1/decisions/{id}/feedback`: what its application, or a person, thinks of an answer."""

import asyncio
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from transire.api.asker import person_or_application
from transire.api.decisions import Decisions
from transire.api.intake import StrictBody
from transire.domain.feedback import MAX_COMMENT_CHARS, OPEN_FOR, Feedback, Reason
from transire.domain.log import Item
from transire.domain.request import Principal
from transire.errors import ConflictError, RequestError
from transire.installation import Installation
from transire.trials.rewards import reward_of

__all__ = ["FeedbackBody", "add_feedback"]

_MAX_SOURCES = 16
"""Judgements of one decision: its application's, and those of people."""


class FeedbackBody(StrictBody):
    """One judgement; at least one of score, thumbs and success. Thumbs are a score of 0 or 1000."""

    score: int | None = Field(None, ge=0, le=1_000)
    thumbs: Literal["up", "down"] | None = None
    success: bool | None = None
    reason: Reason | None = None
    comment: str | None = Field(None, min_length=1, max_length=MAX_COMMENT_CHARS)


def add_feedback(router: APIRouter, it: Installation) -> None:
    """Judging an answer; it changes nothing by itself."""
    decisions, one_by_one = Decisions(it), asyncio.Lock()

    @router.post("/v1/decisions/{decision_id}/feedback", tags=["decisions"])
    async def give(decision_id: str, body: FeedbackBody, request: Request) -> dict[str, Any]:
        """Say what an answer was worth, once per source; the same again changes nothing."""
        principal = person_or_application(it, request)
        feedback = _read(body, it)
        given = feedback.to_json()
        source = _source(principal)
        # One at a time, so that two at once are not both the first of their source.
        async with one_by_one:
            entries = await decisions.find(principal, decision_id)
            told = [e for e in entries if e["kind"] == "feedback"]
            for earlier in told:
                if earlier["source"] == source:
                    _demand_same(earlier, given)
                    return {"decision_id": decision_id, "recorded": False}
            _demand_open(entries, told, it)
            head = entries[0]
            fields = {"tenant": head["tenant"], "app": head["app"], "source": source, **given}
            fields |= _earned(entries, feedback, it)
            await it.log.append(
                Item(kind="feedback", fields={"decision_id": decision_id, **fields})
            )
        it.metrics.judged(source.partition("/")[0])
        return {"decision_id": decision_id, "recorded": True}


def _earned(entries: list[dict[str, Any]], feedback: Feedback, it: Installation) -> dict[str, Any]:
    """The reward of a decision's first judgement, where an experiment learns from it."""
    if any("reward" in entry for entry in entries):
        return {}
    experiments = it.governed.bundle.experiments
    reward = reward_of(experiments, entries[0], feedback, it.clock.now())
    return {} if reward is None else {"reward": reward}


def _source(principal: Principal) -> str:
    return "application" if principal.person is None else f"person/{principal.person}"


def _read(body: FeedbackBody, it: Installation) -> Feedback:
    thumbs = None if body.thumbs is None else 1_000 * (body.thumbs == "up")
    if body.score is not None and thumbs is not None:
        raise RequestError("give `score` or `thumbs`, not both", param="thumbs")
    score = body.score if thumbs is None else thumbs
    if score is None and body.success is None:
        raise RequestError("give one of `score`, `thumbs` and `success`", param="score")
    comment = body.comment
    return Feedback(
        score_permille=score,
        success=body.success,
        reason=body.reason,
        comment=None
        if comment is None
        else it.keyed.digest("feedback", comment.encode(errors="surrogatepass")).hex(),
        comment_chars=0 if comment is None else len(comment),
    )


def _demand_same(earlier: dict[str, Any], given: dict[str, Any]) -> None:
    names = ("score_permille", "success", "reason", "comment", "comment_chars")
    if {n: earlier[n] for n in names if n in earlier} != given:
        raise ConflictError("this source has judged the decision already, and otherwise")


def _demand_open(
    entries: list[dict[str, Any]], told: list[dict[str, Any]], it: Installation
) -> None:
    head = entries[0]
    if head["kind"] != "decision" or head.get("outcome") != "permitted":
        raise RequestError("nothing was answered: only a permitted decision can be judged")
    if it.clock.now() - datetime.fromisoformat(head["ts"]) > OPEN_FOR:
        raise ConflictError(f"a decision can be judged for {OPEN_FOR.days} days")
    if len(told) >= _MAX_SOURCES:
        raise ConflictError(f"a decision has at most {_MAX_SOURCES} judgements")

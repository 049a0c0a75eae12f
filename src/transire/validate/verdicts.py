"""Our verdicts on an answer that keeps its contract: a refusal, too unsure, too poor.

INVARIANT: a verdict follows from the answer and the bundle's rules. Nothing in the request asks for
one, and an answer that talks of better models raises none by that.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from transire.domain.answer import Completion
from transire.domain.escalation import VERDICTS, Appraisal, CascadeRules, Evaluator
from transire.domain.request import RoutingRequest
from transire.errors import IntegrityError
from transire.validate.confidence import confidence_permille

__all__ = ["AnswerAppraiser", "verdicts_on"]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerAppraiser:
    """Implements `domain.escalation.Appraiser`.

    Args:
        refuses: Whether an answer refuses to answer; a `TimeoutError` is no verdict.
    """

    evaluator: Evaluator
    refuses: Callable[[Completion], bool]

    async def appraised(
        self,
        rules: CascadeRules,
        request: RoutingRequest,
        answer: Completion,
        *,
        within_s: float,
        evaluator: Evaluator | None = None,
    ) -> Appraisal:
        """See `domain.escalation.Appraiser`."""
        is_refusal, has_failed = False, False
        if "refusal" in rules.on:
            found = self._looked(answer)
            is_refusal, has_failed = bool(found), found is None
        confidence = confidence_permille(answer) if "low_confidence" in rules.on else None
        score = None
        if "evaluator" in rules.on and not is_refusal:  # it would cost, and could add nothing
            asked = evaluator or self.evaluator
            score = await _scored(asked, request, answer, within_s)
            has_failed = has_failed or score is None
        return Appraisal(
            verdicts=verdicts_on(
                rules, is_refusal=is_refusal, confidence_permille=confidence, score_permille=score
            ),
            confidence_permille=confidence,
            score_permille=score,
            has_failed=has_failed,
        )

    def _looked(self, answer: Completion) -> bool | None:
        """Whether it refuses; None where that could not be read, or not in time."""
        try:
            return self.refuses(answer)
        except TimeoutError:
            return None
        except Exception as error:  # noqa: BLE001 - one broken sense leaves the others
            _broke("refusal", error)
            return None


async def _scored(
    evaluator: Evaluator, request: RoutingRequest, answer: Completion, within_s: float
) -> int | None:
    try:
        async with asyncio.timeout(max(within_s, 0.0)):
            return await evaluator.score(request, answer)
    except TimeoutError:
        return None
    except IntegrityError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        _broke("evaluator", error)
        return None


def verdicts_on(
    rules: CascadeRules,
    *,
    is_refusal: bool,
    confidence_permille: int | None,
    score_permille: int | None,
) -> tuple[str, ...]:
    """The verdicts that what is known of an answer leads to. Pure; what is unknown leads to none.

    Only verdicts that the cascade names, in the order of `VERDICTS`.
    """
    unsure = confidence_permille is not None and (
        confidence_permille < rules.min_confidence_permille
    )
    poor = score_permille is not None and score_permille < rules.min_score_permille
    holds = {"refusal": is_refusal, "low_confidence": unsure, "evaluator": poor}
    return tuple(name for name in VERDICTS if name in rules.on and holds.get(name, False))


def _broke(verdict: str, error: Exception) -> None:
    """Its type's name alone: the text of an exception may quote the answer (I6)."""
    _log.error("appraisal.failed", kind=verdict, error_type=type(error).__name__)

"""Asking for an appraisal, so that no bug of whoever appraises costs an answer its way out.

An appraisal says what is thought of an answer that already keeps its contract: it may lead to a
better answer, and its absence to this one. INVARIANT: where it fails, the answer is "not judged",
and that stands in its entry (`appraisal.failed`); a broken integrity alone stops everything.
"""

import structlog

from transire.domain.answer import Completion
from transire.domain.escalation import Appraisal, Appraiser, CascadeRules, Evaluator
from transire.domain.request import RoutingRequest
from transire.errors import IntegrityError

__all__ = ["appraisal_of"]

_log = structlog.get_logger()


async def appraisal_of(
    appraiser: Appraiser,
    rules: CascadeRules,
    request: RoutingRequest,
    answer: Completion,
    *,
    within_s: float,
    evaluator: Evaluator | None = None,
) -> Appraisal:
    """What is thought of an answer; no verdict, and said so, where that could not be told.

    Raises:
        IntegrityError: stop.
    """
    try:
        return await appraiser.appraised(
            rules, request, answer, within_s=within_s, evaluator=evaluator
        )
    except IntegrityError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever broke, the answer keeps its contract
        # Its type's name alone: the text of an exception may quote the answer (I6).
        _log.error("appraisal.failed", error_type=type(error).__name__)
        return Appraisal(has_failed=True)

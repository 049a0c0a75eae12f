"""A case whose every corner holds something, and content that no entry may show."""

import hashlib
from dataclasses import replace

from tests.unit.score.fleets import (
    authorization_of,
    classification_of,
    deployment,
    request_of,
    verdict,
)

from transire.domain.classification import Finding, PartState, Redaction
from transire.domain.decision import Case, Choice
from transire.domain.ids import ApplicationId, DataClass, DeploymentId, Purpose
from transire.domain.outward import Wire
from transire.domain.ranking import Candidate, Ranking, Terms
from transire.domain.request import Assertions, Part, PartKind

__all__ = ["CANARY", "CHOICE", "DIGEST", "EVALUATION", "TERMS", "WIRE", "case"]

CANARY = "CANARY-7f3"
EVALUATION = b'[{"deployment":"a"}]'
DIGEST = hashlib.sha256(EVALUATION).hexdigest()
TERMS = Terms(1, 1, 1, 1_000, 900, 0)
CHOICE = Choice(candidate=Candidate(verdict("a"), TERMS))
WIRE = Wire(deployment=deployment("a"), body=CANARY.encode(), digest=b"w", ignored=("top_k",))


def case() -> Case:
    part = Part(pointer=("messages", 0, "content"), kind=PartKind.TEXT, text=CANARY, role="user")
    request = request_of(
        fields={"messages": [{"role": "user", "content": CANARY}], CANARY: CANARY},
        parts=(part,),
        ignored=("metadata",),
        needs=frozenset({"tools", "json_mode"}),
        capabilities=frozenset({"store"}),
    )
    request = replace(
        request,
        mac=b"mac",
        content_digest=b"content",
        principal=replace(
            request.principal, application=ApplicationId("app"), purpose=Purpose("support")
        ),
        assertions=Assertions(
            models=frozenset({DeploymentId("b"), DeploymentId("a")}),
            max_latency_ms=9,
            session_id=CANARY,
            required_tools=frozenset({CANARY}),
            task=CANARY,
            domain=CANARY,
        ),
    )
    finding = Finding(
        part=0, start=0, end=6, entity="EMAIL", data_class=DataClass("CONTACT"), score_pct=90
    )
    candidate = Candidate(verdict("a"), TERMS)
    return Case(
        request=request,
        classification=replace(
            classification_of(),
            findings=(finding, finding),
            states=(PartState.FOUND,),
            detector_digest="det",
        ),
        redaction=Redaction(
            body=replace(request.body, fields={"messages": [CANARY]}),
            classification=classification_of(),
            content_digest=b"redacted",
            count=2,
        ),
        authorization=replace(
            authorization_of(verdict("a")), evaluation=EVALUATION, evaluation_digest=DIGEST
        ),
        ranking=Ranking(
            candidates=(candidate,),
            filtered=(),
            reason="only_one",
            scorer_digest="s",
            seed=1,
            target_ms=1,
            near_tie_permille=0,
        ),
    )

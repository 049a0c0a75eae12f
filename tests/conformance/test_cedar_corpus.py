"""The official Cedar corpus through our own compile and ask path.

Its policies carry no `@id`, so positional ids are injected. Of 62,472 requests 61,928 must equal
the recorded answer, or be denied because a policy erred; the policy sets that the typed tree
refuses (functions called with a wrong number of arguments) are refusals for all their requests.
"""

import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import cedarpy
import pytest

from transire.authorize.effects import Answer, combine
from transire.authorize.engine import ask
from transire.domain.authorization import Effect


def _effect(answer: Answer) -> Effect:
    """What the router makes of one answer: errors and no decision deny."""
    return combine(answer, None, {}).effect


def _policies(text: str) -> cedarpy.PolicySet | None:
    """Our compile path: text to tree, ids injected, tree to handle; None where it refuses."""
    try:
        return cedarpy.PolicySet.from_pst(cedarpy.policies_to_pst(text))
    except ValueError:
        return None


def _request(case: dict[str, Any]) -> dict[str, Any]:
    return {
        "principal": case["principal"],
        "action": case["action"],
        "resource": case["resource"],
        "context": json.dumps(case["context"]),
    }


@pytest.mark.slow
def test_every_recorded_answer_is_given_or_denied_for_an_error(vectors: Path) -> None:
    counts: Counter[str] = Counter()
    # Read once, in order: seeking in a compressed archive unpacks it anew each time.
    with tarfile.open(vectors / "cedar" / "corpus-tests.tar.gz") as archive:
        files = {
            Path(member.name).name: extracted.read().decode()
            for member in archive
            if member.isfile() and (extracted := archive.extractfile(member)) is not None
        }

    def read(name: str) -> str:
        return files[Path(name).name]

    for name in sorted(files):
        if not name.endswith(".json") or name.endswith(".entities.json"):
            continue
        case = json.loads(read(name))
        policies = _policies(read(case["policies"]))
        if policies is None:
            counts["refused sets"] += 1
            counts["refused requests"] += len(case["requests"])
            continue
        entities = cedarpy.Entities.from_json_str(read(case["entities"]))
        answers = ask([_request(r) for r in case["requests"]], policies, entities, None)
        for request, answer in zip(case["requests"], answers, strict=True):
            counts["judged"] += 1
            if request["errors"]:
                counts["erring"] += 1
                assert answer.errors, name
                assert _effect(answer) is Effect.FORBID, name
            else:
                expected = Effect.PERMIT if request["decision"] == "allow" else Effect.FORBID
                assert expected is _effect(answer), name
                assert sorted(request["reason"]) == sorted(answer.policies), name

    assert counts["judged"] == 61_928
    assert counts["refused sets"] == 68
    assert counts["refused requests"] == 68 * 8
    assert counts["erring"] > 3_000

"""`GET /v1/models` and `GET /v1/models/{name}`: what inference would allow this key."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from transire.api.errors import openai_error
from transire.api.intake import Intake
from transire.domain.classification import Classification, Signals
from transire.domain.naming import AUTO
from transire.domain.request import RoutingRequest
from transire.errors import TransireError, UnknownModelError
from transire.installation import Installation

__all__ = ["ModelsEndpoint", "models_of"]


def models_of(installation: Installation, blank: RoutingRequest) -> list[dict[str, Any]]:
    """Exactly the names with which inference would reach something for this key, content aside."""
    governed = installation.governed
    clean = Classification(
        findings=(),
        states=(),
        found=frozenset(),
        failed=frozenset(),
        uncovered={},
        detector_digest=governed.detector.digest,
        signals=Signals(),
    )
    authorization = governed.authorizer.authorize(
        blank, clean, None, quarantine=governed.quarantine, now=installation.clock.now()
    )
    catalog = governed.bundle.catalog
    open_ids = {v.pair.deployment for v in authorization.permitted}
    if not open_ids:
        return []
    reachable = {AUTO: "transire"}
    for name in sorted(open_ids):
        deployment = catalog.deployments[name]
        reachable[name] = deployment.provider
        reachable[deployment.model] = deployment.provider
        reachable[catalog.models[deployment.model].family] = deployment.provider
    reachable |= {a: "transire" for a, ts in catalog.aliases.items() if ts & set(reachable)}
    return [
        {"id": name, "object": "model", "created": 0, "owned_by": owner}
        for name, owner in sorted(reachable.items())
    ]


class ModelsEndpoint:
    """`GET /v1/models` and `GET /v1/models/{name}`."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._intake = Intake(installation)

    async def __call__(self, request: Request) -> Response:
        """The list, or one of it."""
        try:
            principal = self._intake.principal(request)
            blank = self._intake.blank(principal, self._intake.decision_id())
            models = models_of(self._installation, blank)
            wanted = request.path_params.get("name")
            if wanted is None:
                return Response(
                    orjson.dumps({"object": "list", "data": models}), media_type="application/json"
                )
            found = next((m for m in models if m["id"] == wanted), None)
            if found is None:
                raise UnknownModelError("no such model for this key; GET /v1/models lists yours")
            return Response(orjson.dumps(found), media_type="application/json")
        except TransireError as error:
            return openai_error(error)

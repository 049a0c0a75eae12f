"""The port by which the path is given variants, and says how they did."""

from collections.abc import Mapping
from typing import Protocol

from transire.domain.authorization import Authorization
from transire.domain.classification import Classification
from transire.domain.governed import Governed
from transire.domain.permit import Outcome, Permit
from transire.domain.request import JsonValue, RoutingRequest

__all__ = ["Trials"]


class Trials(Protocol):
    """Draws variants and learns how they did; in memory, at once, and it never fails a request."""

    def assigned(
        self,
        request: RoutingRequest,
        classification: Classification,
        authorization: Authorization,
        governed: Governed,
    ) -> RoutingRequest:
        """The request with its trial and the variant's prompt; unchanged where none applies."""

    def counted(
        self, request: RoutingRequest, permit: Permit, outcome: Outcome
    ) -> Mapping[str, JsonValue] | None:
        """What the end of an attempt says of its variant, for its outcome's entry; None: nothing.

        Nothing is counted by this; `learn` is told the same once the entry is on its way.
        """

    def learn(self, told: Mapping[str, JsonValue]) -> None:
        """Count what an attempt's end said."""

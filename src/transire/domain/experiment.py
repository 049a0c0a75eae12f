"""The port by which the path is given variants, and says how they did."""

from typing import Protocol

from transire.domain.authorization import Authorization
from transire.domain.classification import Classification
from transire.domain.governed import Governed
from transire.domain.permit import Outcome, Permit
from transire.domain.request import RoutingRequest

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

    def settled(self, request: RoutingRequest, permit: Permit, outcome: Outcome) -> None:
        """One attempt of a request with a trial ended so."""

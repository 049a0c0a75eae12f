"""What people do, each act judged by Cedar before it is done (ADR 3)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from transire.domain.governed import Authorizer
from transire.domain.ports import Clock
from transire.domain.request import Principal
from transire.errors import AccessError

__all__ = ["Acts"]

_USUALLY: Final[Mapping[str, str]] = {
    "propose": "an author",
    "approve": "an approver who is not the author",
    "activate": "an author or approver",
    "mint_key": "an operator",
    "revoke_key": "an operator",
    "invite": "an operator who neither writes, approves nor reviews",
    "revoke_credential": "an operator",
    "release": "a reviewer who neither holds nor can mint the requester's key",
    "view_content": "a reviewer of the same tenant",
    "quarantine": "an operator, approver or privacy officer",
    "lift_quarantine": "an operator, approver or privacy officer",
    "read_audit": "an auditor",
    "explain": "an auditor",
    "erase": "a privacy officer",
}


class Acts:
    """Judges people's acts under the active bundle.

    Args:
        authorizer: Returns the active one.
        is_solo: Whether this installation was founded for one person.
    """

    def __init__(
        self, authorizer: Callable[[], Authorizer], is_solo: Callable[[], bool], clock: Clock
    ) -> None:
        self._authorizer = authorizer
        self._is_solo = is_solo
        self._clock = clock

    def may(self, person: str, action: str, resource: Mapping[str, Any]) -> bool:
        """Whether Cedar allows it now."""
        return self._authorizer().allows(
            person, action, resource, now=self._clock.now(), solo=self._is_solo()
        )

    def require(self, principal: Principal, action: str, resource: Mapping[str, Any]) -> str:
        """The person's id, if they may.

        Raises:
            AccessError: no person, or Cedar forbids; the message says who usually may.
        """
        if principal.person is None:
            raise AccessError("this act needs a person's own credential, not an application key")
        if not self.may(principal.person, action, resource):
            usually = _USUALLY.get(action, "someone else")
            message = f"`{action}` is not allowed for `{principal.person}`: it takes {usually}"
            if action == "approve":
                message += "; `transire people add` proposes a second person"
            raise AccessError(message)
        return principal.person

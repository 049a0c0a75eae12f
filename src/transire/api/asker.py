"""Who asks, from the credential that a call presents: an application, a person, or either.

Failures are counted per address, so that guessing is slow; a credential that is valid gets in, also
from an address that guesses.
"""

from collections.abc import Callable

from starlette.requests import Request

from transire.domain.deployment import Catalog
from transire.domain.request import Principal
from transire.errors import AuthenticationError
from transire.installation import Installation

__all__ = ["application_of", "bearer_of", "guarded", "person_of", "person_or_application"]


def application_of(installation: Installation, request: Request) -> Principal:
    """The application whose key is presented.

    Raises:
        AuthenticationError, ThrottledError: as `guarded`.
    """
    return guarded(installation, request, installation.keys.authenticate)


def bearer_of(request: Request) -> str:
    """The credential of the `Authorization` header.

    Raises:
        AuthenticationError: there is none.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise AuthenticationError("send `Authorization: Bearer …`")
    return token.strip()


def guarded(
    installation: Installation,
    request: Request,
    authenticate: Callable[[str, Catalog], Principal],
) -> Principal:
    """Authenticate, counting failures per address, so that guessing is slow and cheap for us.

    Raises:
        AuthenticationError: no valid credential.
        ThrottledError: too many failures from this address.
    """
    address = request.client.host if request.client else "unknown"
    try:
        return authenticate(bearer_of(request), installation.governed.bundle.catalog)
    except AuthenticationError:
        # Only failures are slowed: a valid credential behind the same address still gets in.
        installation.doorkeeper.check(address)
        installation.doorkeeper.failed(address)
        raise


def person_of(installation: Installation, request: Request) -> Principal:
    """The person whose credential is presented.

    Raises:
        AuthenticationError, ThrottledError: as `guarded`.
    """
    return guarded(installation, request, installation.people.authenticate)


def person_or_application(installation: Installation, request: Request) -> Principal:
    """A person's or an application's principal, by the credential's own prefix."""

    def either(bearer: str, catalog: Catalog) -> Principal:
        if bearer.startswith("tsp_"):
            return installation.people.authenticate(bearer, catalog)
        return installation.keys.authenticate(bearer, catalog)

    return guarded(installation, request, either)

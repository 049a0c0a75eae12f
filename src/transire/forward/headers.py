"""The headers of a call to an upstream: ours alone, and its own credential."""

from collections.abc import Callable, Mapping

from transire.domain.deployment import Deployment
from transire.forward.failing import failed

__all__ = ["upstream_headers"]


def upstream_headers(
    deployment: Deployment,
    secret: Callable[[str], str | None],
    *,
    accept: str,
    request_id: str,
) -> Mapping[str, str]:
    """Built anew for each call: nothing that a caller sent is among them.

    Args:
        secret: Name of a credential → its value, or None where it is not configured.

    Raises:
        UpstreamError: `no_credential`; nothing may be sent without it.
    """
    headers = {
        "content-type": "application/json",
        "accept": accept,
        "accept-encoding": "identity",
        "user-agent": "transire",
        "x-request-id": request_id,
    }
    if deployment.credential is not None:
        value = secret(deployment.credential)
        if value is None:
            raise failed("no_credential")
        headers["authorization"] = f"Bearer {value}"
    return headers

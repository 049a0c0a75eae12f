"""Bundle digests as people write them: whole, `active`, or their first eight digits or more.

A short digest counts where it begins exactly one of the digests that were proposed or are active,
or, where it begins none of those, that of the bundle the log was founded with. Eight digits can be
made to collide by somebody who tries for an afternoon; whoever does so makes the short form useless
for both bundles, and nothing else.
"""

import re
from collections.abc import Collection
from typing import Final

from transire.bundle.acts import ACTIVE_KEY, Entries
from transire.bundle.proposal import PROPOSAL_PREFIX
from transire.domain.ids import BundleDigest
from transire.domain.log import DecisionLog
from transire.errors import ConflictError, NotFoundError, RequestError

__all__ = ["ACTIVE", "MIN_DIGITS", "find_digest", "resolve"]

ACTIVE: Final = "active"
"""Names the active bundle."""
MIN_DIGITS: Final = 8
_WHOLE: Final = 64
_HEX: Final = re.compile(rf"[0-9a-f]{{{MIN_DIGITS},{_WHOLE}}}")


async def find_digest(log: DecisionLog, text: str, entries: Entries) -> BundleDigest:
    """The digest that a text stands for; whole ones are taken as they are.

    Raises:
        RequestError: it is no digest, short or whole.
        NotFoundError: nothing begins with it.
        ConflictError: several digests do.
    """
    if len(text) == _WHOLE and _HEX.fullmatch(text):
        return BundleDigest(text)
    active = await log.get(ACTIVE_KEY)
    if text == ACTIVE and active is not None:
        return BundleDigest(active)
    known = {key.removeprefix(PROPOSAL_PREFIX) for key, _ in await log.scan(PROPOSAL_PREFIX)}
    found = resolve(text, {*known, *([active] if active else [])})
    if found is None:  # the first bundle was never proposed
        founded = await entries.read_entries(frozenset({"policy.genesis"}))
        found = resolve(text, {str(entry["bundle_digest"]) for entry in founded})
    if found is None:
        raise NotFoundError("the log holds no bundle of this digest; `transire bundle list`")
    return found


def resolve(text: str, known: Collection[str]) -> BundleDigest | None:
    """The one known digest that begins with this text; None where none does. Pure.

    Raises:
        RequestError: it is no digest, short or whole.
        ConflictError: several digests begin with it.
    """
    if _HEX.fullmatch(text) is None:
        raise RequestError(
            f"a bundle is `{ACTIVE}`, a digest, or the first {MIN_DIGITS} or more of its "
            "hexadecimal digits, in lower case"
        )
    found = sorted(digest for digest in known if digest.startswith(text))
    if len(found) > 1:
        raise ConflictError(f"several bundles begin with it: {', '.join(found)}")
    return BundleDigest(found[0]) if found else None

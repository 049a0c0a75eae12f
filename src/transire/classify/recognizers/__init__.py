"""Every recognizer of this installation, compiled once and shared by all bundles.

A bundle picks among them by entity (`select`); what its taxonomy does not list is not run. The
first call imports Presidio, so it belongs to start-up and never to a request.
"""

from functools import cache, lru_cache

from transire.classify.content import content_recognizers
from transire.classify.presidio import structured
from transire.classify.recognizer import Recognizer
from transire.classify.recognizers.beyond import beyond_presidio
from transire.classify.recognizers.identity import identity_recognizers
from transire.classify.recognizers.mail import mail_recognizer
from transire.classify.recognizers.nationals import national_recognizers
from transire.classify.recognizers.phone import phone_recognizer
from transire.classify.recognizers.secrets import credential_recognizers
from transire.classify.recognizers.streets import street_recognizers

__all__ = ["MESSAGE_LEVEL", "all_recognizers", "select"]

MESSAGE_LEVEL = frozenset(
    {"CONFIDENTIAL_MARKING", "EXPORT_MARKING", "HEALTH_CLAIM", "SOURCE_CODE", "VULNERABILITY"}
)
"""Entities that speak about the whole message: taking the words out leaves the matter in.

They are never replaced, and their classes survive redaction.
"""


@cache
def all_recognizers() -> tuple[Recognizer, ...]:
    """All recognizers, in a fixed order."""
    return (
        *structured(),
        *beyond_presidio(),
        mail_recognizer(),
        phone_recognizer(),
        *credential_recognizers(),
        *identity_recognizers(),
        *national_recognizers(),
        *street_recognizers(),
        *content_recognizers(),
    )


@lru_cache(maxsize=64)
def select(entities: frozenset[str]) -> tuple[Recognizer, ...]:
    """The recognizers for these entities, in the same order."""
    return tuple(r for r in all_recognizers() if r.entity in entities)

"""Whether anybody would notice that an entity was looked for. Pure."""

from transire.domain.bundle import Bundle

__all__ = ["is_asked_for"]


def is_asked_for(bundle: Bundle, entity: str) -> bool:
    """Whether a rule, the audit or redaction has a use for finding this entity.

    A redacted body leaves without *everything* that was found, so an application that may redact
    asks for all of it.
    """
    rule = bundle.taxonomy.entities.get(entity)
    if rule is None:
        return False
    if bundle.observed is None or rule.data_class in bundle.observed | bundle.detector.audited:
        return True
    return any(app.redaction for app in bundle.catalog.applications.values())

"""Small packs of recognizers, and the bundle around them."""

from tests.unit.bundle.bundles import TAXONOMY, small_files

from transire.bundle.compile import compile_bundle
from transire.domain.pack import Pack

__all__ = ["CANARY", "pack_of", "refusal", "with_recognizers"]

CANARY = "Wolpertinger"


def with_recognizers(text: str, **changed: str) -> dict[str, bytes]:
    """The small bundle with classes to map to, and this `recognizers.yaml`."""
    taxonomy = TAXONOMY.replace("  CREDENTIAL: {}", "  CREDENTIAL: {}\n  SECRET_PROJECT: {}")
    taxonomy = taxonomy.replace(
        "  EMAIL_ADDRESS: {class: CONTACT}",
        "  EMAIL_ADDRESS: {class: CONTACT}\n"
        "  PROJECT_CODENAME: {class: SECRET_PROJECT, min_score_pct: 50}\n"
        "  BOARD_PAPER: {class: SECRET_PROJECT}",
    )
    files = small_files(**{"taxonomy": taxonomy, **changed})
    return files | {"recognizers.yaml": text.encode()}


def pack_of(text: str) -> Pack:
    return compile_bundle(with_recognizers(text)).bundle.recognizers


def refusal(text: str) -> str:
    """All problems of a refused bundle, as a person reads them."""
    from transire.errors import BundleError

    try:
        compile_bundle(with_recognizers(text))
    except BundleError as error:
        return "\n".join(error.problems)
    raise AssertionError("the bundle was not refused")

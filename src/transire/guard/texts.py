"""All guards of single texts, compiled once and shared by all bundles."""

from functools import cache

from transire.domain.guarding import InputGuard
from transire.guard.harm import harm_guards
from transire.guard.injection import injection_guards
from transire.guard.jailbreak import jailbreak_guards

__all__ = ["text_guards"]


@cache
def text_guards() -> tuple[InputGuard, ...]:
    """In a fixed order; several may raise one guard."""
    return (*injection_guards(), *jailbreak_guards(), *harm_guards())

"""How often a long-lived process looks for unreachable cycles, and among what.

What start-up builds (recognizers, the compiled bundle, every module) is some 200,000 objects that
live as long as the process. Python's collector walks over all of them in every full collection: the
event loop stood still for 60 ms and more each time, and collections were 6 % of a request's
processor time. Nothing here keeps memory from being freed by reference counts.
"""

import gc
from typing import Final

__all__ = ["settle_heap"]

_YOUNG: Final = 10_000
"""Containers more than before, upon which the youngest are looked through. A request keeps several
hundred while it lives and leaves few cycles; at Python's 700, requests in flight were walked over
again and again (measured at 16 connections, beside 5,000 to 50,000, which are alike)."""


def settle_heap() -> None:
    """Take everything there is now out of the collector's sight; call once, after start-up.

    Cycles among it are never collected any more: of a bundle that is replaced later, some may stay.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])

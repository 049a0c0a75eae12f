"""How often the interpreter looks for garbage while requests are served.

Start-up makes hundreds of thousands of objects that live as long as the process: each full search
through them takes tens of milliseconds and finds nothing. They are set aside. What requests leave
behind is freed at once when nothing refers to it any more; only cycles wait for a search, and at
the default of 700 objects one comes every other request: some five per cent of a decision.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["settled_heap"]

_YOUNG_OBJECTS: Final = 20_000
"""Objects made and not yet freed before the next search: about 3 MB, twice what sixteen requests on
their way hold."""


@contextmanager
def settled_heap() -> Iterator[None]:
    """Set aside what there is, and look for garbage less often, until the block is left.

    A bundle that is replaced later is freed like anything else, but for the one that was active at
    the start, where it is part of a cycle.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()

"""Plans of the schemas that requests in flight brought along, so that no answer plans them again.

INVARIANT (I6): a request is examined without looking here; only its answers are judged by what was
remembered, so no time that a caller sees says what others have sent.
"""

from collections import OrderedDict
from typing import Any

import orjson

from transire.validate.schema import Plan, plan

__all__ = ["Plans"]


class Plans:
    """The most recently used plans, by the schemas' exact bytes; belongs to one event loop."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: OrderedDict[bytes, Plan] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def put(self, made: Plan) -> None:
        """Remember a plan."""
        self._held[made.source] = made
        self._held.move_to_end(made.source)
        if len(self._held) > self._size:
            self._held.popitem(last=False)

    def of(self, schema: Any, where: str) -> Plan:
        """The plan of a schema that was examined; made again where it was forgotten."""
        held = self._held.get(orjson.dumps(schema))
        if held is None:
            held = plan(schema, where)
        self.put(held)
        return held

"""Old payload to current payload, one pure step at a time.

Published events are never edited. When a schema changes, the new one gets the next
number in `events.WIRE_NAMES` and a step here turns the old `data` into the new; steps
chain, so an event of schema 1 passes through every later one. Each published schema has
a golden file under `tests/fixtures/events/` that must decode for ever.
"""

from collections.abc import Callable, Mapping
from typing import Any

Payload = dict[str, Any]
Upcasters = Mapping[tuple[str, int], Callable[[Payload], Payload]]

# (wire name, schema) -> the payload in schema + 1. All events are in schema 1 today.
UPCASTERS: Upcasters = {}


def upcast(
    name: str, schema: int, target: int, data: Payload, steps: Upcasters = UPCASTERS
) -> Payload:
    """`data` of an event in schema `schema`, brought to schema `target`.

    Raises KeyError when a step is missing.
    """
    for number in range(schema, target):
        data = steps[name, number](data)
    return data

"""What a fault is: plain data, so that it can be sent to a double in another process."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FAULTS: dict[str, type[Fault]] = {}


@dataclass(frozen=True)
class Fault:
    """Anything that can be scripted for a request."""

    def __init_subclass__(cls) -> None:
        FAULTS[cls.__name__] = cls

    @property
    def name(self) -> str:
        return type(self).__name__

    def as_json(self) -> dict[str, Any]:
        return {"fault": self.name} | dataclasses.asdict(self)


def from_json(data: Mapping[str, Any] | None) -> Fault | None:
    """The fault that `as_json` gave; None is a request that nothing befalls. Raises ValueError."""
    if data is None:
        return None
    fields = dict(data)
    name = fields.pop("fault", None)
    if name not in FAULTS:
        raise ValueError(f"No fault is called {name!r}; there are {', '.join(sorted(FAULTS))}.")
    try:
        return FAULTS[name](**fields)
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from error

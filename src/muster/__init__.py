"""Muster: operational checks as pytest tests.

These names are what a check, and a test of a check, may use. They are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from muster.need import Need as Need
from muster.need import need as need

if TYPE_CHECKING:
    from muster import fact as fact
    from muster.applies import expects as expects
    from muster.declaration import check as check
    from muster.judge import Measure as Measure
    from muster.limits import Limit as Limit
    from muster.probes import Attempt as Attempt
    from muster.probes import Command as Command
    from muster.probes import DoesNotApply as DoesNotApply
    from muster.probes import HttpRequest as HttpRequest
    from muster.probes import Output as Output
    from muster.probes import Probe as Probe
    from muster.probes import Unobserved as Unobserved
    from muster.targets import Container as Container
    from muster.targets import Database as Database
    from muster.targets import Endpoint as Endpoint
    from muster.targets import Host as Host
    from muster.targets import Target as Target

#: Public name -> the module that has it. A fact's type is added here with its module.
_HOMES = {
    "Attempt": "probes",
    "Command": "probes",
    "Container": "targets",
    "Database": "targets",
    "DoesNotApply": "probes",
    "Endpoint": "targets",
    "Host": "targets",
    "HttpRequest": "probes",
    "Limit": "limits",
    "Measure": "judge",
    "Output": "probes",
    "Probe": "probes",
    "Target": "targets",
    "Unobserved": "probes",
    "check": "declaration",
    "expects": "applies",
}

__all__ = [*_HOMES, "Need", "fact", "need"]


def __getattr__(name: str) -> Any:
    if name == "fact":
        return importlib.import_module("muster.fact")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"muster.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'muster' has no name {name!r}")

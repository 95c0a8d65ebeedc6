"""The inventory: what is watched, how it is reached and what is expected of it, read from YAML.

`load` reads and validates, `select` picks from what was read. Reading needs pydantic-core and PyYAML, which are
imported when something is read and not before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from muster.inventory.model import Inventory
from muster.inventory.problems import InventoryError, NothingSelected, Problem
from muster.inventory.selection import select

__all__ = ["Inventory", "InventoryError", "NothingSelected", "Problem", "load", "select"]


def load(paths: Sequence[Path], settings: Mapping[str, str] | None = None) -> Inventory:
    """Read the files as one inventory, with the variables that ``--set`` gave as text.

    Where several files say something of the same variable or default, the later one wins; a host, a group
    or a target of the top level may be in one of them only. Secrets are read from the environment and from
    files here; nothing is contacted. Raises InventoryError with everything that is wrong.
    """
    from muster.inventory.reading import read

    return read(paths, settings or {})

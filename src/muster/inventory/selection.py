"""Selecting targets: the pattern of ``--limit``."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase, translate

from muster.inventory.model import Inventory
from muster.inventory.problems import NothingSelected, nearest
from muster.inventory.ranges import MOST_HOSTS, Ranges
from muster.targets import Host, Target

#: A range beside a glob is as many globs, and each is tried on each name.
MOST_GLOBS = 1_000


def select(inventory: Inventory, limit: str) -> tuple[Target, ...]:
    """The targets that ``limit`` matches, in the order of the inventory.

    Commas join; ``!`` leaves out, whatever the order; what only leaves out starts from everything. A piece is
    a glob over host names (with all that is under the host), the name of a group, a label such as
    ``role=proxy`` (a glob over its value), or a glob over ids such as ``proxy-*/healthz`` or ``website``.
    Names may hold ranges as in the inventory, ``web-[01:40]``, of which not all have to be there.
    Raises NothingSelected where a piece matches nothing, or nothing is left.
    """
    pieces = [piece.strip() for piece in limit.split(",") if piece.strip()]
    if not pieces:
        raise NothingSelected(f'--limit "{limit}" names nothing')
    wanted = [_matching(inventory, piece) for piece in pieces if not piece.startswith("!")]
    unwanted = [_matching(inventory, piece[1:].strip()) for piece in pieces if piece.startswith("!")]
    chosen = set().union(*wanted) if wanted else set(inventory.targets)
    chosen = chosen.difference(*unwanted)
    if not chosen:
        raise NothingSelected(f'--limit "{limit}" leaves no target')
    return tuple(target for target in inventory.targets if target in chosen)


def _matching(inventory: Inventory, piece: str) -> set[Target]:
    matches = _test(inventory, piece)
    found = {target for target in inventory.targets if matches(target)}
    if not found:
        raise NothingSelected(f'--limit "{piece}" matches no target{_near(inventory, piece)}')
    return found


def _test(inventory: Inventory, piece: str) -> Callable[[Target], bool]:
    label, is_label, value = piece.partition("=")
    if is_label:
        return lambda target: label in target.labels and fnmatchcase(target.labels[label], value)
    if piece in inventory.groups:
        hosts = set(inventory.groups[piece])
        return lambda target: (target.name if isinstance(target, Host) else target.host) in hosts
    named = _named(piece)
    if "/" in piece:
        return lambda target: named(target.id)
    return lambda target: named(target.host or target.name)


def _named(piece: str) -> Callable[[str], bool]:
    """Whether a name or an id is one that a piece with globs or ranges means."""
    try:
        ranges = Ranges(piece)
    except ValueError as error:
        raise NothingSelected(f'--limit "{piece}": {error}') from None
    if ranges.count == 1:
        (glob,) = ranges
        return lambda name: fnmatchcase(name, glob)
    is_glob = any(each in part for part in ranges.fixed for each in "*?[")
    if ranges.count > (most := MOST_GLOBS if is_glob else MOST_HOSTS):
        beside = " beside * ? or [...]" if is_glob else ""
        raise NothingSelected(
            f'--limit "{piece}" stands for {ranges.count:,} names; at most {most:,} are allowed{beside}'
        )
    if not is_glob:
        return set(ranges).__contains__
    globs = re.compile("|".join(map(translate, ranges)))
    return lambda name: globs.match(name) is not None


def _near(inventory: Inventory, piece: str) -> str:
    """The names that are most like what matched nothing."""
    label, is_label, value = piece.partition("=")
    if is_label:
        values = {target.labels[label] for target in inventory.targets if label in target.labels}
        if values:
            meant = nearest(value, values)
            return f'; did you mean "{label}={meant}"?' if meant else f"; {label} is one of {_few(values)}"
        names = {name for target in inventory.targets for name in target.labels}
        meant = nearest(label, names)
        return f'; did you mean the label "{meant}"?' if meant else f"; labels are {_few(names)}" if names else ""
    names = {target.id if "/" in piece else target.host or target.name for target in inventory.targets}
    names |= inventory.groups.keys()
    meant = nearest(piece, names)
    return f'; did you mean "{meant}"?' if meant else f"; there is {_few(names)}"


def _few(names: set[str]) -> str:
    shown = sorted(names)[:10]
    return ", ".join(shown) + (f" and {len(names) - 10} more" if len(names) > 10 else "")

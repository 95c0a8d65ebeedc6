"""What can still be said where something is wrong: everything else, and nothing that hangs on it.

A mistake must not hide another that has nothing to do with it, nor lead to a second one that goes away with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Unclear(dict[str, Any]):
    """A mapping in which something is wrong, so that what is not in it may have been meant to be there.

    An empty one stands for anything that is wrong, a mapping or not.
    """

    def get(self, key: str, default: object = None) -> Any:
        """What is in it, else nothing clear; never the ``default``, for nobody knows that it holds."""
        del default
        return super().get(key, Unclear())


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` upon ``under``: mappings merge key by key, anything else is replaced.

    What ``under`` says does not hold where ``over`` is unclear, for it may have been meant to be replaced.
    """
    merged = Unclear() if isinstance(over, Unclear) else dict(under)
    if isinstance(under, Unclear):
        merged = Unclear(merged)
    for key, value in over.items():
        below = under.get(key)
        merged[key] = merge(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def copied(value: Any) -> Any:
    """A copy of nested mappings, with what else is in them as it is."""
    return {key: copied(each) for key, each in value.items()} if isinstance(value, dict) else value


def taken_out(content: dict[str, Any], path: Sequence[object]) -> tuple[str, ...]:
    """Take what ``path`` leads to out of nested mappings. Gives the way there, which is shorter where it ends
    at something that is no mapping.
    """
    way: list[str] = []
    for step in path[:-1]:
        inner = content.get(str(step))
        if not isinstance(inner, dict):
            break
        way.append(str(step))
        content = inner
    last = str(path[len(way)])
    content.pop(last, None)
    return (*way, last)


def clouded(content: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """The content, made unclear at the end of ``path``."""
    if not path:
        return Unclear(content)
    content[path[0]] = clouded(content.get(path[0], {}), path[1:])
    return content

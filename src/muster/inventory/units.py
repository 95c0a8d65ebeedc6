"""Numbers with units, as people write them: ``5s``, ``500ms``, ``80%``, ``4GiB``."""

from __future__ import annotations

import math
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12} | {
    f"{prefix}iB": 1024.0**power for power, prefix in enumerate("KMGT", 1)
}
# Possessive, for a text of a million digits would be tried in a million million ways.
_NUMBER = re.compile(r"\s*+([-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?)\s*+(\S*+)\s*+")
_DURATION = "write 500ms, 5s, 2m, 1h or a number of seconds"


def _split(value: object) -> tuple[float, str] | None:
    """The number and the unit behind it, or None where it is no such thing."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value), ""
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    return (float(found[1]), found[2]) if found else None


def seconds(value: object) -> float:
    """A duration in seconds, from a number of seconds or from text with a unit (ms, s, m, h, d).

    Raises ValueError where it is not more than nothing and at most a day.
    """
    read = _split(value)
    if read is None:
        raise ValueError(f"is not a duration; {_DURATION}")
    number, unit = read
    if unit and unit not in _SECONDS:
        raise ValueError(f'has the unknown unit "{unit}"; {_DURATION}')
    found = number * _SECONDS[unit or "s"]
    if not 0 < found <= 86_400:
        raise ValueError("is out of range; a duration is more than 0 and at most 1d")
    return found


def span(value: object) -> float:
    """A span of time to look back over, in seconds: as `seconds`, and up to ten years.

    Raises ValueError.
    """
    read = _split(value)
    if read is None:
        raise ValueError("is not a span of time; write 30m, 24h, 90d or a number of seconds")
    number, unit = read
    if unit and unit not in _SECONDS:
        raise ValueError(f'has the unknown unit "{unit}"; write 30m, 24h, 90d or a number of seconds')
    found = number * _SECONDS[unit or "s"]
    if not 0 < found <= 3650 * 86_400:
        raise ValueError("is out of range; a span is more than 0 and at most 3650d")
    return found


def statuses(value: object) -> tuple[tuple[int, int], ...]:
    """Status codes of HTTP, each as first and last of a range: ``200``, ``"200-299"``, ``[200, 204]``.

    Raises ValueError.
    """
    if value is None:
        return ()
    found = []
    for each in value if isinstance(value, list) else [value]:
        text = str(each) if isinstance(each, int | str) and not isinstance(each, bool) else ""
        written = re.fullmatch(r"\s*([1-5]\d\d)\s*(?:-\s*([1-5]\d\d)\s*)?", text)
        if not written or int(written[1]) > int(written[2] or written[1]):
            raise ValueError('is no status code; write 200, "200-299" or [200, 204]')
        found.append((int(written[1]), int(written[2] or written[1])))
    return tuple(found)


def quantity(value: object, unit: str) -> float:
    """A number in ``unit``, from a number or from text that may have a unit of its own.

    A unit can be converted where ``unit`` is ``s`` or ``d`` (from ms, s, m, h, d), ``B`` or ``MB`` (from B, kB,
    MB, GB, TB, KiB, MiB, GiB, TiB); any other has to be the same. Raises ValueError.
    """
    read = _split(value)
    if read is None or not math.isfinite(read[0]):
        raise ValueError(f"is not a number{f' of {unit}' if unit else ''}")
    number, given = read
    if not given or given == unit:
        return number
    for factors in (_SECONDS, _BYTES):
        if unit in factors:
            if given not in factors:
                break
            converted = number * factors[given] / factors[unit]
            if not math.isfinite(converted):
                raise ValueError("is out of range")
            return converted
    else:
        raise ValueError(f'has the unit "{given}"; {f"this one is in {unit}" if unit else "write the number alone"}')
    raise ValueError(f'has the unknown unit "{given}"; known here: {", ".join(factors)}')

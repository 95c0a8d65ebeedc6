"""Judging: a check reads its facts from memory and asserts; what comes of it is a verdict.

A judged check does no I/O, so it needs none of pytest's fixture machinery. Nothing here knows pytest.
"""

from __future__ import annotations

import math
import re
import traceback
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from muster.limits import MEASURABLE, Limit, unit_of
from muster.need import Need
from muster.observations import Observation, Observations
from muster.probes import Cause, DoesNotApply, Unobserved
from muster.remediation import filled
from muster.targets import NOTHING, Host, Target
from muster.text import Redactor, amount, printable
from muster.verdict import Check, Measurement, Name, Verdict

NO_LIMIT = Limit()

#: The longest name of a part that a measurement carries, in characters.
LONGEST_PART = 200

_DEEPER = re.compile(r"\n \+ {3,}(where|and) .*")


class Given(Enum):
    """What a check may take as an argument beside facts."""

    TARGET = "target"
    MEASURE = "measure"


class Measure:
    """Records measurements and compares each with its limit, when a check calls it.

    ``limits`` are the target's own, by name of the measurement; they replace the defaults.
    """

    __slots__ = ("_limits", "taken")

    def __init__(self, limits: Mapping[str, Limit] = NOTHING) -> None:
        self._limits = limits
        self.taken: list[Measurement] = []

    def __call__(
        self,
        name: str,
        value: float,
        *,
        of: str = "",
        unit: str | None = None,
        limit: Limit | None = None,
        seen: str = "",
    ) -> None:
        """Record that ``name`` (of the part ``of``, if any) is ``value``.

        ``seen`` is what was counted or measured, for the message of a value that is beyond its limit.
        ``unit`` is the measurement's declared unit unless given. ``limit`` stands in for the default
        limit, where the inventory has none of this name.

        Raises:
            Unobserved: ``value`` is no number that can be compared and written down: NaN, infinite, or larger
                than any float.
        """
        try:
            finite = math.isfinite(value)
        except OverflowError:
            finite = False
        if not finite:
            part = f" of {of}" if of else ""
            raise Unobserved("unreadable", f"{name}{part} is no finite number")
        found = self._limits.get(name) or limit
        if found is None:
            known = MEASURABLE.get(name)
            found = known.limit if known else NO_LIMIT
        beyond = found.breach(value)
        unit = unit_of(name) if unit is None else unit
        self.taken.append(Measurement(name, value, unit, of, found, beyond[0] if beyond else None, seen))


class Case(Struct, frozen=True):
    """A check made ready to judge: its function, and where each of its arguments comes from."""

    check: Check
    function: Callable[..., None]
    of: type[Target]
    arguments: tuple[tuple[str, Need[Any] | Given], ...]
    applies: Callable[[Any], bool] | None = None

    @property
    def needs(self) -> tuple[Need[Any], ...]:
        return tuple(source for _, source in self.arguments if isinstance(source, Need))


def subject(need: Need[Any], target: Target, host: Host) -> Target:
    """Whom a need is asked of: the target itself, or its host for a fact about hosts."""
    return target if isinstance(target, need.of) else host


def judge(case: Case, target: Target, host: Host, observations: Observations, redact: Redactor) -> Verdict:
    """Call the check with its facts and say what comes of it.

    A fact that could not be observed makes the verdict unknown, one that does not apply makes it
    skipped, and the check is not called. The check may raise either itself. Any other exception than an
    assertion is a fault of the check: unknown, with cause ``internal``.

    Raises:
        KeyboardInterrupt: it came while the check ran.
    """
    measure = Measure(target.limits)
    arguments: dict[str, Any] = {}
    seen: list[Observation] = []
    for name, source in case.arguments:
        if source is Given.TARGET:
            arguments[name] = target
        elif source is Given.MEASURE:
            arguments[name] = measure
        else:
            observation = observations.get(subject(source, target, host), source)
            seen.append(observation)
            if observation.failure is not None:
                return unjudged(case.check, target, observation.failure, redact, seen)
            arguments[name] = observation.value
    failure: AssertionError | None = None
    try:
        case.function(**arguments)
    except AssertionError as wrong:
        failure = wrong
    except (Unobserved, DoesNotApply) as reason:
        return unjudged(case.check, target, reason, redact, seen)
    except KeyboardInterrupt:
        raise
    except BaseException as fault:  # sys.exit() in a check, too, ends that check and no more
        return unjudged(case.check, target, broken(fault), redact, seen)
    return judged(case.check, target, seen, measure, failure, redact)


def judged(
    check: Check,
    target: Target,
    seen: list[Observation],
    measure: Measure,
    failure: AssertionError | None,
    redact: Redactor,
) -> Verdict:
    """The verdict of a check that ran: its assertion and its limits, the worst of them deciding."""
    try:
        observed = "; ".join(str(each.value) for each in seen)
    except Exception as fault:
        # A target chose the values: a count of 400 digits is in no fact that was really observed.
        garbage = f"what was observed cannot be told: {type(fault).__name__}: {fault}"
        return unjudged(check, target, Unobserved("unreadable", garbage), redact, seen)
    verdict: Name = "ok"
    complaints: list[str] = []
    cause: Cause | None = None
    if failure is not None:
        verdict = "critical" if check.severity == "critical" else "warning"
        complaints.append(said(failure))
        cause = next((found for each in seen if (found := getattr(each.value, "cause", None))), "wrong")
    for taken in measure.taken:
        if taken.breach:
            verdict = "critical" if "critical" in (taken.breach, verdict) else "warning"
            complaints.append(_complaint(taken))
            cause = cause or "wrong"
    if verdict != "ok":
        part = next((taken.of for taken in measure.taken if taken.breach), "")
        todo = filled(check.remediation, target, [each.value for each in seen], part)
        check = replace(check, remediation=printable(redact(todo)))
    return Verdict(
        check,
        target.kind,
        host_name(target),
        target.name,
        target.labels,
        verdict,
        printable(redact("; ".join(complaints))) if complaints else "",
        printable(redact(observed)),
        cause,
        tuple(_harmless(each, redact) if each.of or each.seen else each for each in measure.taken),
        min((each.observed_at for each in seen), default=0.0),
        max((each.seconds for each in seen), default=0.0),
    )


def unjudged(
    check: Check, target: Target, failure: Unobserved | DoesNotApply, redact: Redactor, seen: list[Observation]
) -> Verdict:
    """The verdict of a check whose facts could not be had, or do not apply."""
    skipped = isinstance(failure, DoesNotApply)
    verdict: Literal["skipped", "unknown"] = "skipped" if skipped else "unknown"
    return Verdict(
        check,
        target.kind,
        host_name(target),
        target.name,
        target.labels,
        verdict,
        printable(redact(str(failure))),
        cause=failure.cause if isinstance(failure, Unobserved) else None,
        observed_at=min((each.observed_at for each in seen), default=0.0),
        seconds=max((each.seconds for each in seen), default=0.0),
        host_down=isinstance(failure, Unobserved) and failure.host_down,
    )


def said(failure: BaseException) -> str:
    """The message of an assertion, without what pytest's rewriting adds below it.

    Where there is no message, pytest's words stand for it, without how it came to each part of a part.
    """
    text = _DEEPER.sub("", str(failure).split("\nassert ", 1)[0]).strip()
    return text or "the assertion failed without a message"


def host_name(target: Target) -> str:
    """The host that a verdict on a target names; empty at the top level."""
    return target.name if isinstance(target, Host) else target.host or ""


def _harmless(taken: Measurement, redact: Redactor) -> Measurement:
    """A measurement of a part that the target has named: a mount point, a key of its JSON. What was seen is told."""
    return replace(taken, of=printable(redact(taken.of), LONGEST_PART), seen="")


def _complaint(taken: Measurement) -> str:
    beyond = taken.limit.breach(taken.value)
    part = f" of {taken.of}" if taken.of else ""
    bound = beyond[1] if beyond else ""
    unit = f" {taken.unit}" if taken.unit else ""
    if taken.unit == "B" and beyond:
        words, _, number = bound.rpartition(" ")
        bound, unit = f"{words} {amount(float(number), 'B')}", ""
    seen = f" ({taken.seen})" if taken.seen else ""
    return f"{taken.name}{part} is {amount(taken.value, taken.unit)}{seen}, expected {bound}{unit}"


def broken(fault: BaseException) -> Unobserved:
    """What a check leaves unknown that raised something other than an assertion: where in its own code it broke."""
    import sysconfig  # which a run in which nothing breaks does without

    frames = traceback.extract_tb(fault.__traceback__)
    libraries = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), "<")
    own = [frame for frame in frames if not frame.filename.startswith(libraries)] or frames
    place = f" at {own[-1].filename}:{own[-1].lineno}" if own else ""
    return Unobserved("internal", f"the check itself broke: {type(fault).__name__}: {fault}{place}")

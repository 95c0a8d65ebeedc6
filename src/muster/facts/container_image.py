"""The image that a container was made of, and when that was."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial

from msgspec import Struct

from muster.facts.container_lookup import inspection, name_of, pattern
from muster.facts.container_state import moment
from muster.need import need
from muster.probes import Probe, Unobserved
from muster.questions.docker import InspectContainer, Matches
from muster.targets import Container
from muster.text import printable, span

#: How far, in seconds, a container's making may lie in the future: clocks differ a little.
ROUNDING = 2.0


class ContainerImage(Struct, frozen=True):
    """The image of a container.

    ``image`` is its name as it was given when the container was made (``docker ps`` shows it), ``digests`` are the
    image's id and, where the name pins one (``name@sha256:...``) or the engine tells it, that of its manifest.
    ``created_at`` is when the container was made, ``age_seconds`` how long that is ago.
    """

    image: str
    digests: tuple[str, ...]
    created_at: datetime
    age_seconds: float
    name: str = ""

    def is_named(self, glob: str) -> bool:
        """Whether the image's name fits a glob. ``latest`` is the tag of one without, in either."""
        names = [self.image, self.image.removesuffix(":latest")]
        if ":" not in self.image.rpartition("/")[2]:
            names.append(f"{self.image}:latest")
        return any(fnmatchcase(name, glob) for name in names)

    def __str__(self) -> str:
        return f"{self.image} ({', '.join(self.digests)}), made {span(self.age_seconds)} ago"


def parse(match: str, matches: Matches) -> ContainerImage:
    """Make the fact of an inspection.

    Raises:
        Unobserved: there is no such container, or it was made in the future.
    """
    inspected = inspection(match, matches)
    image = str(inspected["Config"]["Image"])
    manifest = inspected.get("ImageManifestDescriptor") or {}
    told = (str(inspected["Image"]), image.partition("@")[2], str(manifest.get("digest") or ""))
    created_at = moment(inspected["Created"])
    if created_at is None:
        raise Unobserved("unreadable", "the engine does not say when the container was made")
    now = datetime.now(UTC).timestamp() if matches.engine_time is None else matches.engine_time
    age = now - created_at.timestamp()
    if age < -ROUNDING:
        raise Unobserved("wrong", f"made {span(age)} in the future: the clock there was set back")
    digests = tuple(dict.fromkeys(printable(each, 100) for each in told if each))
    return ContainerImage(printable(image, 300), digests, created_at, max(age, 0.0), name_of(inspected))


@need(Container)
def container_image(container: Container) -> Probe[ContainerImage]:
    """The image that the container was made of, and when."""
    match = pattern(container)
    return Probe(InspectContainer(match), partial(parse, match))

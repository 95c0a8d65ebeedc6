"""What an endpoint answered, and the one question that all facts about an endpoint share."""

from __future__ import annotations

import codecs
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cached_property
from http import HTTPStatus
from typing import Any, Literal, NoReturn, TypeVar
from urllib.parse import urljoin

from msgspec import Struct
from msgspec.structs import replace

from muster.jsonpath import bad_parts, breach, difference, excerpt, look_up
from muster.need import need
from muster.patterns import search
from muster.probes import Probe, Unobserved
from muster.questions.http import Answered, Exchange, HttpRequest, without_credentials
from muster.targets import HttpEndpoint, JsonRule
from muster.text import printable, size

T = TypeVar("T")

#: So many characters of a body stand in a message.
LONGEST_EXCERPT = 200

#: So much of an answer is read of an API, which may have much to tell, in bytes. As JSON it takes 20 times that.
API_BYTES = 4 * 1_048_576

#: The status codes that send elsewhere (RFC 9110, 15.4).
REDIRECTS = frozenset({301, 302, 303, 307, 308})

# The text encodings of the web. Python knows more, some of which take quadratic time (idna, punycode).
_NAMED = re.compile(r'charset\s*=\s*"?([\w.:-]+)', re.IGNORECASE)
_CHARSET = re.compile(
    r"(utf-?(8|16|32)|us-?ascii|iso-?8859|windows-125|cp125|gb|big5|shift|euc|koi8|latin)", re.IGNORECASE
)

_LENGTH = re.compile(r"[0-9]{1,18}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Response(Struct, frozen=True, dict=True):
    """What an endpoint answered.

    ``url`` is where the answer came from, after ``redirects`` (the URLs left behind). ``headers`` have
    lower-case names. ``body`` is cut off where ``truncated``. ``seconds`` runs from the request to the end
    of the body, the last request only.
    """

    url: str
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    truncated: bool = False
    seconds: float = 0.0
    redirects: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """What the status code means (RFC 9110), such as ``Service Unavailable``; empty for one that is not known."""
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return ""

    @property
    def said(self) -> str:
        """The status in words: ``503 Service Unavailable``."""
        return f"{self.status} {self.reason}".strip()

    def header(self, name: str) -> str | None:
        """The first header of this name, in any case, or None."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def size(self) -> int:
        """How many bytes of the body there are, all of them unless ``truncated``."""
        return len(self.body)

    @property
    def total_size(self) -> int:
        """How many bytes the whole body has, by ``content-length`` where it was cut off.

        Raises:
            Unobserved: it was cut off, and the answer does not say how long it is.
        """
        if not self.truncated:
            return self.size
        announced = self.header("content-length") or ""
        if self.header("content-encoding") or not _LENGTH.fullmatch(announced):
            raise Unobserved("unreadable", f"the body is longer than the {size(self.size)} that are read of it")
        return int(announced)

    @property
    def media_type(self) -> str:
        """The kind of content, such as ``application/json``; empty where the answer does not say."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    @cached_property
    def text(self) -> str:
        """The body as text. What its encoding does not allow stands as ``\\xNN``."""
        return self._decoded("backslashreplace")

    @property
    def excerpt(self) -> str:
        """The beginning of the body, in one line, for messages."""
        if not self.body:
            return "an empty body"
        return printable(self.text.strip(), LONGEST_EXCERPT)

    @property
    def onward(self) -> str | None:
        """Where the answer sends on, and was not followed; None where it sends nowhere."""
        location = self.header("location")
        if not location or self.status not in REDIRECTS:
            return None
        with suppress(ValueError):
            location = urljoin(self.url, location)
        return without_credentials(location)

    @property
    def outcome(self) -> str:
        """What came of it, in words: ``503 Service Unavailable: ...``, ``redirects in a circle: a -> b -> a``."""
        onward = self.onward
        if onward is None:
            return f"{self.said}: {self.excerpt}"
        way = (*self.redirects, self.url, onward)
        if onward in way[:-1]:
            return f"redirects in a circle: {' -> '.join(way[way.index(onward) :])}"
        if self.redirects:
            return f"redirects {len(self.redirects)} times, and then to {onward}"
        return f"{self.said} to {onward}"

    @property
    def json_error(self) -> str | None:
        """Why the body is not JSON, with an excerpt of it; None where it is."""
        return self._parsed[1]

    @property
    def json(self) -> Any:
        """The body as JSON; None where there is a `json_error`."""
        return self._parsed[0]

    def json_difference(self, expected: Any) -> str:
        """Where the JSON body is not as expected, in words; empty where it is (see `muster.jsonpath.difference`)."""
        return self.json_error or difference(self.json, expected)

    def broken_rules(self, rules: Mapping[str, JsonRule]) -> tuple[str, ...]:
        """How the JSON body breaks each of these rules, in words (see `muster.jsonpath.breach`)."""
        if self.json_error:
            return (self.json_error,)
        return tuple(said for path, rule in rules.items() if (said := breach(self.json, path, rule)))

    def bad_parts(self, words: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        """The parts that say none of the words for their path, in words (see `muster.jsonpath.bad_parts`)."""
        if self.json_error:
            return (self.json_error,)
        return tuple(said for path, wanted in words.items() for said in bad_parts(self.json, path, wanted))

    def matches(self, pattern: str) -> bool:
        """Whether a regular expression is found in the body.

        Raises:
            Unobserved: it was not found in time (see `muster.patterns`), or only a part of the body was looked at.
        """
        return search(pattern, self.text) or self._whole()

    def holds(self, text: str) -> bool:
        """Whether a text is in the body. Raises `Unobserved` where only a part of it was looked at, in vain."""
        return text in self.text or self._whole()

    def bad_headers(self, globs: Mapping[str, str]) -> tuple[str, ...]:
        """The headers that no glob of theirs matches, in words."""
        bad: list[str] = []
        for name, glob in globs.items():
            found = [value for key, value in self.headers if key == name]
            if not any(fnmatchcase(value, glob) for value in found):
                said = f"is {printable(', '.join(found), LONGEST_EXCERPT)}" if found else "is missing"
                bad.append(f"{name} {said}, expected {glob}")
        return tuple(bad)

    def sends_to(self, glob: str) -> bool:
        """Whether the answer redirects to this URL, or one that the glob matches."""
        return self.onward is not None and (self.onward == glob or fnmatchcase(self.onward, glob))

    def numbers(self, paths: Mapping[str, str]) -> tuple[dict[str, float], tuple[str, ...]]:
        """The numbers at these paths of the JSON body, by the names of the paths; of a time (RFC 3339), its age in
        seconds by the server's own clock.

        Returns them and, in words, the paths at which there is no number.
        """
        if self.json_error:
            return {}, (self.json_error,)
        found: dict[str, float] = {}
        lacking: list[str] = []
        for name, path in paths.items():
            try:
                value = look_up(self.json, path)
            except LookupError as missing:
                lacking.append(str(missing))
                continue
            if isinstance(value, str) and (age := self._age(value)) is not None:
                found[name] = age
            elif not isinstance(value, int | float) or isinstance(value, bool):
                lacking.append(f"{path} is {excerpt(value)}, which is no number")
            elif not _is_measurable(value):
                lacking.append(f"{path} is {excerpt(value)}, which is no number that can be measured")
            else:
                found[name] = value
        return found, tuple(lacking)

    def _age(self, text: str) -> float | None:
        """How long ago a time (RFC 3339) was when this was answered, by the answer's ``Date``, else by our clock."""
        if not _TIME.fullmatch(text):
            return None
        with suppress(ValueError):
            return self._answered_at - datetime.fromisoformat(text.upper()).timestamp()
        return None

    @property
    def _answered_at(self) -> float:
        from email.utils import parsedate_to_datetime

        with suppress(ValueError, TypeError, OverflowError):
            return parsedate_to_datetime(self.header("date") or "").timestamp()
        return time.time()

    def __str__(self) -> str:
        text = f"{self.said} in {self.seconds * 1000:.0f} ms"
        if self.redirects:
            text += f" from {self.url} (redirected)"
        kind = f" of {self.media_type}" if self.media_type else ""
        more = "more than " if self.truncated else ""
        return f"{text}, {more}{size(self.size)}{kind}" + (f": {self.excerpt}" if self.body else "")

    def _decoded(self, errors: Literal["strict", "backslashreplace"]) -> str:
        return self.body.decode(self._encoding, errors).removeprefix("\ufeff")

    @cached_property
    def _encoding(self) -> str:
        """How the body's text is encoded: as the answer says, where that is known, else in UTF-8."""
        named = _NAMED.search(self.header("content-type") or "")
        name = named[1] if named and _CHARSET.match(named[1]) else "utf-8"
        try:
            codecs.lookup(name)
        except LookupError:
            return "utf-8"
        return name

    @cached_property
    def _parsed(self) -> tuple[Any, str | None]:
        if self.truncated:
            return None, self._no_json(f"longer than {size(self.size)}, and cut off there")
        try:
            return _JSON.decode(self._decoded("strict")), None
        except RecursionError:
            return None, self._no_json("nested too deeply")
        except UnicodeDecodeError as error:
            return None, self._no_json(f"no text ({error.reason} at byte {error.start})")
        except ValueError as error:
            return None, self._no_json(f"no JSON ({error})")

    def _whole(self) -> Literal[False]:
        if self.truncated:
            raise Unobserved(
                "unreadable", f"not in the first {size(self.size)} of the body, and no more of it is read"
            )
        return False

    def _no_json(self, why: str) -> str:
        kind = f" ({self.media_type})" if self.media_type else ""
        return f"the body{kind} is {why}, expected JSON: {self.excerpt}"


def _is_measurable(number: float) -> bool:
    """Whether a number of JSON is one that can be compared: 1e999 is infinite, one of 400 digits no float at all."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _refuse(constant: str) -> NoReturn:
    # Python's reader takes NaN and Infinity, which RFC 8259 does not have.
    raise ValueError(f"it holds {constant}")


_JSON = json.JSONDecoder(parse_constant=_refuse)


def _expects_redirect(endpoint: HttpEndpoint) -> bool:
    return endpoint.redirect is not None or any(
        first <= code <= last for code in REDIRECTS for first, last in endpoint.status
    )


def request(endpoint: HttpEndpoint) -> HttpRequest:
    """The question that all facts about an endpoint share, so that it is asked once.

    Redirects are followed, unless a redirect is what the inventory expects.
    """
    return HttpRequest(
        url=endpoint.url,
        method=endpoint.method,
        headers=endpoint.headers,
        body=endpoint.body,
        timeout=endpoint.timeout,
        ca_file=endpoint.ca_file,
        verify=endpoint.verify,
        max_redirects=0 if _expects_redirect(endpoint) else 10,
    )


def over_api(
    endpoint: HttpEndpoint, path: str, make: Callable[[Response], T], *, max_bytes: int = API_BYTES
) -> Probe[T]:
    """How to ask the API behind an endpoint for a fact, which ``make`` makes of its answer.

    ``path`` comes after the endpoint's URL; the headers that authenticate are the endpoint's. The fact is unobserved
    where the API is not there (neither 200 nor 503, or no JSON) or does not let the user in (401, 403).
    """

    def parsed(exchange: Exchange) -> T:
        found = parse(exchange)
        if found.status in (401, 403):
            raise Unobserved("permission", f"{found.outcome}, expected a user who may ask {path.partition('?')[0]}")
        if found.status not in (200, 503) or found.json_error:
            raise Unobserved("missing", f"{found.outcome}, expected the JSON of {path.partition('?')[0]}")
        return make(found)

    url = endpoint.url.rstrip("/") + path
    asked = replace(request(endpoint), url=url, method="GET", body=None, max_bytes=max_bytes, max_redirects=0)
    return Probe(asked, parsed)


def itself(answer: Response) -> Response:
    """The answer as the fact (for `over_api`)."""
    return answer


def answered(exchange: Exchange) -> Answered:
    """The answer. Raises `Unobserved`, with the attempt's cause, where there is none."""
    if exchange.answered is None:
        raise Unobserved(exchange.attempt.cause or "network", str(exchange.attempt))
    return exchange.answered


def parse(exchange: Exchange) -> Response:
    """Make the fact of an answer. Raises `Unobserved` where there is none."""
    found = answered(exchange)
    return Response(
        url=without_credentials(found.url),
        status=found.status,
        headers=found.headers,
        body=found.body,
        truncated=found.truncated,
        seconds=found.seconds,
        redirects=tuple(map(without_credentials, found.redirects)),
    )


@need(HttpEndpoint)
def response(endpoint: HttpEndpoint) -> Probe[Response]:
    """What the endpoint answered."""
    return Probe(request(endpoint), parse)

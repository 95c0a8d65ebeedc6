"""The certificates in files of a host."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from functools import partial

from msgspec import Struct

from muster.facts.certificate import DAY
from muster.facts.file_state import ABSENT
from muster.facts.reading import complained, some, whole
from muster.need import need
from muster.probes import Command, DoesNotApply, Output, Probe, Unobserved
from muster.targets import Host

# Only the certificates leave the host: a private key may stand in the same file. Their lines have a blank in front.
_FILE = """\
if [ -f {path} ]; then
    sed -n '/-----BEGIN CERTIFICATE-----/,/-----END CERTIFICATE-----/{{s/^/ /;p;}}' {path} 2>&1
    printf '\\nstatus %s\\n' $?
else
    printf 'absent %s\\n' "$(ls -d {path} 2>&1)"
fi
"""
_END = re.compile(r"status (\d{1,3})|absent (.+)")


class CertificateFile(Struct, frozen=True):
    """A file with ``count`` certificates. ``subject`` and ``not_after`` are of the one that ends first.

    ``subject`` is as RFC 4514 writes it; ``days_left`` counts to ``not_after``, with its fraction, by our clock.
    """

    path: str
    count: int
    subject: str
    not_after: datetime
    days_left: float

    def __str__(self) -> str:
        more = f", the first of {self.count} to end" if self.count > 1 else ""
        return (
            f"{self.path}: {self.subject} until {self.not_after:%Y-%m-%d %H:%M} UTC ({self.days_left:.0f} days){more}"
        )


class CertificateFiles(Struct, frozen=True):
    """The certificates in the files of a host; of files without, what is ``wrong``, one text for each."""

    every: tuple[CertificateFile, ...]
    wrong: tuple[str, ...] = ()

    def __str__(self) -> str:
        return some(map(str, self.every)) or "no certificate"


def script(paths: tuple[str, ...]) -> str:
    """What asks for the certificates of all files."""
    return "".join(_FILE.format(path=shlex.quote(path)) for path in paths) + "echo end"


def parse(output: Output, paths: tuple[str, ...], now: datetime | None = None) -> CertificateFiles:
    """Make the fact of the PEM text (RFC 7468), as of ``now`` (this moment if None).

    Raises:
        Unobserved: a file may not be read.
        DoesNotApply: no files are named.
    """
    if not paths:
        raise DoesNotApply("no certificate files are named for this host")
    lines = whole(output, "certificate files")[:-1].split("\n")
    found: list[CertificateFile] = []
    wrong: list[str] = []
    for path in paths:
        at = next((at for at, line in enumerate(lines) if _END.fullmatch(line)), None)
        if at is None:
            raise Unobserved("unreadable", f"the answer about {path} is not whole")
        block, end, lines = lines[:at], _END.fullmatch(lines[at]), lines[at + 1 :]
        complaint = (end[2] if end else "") or next((line for line in block if line.strip() == line != ""), "")
        if complaint.lower().endswith(ABSENT):
            wrong.append(f"{path} is not there")
        elif complaint == path:
            wrong.append(f"{path} is no file")
        elif complaint:
            raise complained(complaint)
        else:
            read = _certificates("\n".join(line[1:] for line in block), path, now or datetime.now(UTC))
            found += [read] if isinstance(read, CertificateFile) else []
            wrong += [read] if isinstance(read, str) else []
    if lines != ["end"]:
        raise Unobserved("unreadable", "the answer about certificate files is not whole")
    return CertificateFiles(tuple(found), tuple(wrong))


def _certificates(text: str, path: str, now: datetime) -> CertificateFile | str:
    """The file's certificate that ends first, or what is wrong with the file."""
    from cryptography import x509

    if "-----BEGIN" not in text:
        return f"{path} holds no certificate in PEM"
    try:
        every = x509.load_pem_x509_certificates(text.encode())
        first = min(every, key=lambda each: each.not_valid_after_utc)
        subject = first.subject.rfc4514_string() or "no subject"
    except ValueError:
        return f"{path} holds a certificate that cannot be read"
    begins = max(each.not_valid_before_utc for each in every)
    if begins > now:
        return f"{path} holds a certificate that is not valid before {begins:%Y-%m-%d %H:%M} UTC"
    ends = first.not_valid_after_utc
    return CertificateFile(path, len(every), subject, ends, (ends - now).total_seconds() / DAY)


@need(Host)
def certificate_files(host: Host) -> Probe[CertificateFiles]:
    """The certificates in the files of the host that the inventory names."""
    paths = host.certificates
    question = Command(
        script(paths),
        timeout=host.timeout,
        max_bytes=4_194_304,
        told=f"sed -n '/BEGIN CERT/,/END CERT/p' {some(paths)}",
    )
    return Probe(question, partial(parse, paths=paths))

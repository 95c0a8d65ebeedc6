"""Endpoints: 1,000 origins that answer after 50 ms, beside `requests` and Debian's blackbox exporter.

One check does of each what the others do: one request, and a look at its JSON. It runs without other plugins of
pytest. Then the four checks that ship run, with all plugins, without and with the HTML report.

The exporter runs already, as it does in life, and is asked for all as Prometheus asks it: a client of a few lines,
without a library, keeps its connections and has so many probes under way at a time.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.contest import PYTEST, ROOT, Bar, Contender, Contest, ContestError, versions
from tests.servers.origins import Origins
from tests.servers.processes import Background, accepts, free_port

ORIGINS = 1_000
DELAY = 0.05
EXPORTER = "prometheus-blackbox-exporter"

#: Probes of the exporter that are under way at a time: with fewer and with more it takes longer.
AT_A_TIME = 200

CHECK = '''\
from muster import Response, check


@check(severity="critical", remediation="look at it by hand")
def test_json(response: Response) -> None:
    """It answers as it should."""
    assert not (wrong := response.json_difference({"ok": True})), wrong
'''

BARS = {"requests in sequence": 60, "requests with 50 threads": 2, "blackbox exporter": 1}

IN_SEQUENCE = """\
import sys
import requests

for url in open(sys.argv[1]).read().split():
    assert requests.get(url, timeout=10).json() == {"ok": True}, url
"""

IN_THREADS = """\
import sys
from concurrent.futures import ThreadPoolExecutor
import requests

def ask(url):
    assert requests.get(url, timeout=10).json() == {"ok": True}, url

with ThreadPoolExecutor(50) as threads:
    list(threads.map(ask, open(sys.argv[1]).read().split()))
"""

THROUGH_EXPORTER = """\
import asyncio
import re
import sys

async def probe(port, waiting):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while waiting:
        url = waiting.pop()
        request = f"GET /probe?target={url}&module=http_2xx HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\n\\r\\n"
        writer.write(request.encode())
        chunks = await reader.readuntil(b"\\r\\n0\\r\\n\\r\\n")
        text = re.sub(b"\\r\\n[0-9a-f]+\\r\\n", b"", chunks)
        assert b"\\nprobe_success 1\\n" in text, text.decode()

async def probe_all(port, at_a_time, waiting):
    await asyncio.gather(*(probe(port, waiting) for _ in range(at_a_time)))

asyncio.run(probe_all(int(sys.argv[1]), int(sys.argv[2]), open(sys.argv[3]).read().split()))
"""


@contextlib.contextmanager
def contest() -> Iterator[Contest]:
    if shutil.which(EXPORTER) is None:
        raise ContestError(f"{EXPORTER} is not installed (Debian: apt-get install {EXPORTER})")
    with (
        tempfile.TemporaryDirectory() as name,
        Origins(ORIGINS, DELAY) as origins,
        _exporter(Path(name)) as (port, pid),
    ):
        folder = Path(name)
        (folder / "urls").write_text("\n".join(origins.urls))
        (folder / "one").write_text(origins.urls[0])
        for program in ("in_sequence", "in_threads", "through_exporter"):
            (folder / f"{program}.py").write_text(globals()[program.upper()])
        expected = {"status": 200, "json": {"ok": True}}
        endpoints = {f"origin-{at:04}": {"url": url} for at, url in enumerate(origins.urls)}
        (folder / "urls.yaml").write_text(json.dumps({"endpoints": endpoints}))
        endpoints = {name: {**each, "expect": expected} for name, each in endpoints.items()}
        (folder / "inventory.yaml").write_text(json.dumps({"endpoints": endpoints}))
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_json.py").write_text(CHECK)
        one = ("--inventory", "urls.yaml", "test_json.py")
        over = ("--inventory", "inventory.yaml", "--reports", "reports")
        shipped = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), str(ROOT / "checks"))

        def python(*words: str) -> tuple[str, ...]:
            return (sys.executable, *words)

        yield Contest(
            [
                Contender(
                    "muster, one check",
                    (*PYTEST, "-p", "muster.plugin", *one),
                    folder,
                    {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
                ),
                Contender("muster, four checks", (*PYTEST, *shipped, *over, "-p", "no:html"), folder),
                Contender("muster, four checks, with HTML", (*PYTEST, *shipped, *over), folder),
                Contender(
                    "requests in sequence",
                    python("in_sequence.py", "urls"),
                    folder,
                    rounds=1,
                    warm_up=python("in_sequence.py", "one"),
                ),
                Contender("requests with 50 threads", python("in_threads.py", "urls"), folder),
                Contender(
                    "blackbox exporter",
                    python("through_exporter.py", str(port), str(AT_A_TIME), "urls"),
                    folder,
                ),
            ],
            [
                *(Bar("muster, one check", theirs, at_least=bar) for theirs, bar in BARS.items()),
                *(
                    Bar(ours, theirs)
                    for ours in ("muster, four checks", "muster, four checks, with HTML")
                    for theirs in BARS
                ),
            ],
            servers=[origins.pid, pid],
            on=[*versions("requests"), f"blackbox exporter {_version()}"],
        )


@contextlib.contextmanager
def _exporter(folder: Path) -> Iterator[tuple[int, int]]:
    """A running exporter, configured as Debian has it: its port, and its process."""
    port = free_port()
    (folder / "blackbox.yml").write_text("modules: {http_2xx: {prober: http}}\n")
    words = [EXPORTER, f"--config.file={folder}/blackbox.yml", f"--web.listen-address=127.0.0.1:{port}"]
    process = Background(words, folder / "exporter.log")
    try:
        process.wait_for(lambda: accepts("127.0.0.1", port))
        yield port, process.process.pid
    finally:
        process.stop()


def _version() -> str:
    told = subprocess.run([EXPORTER, "--version"], capture_output=True, text=True, check=True)
    return (told.stdout + told.stderr).split("version ")[1].split()[0]

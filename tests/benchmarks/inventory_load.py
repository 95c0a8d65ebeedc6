"""How long an inventory of ten thousand hosts takes to load and validate.

    python tests/benchmarks/inventory_load.py [HOSTS]

Prints a table: each way to write the hosts, the size of the file, the hosts and targets that it makes, and
the seconds of the fastest of three loads, on the clock and of the processor (the same where nothing else
runs). The import of what reading needs comes first, on its own.
"""

from __future__ import annotations

import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

HEAD = """\
vars: {port: 8787}
defaults:
  connection: {kind: ssh, user: ops, connect_timeout: 5s}
  timeout: 10s
  limits: {filesystem_used_percent: {warning: 80, critical: 90}}
groups:
  proxies:
    labels: {role: proxy}
    containers:
      quota-proxy: {match: "quota-proxy*", ports: ["127.0.0.1:${port}->8787/tcp"]}
    endpoints:
      healthz: {url: "http://127.0.0.1:${port}/healthz", expect: {status: 200, json: {ok: true}}}
hosts:
"""

WRITTEN_OUT = """\
  proxy-{n:05}.example.net:
    groups: [proxies]
    address: 10.{a}.{b}.{c}
    labels: {{rack: r{a}-{b}, zone: z{c}}}
    limits: {{load_per_cpu: {{warning: 2, critical: 4}}}}
"""

OWN_PORTS = """\
  proxy-{n:05}.example.net:
    groups: [proxies]
    address: 10.{a}.{b}.{c}
    labels: {{rack: r{a}-{b}}}
    vars: {{port: {n}}}
"""


def inventories(hosts: int) -> dict[str, str]:
    """The ways to write the same number of hosts."""

    def each(form: str) -> str:
        return HEAD + "".join(
            form.format(n=n, a=n // 62_500, b=n // 250 % 250, c=n % 250 + 1) for n in range(1, hosts + 1)
        )

    return {
        "as a range": f"{HEAD}  proxy-[00001:{hosts:05}].example.net: {{groups: [proxies]}}\n",
        "written out": each(WRITTEN_OUT),
        "written out, a port each": each(OWN_PORTS),
    }


def main() -> None:
    hosts = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    started = time.perf_counter()
    from muster.inventory import load
    from muster.inventory.schema import adapter

    adapter()
    print(f"{'import and schema':26} {time.perf_counter() - started:6.3f} s")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in inventories(hosts).items():
            path = Path(folder) / "inventory.yaml"
            path.write_text(text)
            took = []
            for _ in range(3):
                started, worked = time.perf_counter(), time.process_time()
                inventory = load([path])
                took.append((time.perf_counter() - started, time.process_time() - worked))
            clock, processor = min(took)
            tracemalloc.start()
            inventory = load([path])
            memory = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            print(
                f"{name:26} {clock:6.3f} s {processor:6.3f} s cpu {len(text) / 1e6:6.2f} MB file "
                f"{len(inventory.hosts):7,} hosts {len(inventory.targets):8,} targets {memory / 1e6:6.1f} MB kept"
            )


if __name__ == "__main__":
    main()

"""``python -m muster.demo``: the service alone, or a whole run on it."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import sys
import tempfile
from pathlib import Path

from muster.demo.run import run
from muster.demo.service import serve


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m muster.demo", description="A small service, to watch and to show."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "serve", help="serve until Ctrl-C; the first line printed is what pytest needs beside --inventory"
    )
    running = commands.add_parser("run", help="start the service, run the suite on it, stop it, compare the verdicts")
    running.add_argument("--inventory", type=Path, default=Path("inventories/demo.yaml"), help="default: %(default)s")
    running.add_argument("--reports", type=Path, default=Path("reports/demo"), help="default: %(default)s")
    arguments, more = parser.parse_known_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if arguments.command == "run":
        if not arguments.inventory.is_file():
            parser.error(f"{arguments.inventory}: no such file; run it in a clone of the project")
        try:
            return run(arguments.inventory, arguments.reports, more)
        except KeyboardInterrupt:
            return 130
    with tempfile.TemporaryDirectory(prefix="muster-demo-") as folder, serve(Path(folder)) as settings:
        print(" ".join(f"--set {shlex.quote(f'{name}={value}')}" for name, value in settings.items()), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A program that runs until it is told to end, and uses what it is asked to: ``python program.py --listen 8388``.

`started` starts one of the tests' own; what it says of itself when it is ready is a line of its output.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

READY = "ready"


@contextmanager
def started(folder: Path, name: str, *words: str, before: Sequence[str] = ()) -> Iterator[int]:
    """The program under a name of its own, with its pid file ``name.pid`` in ``folder``; its process id.

    ``before`` are words in front of the command, such as ``prlimit --nofile=64``. It may be gone at the end.
    """
    from tests.servers.processes import Background

    # -I and -S: it starts in 10 ms.
    command = [*before, sys.executable, "-I", "-S", __file__, f"--name={name}", *words]
    program = Background(command, folder / f"{name}.log")
    program.wait_for(lambda: READY in program.printed())
    (folder / f"{name}.pid").write_text(f"{program.process.pid}\n")
    try:
        yield program.process.pid
    finally:
        if program.process.poll() is None:
            program.process.send_signal(signal.SIGCONT)
        program.stop()


def main(words: Sequence[str]) -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--name")
    asked.add_argument("--listen", type=int, metavar="PORT")
    asked.add_argument("--threads", type=int, default=0, metavar="MORE")
    asked.add_argument("--files", type=int, default=0, metavar="MORE")
    asked.add_argument("--memory", type=int, default=0, metavar="MIB")
    asked.add_argument("--spin", action="store_true", help="keep a processor busy")
    asked.add_argument("--child", action="store_true", help="have one that runs, too")
    asked.add_argument("--zombie", metavar="FILE", help="have one that has ended; FILE gets its process id")
    options = asked.parse_args(words)
    if (options.child or options.zombie) and (child := os.fork()) == 0:
        if options.zombie:
            named = Path(options.zombie).with_name(options.name)
            named.symlink_to("/bin/sh")
            os.execv(named, [options.name, "-c", "exit 0"])
        time.sleep(1_000_000)
    if options.zombie:
        Path(options.zombie).write_text(f"{child}\n")
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    if options.listen:
        listener = socket.create_server(("127.0.0.1", options.listen))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(options.files)]
    memory = bytearray(b"x") * (options.memory << 20)
    for _ in range(options.threads):
        threading.Thread(target=time.sleep, args=(1_000_000,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(READY, flush=True)
    while options.spin:
        pass
    if options.listen:
        while True:
            listener.accept()[0].close()
    time.sleep(1_000_000 + 0 * len(held) + 0 * len(memory))


if __name__ == "__main__":
    main(sys.argv[1:])

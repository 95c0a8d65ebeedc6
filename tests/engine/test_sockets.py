"""Connections from this machine: bounded threads for names, one address after the other, and nothing left open."""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from muster.facts import docker_engine
from muster.probes import Unobserved
from muster.questions.docker import AskEngine
from muster.questions.http import HttpRequest
from muster.targets import DockerEngine
from muster.transports import names
from muster.transports.docker import Engine
from muster.transports.http import Http
from muster.transports.local import LocalLink
from muster.transports.names import Address, Names
from muster.transports.sockets import SocketStream, connect, connect_unix
from tests.engine.asking import files_are_closed, open_files
from tests.servers.processes import wait_for

PATIENCE = 20.0


def at(address: str) -> Address:
    return (socket.AF_INET6 if ":" in address else socket.AF_INET), (address, 0)


@contextmanager
def never_accepting(address: str, port: int = 0) -> Iterator[int]:
    """A port whose queue is full: the kernel answers no further connection (listen(2))."""
    with ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(3):
            one = held.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def pair() -> tuple[SocketStream, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return SocketStream(ours), theirs


# Connecting


def test_the_next_address_is_tried_where_one_refuses_or_says_nothing() -> None:
    async def peer(*addresses: str) -> str:
        stream = await asyncio.wait_for(connect([at(each) for each in addresses], port), PATIENCE)
        with stream._socket as connected:
            return str(connected.getpeername()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with never_accepting("127.0.0.3", port):
            before = open_files()
            assert asyncio.run(peer("127.0.0.1")) == "127.0.0.1"
            assert asyncio.run(peer("127.0.0.2", "127.0.0.1")) == "127.0.0.1"
            assert asyncio.run(peer("127.0.0.3", "::1", "127.0.0.1")) == "127.0.0.1"
            files_are_closed(before)


def test_of_several_errors_the_one_about_the_other_end_is_told(refused_port: int) -> None:
    # To 255.255.255.255 there is no way from here.
    for addresses in (["127.0.0.1", "255.255.255.255"], ["255.255.255.255", "127.0.0.1"]):
        with pytest.raises(ConnectionRefusedError):
            asyncio.run(connect([at(each) for each in addresses], refused_port))


def test_an_attempt_that_is_given_up_leaves_nothing_open() -> None:
    async def give_up(*addresses: str) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connect([at(each) for each in addresses], port), 0.4)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with never_accepting("127.0.0.1") as port, never_accepting("127.0.0.2", port):
        before = open_files()
        asyncio.run(give_up("127.0.0.1"))
        asyncio.run(give_up("127.0.0.1", "127.0.0.2"))
        assert open_files() == before


def test_a_unix_socket_whose_queue_is_full_is_waited_for(tmp_path: Path) -> None:
    async def all_of_them() -> None:
        connecting = [asyncio.create_task(connect_unix(path)) for _ in range(5)]
        await asyncio.wait(connecting, timeout=0.1)
        assert not all(each.done() for each in connecting)
        for _ in connecting:
            (await asyncio.to_thread(listener.accept))[0].close()
        for each in connecting:
            (await asyncio.wait_for(each, PATIENCE)).close()

    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        asyncio.run(all_of_them())


def test_without_a_descriptor_left_nothing_is_known_of_the_other_end(refused_port: int, tmp_path: Path) -> None:
    async def asked(*addresses: str) -> None:
        link, http = LocalLink(), Http()
        engine = Engine(link, DockerEngine(url=f"unix://{tmp_path}/docker.sock"), timeout=PATIENCE)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            for address in addresses:
                with pytest.raises(Unobserved, match="no file descriptor left: raise `ulimit -n`") as why:
                    await http.ask(link, HttpRequest(f"http://{address}:{refused_port}/"))
                assert why.value.cause == "internal"
            answer = await engine.ask(AskEngine())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with pytest.raises(Unobserved, match="no file descriptor left"):
            docker_engine.parse(answer, expected=True)

    asyncio.run(asked("127.0.0.1", "localhost"))


def test_a_name_that_could_not_be_looked_up_for_want_of_a_descriptor_is_not_unknown() -> None:
    async def asked() -> None:
        socket.gethostbyname("127.0.0.1")  # from here on glibc 2.36 says that there is no such name
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                await Names().addresses("localhost")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    asyncio.run(asked())


# Streams


def test_what_is_long_is_sent_whole_while_the_other_end_reads() -> None:
    async def both() -> bytes:
        stream, theirs = pair()
        other = SocketStream(theirs)
        theirs.setblocking(False)
        stream.write(bytes(5_000_000))
        sending = asyncio.gather(stream.drain(), stream.drain())
        received = b""
        while len(received) < 5_000_000:
            received += await asyncio.wait_for(other.read(1_000_000), PATIENCE)
        await asyncio.wait_for(sending, PATIENCE)
        stream.write_eof()
        assert await asyncio.wait_for(other.read(1), PATIENCE) == b""
        other.write(b"still there")
        await other.drain()
        assert await stream.read(5) == b"still"
        assert await stream.read() == b" there"
        stream.close()
        other.close()
        return received

    assert asyncio.run(both()) == bytes(5_000_000)


def test_who_reads_from_a_stream_that_is_closed_gets_nothing() -> None:
    async def closed() -> bytes:
        stream, theirs = pair()
        reading = asyncio.create_task(stream.read(1))
        await asyncio.sleep(0)
        stream.close()
        theirs.close()
        stream.close()
        assert await stream.read(1) == b""
        return await asyncio.wait_for(reading, PATIENCE)

    assert asyncio.run(closed()) == b""


def test_a_stream_that_is_closed_takes_nothing_from_the_next_of_its_number() -> None:
    async def in_turn() -> None:
        loop = asyncio.get_running_loop()
        first, _ = pair()
        reading = asyncio.create_task(first.read(1))
        await asyncio.sleep(0)
        reading.cancel()
        number = first._number
        first.close()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert ours.fileno() == number, "the test needs the number again"
            heard = asyncio.Event()
            loop.add_reader(ours, heard.set)
            await asyncio.wait([reading])
            theirs.send(b"hello")
            await asyncio.wait_for(heard.wait(), PATIENCE)
            loop.remove_reader(ours)

    asyncio.run(in_turn())


# Names


def addresses(known: Names, *wanted: str) -> list[object]:
    async def all_of_them() -> list[object]:
        asked = asyncio.gather(*map(known.addresses, wanted), return_exceptions=True)
        return await asyncio.wait_for(asked, PATIENCE)

    return asyncio.run(all_of_them())


def test_an_address_is_looked_up_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_found", lambda name: pytest.fail(f"{name} was looked up"))
    assert addresses(Names(), "127.0.0.1", "::1") == [(at("127.0.0.1"),), (at("::1"),)]


def test_names_have_the_addresses_that_the_system_knows() -> None:
    found, nobody, odd = addresses(Names(), "localhost", "nobody.invalid", "a..b")
    assert isinstance(found, list)
    assert {place[0] for _, place in found} <= {"127.0.0.1", "::1"}
    assert isinstance(nobody, socket.gaierror)
    assert isinstance(odd, socket.gaierror)


def looking_up() -> int:
    return sum(each.name == "muster-names" for each in threading.enumerate())


def test_a_thousand_names_take_a_hundred_threads_and_each_is_looked_up_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering = threading.Event()
    looked_up: list[str] = []

    def found(name: str) -> list[Address]:
        looked_up.append(name)
        answering.wait(PATIENCE)
        return [at("127.0.0.1")]

    monkeypatch.setattr(names, "_found", found)
    wanted = [f"host-{number}.example" for number in range(1_000)]

    async def twice() -> None:
        known = Names()
        asked = asyncio.gather(*map(known.addresses, wanted + wanted))
        await asyncio.to_thread(wait_for, lambda: len(looked_up) == names.THREADS, "a hundred names at once")
        assert looking_up() == names.THREADS
        answering.set()
        await asyncio.wait_for(asked, PATIENCE)
        await asyncio.wait_for(asyncio.gather(*map(known.addresses, wanted)), PATIENCE)

    asyncio.run(twice())
    assert sorted(looked_up) == sorted(wanted)


def test_a_name_that_is_asked_for_when_the_last_thread_ends_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def raced() -> None:
        known = Names()
        first = asyncio.create_task(known.addresses("first.example"))
        await asyncio.sleep(0)
        second = asyncio.create_task(known.addresses("second.example"))
        answering.set()
        # That the thread has ended, the loop hears after it has been asked for the second.
        wait_for(lambda: not looking_up(), "the end of the thread")
        await asyncio.wait_for(asyncio.gather(first, second), PATIENCE)

    def found(name: str) -> list[Address]:
        answering.wait(PATIENCE)
        return [at("127.0.0.1")]

    answering = threading.Event()
    monkeypatch.setattr(names, "THREADS", 1)
    monkeypatch.setattr(names, "_found", found)
    asyncio.run(raced())


def test_a_name_that_nobody_answers_for_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    answering = threading.Event()

    def found(name: str) -> list[Address]:
        if name.startswith("slow"):
            answering.wait(PATIENCE)
        return [at("127.0.0.1")]

    async def asked() -> None:
        known = Names()
        slow = [asyncio.create_task(known.addresses(f"slow-{number}")) for number in range(names.THREADS - 1)]
        slow.append(asyncio.create_task(known.addresses("slow-0")))
        for number in range(50):
            assert await asyncio.wait_for(known.addresses(f"quick-{number}"), PATIENCE)
        slow[0].cancel()
        await asyncio.wait(slow[:1])
        assert not any(each.done() for each in slow[1:])
        answering.set()
        assert await asyncio.wait_for(slow[-1], PATIENCE), "one that gave up took the answer from another"
        await asyncio.wait(slow)

    monkeypatch.setattr(names, "_found", found)
    asyncio.run(asked())


def test_a_link_of_this_machine_goes_by_the_names_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    async def reached() -> None:
        known = Names()
        for _ in range(2):
            reader, writer = await LocalLink(known).stream("web.example", listener.getsockname()[1])
            assert reader is writer
            writer.close()

    looked_up: list[str] = []

    def found(name: str) -> list[Address]:
        looked_up.append(name)
        return [at("127.0.0.1")]

    monkeypatch.setattr(names, "_found", found)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(reached())
    assert looked_up == ["web.example"]

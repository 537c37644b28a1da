"""Addresses: wildcards beside addresses, unix sockets, IPv6."""
import collections
import contextlib
import socket
import time

from harness import Connection, free_port


def test_a_wildcard_and_an_address_of_the_same_port_share_a_socket(proxy):
    port = free_port()
    gate = proxy("""events {} http {
        server { listen %d; return 200 "wildcard"; }
        server { listen 127.0.0.1:%d; return 200 "address"; } }""" % (port, port))
    for address, answer in (("127.0.0.1", b"address"), ("127.0.0.2", b"wildcard")):
        with Connection(socket.create_connection((address, port), timeout=10)) as c:
            assert c.get().body == answer
    assert gate.stop() == 0


def test_workers_take_turns_where_all_of_them_sleep(proxy):
    gate = proxy("events {} http { server { listen {port}; keepalive_timeout 60s; return 200 $pid; } }", workers=2)
    with contextlib.ExitStack() as kept:
        of_worker = collections.Counter()
        for _ in range(40):
            of_worker[kept.enter_context(gate.plain()).get().body] += 1
            time.sleep(0.005)
        assert len(of_worker) == 2 and min(of_worker.values()) >= 8

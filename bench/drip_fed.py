#!/usr/bin/python3
"""1,000 connections that send one byte per second, heads or bodies, against the daemon's API; meanwhile a polite client
asks. Prints how long the slowest connection lasted and the polite client's waiting times.

usage: drip_fed.py PROGRAM [CONNECTIONS]"""
import http.client
import json
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time

HEAD = b"GET /api/v1/status HTTP/1.1\r\nHost: daemon\r\nX-Slow: " + b"a" * 1000
BODY_HEAD = b"POST /api/v1/pause HTTP/1.1\r\nHost: daemon\r\nContent-Length: 1000\r\n\r\n"
LIMIT_S = 60


class Dripper:
    def __init__(self, address, of_body):
        self.socket = socket.create_connection(address)
        self.socket.setblocking(False)
        self.begun, self.ended, self.at = time.monotonic(), None, 0
        self.bytes = BODY_HEAD + b"x" * 1000 if of_body else HEAD
        if of_body:
            self.socket.send(BODY_HEAD)
            self.at = len(BODY_HEAD)

    def drip(self):
        try:
            self.socket.send(self.bytes[self.at:self.at + 1])
            self.at += 1
        except BlockingIOError:
            pass
        except OSError:
            self.end()

    def end(self):
        if self.ended is None:
            self.ended = time.monotonic()

    def hear(self):
        try:
            if not self.socket.recv(4096):
                self.end()
        except BlockingIOError:
            pass
        except OSError:
            self.end()


def drip_on(drippers):
    ready = selectors.DefaultSelector()
    for d in drippers:
        ready.register(d.socket, selectors.EVENT_READ, d)
    end = time.monotonic() + LIMIT_S
    next_drop = time.monotonic()
    while any(d.ended is None for d in drippers) and time.monotonic() < end:
        for key, _ in ready.select(0.2):
            key.data.hear()
            if key.data.ended is not None:
                ready.unregister(key.fileobj)
        if time.monotonic() >= next_drop:
            next_drop += 1
            for d in drippers:
                if d.ended is None:
                    d.drip()


def ask_politely(address, stop, waits, failures):
    while not stop.is_set():
        began = time.monotonic()
        try:
            connection = http.client.HTTPConnection(*address, timeout=20)
            connection.request("GET", "/api/v1/status")
            answer = connection.getresponse()
            answer.read()
            connection.close()
            if answer.status != 200:
                failures.append(str(answer.status))
        except OSError as error:
            failures.append(repr(error))
        waits.append(time.monotonic() - began)
        stop.wait(0.02)


def share(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] * 1000


def main():
    program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    with tempfile.TemporaryDirectory() as folder:
        daemon = subprocess.Popen([program, "run", "--world", "--listen", "127.0.0.1:0", "--json", "--data", folder],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        host, port = json.loads(daemon.stdout.readline())["address"].rsplit(":", 1)
        address = (host, int(port))
        stop, waits, failures = threading.Event(), [], []
        quiet = []
        ask_for = threading.Thread(target=ask_politely, args=(address, stop, quiet, failures))
        ask_for.start()
        time.sleep(3)  # how long it takes when nobody disturbs, for comparison
        stop.set()
        ask_for.join()
        stop = threading.Event()
        ask_for = threading.Thread(target=ask_politely, args=(address, stop, waits, failures))
        ask_for.start()
        drippers = [Dripper(address, i % 2 == 1) for i in range(count)]
        drip_on(drippers)
        stop.set()
        ask_for.join()
        daemon.terminate()
        daemon.wait()
        lasted = [(d.ended or time.monotonic()) - d.begun for d in drippers]
        left = sum(d.ended is None for d in drippers)
        print(f"{count} drip-fed connections: median {sorted(lasted)[count // 2]:.1f} s, longest {max(lasted):.1f} s, "
              f"never cut {left}")
        print(f"polite client meanwhile: {len(waits)} requests, {len(failures)} failed, median {share(waits, .5):.1f} ms, "
              f"p99 {share(waits, .99):.1f} ms, longest {max(waits) * 1000:.1f} ms")
        print(f"undisturbed: median {share(quiet, .5):.1f} ms, p99 {share(quiet, .99):.1f} ms")
        for failure in failures[:3]:
            print("  ", failure)
        return bool(left or failures)


if __name__ == "__main__":
    sys.exit(main())

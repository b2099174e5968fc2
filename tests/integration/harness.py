"""What integration tests share: programs started and stopped by the pid that was kept, ports that are free, and waiting
for a condition with a limit (never sleeping for a result)."""
import contextlib
import json
import os
import pathlib
import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(os.environ.get("NS_TEST_ROOT", pathlib.Path(__file__).resolve().parents[2]))
PROGRAM = os.environ.get("NS_PROGRAM", str(ROOT / "build" / "neuroshield"))
ANSWER_LIMIT_S = 120  # of one HTTP answer: a world on a machine with too much to do may be behind for a minute
LONG = bool(os.environ.get("NS_TEST_LONG"))

# No test depends on, or writes into, what the person who runs it has configured.
CLEAN_ENV = {k: v for k, v in os.environ.items()
             if not k.startswith(("JENKINS_", "PROMETHEUS_", "KUBE", "NEUROSHIELD_", "POLL_", "TELEMETRY_", "LOG_"))}


def wait_for(condition, limit_s, what):
    """Returns the first true value of condition(); fails the test after limit_s."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit_s} s for {what}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url, **headers):
    """(status, headers, body bytes) of a GET; errors that are HTTP answers are answers."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_LIMIT_S) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def get_json(url, **headers):
    status, _, body = get(url, **headers)
    if status != 200:
        raise AssertionError(f"{url}: HTTP {status}: {body[:300]!r}")
    return json.loads(body)


def post_json(url, body):
    """(status, body text) of a POST of JSON."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_LIMIT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def need(program):
    path = shutil.which(program)
    if path is None:
        raise unittest.SkipTest(f"{program} is not installed")
    return path


class Running:
    """A program that runs beside the test. Its stdout lines are read as they come, stderr is kept for the message."""

    def __init__(self, *argv, cwd=None, env=None):
        self.argv = [str(a) for a in argv]
        self.process = subprocess.Popen(self.argv, cwd=cwd, env={**CLEAN_ENV, **(env or {})}, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = queue.Queue()
        self.errors = []
        self._threads = [threading.Thread(target=self._read_out, daemon=True),
                         threading.Thread(target=self._read_err, daemon=True)]
        for thread in self._threads:
            thread.start()

    def _read_out(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def _read_err(self):
        for line in self.process.stderr:
            self.errors.append(line)

    @property
    def stderr(self):
        return "".join(self.errors)

    def line(self, limit_s=20):
        try:
            return self.lines.get(timeout=limit_s)
        except queue.Empty:
            raise AssertionError(f"{self.argv[:3]}: no line on stdout in {limit_s} s; stderr: {self.stderr[-2000:]}")

    def json_line(self, limit_s=20):
        return json.loads(self.line(limit_s))

    def alive(self):
        return self.process.poll() is None

    def stop(self, number=signal.SIGTERM, limit_s=20):
        """Ends it and returns its exit status."""
        if self.alive():
            self.process.send_signal(number)
        try:
            status = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.argv[:3]} did not end within {limit_s} s of signal {number}")
        for thread in self._threads:
            thread.join(5)
        self.process.stdout.close()
        self.process.stderr.close()
        return status


class Case(unittest.TestCase):
    """A test with a folder of its own; what it starts is ended after it."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="neuroshield-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, *argv, **options):
        running = Running(*argv, cwd=options.pop("cwd", self.folder), **options)

        def end():
            with contextlib.suppress(AssertionError):
                running.stop()

        self.addCleanup(end)
        return running

    def run_program(self, *argv, env=None, limit_s=120, stdin=""):
        return subprocess.run([PROGRAM, *map(str, argv)], cwd=self.folder, env={**CLEAN_ENV, **(env or {})}, text=True,
                              input=stdin, capture_output=True, timeout=limit_s)

    def world(self, *argv):
        """The served world: (process, "http://127.0.0.1:PORT")."""
        process = self.start(PROGRAM, "world", "--listen", "127.0.0.1:0", "--json", *argv)
        hello = process.json_line()
        self.assertEqual(hello["event"], "listening")
        return process, "http://" + hello["address"]

    def daemon(self, *argv, **options):
        """A running daemon: (process, "http://127.0.0.1:PORT", its first line)."""
        process = self.start(PROGRAM, "run", "--listen", "127.0.0.1:0", "--json", *argv, **options)
        hello = process.json_line()
        self.assertEqual(hello["event"], "listening")
        return process, "http://" + hello["address"], hello

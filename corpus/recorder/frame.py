"""Jenkins' console around real commands: Pipeline (declarative or scripted) or freestyle, stamped or not.

Only the frame's own lines are printed here; every other line of a log comes out of a real process (see shell.py).
"""
import base64
import contextlib
import datetime
import hashlib
import threading
import time

STAMPS = ("none", "iso", "clock")


class StepFailed(Exception):
    """A step ended the build; `message` is what Jenkins prints at the very end."""

    def __init__(self, message, aborted=False):
        super().__init__(message)
        self.message, self.aborted = message, aborted


class Console:
    """Lines with the second they were printed in, from several threads."""

    def __init__(self, stamps, notes, began):
        self.stamps, self.notes, self.began = stamps, notes, began
        self.start, self.lines, self.times, self.lock = time.monotonic(), [], [], threading.Lock()
        self.stamping = False

    def prefix(self, elapsed):
        at = self.began + datetime.timedelta(seconds=elapsed)
        if not self.stamping or self.stamps == "none":
            return ""
        if self.stamps == "iso":
            return f"[{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z] "
        return f"{at:%H:%M:%S} "

    def emit(self, text):
        with self.lock:
            elapsed = time.monotonic() - self.start
            for line in text.split("\n"):
                self.lines.append(self.prefix(elapsed) + line)
                self.times.append(elapsed)

    def note(self, kind, text):
        """Text with a hidden console note before it, as the raw log on disk has them."""
        if not self.notes:
            return text
        blob = hashlib.sha512(kind.encode()).digest() * 2 + hashlib.sha256(text.encode()).digest()
        return f"\x1b[8mha:////{base64.b64encode(blob).decode()}\x1b[0m{text}"

    def here(self):
        with self.lock:
            return len(self.lines)


class Frame:
    """One build's frame. Kits open stages and run steps; the subclasses print what their job type prints."""

    kind = ""

    def __init__(self, console, job, style):
        self.console, self.job, self.style = console, job, style
        self.failed_stage = False

    def step(self, name):
        """A step without a block."""

    @contextlib.contextmanager
    def block(self, name, label=""):
        yield


class Pipeline(Frame):
    def step(self, name):
        self.console.emit(self.console.note(name, f"[Pipeline] {name}"))

    @contextlib.contextmanager
    def block(self, name, label=""):
        self.step(name)
        self.console.emit("[Pipeline] {" + (f" ({label})" if label else ""))
        try:
            yield
        finally:
            self.console.emit("[Pipeline] }")
            self.console.emit(f"[Pipeline] // {name}")

    def open(self, cause, repository):
        c = self.console
        c.stamping = self.style.get("stamp_all", False)
        c.emit(c.note("cause", cause))
        if self.style.get("obtained", True):
            c.emit(f"Obtained Jenkinsfile from git {repository}")
        if self.style.get("library"):
            c.emit(f"Loading library {self.style['library']}@main\nAttempting to resolve main from remote references...")
        c.emit("[Pipeline] Start of Pipeline")
        self.step("node")
        c.emit(f"Running on {self.style['agent']} in {self.job.workspace}")
        c.emit("[Pipeline] {")
        if self.style.get("stamps") != "none" and not self.style.get("stamp_all"):
            self.step("timestamps")
            c.emit("[Pipeline] {")
            c.stamping = True
        elif self.style.get("env"):
            self.step("withEnv")
            c.emit("[Pipeline] {")

    def close(self, failure):
        c = self.console
        if self.style.get("stamps") != "none" and not self.style.get("stamp_all"):
            c.emit("[Pipeline] }")
            c.stamping = False
            c.emit("[Pipeline] // timestamps")
        elif self.style.get("env"):
            c.emit("[Pipeline] }\n[Pipeline] // withEnv")
        c.emit("[Pipeline] }\n[Pipeline] // node\n[Pipeline] End of Pipeline")
        c.stamping = False
        if failure and failure.message:
            c.emit(f"ERROR: {failure.message}" if not failure.message.startswith(("Timeout", "hudson")) else failure.message)
        c.emit("Finished: " + ("SUCCESS" if not failure else "ABORTED" if failure.aborted else "FAILURE"))

    @contextlib.contextmanager
    def stage(self, name, declarative=False):
        """A stage; in declarative pipelines a failed one leaves the later ones skipped."""
        if self.failed_stage and self.style.get("declarative") and not declarative:
            self.step("stage")
            self.console.emit("[Pipeline] { (" + name + ")")
            self.console.emit(f'Stage "{name}" skipped due to earlier failure(s)')
            self.step("getContext")
            self.console.emit("[Pipeline] }\n[Pipeline] // stage")
            yield False
            return
        with self.block("stage", name):
            yield True

    def skip_stage(self, name):
        with self.block("stage", name):
            self.console.emit(f'Stage "{name}" skipped due to when conditional')
            self.step("getContext")


class Freestyle(Frame):
    def open(self, cause, repository):
        c = self.console
        c.stamping = self.style.get("stamps") != "none"
        c.emit(c.note("cause", cause))
        c.emit("Running as SYSTEM")
        c.emit(f"Building remotely on {self.style['agent']} (linux docker) in workspace {self.job.workspace}")

    def close(self, failure):
        self.console.stamping = False
        if failure and failure.aborted:
            self.console.emit("Build was aborted\nFinished: ABORTED")
        else:
            self.console.emit("Finished: " + ("FAILURE" if failure else "SUCCESS"))

    @contextlib.contextmanager
    def stage(self, name, declarative=False):
        yield True

    def skip_stage(self, name):
        pass

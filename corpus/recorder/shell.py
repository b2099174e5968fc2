"""Runs real commands as the agent's user and hands their lines to the console as they come."""
import os
import resource
import signal
import subprocess
import threading
import time

from sandbox import JENKINS_UID

LONGEST = 240.0                 # no step is meant to run so long: the build is left out
PIPELINE_WORDS = ("Cancelling nested steps due to timeout", "Sending interrupt signal to process")
PAGE = os.sysconf("SC_PAGE_SIZE")


def children(session):
    """(pid, resident bytes) of every process of a session."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as handle:
                fields = handle.read().rsplit(")", 1)[1].split()
            if int(fields[3]) == session:
                found.append((int(pid), int(fields[21]) * PAGE))
        except (OSError, IndexError, ValueError):
            continue
    return found


def kill_session(session, sig):
    for pid, _ in children(session):
        try:
            os.kill(pid, sig)
        except OSError:
            pass


class Limits:
    """What a step may use. `resident` is enforced as the kernel's memory killer would: SIGKILL to the largest process."""

    def __init__(self, address=None, resident=None, files=None, processes=None, seconds=None, lose_after=None, file_size=None):
        self.address, self.resident, self.files, self.processes = address, resident, files, processes
        self.seconds, self.lose_after, self.file_size, self.words = seconds, lose_after, file_size, PIPELINE_WORDS

    def apply(self):
        for value, what in ((self.address, resource.RLIMIT_AS), (self.files, resource.RLIMIT_NOFILE),
                            (self.processes, resource.RLIMIT_NPROC), (self.file_size, resource.RLIMIT_FSIZE)):
            if value:
                resource.setrlimit(what, (value, value))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Ended:
    """How a command ended: its status, and whether it was cut by the time limit or with the agent."""

    def __init__(self, status, timed_out=False, lost=False):
        self.status, self.timed_out, self.lost = status, timed_out, lost


def run(command, cwd, env, emit, limits=None, lines_until_lost=None, on_timeout=None):
    """Runs `command` (a list) and emits its lines. A lost agent is a session killed after so many lines."""
    limits = limits or Limits()
    state = {"lost": False, "timed_out": False, "lines": 0}
    child = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             start_new_session=True, user=JENKINS_UID, group=JENKINS_UID, extra_groups=[], umask=0o022, preexec_fn=limits.apply)

    def read():
        tail = b""
        while True:
            chunk = os.read(child.stdout.fileno(), 65536)
            if not chunk:
                break
            *whole, tail = (tail + chunk).split(b"\n")
            for line in whole:
                if state["lost"]:
                    return
                emit(line.decode("utf8", "replace").rstrip("\r"))
                state["lines"] += 1
                if lines_until_lost and state["lines"] >= lines_until_lost:
                    state["lost"] = True
                    kill_session(child.pid, signal.SIGKILL)
                    return
        if tail and not state["lost"]:
            emit(tail.decode("utf8", "replace"))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    began = time.monotonic()
    pause = 0.02 if limits.resident else 0.05
    while child.poll() is None:
        time.sleep(pause)
        if limits.resident:
            for pid, size in sorted(children(child.pid), key=lambda c: -c[1])[:1]:
                if size > limits.resident:
                    os.kill(pid, signal.SIGKILL)
        if limits.seconds and time.monotonic() - began > limits.seconds and not state["timed_out"]:
            state["timed_out"] = True
            if on_timeout:
                on_timeout()
            for line in limits.words:
                emit(line)
            kill_session(child.pid, signal.SIGTERM)
            limits.seconds += 3
        elif state["timed_out"] and time.monotonic() - began > limits.seconds:
            kill_session(child.pid, signal.SIGKILL)
        if time.monotonic() - began > LONGEST:
            kill_session(child.pid, signal.SIGKILL)
            child.wait()
            raise TimeoutError(f"{command} ran for over {LONGEST} s")
    reader.join(timeout=1.0)
    kill_session(child.pid, signal.SIGKILL)
    reader.join(timeout=5.0)
    child.stdout.close()
    status = child.returncode if child.returncode >= 0 else 128 - child.returncode
    return Ended(status, state["timed_out"], state["lost"])

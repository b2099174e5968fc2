"""Faults of the agent and its surroundings that every kind of project can meet, and the steps every project shares."""
import json
import os
import re
import shutil
import subprocess

import sandbox
from build import Fault
from frame import Freestyle
from mirror import Trouble
from sandbox import JENKINS_UID


def mount_small(path, kilobytes):
    """A tmpfs over a folder of the workspace, as a full disk."""
    def arm(b):
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,uid={JENKINS_UID},gid={JENKINS_UID}", "tmpfs", path], check=True)
        b.undo.append(lambda: subprocess.run(["umount", "-l", path], check=False))
    return arm


def read_only(path):
    def arm(b):
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "--bind", path, path], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", path], check=True)
        b.undo.append(lambda: shutil.rmtree(path, ignore_errors=True))
        b.undo.append(lambda: subprocess.run(["umount", "-l", path], check=False))
    return arm


DISK = r"(?i)no space left|disk full|ENOSPC|Disk quota|error writing|Errno 28|not enough space"
READ_ONLY = r"(?i)read-only file ?system|EROFS|Errno 30"
DENIED = r"(?i)permission denied|EACCES|Errno 13|AccessDenied|not permitted"
LOST = r"Cannot contact|was marked offline|went offline"
NETWORK = (r"(?i)could not resolve|name or service not known|temporary failure in name|ENOTFOUND|EAI_AGAIN|no such host|unknown host|failed to lookup|refused|reset|timed? ?out|\b50[0-9]\b|429|"
           r"NewConnectionError|couldn't connect|failed to connect|UnknownHost|broken|ECONN|incomplete|Premature|dns error|getaddrinfo|unreachable|RemoteDisconnected|\bEOF\b|Could not transfer|spurious network|network timeout|connection aborted")
CERTIFICATE = r"(?i)certificate|CERT_|PKIX|x509|SSL|trust anchor"
CREDENTIALS = r"(?i)\b40[13]\b|unauthorized|forbidden|authenticat|credential|E401|E403|not authorized"


def registry_faults(point, kinds=("unresolvable", "refused", "503", "502", "reset", "hang", "429", "cut")):
    """The registry is away, answers errors or breaks off: after some requests, so not always at once."""
    faults = {}

    def unresolvable(b):
        host = b.style["registry"]
        sandbox.host_known(host, False)
        b.undo.append(lambda: sandbox.host_known(host, True))

    def refused(b):
        host = b.style["registry"]
        for name in ("HTTP_PORT",):
            b.env[name] = "81"
        sandbox.host_known(host, False)
        with open("/etc/hosts", "a", encoding="ascii") as handle:
            handle.write(f"127.0.0.66 {host}\n")
        b.undo.append(lambda: sandbox.host_known(host, True))

    def trouble(kind):
        def arm(b):
            b.job.mirror.trouble = Trouble(kind, after=b.rng.choice((0, 0, 1, 2, 3, 5, 8)) if kind != "cut" else b.rng.choice((0, 1)))
        return arm

    for kind in kinds:
        arm = unresolvable if kind == "unresolvable" else refused if kind == "refused" else trouble(int(kind) if kind.isdigit() else kind)
        faults[f"registry_{kind}"] = lambda b, kind=kind, arm=arm: Fault(f"registry_{kind}", "registry_outage", point, NETWORK, arm=arm)

    def forbidden(b):
        kind = b.rng.choice((401, 403))
        return Fault("registry_credentials", "config", point, CREDENTIALS, arm=lambda b: setattr(b.job.mirror, "trouble", Trouble(kind, after=b.rng.choice((0, 1, 2)))))
    faults["registry_credentials"] = forbidden

    def certificate(b):
        def arm(b):
            b.style = {**b.style, "registry": b.rng.choice(("files.example.org", "downloads.example.org", "vault.example.org")), "scheme": "https"}
            b.job.kit.configure_registry(b)
        return Fault("certificate", "config", point, CERTIFICATE, arm=arm)
    faults["certificate"] = certificate
    return faults


def agent_faults(point, low=3, high=60):
    """The agent goes away in mid-step."""
    def lost(b):
        def arm(b):
            b.lines_until_lost = b.rng.randint(low, high)
        return Fault("agent_lost", "agent_lost", point, LOST, arm=arm)
    return {"agent_lost": lost}


def process_faults(point, processes=3):
    def forks(b):
        def arm(b):
            b.limits.processes = processes
        return Fault("no_more_processes", "agent_lost", point, r"(?i)cannot fork|can't fork|resource temporarily unavailable|fork: retry|EAGAIN|unable to create (native )?thread|BlockingIOError|failed to create new OS thread|pthread_create", arm=arm)
    return {"no_more_processes": forks}


def git_faults():
    def outage(b):
        how = b.rng.choice(("unresolvable", "refused", "502", "404"))
        host = b.style["git_host"]

        def arm(b):
            if how == "unresolvable":
                sandbox.host_known(host, False)
                b.undo.append(lambda: sandbox.host_known(host, True))
            elif how == "refused":
                sandbox.host_known(host, False)
                with open("/etc/hosts", "a", encoding="ascii") as handle:
                    handle.write(f"127.0.0.66 {host}\n")
                b.undo.append(lambda: sandbox.host_known(host, True))
            else:
                b.job.mirror.trouble = Trouble(int(how) if how != "404" else 503)
        return Fault("git_outage", "registry_outage", "checkout", r"ERROR: Error fetching remote", arm=arm)
    return {"git_outage": outage}


# --- shared post steps: all of them run after green and failing builds alike ---
def record_tests(b):
    b.frame.step("junit")
    b.console.emit("Recording test results")
    if b.style.get("checks"):
        b.console.emit("[Checks API] No suitable checks publisher found.")


def archive(b):
    b.frame.step("archiveArtifacts")
    b.console.emit("Archiving artifacts")


def clean_workspace(b):
    b.frame.step("cleanWs")
    b.console.emit("[WS-CLEANUP] Deleting project workspace...\n[WS-CLEANUP] Deferred wipeout is used...\n[WS-CLEANUP] done")


def usage(b):
    b.sh("du -sk . | cut -f1\nfind . -newer .git/HEAD -type f -not -path './.git/*' -not -path '*/node_modules/*' -not -path '*/.venv/*' | sort | tail -n 40", allow=True)


def listing(b):
    b.sh("ls -l", allow=True)


def notify(b):
    b.echo(f"Notifying #{b.style['team']}-ci about {b.job.name} #{b.number}")


def changes(b):
    b.sh("git log --oneline --stat -n 6", allow=True)


def environment(b):
    b.sh("env | grep -v -e DURABLE -e PWD | sort", allow=True)


POST = {"tests": record_tests, "archive": archive, "clean": clean_workspace, "usage": usage, "listing": listing, "notify": notify, "changes": changes, "env": environment}


def post_steps(b):
    """The project's own post steps, in order."""
    names = b.style["post"]
    if isinstance(b.frame, Freestyle):
        names = [n for n in names if n not in ("clean", "notify")]
    return [POST[n] for n in names]


def json_text(value):
    return json.dumps(value, indent=2) + "\n"

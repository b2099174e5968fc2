"""One job, one build of it: checkout, stages, post steps, and the fault that is armed at its point."""
import contextlib
import dataclasses
import datetime
import os
import random
import re
import shutil
import subprocess
import threading
from typing import Callable, Optional

import shell
from frame import Console, Freestyle, Pipeline, StepFailed
from sandbox import JENKINS_UID

KERNEL = os.uname().release
WORKSPACES = "/home/jenkins/workspace"
# What builds survive by construction (the kits' survivors): never the line in which a fault shows.
SURVIVED = re.compile(r"lock file held by another run|emulator not reachable|broker|Broker - java|database not ready|dial tcp 127.0.0.1:5432|device simulator|going on$|probe|build cache server|127.0.0.1 port (4040|7\d\d\d)|"
                      r"simulator: device|/dev/ttyUSB7|missing-settings|did not settle|NoSuchKey|cannot be restored|old-results|results/\*|/home/jenkins/cache|127.0.0.1:1$")
PEOPLE = ("Jo Example", "Sam Sample", "Robin Muster", "Kim Doe", "Alex Roe", "Dana Nomen")


@dataclasses.dataclass
class Fault:
    """A fault injected for real. `edit` changes the sources before the commit; `arm` changes the agent at `point`, `disarm` mends it."""

    name: str
    cause: str
    point: str                                  # where it is armed, and from where on its first line is looked for
    see: str                                    # the first line it shows in matches this
    edit: Optional[Callable] = None
    arm: Optional[Callable] = None
    disarm: Optional[Callable] = None


@dataclasses.dataclass
class Stage:
    name: str
    work: object                                # a function of the build, or {branch: function} for parallel branches


class Job:
    """A project as Jenkins knows it, with its sources in a repository of its own."""

    def __init__(self, spec, own, mirror):
        self.spec, self.name, self.kit, self.mirror, self.own = spec, spec.name, spec.kit, mirror, own
        self.workspace = f"{WORKSPACES}/{self.name}"
        self.source = f"{own}/src/{self.name}"
        self.url = f"https://{spec.style['git_host']}/{spec.style['team']}/{self.name.split('_')[0]}.git"
        self.rng = random.Random(f"sources of {self.name}")
        self.last_green = None
        os.makedirs(self.source)
        subprocess.run(["git", "init", "-q", "-b", "main", self.source], check=True)
        self.kit.create(self)
        os.makedirs(self.workspace)
        os.chown(self.workspace, JENKINS_UID, JENKINS_UID)
        os.chown(WORKSPACES, JENKINS_UID, JENKINS_UID)

    def path(self, name):
        return os.path.join(self.source, name)

    def read(self, name):
        with open(self.path(name), encoding="utf8") as handle:
            return handle.read()

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf8") as handle:
            handle.write(text)

    def replace(self, name, old, new, count=1):
        text = self.read(name)
        if old not in text:
            raise ValueError(f"{self.name}: {name} does not contain {old!r}")
        self.write(name, text.replace(old, new, count))

    def git(self, *command):
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_AUTHOR_NAME": "dev", "GIT_AUTHOR_EMAIL": "dev@example.org",
               "GIT_COMMITTER_NAME": "dev", "GIT_COMMITTER_EMAIL": "dev@example.org", "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(["git", "-C", self.source, "-c", "gc.auto=0", *command], check=True, capture_output=True, text=True, env=env).stdout.strip()

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        subprocess.run(["chmod", "-R", "a+rX", self.source], check=True)
        return self.git("rev-parse", "HEAD")


class Build:
    def __init__(self, job, number, seed, fault_name, survivors):
        self.job, self.number, self.rng = job, number, random.Random(f"{job.name} {number} {seed}")
        style = job.spec.style
        began = datetime.datetime(2026, 3, 2, 6) + datetime.timedelta(hours=number * 8 + self.rng.uniform(0, 7), minutes=self.rng.uniform(0, 59), microseconds=self.rng.randrange(10**6))
        self.console = Console(style["stamps"], style.get("notes"), began)
        self.frame = (Freestyle if style["frame"] == "freestyle" else Pipeline)(self.console, job, style)
        self.style, self.survivors = style, set(survivors)
        self.env = self.base_env()
        self.limits = shell.Limits()
        self.lines_until_lost = None
        self.lost = False
        self.mounts, self.undo = [], []
        self.fault = job.kit.fault(fault_name, self) if fault_name else None
        self.fault_name = fault_name
        self.armed_at = None
        self.clock_lock = threading.Lock()

    def base_env(self):
        return {
            "PATH": "/usr/local/go/bin:/opt/rust/bin:/usr/local/bin:/usr/bin:/bin", "HOME": "/home/jenkins", "LANG": "C.UTF-8", "USER": "jenkins",
            "BUILD_NUMBER": str(self.number), "JOB_NAME": self.job.name, "WORKSPACE": self.job.workspace, "CI": "true", "TERM": "dumb",
            "BUILD_TAG": f"jenkins-{self.job.name}-{self.number}", **self.job.spec.env,
        }

    # --- what kits use ---
    def echo(self, text):
        self.frame.step("echo")
        self.console.emit(text)

    def registry(self, kind):
        """Base address of the registry, e.g. http://nexus.example.org/repository/pypi."""
        return f"{self.style.get('scheme', 'http')}://{self.style['registry']}{self.style.get('registry_path', '/repository')}/{kind}"

    def arm(self):
        if self.armed_at is None:
            self.armed_at = self.console.here()
            if self.fault.arm:
                self.fault.arm(self)

    def sh(self, script, point=None, allow=False, cwd=None):
        """The sh step: a script under `sh -xe`. Raises StepFailed unless `allow` (returnStatus: true)."""
        self.frame.step("sh")
        if self.fault and point == self.fault.point:
            self.arm()
        if self.frame.__class__ is Freestyle:
            name = f"/tmp/jenkins{self.rng.randrange(10**18, 10**19)}.sh"
            self.console.emit(f"[{self.job.name}] $ /bin/sh -xe {name}")
        else:
            name = f"{self.job.workspace}@tmp/durable-{self.rng.randrange(1 << 32):08x}/script.sh"
        self.put(name, script + "\n")
        ended = shell.run(["/bin/sh", "-xe", name], cwd or self.job.workspace, self.env, self.print_line, self.limits_now(point),
                          self.lines_until_lost if point == (self.fault and self.fault.point) else None, self.skip_to_limit)
        if ended.lost:
            self.lost = True
            self.say_lost()
        if ended.timed_out:
            if not isinstance(self.frame, Freestyle):
                self.console.emit("script returned exit code 143")
            raise StepFailed("Timeout has been exceeded", aborted=True)
        if ended.status and not allow:
            raise StepFailed(f"script returned exit code {ended.status}")
        return ended.status

    def print_line(self, line):
        """A line of a tool; the kernel of this machine is the only name of it that tools print."""
        self.console.emit(line.replace(KERNEL, "6.1.0-28-amd64"))

    def skip_to_limit(self):
        """A hung process idles: the clock of the log goes on to the limit."""
        with self.console.lock:
            self.console.start -= 60.0 * self.limits.minutes - (self.limits.seconds or 0)

    def limits_now(self, point):
        if self.fault and self.armed_at is not None and point == self.fault.point:
            return dataclass_copy(self.limits)
        return shell.Limits()

    def put(self, path, text, mode=0o755):
        """A file of the agent, owned by its user."""
        folder = os.path.dirname(path)
        made = not os.path.isdir(folder)
        os.makedirs(folder, exist_ok=True)
        if made:
            os.chown(folder, JENKINS_UID, JENKINS_UID)
        with open(path, "w", encoding="utf8") as handle:
            handle.write(text)
        os.chmod(path, mode)
        os.chown(path, JENKINS_UID, JENKINS_UID)

    @contextlib.contextmanager
    def timeout(self, minutes):
        """The timeout step. A hung process idles, so the log's clock is advanced to the limit instead of waiting for it."""
        hung = self.fault and self.fault.name == "hang"
        if hung:
            self.limits.seconds, self.limits.minutes = 6.0, minutes
        if isinstance(self.frame, Freestyle):
            self.limits.words = (f"Build timed out (after {minutes} minutes). Marking the build as aborted.",)
            yield
            return
        self.frame.step("timeout")
        self.console.emit(f"Timeout set to expire in {minutes} min" if minutes != 60 else "Timeout set to expire in 1 hr 0 min")
        self.console.emit("[Pipeline] {")
        try:
            yield
        finally:
            self.console.emit("[Pipeline] }\n[Pipeline] // timeout")

    def retry(self, times, work):
        self.frame.step("retry")
        self.console.emit("[Pipeline] {")
        for attempt in range(times):
            try:
                work()
                break
            except StepFailed as failed:
                if attempt == times - 1 or failed.aborted or self.lost:
                    self.console.emit("[Pipeline] }\n[Pipeline] // retry")
                    raise
                self.console.emit(f"ERROR: {failed.message}\nRetrying\n[Pipeline] }}\n[Pipeline] {{")
        self.console.emit("[Pipeline] }\n[Pipeline] // retry")

    def catch_error(self, work):
        """catchError(buildResult: 'SUCCESS', stageResult: 'UNSTABLE')"""
        with self.frame.block("catchError"):
            try:
                work()
            except StepFailed as failed:
                self.console.emit(f"ERROR: {failed.message}")

    # --- the life of a build ---
    def say_lost(self):
        agent, rng = self.style["agent"], self.rng
        channel = f"hudson.remoting.Channel@{rng.randrange(1 << 30):x}:{agent}"
        texts = (
            f'Cannot contact {agent}: hudson.remoting.ChannelClosedException: Channel "{channel}": Remote call on {agent} failed. The channel is closing down or has closed down',
            f"Cannot contact {agent}: java.lang.InterruptedException",
            f'Cannot contact {agent}: hudson.remoting.RequestAbortedException: java.io.IOException: Unexpected termination of the channel',
            f"{agent} was marked offline: Connection was broken",
            f"Agent {agent} went offline during the build\nERROR: Connection was broken: java.io.EOFException\n\tat java.base/java.io.ObjectInputStream$PeekInputStream.readFully(ObjectInputStream.java:2905)\n"
            "\tat hudson.remoting.ObjectInputStreamEx.<init>(ObjectInputStreamEx.java:50)\nCaused: java.io.IOException: Unexpected termination of the channel",
        )
        self.console.emit(rng.choice(texts if not isinstance(self.frame, Freestyle) else texts[-1:]))
        self.console.start -= rng.uniform(30, 320)
        endings = (f"hudson.AbortException: Agent {agent} was deleted; cancelling node body", f"Could not connect to {agent} to send interrupt signal to process",
                   f"wrapper script does not seem to be touching the log file in {self.job.workspace}@tmp/durable-{rng.randrange(1 << 32):08x}")
        if not isinstance(self.frame, Freestyle):
            self.console.emit(rng.choice(endings))
        raise StepFailed(rng.choice(("script returned exit code -1", f"Agent {agent} was removed", f"hudson.remoting.ChannelClosedException: Channel \"{channel}\": channel is already closed")))

    def checkout(self):
        c, job, style = self.console, self.job, self.style
        if self.fault and self.fault.point == "checkout":
            self.arm()
        c.emit("The recommended git tool is: git" if style.get("recommended_git", True) else "Fetching changes from the remote Git repository")
        c.emit(f"using credential {style['credential']}" if style.get("credential") else "No credentials specified")
        git_env = {**self.env, "GIT_TERMINAL_PROMPT": "0"}
        if self.rng.random() < 0.12:    # another executor, a fresh workspace
            wipe(f"{job.workspace}/.git")
        here = os.path.isdir(f"{job.workspace}/.git")
        if not here:
            c.emit(f"Cloning the remote Git repository\nCloning repository {job.url}\n > git init {job.workspace} # timeout=10")
            self.quiet("git", "init", "-q", "-b", "main", job.workspace)
        else:
            c.emit(f" > git rev-parse --resolve-git-dir {job.workspace}/.git # timeout=10\nFetching changes from the remote Git repository\n > git config remote.origin.url {job.url} # timeout=10")
        c.emit(f"Fetching upstream changes from {job.url}\n > git --version # timeout=10\n > git --version # 'git version 2.39.5'")
        if style.get("credential"):
            c.emit("using GIT_ASKPASS to set credentials " + style["credential"])
        fetch = f"git fetch --tags --force --progress -- {job.url} +refs/heads/*:refs/remotes/origin/*"
        attempts = 2 if "git_retry" in self.survivors else 1
        for attempt in range(attempts):
            c.emit(f" > {fetch} # timeout=10")
            broken = (self.fault and self.fault.point == "checkout") or (attempts == 2 and attempt == 0)
            mapping = [] if broken else ["-c", f"url.{job.own}/src/.insteadOf=https://{style['git_host']}/{style['team']}/", "-c", f"url.{job.source}.insteadOf={job.url}"]
            done = subprocess.run(["git", *mapping, "-C", job.workspace, *fetch.split()[1:]], env=git_env, user=JENKINS_UID, group=JENKINS_UID, extra_groups=[], capture_output=True, text=True)
            if done.returncode == 0:
                break
            c.emit("ERROR: Error fetching remote repo 'origin'\nhudson.plugins.git.GitException: Failed to fetch from " + job.url +
                   f'\nCaused by: hudson.plugins.git.GitException: Command "{fetch}" returned status code {done.returncode}:\nstdout: \nstderr: ' + done.stderr.strip() +
                   "\n\n\tat org.jenkinsci.plugins.gitclient.CliGitAPIImpl.launchCommandIn(CliGitAPIImpl.java:2852)\n\tat org.jenkinsci.plugins.gitclient.CliGitAPIImpl.launchCommandWithCredentials(CliGitAPIImpl.java:2191)"
                   "\n\tat org.jenkinsci.plugins.gitclient.RemoteGitImpl$CommandInvocationHandler$1.call(RemoteGitImpl.java:170)\n\tat hudson.remoting.UserRequest.perform(UserRequest.java:225)")
            if attempt == attempts - 1:
                c.emit("ERROR: Maximum checkout retry attempts reached, aborting")
                raise StepFailed("Error fetching remote repo 'origin'")
            c.emit(f"Retrying after 10 seconds")
            c.start -= 10
        revision = self.job.git("rev-parse", "HEAD")
        message = self.job.git("log", "-1", "--format=%s")
        c.emit(f" > git rev-parse refs/remotes/origin/main^{{commit}} # timeout=10\nChecking out Revision {revision} (refs/remotes/origin/main)\n > git config core.sparsecheckout # timeout=10\n > git checkout -f {revision} # timeout=10")
        self.quiet("git", "-C", job.workspace, "checkout", "-q", "-f", revision)
        if style.get("clean"):
            c.emit("Cleaning workspace\n > git rev-parse --verify HEAD # timeout=10\nResetting working tree\n > git reset --hard # timeout=10\n > git clean -fdx -e .venv -e node_modules # timeout=10")
            self.quiet("git", "-C", job.workspace, "clean", "-q", "-f", "-d", "-x", "-e", ".venv", "-e", "node_modules")
        c.emit(f'Commit message: "{message}"')
        if here:
            c.emit(f" > git rev-list --no-walk {job.git('rev-parse', 'HEAD~1')} # timeout=10")

    def quiet(self, *command):
        subprocess.run(command, env=self.env, user=JENKINS_UID, group=JENKINS_UID, extra_groups=[], check=True, capture_output=True)

    def run_stage(self, stage):
        with self.frame.stage(stage.name) as live:
            if not live:
                return
            if not isinstance(stage.work, dict):
                stage.work(self)
                return
            self.run_parallel(stage.work)

    def run_parallel(self, branches):
        if isinstance(self.frame, Freestyle):
            for work in branches.values():
                work(self)
            return
        failures = []

        def branch(name, work):
            try:
                work(self)
            except StepFailed as failed:
                failures.append((name, failed))
                self.console.emit(f"Failed in branch {name}")

        with self.frame.block("parallel"):
            for name in branches:
                self.console.emit(f"[Pipeline] {{ (Branch: {name})")
            threads = [threading.Thread(target=branch, args=item) for item in branches.items()]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.console.emit("\n".join("[Pipeline] }" for _ in branches))
        if failures:
            raise failures[0][1]

    def post(self):
        steps = self.job.kit.post(self)
        if not steps:
            return
        pipeline = not isinstance(self.frame, Freestyle)
        if pipeline and self.style.get("declarative"):
            with self.frame.stage("Declarative: Post Actions", declarative=True):
                self.post_steps(steps)
        else:
            self.post_steps(steps)

    def post_steps(self, steps):
        if self.lost:
            self.console.emit("Error when executing always post condition:\nRequired context class hudson.FilePath is missing\nPerhaps you forgot to surround the step with a step that provides this, such as: node")
            return
        for step in steps:
            try:
                step(self)
            except StepFailed as failed:
                self.console.emit(f"Error when executing always post condition:\n{failed.message}")

    def run(self):
        """Plays the build; returns the StepFailed that ended it, or None."""
        rng, failure = self.rng, None
        cause = rng.choice(("Started by timer", f"Started by user {rng.choice(PEOPLE)}", "Started by an SCM change", "Push event to branch main", f"Started by GitLab push by {rng.choice(PEOPLE)}"))
        self.frame.open(cause, self.job.url)
        stages = self.job.kit.stages(self)
        skipped = self.skipped_stages(stages)
        try:
            self.do_checkout()
            for stage in stages:
                if failure and not self.style.get("declarative") and not self.goes_on():
                    break
                try:
                    if stage.name in skipped:
                        self.frame.skip_stage(stage.name)
                    elif self.goes_on():
                        self.catch_stage(stage)
                    else:
                        self.run_stage(stage)
                except StepFailed as failed:
                    failure = failure or failed
                    self.frame.failed_stage = not self.goes_on()
                    if isinstance(self.frame, Freestyle) and not failed.aborted:
                        self.console.emit("Build step 'Execute shell' marked build as failure")
            if self.fault and self.fault.disarm and self.fault.name not in ("disk_full",):
                self.disarm()
            self.limits, self.lines_until_lost = shell.Limits(), None
            self.post()
        except StepFailed as failed:
            failure = failure or failed
        finally:
            self.disarm()
        if failure and self.goes_on() and not failure.aborted:
            failure.message = ""
        self.frame.close(failure)
        return failure

    def goes_on(self):
        """Jobs of this style run every stage, whatever an earlier one gave: catchError around each."""
        return self.style.get("keep_going") and not isinstance(self.frame, Freestyle) and not self.lost

    def catch_stage(self, stage):
        """One stage inside catchError: its failure counts, but the next stage runs."""
        self.frame.step("catchError")
        self.console.emit("[Pipeline] {")
        try:
            self.run_stage(stage)
        except StepFailed as failed:
            self.console.emit(f"ERROR: {failed.message}\n[Pipeline] }}\n[Pipeline] // catchError")
            raise
        self.console.emit("[Pipeline] }\n[Pipeline] // catchError")

    def skipped_stages(self, stages):
        """Builds of a small change leave stages out (a when condition), failing ones too: not the stage in which the fault waits."""
        if self.rng.random() > (0.5 if not self.fault else 0.35):
            return set()
        names = [s.name for s in stages[1:] if s.name not in self.job.kit.never_skipped and not (self.fault and holds(s.work, self.fault.point))]
        if not names or (self.fault and self.fault.point == "checkout"):
            return set()
        return set(self.rng.sample(names, self.rng.randint(1, len(names) if not self.fault else max(1, len(names) // 2))))

    def do_checkout(self):
        if isinstance(self.frame, Freestyle):
            self.checkout()
            return
        with self.frame.stage("Declarative: Checkout SCM" if self.style.get("declarative") else "Checkout", declarative=True):
            self.frame.step("checkout")
            self.checkout()

    def disarm(self):
        if self.armed_at is not None and self.fault and self.fault.disarm:
            self.fault.disarm(self)
            self.fault.disarm = None
        for undo in reversed(self.undo):
            undo()
        self.undo = []
        self.job.mirror.trouble = None

    def fault_line(self):
        """1-based line in which the fault became visible; None when it never did."""
        if not self.fault or self.armed_at is None:
            return None
        seen = re.compile(self.fault.see)
        for i in range(self.armed_at, len(self.console.lines)):
            line = re.sub(r"^(\[\d[^\]]*\]|\d\d:\d\d:\d\d) ", "", self.console.lines[i])
            if seen.search(line) and not line.startswith(("+ ", "[Pipeline] ")) and not SURVIVED.search(line):
                return i + 1
        return None


def holds(work, point):
    """Whether a stage's code names this point as one of its steps."""
    if isinstance(work, dict):
        return any(holds(branch, point) for branch in work.values())
    codes = [work.__code__]
    while codes:
        code = codes.pop()
        if point in code.co_consts:
            return True
        codes += [c for c in code.co_consts if hasattr(c, "co_consts")]
        codes += [f.__code__ for f in (getattr(type(getattr(work, "__self__", None)), n, None) for n in code.co_names) if hasattr(f, "__code__")]
    return False


def dataclass_copy(limits):
    copy = shell.Limits()
    copy.__dict__.update(limits.__dict__)
    return copy


def wipe(path):
    shutil.rmtree(path, ignore_errors=True)

"""What the tests share that kill the real daemon, kill -9, while it acts on the served world over HTTP: one life of the
daemon, worlds that are busy with chosen troubles, and the judgement afterwards: nothing that was acknowledged may be
lost, nothing done twice, and every case must come to its end.

Where a daemon dies is exact: a small library is preloaded (kill_at.c) that kills before or after the system call in
question. So the program needs no hooks, and what is tested is what is shipped.
"""
import http.client
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402
from harness import get, get_json, wait_for  # noqa: E402

KILL_AT = os.environ["NS_KILL_AT_LIBRARY"]
START_LIMIT_S = 60
SETTLE_S = 2  # real time in which a request of the dead may still arrive, busy as the machine may be
END_LIMIT_S = 300
ACTIONS = ("retry_build", "escalate", "scale_up", "rollback", "restart_pods")

CONFIG = """
mode: auto
poll_interval: 20
actions:
""" + "".join(f"  {action}: {{mode: auto, cool_down: 1}}\n" for action in ACTIONS) + """
guardrails: {stale_after: 2h, max_per_hour: 100000, max_per_pipeline_hour: 100000, max_attempts: 20,
             oscillation_cases: 1000, breaker_after: 1000, pipeline_breaker_after: 1000}
"""

# The demonstration with hardly a quiet minute, and people who come quickly.
HURRY = [(r"control_share: [\d.]+", "control_share: 0.02"), (r"median: (240|180)", "median: 60")]


def trouble(per_day, cluster_share=0.0, **weights):
    """What makes the demonstration's scenario one of these causes, so many a day."""
    return [*HURRY, (r"rate_per_day: \d+", f"rate_per_day: {per_day}"),
            (r"cluster_share: [\d.]+", f"cluster_share: {cluster_share}"), (r"\{weight: \d+", "{weight: 0"),
            *[(rf"({cause}: +{{weight:) \d+", rf"\1 {weight}") for cause, weight in weights.items()]]


def faults(address, body):
    status, answer = harness.post_json(address + "/world/v1/faults", body)
    if status != 200:
        raise AssertionError(f"{body}: HTTP {status}: {answer}")


class Daemon:
    """One life of the daemon, from start to death, on a world that serve() made."""

    MOVE = re.compile(r"event=(\w+) case=(\d+) attempt=(\d+) action=(\w+) key=([0-9a-f]{32})( undo=true)?")

    def __init__(self, folder, plan=None, mode="auto"):
        self.note = folder / "killed"
        self.note.unlink(missing_ok=True)
        env = {"NS_KILL_AT": plan, "NS_KILL_NOTE": str(self.note), "LD_PRELOAD": KILL_AT} if plan else {}
        self.plan, self.begun = plan, time.monotonic()
        self.running = harness.Running(harness.PROGRAM, "run", "--listen", "127.0.0.1:0", "--json", "--config",
                                       folder / "neuroshield.yaml", "--data", folder / "data", "--mode", mode, cwd=folder, env=env)
        self.api = None
        try:
            wait_for(lambda: not self.running.alive() or not self.running.lines.empty(), START_LIMIT_S, "its first line")
            self.api = "http://" + self.running.json_line(1)["address"]
            wait_for(lambda: not self.running.alive() or get(self.api + "/readyz")[0] == 200, START_LIMIT_S, "readiness")
            self.ready_s = time.monotonic() - self.begun
        except (AssertionError, OSError, ValueError, http.client.HTTPException):
            if not plan:
                raise
            self.ready_s = None  # the point came before it was ready; whoever waits for its death will see

    def kill(self):
        self.running.stop(9)
        return self

    def wait_for_death(self, limit_s, must_come=True):
        """The key that the library died for; None: its point did not come."""
        try:
            status = self.running.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            if not must_come:
                self.running.stop(9)
                return None
            still = [c for c in get_json(self.api + "/api/v1/cases?limit=30")["items"] if c["state"] != "closed"]
            raise AssertionError(f"{self.plan} did not come in {limit_s} s; open: {still}; "
                                 f"{self.running.stderr[-2000:]}") from None
        if status != -9:
            raise AssertionError(f"it ended by itself: {self.running.stderr[-3000:]}")
        self.running.stop()
        return self.note.read_bytes().rstrip(b"\0").decode()

    def moves(self):
        """(state, case, attempt, action, key, undo) in the order in which they were told."""
        found = [m.groups() for m in map(self.MOVE.search, self.running.errors) if m]
        return [(*move[:5], move[5] is not None) for move in found]

    def last_states(self):
        return {move[4]: move for move in self.moves()}

    def died_between_intent_and_acknowledgement(self):
        return any(move[0] in ("intent", "committed", "sent") for move in self.last_states().values())


class Deaths(harness.Case):
    """Many lives on one world."""

    def setUp(self):
        super().setUp()
        self.assertTrue(os.path.exists(KILL_AT), KILL_AT)
        self.told = {"cases": set(), "keys": set(), "committed": set()}
        self.starts, self.in_window, self.deaths, self.lives = [], 0, {}, []

    def serve(self, seed, speed, troubles, cluster, *world_options):
        scenario = (harness.ROOT / "simulations" / "demo.yaml").read_text()
        for what, instead in troubles:
            scenario, n = re.subn(what, instead, scenario)
            self.assertGreater(n, 0, what)
        (self.folder / "busy.yaml").write_text(scenario)
        _, self.address = self.world("--speed", speed, "--seed", seed, "--scenario", self.folder / "busy.yaml",
                                     "--write-config", self.folder, *world_options)
        path = self.folder / "neuroshield.yaml"
        text = path.read_text()
        if not cluster:  # no case of a Deployment may make the builds' actions wait
            text = re.sub(r"kubernetes:\n.*\n", "", text)
        path.write_text(text.replace("jenkins:\n", f"jenkins:\n  settle: {SETTLE_S * speed}s\n") + CONFIG)

    def live(self, plan=None, mode="auto"):
        daemon = Daemon(self.folder, plan, mode)
        self.lives.append(daemon)
        self.addCleanup(daemon.running.stop, 9)
        if daemon.ready_s is not None:
            self.starts.append(daemon.ready_s)
            self.hear(daemon)
        return daemon

    def bury(self, daemon, name):
        self.told["committed"] |= {key for state, _, _, _, key, _ in daemon.moves() if state == "committed"}
        self.in_window += daemon.died_between_intent_and_acknowledgement()
        self.deaths[name] = self.deaths.get(name, 0) + 1
        if os.environ.get("NS_TORTURE_VERBOSE"):
            print(f"{name}: {time.monotonic() - daemon.begun:.2f} s", file=sys.stderr)

    def hear(self, daemon):
        """What the API says is stored must stay stored."""
        try:
            cases = get_json(daemon.api + "/api/v1/cases?limit=50")["items"]
            effects = get_json(daemon.api + "/api/v1/actions?limit=50")["items"]
        except (OSError, AssertionError, TypeError, ValueError, http.client.HTTPException):
            return  # it died meanwhile
        self.told["cases"] |= {c["id"] for c in cases}
        self.told["keys"] |= {e["key"] for e in effects}

    def everything(self, api, what):
        items, after = [], 0
        while after is not None:
            page = get_json(f"{api}/api/v1/{what}?limit=1000&after={after}")
            items += page["items"]
            after = page["next"]
        return items

    def judge(self, by_user=False):
        """A last life, in which all cases that were open at its start come to their end; and one that only looks, in
        which what the last left under way is told: nothing is added to the world while it is compared."""
        daemon = self.live()
        opened = {c["id"] for c in self.everything(daemon.api, "cases")}
        self.assertLessEqual(self.told["cases"], opened, "a case that the API told of is lost")
        began = time.monotonic()
        self.wait_for_none(daemon, "cases", lambda c: c["id"] in opened and c["state"] != "closed")
        self.judged_s = time.monotonic() - began
        self.assertEqual(daemon.running.stop(), 0, daemon.running.stderr[-2000:])
        daemon = self.live(mode="observe")
        self.wait_for_none(daemon, "actions", lambda e: e["state"] in ("intent", "committed", "sent", "unknown"))
        self.effects, self.cases = self.everything(daemon.api, "actions"), self.everything(daemon.api, "cases")
        self.assertEqual(daemon.running.stop(), 0, daemon.running.stderr[-2000:])
        keys = {e["key"] for e in self.effects}
        self.assertLessEqual(self.told["committed"], keys, "a committed intent is lost")
        self.assertLessEqual(self.told["keys"], keys, "an action that the API told of is lost")
        self.judge_world(keys, by_user)

    def wait_for_none(self, daemon, what, unfinished):
        def left():
            return [item for item in self.everything(daemon.api, what) if unfinished(item)]

        try:
            wait_for(lambda: not left(), END_LIMIT_S, what)
        except AssertionError:
            items = left()
            raise AssertionError(f"no end after {END_LIMIT_S} s: {items}; {self.trace(daemon, items)}") from None

    def story(self, key):
        """All that was told of one key, life by life."""
        lines = [f"{i}: {line}" for i, life in enumerate(self.lives) for line in life.running.errors if key in line]
        return f"{key}: {[e for e in self.effects if e['key'] == key]}\n" + "".join(lines)

    def trace(self, daemon, items):
        wanted = tuple(f"case={i.get('case', i.get('id'))} " for i in items)
        return "".join([line for line in daemon.running.errors if any(w in line for w in wanted)][-40:])

    def judge_world(self, keys, by_user):
        ours = [e for e in get_json(self.address + "/world/v1/effects")["items"]
                if e["kind"] != "annotate" and (e["key"] or e["user"] == "neuroshield")]
        done = [e for e in ours if not e["merged"]]
        self.merged = {e["key"] for e in ours if e["merged"]}
        self.done = [(e["kind"], e["key"]) for e in done if e["key"]]
        twice = {k for k in self.done if self.done.count(k) > 1}
        self.assertFalse(twice, "done twice under one key")
        self.assertLessEqual({key for _, key in self.done}, keys, "an effect without a trace in the store")
        self.assertGreater(len(done), 0)
        told = {e["key"] for e in self.effects if e["action"] == "escalate" and e["state"] == "acknowledged"}
        self.assertLessEqual(told, {key for kind, key in self.done if kind == "escalate"}, "a message that never came")
        if by_user:
            self.judge_by_queue([e for e in done if e["kind"] == "build"])

    def judge_by_queue(self, builds):
        """Without keys every build of ours must be the one of exactly one effect, but for those that nobody could tell."""
        known = [e["queue_id"] for e in self.effects if e["queue_id"]]
        self.assertEqual(len(known), len(set(known)), "two effects claim one build")
        stray = [b["target"] for b in builds if b["queue_id"] not in known]
        unsure = [e["jenkins_job"] for e in self.effects if e["action"] == "retry_build" and not e["queue_id"] and
                  e["state"] != "refused"]
        for job in set(stray):
            self.assertLessEqual(stray.count(job), unsure.count(job), f"a build of {job} that no effect asked for")

    def report(self):
        """How long a restart took is printed; what is asserted about it lies far above the target of 2 s, so that a
        busy machine fails no run."""
        states = {}
        for e in self.effects:
            name = f"{e['action']}{' undone' if e['undo'] else ''} {e['state']}"
            states[name] = states.get(name, 0) + 1
        self.assertLess(max(self.starts), START_LIMIT_S)
        return (f"{sum(self.deaths.values())} kills, {self.in_window} between intent and acknowledgement; start to ready: "
                f"median {statistics.median(self.starts):.2f} s, longest {max(self.starts):.2f} s; all cases ended "
                f"{self.judged_s:.0f} s after the last; effects {states}")

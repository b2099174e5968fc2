"""Kills the real daemon, kill -9, while it acts on the served world over HTTP: at chosen points of every action (before
and after intent, commit, send, reply and verification) and at random moments. Afterwards nothing that was acknowledged
may be lost, nothing done twice, and every case must come to its end.

The points are exact: a small library is preloaded (kill_at.c) that kills before or after the system call in question.
How long a restart took is measured and printed; what is asserted about it is only START_LIMIT_S, far above the
2 seconds of the target, so that a busy machine fails no run.
"""
import http.client
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402
from harness import get, get_json, wait_for  # noqa: E402

SEED = int(os.environ.get("NS_TORTURE_SEED") or random.SystemRandom().randrange(2**31))
KILLS = int(os.environ.get("NS_TORTURE_KILLS") or (1000 if harness.LONG else 100))
IN_WINDOW = KILLS * 3 // 10  # deaths that must fall between intent and acknowledgement
KILL_AT = os.environ["NS_KILL_AT_LIBRARY"]
SPEED = 120
START_LIMIT_S = 30
POINT_LIMIT_S = 40

# Of each action: what its request looks like on the wire (not its dry run).
BUILD_ACTIONS = {"retry_build": "/buildWithParameters", "escalate": "POST /pager"}
# Whichever of the three comes first: which one a cluster needs is its own affair.
CLUSTER_ACTIONS = {"scale_up|action=rollback|action=restart_pods": "PATCH&fieldManager=neuroshield HTTP"}

CONFIG = """
mode: auto
poll_interval: 20
actions:
  retry_build: {mode: auto, cool_down: 1}
  escalate: {mode: auto, cool_down: 1}
  scale_up: {mode: auto, cool_down: 1}
  rollback: {mode: auto, cool_down: 1}
  restart_pods: {mode: auto, cool_down: 1}
guardrails: {stale_after: 2h, max_per_hour: 100000, max_per_pipeline_hour: 100000, max_attempts: 20,
             oscillation_cases: 1000, breaker_after: 1000, pipeline_breaker_after: 1000}
"""

# The demonstration with hardly a quiet minute, and what must be done to it.
HURRY = [(r"control_share: [\d.]+", "control_share: 0.02"), (r"median: (240|180)", "median: 60")]
TROUBLE_OF_BUILDS = [(r"rate_per_day: \d+", "rate_per_day: 4000"), (r"cluster_share: [\d.]+", "cluster_share: 0.0"),
                     (r"((bad_release|overload): +{weight:) \d+", r"\1 0"), (r"(compile_error: +{weight:) \d+", r"\1 25")]
TROUBLE_OF_CLUSTERS = [(r"rate_per_day: \d+", "rate_per_day: 1000"), (r"(out_of_memory: +{weight:) \d+", r"\1 60"),
                       (r"(bad_release: +{weight:) \d+", r"\1 60"), (r"(overload: +{weight:) \d+", r"\1 20"),
                       (r"cluster_share: [\d.]+", "cluster_share: 1.0")]

FAULTS = [{}, {}, {"build": {"drop_reply": 1}}, {"build": {"lose_request": 1}}, {"build": {"delay_ms": 200}},
          {"escalate": {"drop_reply": 1}}, {"build": {"refuse": 1}}, {"scale": {"drop_reply": 1}},
          {"scale": {"lose_request": 1}}, {"restart": {"drop_reply": 1}}, {"rollback": {"drop_reply": 1}}, {"restart": {"lose_request": 1}}]


def points(action, request):
    """(name, NS_KILL_AT) of every point of one action."""
    line = f"action={action}"
    for when in ("before", "after"):
        yield f"{when} intent", f"line:{when}:1:event=intent &{line}"
        # the three syncs behind an intent: of the case, of the case as prepared with its intent row, of what follows
        for n in (1, 2, 3):
            yield f"{when} sync {n} of commit", f"sync:{when}:{n}:event=intent &{line}"
        yield f"{when} commit is told", f"line:{when}:1:event=committed &{line}"
        yield f"{when} sent is told", f"line:{when}:1:event=sent &{line}"
        yield f"{when} the request leaves", f"send:{when}:1:{request}"
        yield f"{when} the reply is read", f"reply:{when}:1:{request}"
    if action == "escalate":  # a message is done with its reply
        return
    for when in ("before", "after"):
        yield f"{when} acknowledged is told", f"line:{when}:1:event=acknowledged &{line}"
        yield f"{when} verifying is told", f"line:{when}:1:event=verifying &{line}"
        yield f"{when} the end", f"line:{when}:1:event=case_closed"


class Daemon:
    """One life of the daemon, from start to death."""

    MOVE = re.compile(r"event=(\w+) case=(\d+) attempt=(\d+) action=(\w+) key=([0-9a-f]{32})")

    def __init__(self, test, plan=None):
        env = {"NS_KILL_AT": plan, "LD_PRELOAD": KILL_AT} if plan else {}
        self.plan, self.begun = plan, time.monotonic()
        self.running = harness.Running(harness.PROGRAM, "run", "--listen", "127.0.0.1:0", "--json", "--config",
                                       test.folder / "neuroshield.yaml", "--data", test.folder / "data",
                                       cwd=test.folder, env=env)
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

    def wait_for_death(self, must_come):
        try:
            status = self.running.process.wait(POINT_LIMIT_S)
        except subprocess.TimeoutExpired:
            if not must_come:
                self.running.stop(9)
                return False
            still = [c for c in get_json(self.api + "/api/v1/cases?limit=30")["items"] if c["state"] != "closed"]
            raise AssertionError(f"{self.plan} did not come; open: {still}; {self.running.stderr[-2000:]}") from None
        if status != -9:
            raise AssertionError(f"it ended by itself: {self.running.stderr[-3000:]}")
        self.running.stop()
        return True

    def moves(self):
        return [m.groups() for m in map(self.MOVE.search, self.running.errors) if m]

    def died_between_intent_and_acknowledgement(self):
        last = {key: state for state, _, _, _, key in self.moves()}
        return any(state in ("intent", "committed", "sent") for state in last.values())


class Torture(harness.Case):
    def play(self, rng, kills, actions, *world_options):
        self.told = {"cases": set(), "keys": set(), "committed": set()}
        self.starts, self.in_window, self.names = [], 0, {}
        self.serve(rng, actions, *world_options)
        plans = [(f"{action.split('|')[0]}: {name}", text) for action, request in actions.items()
                 for name, text in points(action, request)]
        rng.shuffle(plans)
        plans = (plans * (kills // len(plans) + 1))[:max(kills // 2, min(len(plans), kills))]
        plans += [("at random", None)] * (kills - len(plans))
        for name, plan in plans:
            faults(self.address, rng.choice(FAULTS))
            self.one_death(rng, actions, name, plan)
            faults(self.address, {"build": {"delay_ms": 0}})
        self.judge(world_options)

    def serve(self, rng, actions, *world_options):
        scenario = (harness.ROOT / "simulations" / "demo.yaml").read_text()
        for what, instead in (*HURRY, *(TROUBLE_OF_CLUSTERS if actions is CLUSTER_ACTIONS else TROUBLE_OF_BUILDS)):
            scenario, n = re.subn(what, instead, scenario)
            self.assertGreater(n, 0, what)
        (self.folder / "busy.yaml").write_text(scenario)
        _, self.address = self.world("--speed", SPEED, "--seed", rng.randrange(2**31), "--scenario",
                                     self.folder / "busy.yaml", "--write-config", self.folder, *world_options)
        path = self.folder / "neuroshield.yaml"
        text = path.read_text()
        if actions is CLUSTER_ACTIONS:
            if get(self.address + "/kubernetes/version")[0] != 200:
                self.skipTest("this world serves no cluster")
        else:  # no case of a Deployment may make the builds' actions wait
            text = re.sub(r"kubernetes:\n.*\n", "", text)
        path.write_text(text.replace("jenkins:\n", "jenkins:\n  settle: 10s\n") + CONFIG)

    def one_death(self, rng, actions, name, plan):
        began = time.monotonic()
        daemon = Daemon(self, plan)
        self.addCleanup(daemon.running.stop, 9)
        if daemon.ready_s is not None:
            self.starts.append(daemon.ready_s)
        if plan is None:
            pause = threading.Event()
            pause.wait(rng.random() * 1.5)  # the random moment itself
            self.hear(daemon)
            daemon.kill()
        else:
            self.hear(daemon)
            if not daemon.wait_for_death(actions is not CLUSTER_ACTIONS):
                name = "did not come"
        self.told["committed"] |= {key for state, _, _, _, key in daemon.moves() if state == "committed"}
        self.in_window += daemon.died_between_intent_and_acknowledgement()
        self.names[name] = self.names.get(name, 0) + 1
        if os.environ.get("NS_TORTURE_VERBOSE"):
            print(f"{name}: {time.monotonic() - began:.2f} s", file=sys.stderr)

    def hear(self, daemon):
        """What the API says is stored must stay stored."""
        if daemon.ready_s is None:
            return
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

    def judge(self, world_options):
        daemon = Daemon(self)
        self.addCleanup(daemon.running.stop, 9)
        opened = {c["id"] for c in self.everything(daemon.api, "cases")}
        self.assertLessEqual(self.told["cases"], opened, "a case that the API told of is lost")

        def unfinished():
            return [c for c in self.everything(daemon.api, "cases") if c["id"] in opened and c["state"] != "closed"]

        began = time.monotonic()
        wait_for(lambda: not unfinished(), 300, f"the end of the cases {unfinished()}")
        self.judged_s = time.monotonic() - began
        effects = self.everything(daemon.api, "actions")
        self.assertEqual(daemon.running.stop(), 0, daemon.running.stderr[-2000:])
        keys = {e["key"] for e in effects}
        self.assertLessEqual(self.told["committed"], keys, "a committed intent is lost")
        self.assertLessEqual(self.told["keys"], keys, "an action that the API told of is lost")
        self.judge_world(effects, keys, "--without-key" in world_options)
        self.report(effects)

    def judge_world(self, effects, keys, by_user):
        done = [e for e in get_json(self.address + "/world/v1/effects")["items"]
                if e["kind"] != "annotate" and (e["key"] or e["user"] == "neuroshield") and not e["merged"]]
        keyed = [(e["kind"], e["key"]) for e in done if e["key"]]
        twice = {k for k in keyed if keyed.count(k) > 1}
        self.assertFalse(twice, "done twice under one key")
        self.assertLessEqual({key for _, key in keyed}, keys, "an effect without a trace in the store")
        self.assertGreater(len(done), 0)
        lost = {e["key"] for e in effects if e["action"] == "escalate" and e["state"] == "acknowledged"}
        self.assertLessEqual(lost, {key for kind, key in keyed if kind == "escalate"}, "a message that never came")
        if by_user:
            self.judge_by_queue(effects, [e for e in done if e["kind"] == "build"])

    def judge_by_queue(self, effects, builds):
        """Without keys every build of ours must be the one of exactly one effect, but for those that nobody could tell."""
        known = [e["queue_id"] for e in effects if e["queue_id"]]
        self.assertEqual(len(known), len(set(known)), "two effects claim one build")
        stray = [b["target"] for b in builds if b["queue_id"] not in known]
        unsure = [e["jenkins_job"] for e in effects if e["action"] == "retry_build" and not e["queue_id"] and
                  e["state"] != "refused"]
        for job in set(stray):
            self.assertLessEqual(stray.count(job), unsure.count(job), f"a build of {job} that no effect asked for")

    def report(self, effects):
        states = {}
        for e in effects:
            states[f"{e['action']} {e['state']}"] = states.get(f"{e['action']} {e['state']}", 0) + 1
        print(f"{sum(self.names.values())} kills, {self.in_window} between intent and acknowledgement, "
              f"{self.names.get('at random', 0)} at random moments; start to ready: median "
              f"{statistics.median(self.starts):.2f} s, longest {max(self.starts):.2f} s; all cases ended "
              f"{self.judged_s:.0f} s after the last; effects {states}", file=sys.stderr)
        self.assertLess(max(self.starts), START_LIMIT_S)

    def setUp(self):
        super().setUp()
        self.assertTrue(os.path.exists(KILL_AT), KILL_AT)
        print(f"NS_TORTURE_SEED={SEED} NS_TORTURE_KILLS={KILLS}", file=sys.stderr)

    def test_with_keys(self):
        self.play(random.Random(SEED), KILLS - KILLS // 3, BUILD_ACTIONS)
        self.assertGreaterEqual(self.in_window, IN_WINDOW * 2 // 3)

    def test_without_keys_by_user_and_parameters(self):
        self.play(random.Random(SEED + 1), KILLS // 3, BUILD_ACTIONS, "--without-key")
        self.assertGreaterEqual(self.in_window, IN_WINDOW // 3)

    def test_with_a_cluster(self):
        """Trouble of clusters comes when it comes: some points may be waited for in vain."""
        self.play(random.Random(SEED + 2), KILLS // 3, CLUSTER_ACTIONS)
        self.assertGreaterEqual(self.in_window, IN_WINDOW // 6)
        self.assertLessEqual(self.names.get("did not come", 0), KILLS // 12)


def faults(address, body):
    status, answer = harness.post_json(address + "/world/v1/faults", body)
    if status != 200:
        raise AssertionError(f"{body}: HTTP {status}: {answer}")


if __name__ == "__main__":
    unittest.main(verbosity=2)

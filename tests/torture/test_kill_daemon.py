"""Kills the real daemon, kill -9, at random moments: some of them anywhere, some soon after it has told of an intent, so
that many fall between intent and acknowledgement. How many did is counted. What each single step of each action does to a
daemon that dies in it: test_kill_matrix.py."""
import os
import random
import sys
import threading
import unittest

from killing import Deaths, faults, trouble  # first: it finds the harness
import harness

SEED = int(os.environ.get("NS_TORTURE_SEED") or random.SystemRandom().randrange(2**31))
KILLS = int(os.environ.get("NS_TORTURE_KILLS") or (1000 if harness.LONG else 100))
SPEED = 120
POINT_LIMIT_S = 60

BUILDS = trouble(4000, flaky_test=5, registry_outage=5, agent_lost=5, timeout=5, compile_error=25)
CLUSTERS = trouble(1000, cluster_share=1.0, out_of_memory=60, bad_release=60, overload=20)

FAULTS = [{}, {}, {"build": {"drop_reply": 1}}, {"build": {"lose_request": 1}}, {"build": {"delay_ms": 200}},
          {"escalate": {"drop_reply": 1}}, {"build": {"refuse": 1}}, {"scale": {"drop_reply": 1}},
          {"scale": {"lose_request": 1}}, {"restart": {"drop_reply": 1}}, {"rollback": {"drop_reply": 1}},
          {"restart": {"lose_request": 1}}]


class Random(Deaths):
    def play(self, rng, kills, *world, by_user=False):
        """kills deaths, three tenths of them between intent and acknowledgement: more, if it takes more."""
        print(f"NS_TORTURE_SEED={SEED} NS_TORTURE_KILLS={KILLS}", file=sys.stderr)
        self.serve(rng.randrange(2**31), SPEED, *world)
        wanted = kills * 3 // 10
        while sum(self.deaths.values()) < kills or self.in_window < wanted:
            self.assertLess(sum(self.deaths.values()), 3 * kills, f"only {self.in_window} of {wanted} fell in between")
            faults(self.address, rng.choice(FAULTS))
            self.one_death(rng)
            faults(self.address, {"build": {"delay_ms": 0}})
        self.judge(by_user)
        print(f"{self.deaths} {self.report()}", file=sys.stderr)

    def one_death(self, rng):
        if rng.random() < 0.5:
            daemon = self.live()
            threading.Event().wait(rng.random() * 1.5)  # the random moment itself
            daemon.kill()
            self.bury(daemon, "anywhere")
            return
        daemon = self.live(f"line:{rng.randrange(100000)}:{rng.randrange(1, 3)}:event=intent ")
        came = daemon.wait_for_death(POINT_LIMIT_S, must_come=False)
        self.bury(daemon, "after an intent" if came is not None else "no intent came")

    def test_with_keys(self):
        self.play(random.Random(SEED), KILLS - KILLS * 2 // 3, BUILDS, False)

    def test_without_keys_by_user_and_parameters(self):
        self.play(random.Random(SEED + 1), KILLS // 3, BUILDS, False, "--without-key", by_user=True)

    def test_with_a_cluster(self):
        self.play(random.Random(SEED + 2), KILLS // 3, CLUSTERS, True)


if __name__ == "__main__":
    unittest.main(verbosity=2)

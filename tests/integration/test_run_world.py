"""The main job on the built-in world, as a newcomer starts it: incidents are noticed, healed by actions, and counted."""
import json
import os
import random
import sys
import unittest

import harness

SECONDS = float(os.environ.get("NS_RUN_SECONDS", "120"))
# What a build retried at the right moment, or another number, version or generation of pods, can cure in this world; a
# person must mend the others.
HEALABLE = ["flaky_test", "registry_outage", "agent_lost", "out_of_memory", "timeout", "bad_release", "overload"]
SUMMARY = {"schema", "mode", "seed", "speed", "wall_s", "world_s", "pipelines", "builds", "incidents", "cases", "actions",
           "controls", "mttr_s", "effects", "inference_ms", "ended_by"}


class RunOnWorld(harness.Case):
    def test_three_seeds_heal_what_can_be_healed(self):
        seeds = [random.SystemRandom().randrange(1, 2**31) for _ in range(3)]
        print(f"seeds {seeds}, {SECONDS:.0f} s each", file=sys.stderr)
        runs = [(seed, self.start(harness.PROGRAM, "run", "--listen", "127.0.0.1:0", "--world", "--speed", "60", "--for",
                                  SECONDS, "--seed", seed, "--data", self.folder / f"data-{seed}", "--summary",
                                  self.folder / f"{seed}.json", "--quiet")) for seed in seeds]
        for seed, run in runs:
            with self.subTest(seed=seed):
                self.assertEqual(run.process.wait(SECONDS + 60), 0, run.stderr[-2000:])
                self.check(json.loads((self.folder / f"{seed}.json").read_text()))

    def check(self, s):
        print(json.dumps({k: s[k] for k in ("incidents", "cases", "controls", "mttr_s", "effects")}), file=sys.stderr)
        self.assertLessEqual(SUMMARY, set(s))
        self.assertEqual((s["schema"], s["mode"], s["ended_by"]), (1, "world", "time"))
        causes = s["incidents"]["by_cause"]
        for cause in HEALABLE:
            self.assertGreaterEqual(causes[cause]["n"], 3, cause)
        n = sum(causes[c]["n"] for c in HEALABLE)
        healed = sum(causes[c]["healed_by_action"] for c in HEALABLE)
        self.assertGreaterEqual(healed / n, 0.8, causes)
        self.assertGreaterEqual(s["controls"]["periods"], 20)
        self.assertLessEqual(s["controls"]["with_action"] / s["controls"]["periods"], 0.05)
        self.assertGreaterEqual(causes["compile_error"]["n"], 3)
        self.assertEqual(causes["compile_error"]["healed_by_action"], 0)
        self.assertEqual(causes["compile_error"]["retried"], 0)
        self.assertGreater(s["effects"]["sent"], 0)
        self.assertEqual(s["effects"]["sent"], s["effects"]["received"])
        self.assertEqual(s["effects"]["unmatched"], 0)
        self.assertLess(s["mttr_s"]["neuroshield"], s["mttr_s"]["nothing"])


if __name__ == "__main__":
    unittest.main()

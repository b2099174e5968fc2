"""The real daemon with a store that fails: a disk that is full, a file that may not be written, one that is damaged. No
action without a trace, the right status, and on again when there is room."""
import pathlib
import resource
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402
from harness import get, get_json, wait_for  # noqa: E402

CONFIG = """
mode: auto
actions:
  retry_build: {mode: auto, cool_down: 1}
  escalate: {mode: auto, cool_down: 1}
guardrails: {stale_after: 2h, max_per_hour: 100000, max_per_pipeline_hour: 100000, oscillation_cases: 1000}
"""


class StoreFails(harness.Case):
    def setUp(self):
        super().setUp()
        _, self.address = self.world("--speed", "60", "--seed", "7", "--scenario", "demo", "--write-config", self.folder)
        path = self.folder / "neuroshield.yaml"
        path.write_text(path.read_text() + CONFIG)
        self.database = self.folder / "data" / "neuroshield.db"

    def live(self):
        daemon, api, _ = self.daemon("--config", self.folder / "neuroshield.yaml", "--data", self.folder / "data")
        wait_for(lambda: get(api + "/readyz")[0] == 200, 30, "readiness")
        return daemon, api

    def effects(self):
        return [e for e in get_json(self.address + "/world/v1/effects")["items"] if e["key"]]

    def traces(self, api):
        keys, after = set(), 0
        while after is not None:
            page = get_json(f"{api}/api/v1/actions?limit=1000&after={after}")
            keys |= {e["key"] for e in page["items"]}
            after = page["next"]
        return keys

    def test_a_full_disk_stops_every_action_until_there_is_room(self):
        daemon, api = self.live()
        wait_for(self.effects, 60, "a first action")
        _, most = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (4096, most))
        status = wait_for(lambda: self.store_is(api, "read_only"), 60, "the store to notice")
        self.assertEqual(status["store"]["state"], "read_only")
        opened = status["cases"]["open"]
        before = len(self.effects())
        ticks = self.ticks(api)
        wait_for(lambda: self.ticks(api) > ticks + 40, 60, "40 more ticks")
        self.assertEqual(len(self.effects()), before, "an action without a trace")
        self.assertGreaterEqual(get_json(api + "/api/v1/status")["cases"]["open"], min(opened, 1))
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (most, most))
        wait_for(lambda: self.store_is(api, "ok"), 60, "the store to recover")
        wait_for(lambda: len(self.effects()) > before, 60, "an action after it")
        received = {e["key"] for e in self.effects()}
        wait_for(lambda: received <= self.traces(api), 30, "a trace of every effect")
        self.assertEqual(daemon.stop(), 0)

    def store_is(self, api, state):
        status = get_json(api + "/api/v1/status")
        return status if status["store"]["state"] == state else None

    def ticks(self, api):
        for line in get(api + "/metrics")[2].decode().splitlines():
            if line.startswith("neuroshield_ticks_total "):
                return float(line.split()[1])
        raise AssertionError("no count of ticks")

    def test_a_file_that_cannot_be_written_is_told_at_start(self):
        def no_room():
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

        run = harness.subprocess.run([harness.PROGRAM, "run", "--listen", "127.0.0.1:0", "--json", "--config",
                                      self.folder / "neuroshield.yaml", "--data", self.folder / "data"], text=True,
                                     cwd=self.folder, env=harness.CLEAN_ENV, capture_output=True, timeout=60,
                                     preexec_fn=no_room)
        self.assertIn(run.returncode, (1, 3), run.stderr)
        self.assertIn("data", run.stderr)
        self.assertEqual(self.effects(), [])

    def test_a_damaged_file_is_refused_and_left_alone(self):
        daemon, _ = self.live()
        wait_for(self.effects, 60, "a first action")
        self.assertEqual(daemon.stop(), 0)
        before = len(self.effects())
        damaged = bytearray(self.database.read_bytes())
        damaged[4096:8192] = b"\x5a" * 4096
        self.database.write_bytes(damaged)
        run = self.run_program("run", "--listen", "127.0.0.1:0", "--config", self.folder / "neuroshield.yaml", "--data",
                               self.folder / "data", limit_s=60)
        self.assertEqual(run.returncode, 3, run.stderr)
        self.assertIn("neuroshield.db", run.stderr)
        self.assertEqual(self.database.read_bytes(), bytes(damaged), "the evidence was touched")
        self.assertEqual(len(self.effects()), before)


if __name__ == "__main__":
    unittest.main(verbosity=2)

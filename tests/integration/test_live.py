"""The daemon against real HTTP: the served world plays Jenkins and Prometheus, the daemon is a live one."""
import json
import re
import signal
import unittest

import harness
from harness import get, get_json, wait_for

AUTO = """
mode: auto
actions:
  retry_build: {mode: auto}
  escalate: {mode: auto}
"""


class Live(harness.Case):
    def serve(self, *argv):
        config = self.folder / "config"
        world, address = self.world("--speed", "60", "--seed", "11", "--scenario", str(self.scenario()), "--write-config",
                                    config, *argv)
        return world, address, config

    def scenario(self):
        return harness.ROOT / "simulations" / "demo.yaml"

    def live(self, config, extra=""):
        path = self.folder / "neuroshield.yaml"
        path.write_text((config / "neuroshield.yaml").read_text() + extra)
        return self.daemon("--config", path, "--data", self.folder / "data")

    def test_it_observes_by_default_and_keeps_the_ledger(self):
        _, world, config = self.serve()
        _, api, hello = self.live(config)
        self.assertEqual(hello["mode"], "live")
        ledger = wait_for(lambda: [d for d in get_json(api + "/api/v1/decisions")["items"] if d["action"] != "no_op"],
                          60, "a decision that is not to wait")
        self.assertTrue(all(d["verdict"] == "observe" for d in ledger), ledger[:3])
        self.assertEqual(get_json(api + "/api/v1/status")["acting"], "observe")
        self.assertEqual([e for e in get_json(world + "/world/v1/effects")["items"] if e["key"]], [])

    def test_it_acts_when_allowed_by_name_and_verifies(self):
        _, world, config = self.serve()
        daemon, api, _ = self.live(config, AUTO)
        verified = wait_for(lambda: [c for c in get_json(api + "/api/v1/cases")["items"] if c["healed_by"] == "action"],
                            90, "a case healed by an action")
        self.assertGreaterEqual(verified[0]["reward"], 0)
        self.assertGreater(verified[0]["tried"]["retry_build"], 0)
        self.assertEqual(daemon.stop(), 0)
        received = [e["key"] for e in get_json(world + "/world/v1/effects")["items"] if e["key"]]
        self.assertGreater(len(received), 0)
        self.assertEqual(len(received), len(set(received)), "a key came twice")

    def test_killed_it_goes_on_where_it_was(self):
        _, world, config = self.serve()
        daemon, api, _ = self.live(config, AUTO)
        wait_for(lambda: get_json(api + "/api/v1/status")["cases"]["open"] > 0, 90, "an open case")
        before = {c["id"] for c in get_json(api + "/api/v1/cases")["items"]}
        daemon.stop(signal.SIGKILL)
        _, api, _ = self.live(config, AUTO)
        wait_for(lambda: get(api + "/readyz")[0] == 200, 20, "readiness")
        after = {c["id"] for c in get_json(api + "/api/v1/cases?limit=1000")["items"]}
        self.assertLessEqual(before, after)
        received = [e["key"] for e in get_json(world + "/world/v1/effects")["items"] if e["key"]]
        self.assertEqual(len(received), len(set(received)), "a key came twice")

    def test_risk_is_known_before_the_end(self):
        _, _, config = self.serve()
        _, api, _ = self.live(config)
        curve = wait_for(lambda: self.alarmed_curve(api), 90, "a build alarmed while it ran")
        self.assertTrue(all(p["known_at"] for p in curve["predictions"]))
        log = get(api + "/api/v1/builds/" + curve["build"]["id"].replace("/", "%2F").replace("#", "%23") + "/log")
        self.assertEqual(log[0], 200)
        self.assertIn(b"\n", log[2])

    def alarmed_curve(self, api):
        for p in get_json(api + "/api/v1/status")["pipelines"]:
            build = p["build"]
            if build and build["state"] == "running" and build["decision"] == "failure":
                path = f"{p['jenkins_job']}#{build['number']}".replace("/", "%2F").replace("#", "%23")
                status, _, body = get(api + "/api/v1/builds/" + path)
                if status == 200:
                    curve = json.loads(body)
                    if any(x["decision"] == "failure" for x in curve["predictions"]):
                        return curve
        return None

    def test_the_kill_switch_stops_everything(self):
        _, world, config = self.serve()
        (self.folder / "data").mkdir()
        (self.folder / "data" / "STOP").touch()
        _, api, _ = self.live(config, AUTO)
        refused = wait_for(lambda: [d for d in get_json(api + "/api/v1/decisions")["items"] if d["verdict"] == "refuse"],
                           90, "a refused decision")
        self.assertEqual(get_json(api + "/api/v1/status")["acting"], "stopped")
        self.assertTrue(refused[0]["rule"])
        self.assertEqual([e for e in get_json(world + "/world/v1/effects")["items"] if e["key"]], [])

    def test_a_second_daemon_is_refused(self):
        _, _, config = self.serve()
        self.live(config)
        second = self.run_program("run", "--listen", "127.0.0.1:0", "--config", self.folder / "neuroshield.yaml", "--data",
                                  self.folder / "data")
        self.assertEqual(second.returncode, 4, second.stderr)
        self.assertRegex(second.stderr, r"\d+")

    def test_metrics_pass_the_linter_of_prometheus(self):
        promtool = harness.need("promtool")
        _, _, config = self.serve()
        _, api, _ = self.live(config)
        wait_for(lambda: get(api + "/readyz")[0] == 200, 20, "readiness")
        status, headers, body = get(api + "/metrics")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        self.assertNotIn(b"\r", body)
        self.assertNotRegex(body.decode(), re.compile(r"[{,](job|instance)="))
        lint = harness.subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True)
        self.assertEqual(lint.returncode, 0, lint.stdout + lint.stderr)
        _, headers, body = get(api + "/metrics", Accept="application/openmetrics-text;version=1.0.0")
        self.assertIn("openmetrics-text", headers["Content-Type"])
        self.assertTrue(body.endswith(b"# EOF\n"))


if __name__ == "__main__":
    unittest.main()

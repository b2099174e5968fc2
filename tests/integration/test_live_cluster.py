"""The daemon on a served world, Kubernetes and all, over HTTP: what it sends arrives once, and helps."""
import collections
import re
import unittest

from harness import Case, get, get_json, post_json, wait_for

ON_DEPLOYMENTS = {"scale_up": "scale", "rollback": "rollback", "restart_pods": "restart"}


class LiveCluster(Case):
    def counted(self, url, name):
        """A counter of /metrics by action."""
        text = get(url + "/metrics")[2].decode()
        return {m[1]: int(m[2]) for m in re.finditer(rf'^{name}_total{{action="(\w+)"}} (\d+)', text, re.M)}

    def test_deployments_are_healed_over_http(self):
        _, world = self.world("--speed", "60", "--seed", "7", "--scenario", "demo", "--write-config", self.folder)
        wait_for((self.folder / "neuroshield.yaml").exists, 60, "what the world writes last")
        with open(self.folder / "neuroshield.yaml", "a") as config:
            config.write("mode: auto\nactions:\n" + "".join(f"  {action}: {{mode: auto}}\n" for action in ON_DEPLOYMENTS))
        daemon, url, _ = self.daemon("--data", self.folder / "data")
        wait_for(lambda: any(s["name"] == "kubernetes" and s["state"] == "ok"
                             for s in get_json(url + "/api/v1/status")["sources"]), 60, "the cluster")
        wait_for(lambda: min(self.counted(url, "neuroshield_actions_verified")[a] for a in ("scale_up", "rollback")) > 0,
                 240, "a scaling and a rollback that helped")
        pipelines = get_json(url + "/api/v1/status")["pipelines"]
        self.assertTrue(all(p["cluster"]["replicas_wanted"] >= 1 for p in pipelines))
        self.assertEqual(daemon.stop(), 0)
        effects = get_json(world + "/world/v1/effects?limit=1000")["items"]
        changes = [e for e in effects if e["kind"] in ON_DEPLOYMENTS.values()]
        self.assertTrue({"scale", "rollback"} <= {e["kind"] for e in changes})
        self.assertTrue(all(e["key"] for e in changes))
        twice = [k for k, n in collections.Counter((e["kind"], e["key"]) for e in changes).items() if n > 1]
        self.assertEqual(twice, [])

    def test_what_is_not_permitted_is_known_and_not_tried(self):
        _, world = self.world("--speed", "60", "--seed", "7", "--scenario", "demo", "--write-config", self.folder,
                              "--kubernetes-token", "sesame-open-the-door")
        wait_for((self.folder / "neuroshield.yaml").exists, 60, "what the world writes last")
        post_json(world + "/world/v1/faults", {"forbid": "patch deployments", "warn": 3})
        with open(self.folder / "neuroshield.yaml", "a") as config:
            config.write("mode: auto\nactions:\n" + "".join(f"  {action}: {{mode: auto}}\n" for action in ON_DEPLOYMENTS))
        daemon, url, _ = self.daemon("--data", self.folder / "data")
        denied = {"actions": ["rollback", "restart_pods"], "missing": "patch deployments"}

        def pipelines():
            return get_json(url + "/api/v1/status")["pipelines"]
        wait_for(lambda: (p := pipelines()) and all((x["cluster"] or {}).get("not_permitted") == denied for x in p), 60,
                 "every Deployment's rights")
        self.assertIn('neuroshield_deployments_not_permitted{action="rollback"} 8', get(url + "/metrics")[2].decode())
        shown = self.run_program("status", "--data", self.folder / "data").stdout
        self.assertIn("not permitted: rollback, restart_pods (patch deployments)", shown)
        case = wait_for(lambda: next((c for c in get_json(url + "/api/v1/cases")["items"]
                                      if "no right to rollback" in (c["reason"] or "")), None), 240,
                        "a case in which a rollback would have been chosen")
        self.assertTrue(case["symptom"])
        self.assertEqual(case["tried"]["rollback"] + case["tried"]["restart_pods"], 0)
        sent = self.counted(url, "neuroshield_actions_sent")
        self.assertEqual((sent["rollback"], sent["restart_pods"]), (0, 0))
        self.assertEqual(daemon.stop(), 0)
        self.assertIn("actions_not_permitted", daemon.stderr)
        warned = [line for line in daemon.stderr.splitlines() if "cluster_warns" in line]
        self.assertEqual(len(warned), 1, warned)  # of three alike
        self.assertIn("this is deprecated in v1.33+", warned[0])
        self.assertNotIn("sesame-open-the-door", daemon.stderr)
        effects = get_json(world + "/world/v1/effects?limit=1000")["items"]
        self.assertFalse([e for e in effects if e["kind"] in ("rollback", "restart")])


if __name__ == "__main__":
    unittest.main()

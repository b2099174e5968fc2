"""The daemon on a served world, Kubernetes and all, over HTTP: what it sends arrives once, and helps."""
import collections
import re
import unittest

from harness import Case, get, get_json, wait_for

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


if __name__ == "__main__":
    unittest.main()

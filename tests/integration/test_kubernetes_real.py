"""Source and hands of Kubernetes against a real API server: what they see, do, and refuse to do."""
import csv
import json
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import unittest

from harness import CLEAN_ENV, PROGRAM, ROOT, Running, get, get_json, wait_for
from kube_server import Kube

DRIVER = os.path.join(os.path.dirname(PROGRAM), "tests", "integration", "kube_driver")
LIMIT_S = 90
DEPLOYMENTS = "/apis/apps/v1/namespaces/sock-shop/deployments"
READ = [("", ["pods", "events"], ["get", "list", "watch"]),
        ("apps", ["deployments", "replicasets"], ["get", "list", "watch"]),
        ("autoscaling", ["horizontalpodautoscalers"], ["get", "list", "watch"])]
RIGHTS = {"readers": READ, "robots": READ + [("apps", ["deployments"], ["patch"]),
                                              ("apps", ["deployments/scale"], ["get", "patch"])]}


class Driver:
    """kube_driver, one order at a time."""

    def __init__(self, access, **env):
        self.process = subprocess.Popen([DRIVER, access, "sock-shop"], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env={**CLEAN_ENV, "NS_CONFIRM_MS": "2000", **env})

    def order(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def look(self):
        return self.order(do="look")

    def pipeline(self, job):
        return next(p for p in self.look()["pipelines"] if p["job"] == job)

    def until(self, job, what, **wanted):
        """Looks until the pipeline has these values, and returns it."""
        def holds():
            seen = self.pipeline(job)
            return seen if all(seen[k] == v for k, v in wanted.items()) else None
        return wait_for(holds, LIMIT_S, f"{job}: {what}: {wanted}")

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(60)


def deployment(name, image="shop/app:1", replicas=2, **annotations):
    return {"metadata": {"name": name, "annotations": annotations},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"name": name}},
                     "template": {"metadata": {"labels": {"name": name}},
                                  "spec": {"containers": [{"name": "app", "image": image,
                                                           "resources": {"limits": {"cpu": "300m",
                                                                                    "memory": "500Mi"}}}]}}}}


class RealKubernetes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kube = Kube()
        cls.addClassCleanup(cls.kube.close)
        cls.kube.api("POST", "/api/v1/namespaces", {"metadata": {"name": "sock-shop"}})
        for group, rules in RIGHTS.items():
            cls.kube.api("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/sock-shop/roles",
                         {"metadata": {"name": group},
                          "rules": [{"apiGroups": [g], "resources": r, "verbs": v} for g, r, v in rules]})
            cls.kube.api("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/sock-shop/rolebindings",
                         {"metadata": {"name": group},
                          "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": group},
                          "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}]})
        cls.kube.api("POST", "/api/v1/nodes", {"metadata": {"name": "node-1"}})
        cls.robot = cls.kube.kubeconfig("robot", {"token": "robot-token"})

    def setUp(self):
        self.name = self.id().rsplit(".", 1)[1].replace("_", "-")[:40].strip("-")
        self.path = f"{DEPLOYMENTS}/{self.name}"

    def deploy(self, **options):
        self.kube.api("POST", DEPLOYMENTS, deployment(self.name, **options))
        self.addCleanup(self.kube.api, "DELETE", self.path)

    def drive(self, access=None, **env):
        driver = Driver(access or self.robot, **env)
        self.addCleanup(lambda: driver.process.poll() is None and driver.close())
        return driver

    def ready(self, driver, replicas=2):
        driver.order(do="job", job="shop/it", deployment=self.name)
        return driver.until("shop/it", "all pods are ready", exists=True, rollout="complete", replicas_ready=replicas,
                            pods=replicas)

    def effect(self, action, key="0123456789abcdef0123456789abcdef", **more):
        return {"action": action, "key": key, "deployment": self.name, **more}

    def live(self):
        return self.kube.api("GET", self.path)

    def prepare(self, driver, effect):
        answer = driver.order(do="prepare", effect=effect)
        self.assertEqual(answer["sent"], "acknowledged", answer)
        return {**effect, "baseline": answer["baseline"]}

    # ---- the source

    def test_a_deployment_is_seen_with_its_pods(self):
        self.deploy()
        driver = self.drive()
        seen = self.ready(driver)
        self.assertEqual([seen[k] for k in ("replicas_wanted", "replicas_updated", "replicas_available", "revision",
                                            "restarts", "pods_crash_looping", "pods_pending", "paused", "has_hpa")],
                         [2, 2, 2, 1, 0, 0, 0, 0, 0])
        self.assertEqual(seen["image"], "shop/app:1")
        self.assertTrue(seen["template_hash"])
        self.kube.merge(self.path, {"spec": {"template": {"spec": {"containers": [
            {"name": "app", "image": "shop/bad:2"}]}}}})
        worse = driver.until("shop/it", "the bad image", pods_image_failing=1, image="shop/bad:2", revision=2)
        self.assertNotEqual(worse["template_hash"], seen["template_hash"])
        self.assertEqual(worse["rollout"], "progressing")
        self.kube.merge(self.path, {"spec": {"template": {"spec": {"containers": [
            {"name": "app", "image": "shop/hungry:3"}]}}}})
        driver.until("shop/it", "killed for memory", pods_oom_killed=2, pods_image_failing=0, restarts=6)
        self.assertEqual(driver.close(), 0)

    def test_a_deployment_names_its_pipeline(self):
        self.deploy(**{"neuroshield.io/jenkins-job": "other/job, shop/noted"})
        driver = self.drive()
        driver.order(do="job", job="shop/noted", deployment=None)
        driver.until("shop/noted", "mapped by its annotation", deployment=self.name, exists=True)
        self.kube.merge(self.path, {"metadata": {"annotations": {"neuroshield.io/jenkins-job": None}}})
        driver.until("shop/noted", "the annotation is gone", deployment=None, exists=False)

    def test_every_way_to_log_in(self):
        self.deploy(replicas=1)
        (self.kube.folder / "robot.token").write_text("robot-token\n")
        account = self.kube.folder / "account"
        account.mkdir()
        for name, text in (("token", "robot-token"), ("ca.crt", (self.kube.folder / "ca.crt").read_text()),
                           ("namespace", "sock-shop")):
            (account / name).write_text(text)
        plugin = self.kube.folder / "plugin"
        plugin.write_text('#!/bin/sh\necho "{\\"kind\\":\\"ExecCredential\\",\\"apiVersion\\":'
                          '\\"client.authentication.k8s.io/v1\\",\\"status\\":{\\"token\\":\\"$GIVEN\\"}}"\n')
        plugin.chmod(0o700)
        data = self.kube.data
        ways = {"token": {"token": "robot-token"}, "tokenfile": {"tokenFile": "robot.token", "token": "wrong"},
                "certificate": {"client-certificate": "admin.crt", "client-key": "admin.key"},
                "certificate-data": {"client-certificate-data": data("admin.crt"), "client-key-data": data("admin.key")},
                "exec": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin",
                                  "env": [{"name": "GIVEN", "value": "robot-token"}]}}}
        for way, user in ways.items():
            with self.subTest(way):
                driver = self.drive(self.kube.kubeconfig(way, user))
                self.ready(driver, 1)
                self.assertEqual(driver.close(), 0)
        with self.subTest("in a cluster"):
            self.ready(self.drive(f"in-cluster:{account}", KUBERNETES_SERVICE_HOST="127.0.0.1",
                                  KUBERNETES_SERVICE_PORT=str(self.kube.port)), 1)
        with self.subTest("another name in the certificate"):
            self.ready(self.drive(self.kube.kubeconfig("named", {"token": "robot-token"}, {
                "tls-server-name": "api.example", "certificate-authority": None,
                "certificate-authority-data": data("ca.crt")})), 1)

    def test_the_server_must_be_the_one_we_trust(self):
        for name, cluster in (("stranger", {"certificate-authority": "stranger.crt"}),
                              ("misnamed", {"tls-server-name": "other.example"})):
            with self.subTest(name):
                self.kube._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "stranger.key", "-out",
                                   "stranger.crt", "-subj", "/CN=stranger")
                driver = self.drive(self.kube.kubeconfig(name, {"token": "robot-token"}, cluster))
                seen = wait_for(lambda: (s := driver.look())["error"] and s, LIMIT_S, "the refusal")
                self.assertEqual(seen["state"], "down")
                self.assertIn("kubernetes.kubeconfig", seen["error"])
                self.assertNotIn("robot-token", seen["error"])

    def test_who_has_no_right_is_told_so(self):
        self.deploy(replicas=1)
        for name, token, state in (("nobody", "nobody-token", "unauthorized"), ("wrong", "no-token", "unauthorized")):
            driver = self.drive(self.kube.kubeconfig(name, {"token": token}))
            seen = wait_for(lambda d=driver: (s := d.look())["error"] and s, LIMIT_S, "the refusal")
            self.assertEqual(seen["state"], state)
            self.assertIn("RBAC" if name == "nobody" else "credentials", seen["error"])
            self.assertNotIn(token, seen["error"])
        driver = self.drive(self.kube.kubeconfig("reader", {"token": "reader-token"}))
        self.ready(driver, 1)
        seen = wait_for(lambda: (s := driver.look())["error"] and s, LIMIT_S, "that nodes may not be read")
        self.assertEqual((seen["state"], seen["nodes_ready"]), ("ok", None))
        for effect in (self.effect("scale_up", replicas=2), self.effect("restart_pods")):
            answer = driver.order(do="prepare", effect=effect)
            self.assertEqual((answer["sent"], answer["status"]), ("refused", "FORBIDDEN"), answer)
        admin = self.drive(self.kube.path("admin.kubeconfig"))
        wait_for(lambda: admin.look()["nodes_ready"] == 0, LIMIT_S, "a node that is not ready")

    def test_a_token_that_changes_is_read_again(self):
        self.deploy(replicas=1)
        token = self.kube.folder / "changing.token"
        token.write_text("no-token")
        driver = self.drive(self.kube.kubeconfig("changing", {"tokenFile": "changing.token"}))
        wait_for(lambda: driver.look()["state"] == "unauthorized", LIMIT_S, "a refusal of the first token")
        token.write_text("robot-token")
        self.ready(driver, 1)

    def test_a_server_that_went_away_is_met_again_with_an_old_version(self):
        self.deploy(replicas=1)
        driver = self.drive()
        self.ready(driver, 1)
        old = self.live()["metadata"]["resourceVersion"]
        self.kube.stop_api()
        wait_for(lambda: driver.look()["state"] == "down", LIMIT_S, "that it is away")
        self.kube.start_api()
        self.kube.merge(self.path, {"spec": {"replicas": 3}})
        self.kube.merge(self.path, {"metadata": {"labels": {"a": "b"}}})
        code, stream = self.kube.call("GET", f"{DEPLOYMENTS}?watch=true&resourceVersion={old}&timeoutSeconds=1")
        print(f"(a watch from the old version is answered {code} {str(stream)[:90]})")
        driver.until("shop/it", "what changed meanwhile", replicas_wanted=3, replicas_ready=3)
        wait_for(lambda: driver.look()["state"] == "ok", LIMIT_S, "that it is back")

    # ---- the program

    def config(self, folder):
        (folder / "neuroshield.yaml").write_text(
            f"jenkins: {{url: 'http://127.0.0.1:9/'}}\nkubernetes: {{kubeconfig: {self.robot}}}\npipelines:\n"
            f"- {{name: it, jenkins_job: shop/it, deployment: {self.name}, max_replicas: 4}}\n"
            f"- {{name: not, jenkins_job: shop/not, deployment: sock-shop/no-such}}\n")
        return folder / "neuroshield.yaml"

    def test_collect_writes_what_the_cluster_says(self):
        self.deploy()
        self.ready(self.drive())
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ns-collect-", dir=self.kube.folder))
        run = subprocess.run([PROGRAM, "collect", "--once", "--config", self.config(folder), "--output",
                              folder / "out.csv"], env=CLEAN_ENV, capture_output=True, text=True, timeout=120)
        self.assertEqual(run.returncode, 1, run.stderr)  # there is no Jenkins
        rows = {r["jenkins_job"]: r for r in csv.DictReader(open(folder / "out.csv", newline=""))}
        self.assertEqual([rows["shop/it"][f"kubernetes_{k}"] for k in ("replicas_wanted", "replicas_ready", "pods",
                                                                       "pods_crash_looping", "restarts", "revision", "memory_limit")],
                         ["2", "2", "2", "0", "0", "1", "524288000"])
        self.assertLess(int(rows["shop/it"]["kubernetes_age_ms"]), 60000)
        self.assertEqual(rows["shop/it"]["jenkins_age_ms"], "")
        self.assertEqual(rows["shop/not"]["kubernetes_pods"], "")
        self.assertEqual(rows["shop/it"]["kubernetes_nodes_ready"], "")  # a right that the robot does not have

    def test_the_daemon_shows_the_cluster(self):
        self.deploy()
        self.ready(self.drive())
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ns-daemon-", dir=self.kube.folder))
        daemon = Running(PROGRAM, "run", "--listen", "127.0.0.1:0", "--json", "--config", self.config(folder), "--data",
                         folder / "data", cwd=folder)
        self.addCleanup(lambda: daemon.alive() and daemon.stop())
        url = "http://" + daemon.json_line()["address"]

        def seen():
            status = get_json(url + "/api/v1/status")
            source = next(s for s in status["sources"] if s["name"] == "kubernetes")
            return source["state"] == "ok" and source
        self.assertIn("RBAC", wait_for(seen, LIMIT_S, "the cluster to be ok")["error"])  # nodes, told but no trouble
        # Without Jenkins there is no pipeline to join: the source is what can be seen.
        metrics = get(url + "/metrics")[2].decode()
        self.assertIn('neuroshield_source_up{source="kubernetes"} 1', metrics)
        self.assertNotIn("robot-token", metrics + daemon.stderr)
        self.assertEqual(daemon.stop(), 0)

    def daemon_beside_a_calm_jenkins(self, access):
        """A daemon that may all, with this kubeconfig and the Jenkins of a served world in which no build is in trouble:
        (its URL, its process)."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ns-heal-", dir=self.kube.folder))
        scenario = (ROOT / "simulations" / "default.yaml").read_text()
        (folder / "calm.yaml").write_text(re.sub(r"(?m)^rate_per_day:.*$", "rate_per_day: 0.01", scenario))
        world = Running(PROGRAM, "world", "--listen", "127.0.0.1:0", "--json", "--speed", "60", "--seed", "1",
                        "--scenario", folder / "calm.yaml", "--write-config", folder, cwd=folder)
        self.addCleanup(lambda: world.alive() and world.stop())
        world.json_line()
        wait_for((folder / "neuroshield.yaml").exists, LIMIT_S, "what the world writes last")
        config = (folder / "neuroshield.yaml").read_text()
        config = re.sub(r"(?ms)^prometheus:.*?(?=^\S)|^notify:.*?(?=^\S)|^kubernetes:.*?(?=^\S)|^pipelines:.*", "", config)
        (folder / "neuroshield.yaml").write_text(
            config + f"mode: auto\nactions: {{rollback: {{mode: auto}}, scale_up: {{mode: auto}}}}\n"
            f"kubernetes: {{kubeconfig: {access}}}\n"
            f"pipelines: [{{name: it, jenkins_job: sock-shop/carts, deployment: {self.name}}}]\n")
        env = dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines()
                   if line.startswith("JENKINS_"))
        (folder / ".env").unlink()  # it leads to the world's cluster
        daemon = Running(PROGRAM, "run", "--listen", "127.0.0.1:0", "--json", "--data", folder / "data", cwd=folder,
                         env=env)
        self.addCleanup(lambda: daemon.alive() and daemon.stop())
        url = "http://" + daemon.json_line()["address"]
        return url, daemon

    def shown(self, url):
        return next((p for p in get_json(url + "/api/v1/status")["pipelines"] if p["name"] == "it"), None)

    def test_the_daemon_heals_a_bad_release(self):
        """The whole main flow on a real cluster: what proves good is noted, a crash loop opens a case, the rollback is
        done once and verified."""
        self.deploy()
        self.ready(self.drive())
        url, daemon = self.daemon_beside_a_calm_jenkins(self.robot)
        good = wait_for(lambda: (p := self.shown(url)) and p["cluster"] and p["cluster"]["verified_template"] and p, LIMIT_S,
                        "a verified template")["cluster"]
        self.assertEqual(good["template"], good["verified_template"])
        self.kube.merge(self.path, {"spec": {"template": {"spec": {"containers": [
            {"name": "app", "image": "shop/crash:2"}]}}}})
        case = wait_for(lambda: next((c for c in get_json(url + "/api/v1/cases")["items"]
                                      if c["state"] == "closed" and c["jenkins_job"] == "sock-shop/carts"), None),
                        LIMIT_S, "a closed case")
        self.assertEqual((case["cause"], case["healed_by"], case["tried"]["rollback"]), ("bad_release", "action", 1))
        live = self.live()
        self.assertEqual(live["spec"]["template"]["spec"]["containers"][0]["image"], "shop/app:1")
        self.assertEqual(len(live["metadata"]["annotations"]["neuroshield.io/key"]), 32)
        self.assertEqual(live["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3")
        self.assertEqual(daemon.stop(), 0)

    def test_a_kubeconfig_of_no_use_is_told(self):
        bad = self.kube.folder / "useless.yaml"
        bad.write_text("kubernetes: {kubeconfig: /no/such/kubeconfig}\njenkins: {url: 'http://127.0.0.1:9/'}\n")
        run = subprocess.run([PROGRAM, "collect", "--once", "--config", bad, "--output", self.kube.folder / "u.csv"],
                             env=CLEAN_ENV, capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 2)
        self.assertIn("/no/such/kubeconfig", run.stderr)
        plugin = self.kube.kubeconfig("plugged", {"exec": {"apiVersion": "client.authentication.k8s.io/v1",
                                                            "command": "./plugin"}})
        bad.write_text(f"kubernetes: {{kubeconfig: {plugin}}}\njenkins: {{url: 'http://127.0.0.1:9/'}}\n")
        run = subprocess.run([PROGRAM, "collect", "--once", "--config", bad, "--output", self.kube.folder / "u.csv"],
                             env=CLEAN_ENV, capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 2)
        self.assertIn("kubernetes.exec", run.stderr)
        # What is set for kubectl alone stops nothing.
        run = subprocess.run([PROGRAM, "collect", "--once", "--jenkins-url", "http://127.0.0.1:9/", "--jenkins-job", "x",
                              "--output", self.kube.folder / "v.csv"], cwd=self.kube.folder,
                             env={**CLEAN_ENV, "KUBECONFIG": "/no/such/kubeconfig"}, capture_output=True, text=True,
                             timeout=60)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("cluster_not_used", run.stderr)

    # ---- what may be done

    def service_account(self, name, rules):
        """A kubeconfig of a service account with a Role of these rules, and its own token."""
        rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/sock-shop"
        self.kube.api("POST", "/api/v1/namespaces/sock-shop/serviceaccounts", {"metadata": {"name": name}})
        self.kube.api("POST", f"{rbac}/roles", {"metadata": {"name": name}, "rules": rules})
        self.kube.api("POST", f"{rbac}/rolebindings",
                      {"metadata": {"name": name},
                       "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                       "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "sock-shop"}]})
        token = self.kube.api("POST", f"/api/v1/namespaces/sock-shop/serviceaccounts/{name}/token",
                              {"spec": {}})["status"]["token"]
        return self.kube.kubeconfig(name, {"token": token})

    def rights(self, driver, name):
        return wait_for(lambda: (r := driver.order(do="rights", deployment=name))["known"] and r, LIMIT_S,
                        "the rights to be told")

    def test_what_may_be_done_is_known_before(self):
        self.deploy()
        self.assertEqual(self.rights(self.drive(), self.name), {"known": True, "denied": [], "missing": ""})
        reader = self.drive(self.kube.kubeconfig("reader", {"token": "reader-token"}))
        self.assertEqual(self.rights(reader, self.name),
                         {"known": True, "denied": ["scale_up", "rollback", "restart_pods"],
                          "missing": "patch deployments, patch deployments/scale"})
        self.assertEqual(reader.order(do="prepare", effect=self.effect("restart_pods"))["status"], "FORBIDDEN")
        rules = [{"apiGroups": g and [g] or [""], "resources": r, "verbs": v} for g, r, v in READ]
        limited = self.drive(self.service_account("scaler", rules + [
            {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"]}]))
        self.assertEqual(self.rights(limited, self.name), {"known": True, "denied": ["rollback", "restart_pods"],
                                                           "missing": "patch deployments"})
        self.prepare(limited, self.effect("scale_up", replicas=3))
        self.assertEqual(limited.order(do="prepare", effect=self.effect("restart_pods"))["status"], "FORBIDDEN")
        by_name = self.drive(self.service_account("by-name", rules + [
            {"apiGroups": ["apps"], "resources": ["deployments", "deployments/scale"], "verbs": ["patch"],
             "resourceNames": [self.name]}]))
        self.assertEqual(self.rights(by_name, self.name)["denied"], [])
        self.prepare(by_name, self.effect("restart_pods"))
        self.assertEqual(self.rights(by_name, "another")["denied"], ["scale_up", "rollback", "restart_pods"])
        for driver in (reader, limited, by_name):
            self.assertEqual(driver.close(), 0)

    def test_the_daemon_does_not_try_what_is_not_permitted(self):
        self.deploy()
        self.ready(self.drive())
        reader = self.service_account("daemon-reader", [{"apiGroups": [g], "resources": r, "verbs": v} for g, r, v in READ])
        url, daemon = self.daemon_beside_a_calm_jenkins(reader)
        good = wait_for(lambda: (p := self.shown(url)) and p["cluster"] and p["cluster"]["not_permitted"] and
                        p["cluster"]["verified_template"] and p, LIMIT_S, "its rights and a verified template")["cluster"]
        self.assertEqual(good["not_permitted"], {"actions": ["scale_up", "rollback", "restart_pods"],
                                                 "missing": "patch deployments, patch deployments/scale"})
        self.kube.merge(self.path, {"spec": {"template": {"spec": {"containers": [
            {"name": "app", "image": "shop/crash:2"}]}}}})
        case = wait_for(lambda: next((c for c in get_json(url + "/api/v1/cases")["items"] if c["escalated"]), None),
                        LIMIT_S, "an escalated case")
        self.assertEqual((case["cause"], case["tried"]["rollback"]), ("bad_release", 0))
        decisions = get_json(url + "/api/v1/decisions")["items"]
        self.assertTrue(any("no right to rollback" in d["why"] for d in decisions), decisions)
        self.assertEqual(self.live()["metadata"]["generation"], 2)
        self.assertEqual(daemon.stop(), 0)
        self.assertIn("actions_not_permitted", daemon.stderr)

    # ---- the hands

    def test_scale_up_and_back(self):
        self.deploy()
        driver = self.drive()
        self.ready(driver)
        effect = self.prepare(driver, self.effect("scale_up", replicas=3))
        self.assertEqual(self.live()["spec"]["replicas"], 2)  # the dry run left nothing
        self.assertEqual(json.loads(effect["baseline"])["to"], 3)
        self.assertEqual(driver.order(do="reconcile", effect=effect)["sent"], "refused")
        self.assertEqual(driver.order(do="send", effect=effect)["sent"], "acknowledged")
        driver.until("shop/it", "three pods", replicas_wanted=3, replicas_ready=3)
        self.assertEqual(self.live()["metadata"]["annotations"]["neuroshield.io/key"], effect["key"])
        generation = self.live()["metadata"]["generation"]
        self.assertEqual(driver.order(do="reconcile", effect=effect)["sent"], "acknowledged")
        self.assertEqual(driver.order(do="send", effect=effect)["sent"], "acknowledged")
        self.assertEqual(self.live()["metadata"]["generation"], generation)  # the second send changed nothing
        self.assertEqual([f["manager"] for f in self.live()["metadata"]["managedFields"]
                          if "f:replicas" in f["fieldsV1"].get("f:spec", {})], ["neuroshield"])
        back = self.prepare(driver, self.effect("scale_up", "f" * 32, replicas=2, undo=True, target="3"))
        self.assertEqual(driver.order(do="send", effect=back)["sent"], "acknowledged")
        driver.until("shop/it", "two pods again", replicas_wanted=2, replicas_ready=2)
        self.assertEqual(driver.close(), 0)

    def test_pods_that_somebody_else_chose_are_not_taken_back(self):
        self.deploy()
        driver = self.drive()
        self.ready(driver)
        effect = self.prepare(driver, self.effect("scale_up", replicas=3))
        self.assertEqual(driver.order(do="send", effect=effect)["sent"], "acknowledged")
        for number in (4, 3):  # changed, and changed back: the number alone would not tell
            self.kube.api("PATCH", f"{DEPLOYMENTS}/{self.name}/scale?fieldManager=ann",
                          {"spec": {"replicas": number}}, "application/merge-patch+json")
        answer = driver.order(do="prepare", effect=self.effect("scale_up", "f" * 32, replicas=2, undo=True, target="3"))
        self.assertEqual(answer["sent"], "refused")
        self.assertIn("ann has set its replicas since", answer["error"])
        self.assertEqual(self.live()["spec"]["replicas"], 3)

    def test_scale_up_is_refused_where_it_must_be(self):
        self.deploy()
        driver = self.drive()
        self.ready(driver)
        for effect in (self.effect("scale_up", replicas=2), self.effect("scale_up", replicas=9),
                       self.effect("scale_up", replicas=1), self.effect("scale_up"),
                       self.effect("scale_up", replicas=1, undo=True, target="5")):
            answer = driver.order(do="prepare", effect=effect)
            self.assertEqual(answer["sent"], "refused", answer)
        gone = {**self.effect("scale_up", replicas=3), "deployment": "no-such"}
        self.assertEqual(driver.order(do="prepare", effect=gone)["status"], "NOT_FOUND")
        prepared = self.prepare(driver, self.effect("scale_up", replicas=3))
        self.kube.api("POST", "/apis/autoscaling/v2/namespaces/sock-shop/horizontalpodautoscalers",
                      {"metadata": {"name": "auto"}, "spec": {"maxReplicas": 5, "scaleTargetRef": {
                          "apiVersion": "apps/v1", "kind": "Deployment", "name": self.name}}})
        self.addCleanup(self.kube.api, "DELETE",
                        "/apis/autoscaling/v2/namespaces/sock-shop/horizontalpodautoscalers/auto")
        driver.until("shop/it", "its autoscaler", has_hpa=1)
        for answer in (driver.order(do="prepare", effect=self.effect("scale_up", replicas=3)),
                       driver.order(do="send", effect=prepared)):
            self.assertEqual(answer["sent"], "refused")
            self.assertIn("auto", answer["error"])
        self.assertEqual(self.live()["spec"]["replicas"], 2)

    def test_a_change_by_somebody_else_is_seen(self):
        self.deploy()
        driver = self.drive()
        self.ready(driver)
        effects = [self.prepare(driver, self.effect("scale_up", replicas=3)),
                   self.prepare(driver, self.effect("restart_pods"))]
        self.kube.merge(self.path, {"spec": {"template": {"metadata": {"annotations": {"by": "somebody"}}}}})
        for effect in effects:
            answer = driver.order(do="send", effect=effect)
            self.assertEqual((answer["sent"], answer["status"]), ("refused", "CONFLICT"), answer)
            self.assertEqual(driver.order(do="reconcile", effect=effect)["sent"], "unknowable")

    def test_a_busy_deployment_is_changed_all_the_same_or_left_alone(self):
        self.deploy()
        driver = self.drive()
        self.ready(driver)
        effect = self.prepare(driver, self.effect("restart_pods"))
        done = threading.Event()

        def disturb():
            n = 0
            while not done.is_set():
                n += 1
                self.kube.merge(self.path, {"metadata": {"annotations": {"n": str(n)}}})  # no new generation

        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            answer = driver.order(do="send", effect=effect)
        finally:
            done.set()
            thread.join()
        key = self.live()["spec"]["template"]["metadata"].get("annotations", {}).get("neuroshield.io/key")
        self.assertEqual(key, effect["key"] if answer["sent"] == "acknowledged" else None, answer)
        self.assertIn(answer["sent"], ("acknowledged", "refused"))

    def test_restart_pods_once(self):
        self.deploy()
        driver = self.drive()
        before = self.ready(driver)
        effect = self.prepare(driver, self.effect("restart_pods"))
        self.assertEqual(driver.order(do="send", effect=effect)["sent"], "acknowledged")
        after = driver.until("shop/it", "a second revision", revision=2, rollout="complete", replicas_ready=2)
        self.assertNotEqual(after["template_hash"], before["template_hash"])
        for order in ("send", "reconcile"):
            self.assertEqual(driver.order(do=order, effect=effect)["sent"], "acknowledged")
        self.assertEqual(driver.until("shop/it", "no third revision", rollout="complete")["revision"], 2)
        self.kube.merge(self.path, {"spec": {"paused": True}})
        self.assertIn("paused", driver.order(do="prepare", effect=self.effect("restart_pods", "e" * 32))["error"])

    def test_rollback_to_the_verified_template(self):
        self.deploy(**{"neuroshield.io/jenkins-job": "shop/noted"})
        driver = self.drive()
        good = self.ready(driver)
        template = self.live()["spec"]["template"]
        unverified = driver.order(do="prepare", effect=self.effect("rollback"))
        self.assertEqual((unverified["sent"], unverified["status"]), ("refused", "REFUSED"))
        same = driver.order(do="prepare", effect=self.effect("rollback", target=good["template_hash"]))
        self.assertIn("present one", same["error"])
        self.kube.merge(self.path, {"spec": {"template": {"spec": {"containers": [
            {"name": "app", "image": "shop/crash:2"}]}}}})
        driver.until("shop/it", "the crash loop", pods_crash_looping=1, revision=2)
        gone = driver.order(do="prepare", effect=self.effect("rollback", target="abc"))
        self.assertEqual((gone["sent"], gone["status"]), ("refused", "NOT_FOUND"))
        effect = self.prepare(driver, self.effect("rollback", target=good["template_hash"]))
        self.assertEqual(self.live()["spec"]["template"]["spec"]["containers"][0]["image"], "shop/crash:2")
        self.assertEqual(driver.order(do="send", effect=effect)["sent"], "acknowledged")
        driver.until("shop/it", "the good template again", template_hash=good["template_hash"], revision=3,
                     rollout="complete", pods_crash_looping=0, replicas_ready=2)
        live = self.live()
        self.assertEqual(live["spec"]["template"], template)
        self.assertEqual(live["metadata"]["annotations"]["neuroshield.io/key"], effect["key"])
        self.assertEqual(live["metadata"]["annotations"]["neuroshield.io/jenkins-job"], "shop/noted")
        for order in ("send", "reconcile"):
            self.assertEqual(driver.order(do=order, effect=effect)["sent"], "acknowledged")
        self.assertEqual(self.live()["metadata"]["generation"], live["metadata"]["generation"])
        self.assertEqual(driver.close(), 0)


if __name__ == "__main__":
    unittest.main()

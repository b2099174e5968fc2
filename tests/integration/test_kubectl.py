"""The served cluster with the real kubectl: Debian's, and another named by NS_TEST_KUBECTL. And what a client must be told
that kubectl does not show: conflicts, preconditions, watches, refusals, as recorded from a real API server."""
import json
import os
import subprocess
import unittest
import urllib.error
import urllib.request

import harness

NAMESPACE = "sock-shop"
DEPLOYMENTS = "/kubernetes/apis/apps/v1/namespaces/sock-shop/deployments"
PODS = "/kubernetes/api/v1/namespaces/sock-shop/pods"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


def kubectls():
    found = [harness.shutil.which("kubectl"), os.environ.get("NS_TEST_KUBECTL")]
    return [k for k in found if k]


def ask(url, method="GET", body=None, kind=None, **headers):
    """(status, parsed JSON or text)."""
    data = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    if kind:
        request.add_header("Content-Type", kind)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text.decode()


class Kubectl(harness.Case):
    def setUp(self):
        super().setUp()
        if not kubectls():
            self.skipTest("kubectl is not installed")
        _, self.url = self.world("--seed", "7", "--speed", "60", "--write-config", self.folder / "config")

    def kubectl(self, program, *argv, expect=0):
        done = subprocess.run([program, "--cache-dir", str(self.folder / "cache"), "-n", NAMESPACE, *argv], text=True,
                              env={**harness.CLEAN_ENV, "HOME": str(self.folder),
                                   "KUBECONFIG": str(self.folder / "config" / "kubeconfig")},
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        self.assertEqual(done.returncode, expect, f"{argv}: {done.stdout} {done.stderr}")
        return done.stdout + done.stderr

    def deployment(self, name):
        return ask(f"{self.url}{DEPLOYMENTS}/{name}")[1]

    def effects(self):
        return harness.get_json(self.url + "/world/v1/effects")["items"]

    def test_it_says_who_may_what(self):
        ask(self.url + "/world/v1/faults", "POST", {"forbid": "patch deployments/scale, list replicasets"})
        asked = {("patch", "deployments"): "yes", ("patch", "deployments", "--subresource=scale"): "no",
                 ("list", "replicasets"): "no", ("get", "replicasets"): "yes", ("delete", "pods"): "yes",
                 ("list", "horizontalpodautoscalers.autoscaling"): "yes", ("get", "deployments/carts"): "yes"}
        for program in kubectls():
            for words, answer in asked.items():
                said = self.kubectl(program, "auth", "can-i", *words, expect=0 if answer == "yes" else 1)
                self.assertEqual(said.split()[-1] if answer == "yes" else said.split()[0], answer, (words, said))
            said = self.kubectl(program, "scale", "deployment/carts", "--replicas=2", expect=1)
            self.assertIn("forbidden", said)
            self.assertIn('cannot patch resource "deployments/scale"', said)
        self.assertEqual(ask(self.url + "/world/v1/faults")[1]["forbid"], "patch deployments/scale, list replicasets")
        ask(self.url + "/world/v1/faults", "POST", {"forbid": ""})
        for program in kubectls():
            self.assertEqual(self.kubectl(program, "auth", "can-i", "list", "replicasets").split()[-1], "yes")
        self.assertEqual(ask(self.url + "/world/v1/faults", "POST", {"forbid": 1})[0], 400)
        self.assertEqual(ask(self.url + "/world/v1/faults", "POST", {"delay_ms": "no"})[0], 400)
        path = self.url + "/kubernetes/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        self.assertEqual(ask(path, "POST", {"kind": "SelfSubjectAccessReview", "spec": {}}, "application/json")[0], 422)
        self.assertEqual(ask(path, "POST", b"no review", "application/json")[0], 415)

    def test_every_command_of_an_operator(self):
        for program in kubectls():
            with self.subTest(program=program):
                self.operate(program)

    def operate(self, program):
        k = lambda *argv, **options: self.kubectl(program, *argv, **options)
        everything = k("get", "deploy,rs,pods")
        self.assertRegex(everything, r"deployment\.apps/carts +\d/\d +\d +\d +\d+[smh]")
        self.assertRegex(everything, r"pod/carts-[a-z0-9]+-[a-z0-9]+ +\d/1 +\w+")
        self.assertIn("replicaset.apps/front-end-", everything)

        self.assertIn("scaled", k("scale", "deploy/carts", "--replicas=3"))
        self.assertIn("successfully rolled out", k("rollout", "status", "deploy/carts", "--timeout=60s"))
        self.assertEqual(self.deployment("carts")["status"]["availableReplicas"], 3)
        k("scale", "deploy/carts", "--current-replicas=2", "--replicas=9", expect=1)  # not as expected: nothing is done
        k("scale", "deploy/carts", "--current-replicas=3", "--replicas=2")

        before = self.deployment("carts")["spec"]["template"]
        self.assertIn("restarted", k("rollout", "restart", "deploy/carts"))
        self.assertIn("successfully rolled out", k("rollout", "status", "deploy/carts", "--timeout=60s"))
        self.assertIn("kubectl.kubernetes.io/restartedAt",
                      self.deployment("carts")["spec"]["template"]["metadata"]["annotations"])
        self.assertIn("rolled back", k("rollout", "undo", "deploy/carts"))
        self.assertIn("successfully rolled out", k("rollout", "status", "deploy/carts", "--timeout=60s"))
        self.assertEqual(self.deployment("carts")["spec"]["template"], before)
        self.assertGreaterEqual(len(k("rollout", "history", "deploy/carts").splitlines()), 4)

        self.assertIn("annotated", k("annotate", "deploy/carts", "neuroshield.io/last-action=retry", "--overwrite"))
        self.assertEqual(self.deployment("carts")["metadata"]["annotations"]["neuroshield.io/last-action"], "retry")
        self.assertIn("paused", k("rollout", "pause", "deploy/orders"))
        self.assertTrue(self.deployment("orders")["spec"]["paused"])
        k("rollout", "resume", "deploy/orders")
        self.assertIn("image updated", k("set", "image", "deploy/user", "user=weaveworksdemos/user:nosuch"))
        k("rollout", "status", "deploy/user", "--timeout=1s", expect=1)
        harness.wait_for(lambda: "ImagePullBackOff" in k("get", "pods"), 30, "the image that is not there")
        k("rollout", "undo", "deploy/user")
        self.assertIn("Scaled", k("describe", "deploy", "carts"))
        self.assertIn("yes", k("auth", "can-i", "patch", "deployments", "--subresource=scale"))
        pod = k("get", "pods", "-l", "name=shipping", "-o", "name").split()[0]
        self.assertIn("deleted", k("delete", pod, "--wait=false"))
        kinds = {e["kind"] for e in self.effects()}
        self.assertLessEqual({"scale", "restart", "rollback", "annotate", "patch", "delete_pod"}, kinds)

        refused = k("patch", "deploy", "carts", "--type=merge", "-p",
                    '{"spec":{"template":{"spec":{"containers":null}}}}', expect=1)
        self.assertIn("spec.template.spec.containers: Required value", refused)
        bad = self.deployment("carts")
        del bad["spec"]["template"]["spec"]["containers"][0]["image"]
        (self.folder / "bad.json").write_text(json.dumps(bad))
        self.assertIn("containers[0].image: Required value", k("replace", "-f", str(self.folder / "bad.json"), expect=1))
        self.assertIn("not found", k("get", "deploy", "nosuch", expect=1))
        good = self.deployment("carts")
        (self.folder / "good.json").write_text(json.dumps(good))
        k("apply", "-f", str(self.folder / "good.json"))


class Api(harness.Case):
    def setUp(self):
        super().setUp()
        _, self.url = self.world("--seed", "7", "--speed", "0")

    def advance(self, seconds):
        now = harness.get_json(self.url + "/world/v1/state")["now"]
        at = int(harness.time.mktime(harness.time.strptime(now[:19], "%Y-%m-%dT%H:%M:%S"))) - harness.time.timezone
        status, _ = ask(self.url + "/world/v1/advance", "POST", {"until": (at + seconds) * 1000})
        self.assertEqual(status, 200)

    def test_preconditions_and_dry_runs(self):
        carts = self.url + DEPLOYMENTS + "/carts"
        scale = carts + "/scale"
        version = ask(scale)[1]["metadata"]["resourceVersion"]
        body = {"metadata": {"resourceVersion": version}, "spec": {"replicas": 2}}
        status, answer = ask(scale + "?dryRun=All", "PATCH", body, MERGE)
        self.assertEqual((status, answer["spec"]["replicas"]), (200, 2))
        self.assertEqual(ask(scale)[1]["spec"]["replicas"], 1)
        status, answer = ask(scale, "PATCH", body, MERGE, **{"X-Neuroshield-Key": "k1"})
        self.assertEqual((status, answer["spec"]["replicas"], answer["status"]["replicas"]), (200, 2, 1))
        status, answer = ask(scale, "PATCH", {**body, "spec": {"replicas": 3}}, MERGE)
        self.assertEqual((status, answer["reason"]), (409, "Conflict"))
        self.assertIn("the object has been modified", answer["message"])
        self.assertEqual(answer["details"], {"name": "carts", "group": "apps", "kind": "deployments"})
        status, answer = ask(scale, "PATCH", {"spec": {"replicas": -1}}, MERGE)
        self.assertEqual((status, answer["details"]["causes"][0]["field"]), (422, "spec.replicas"))
        self.assertEqual(answer["message"], 'Scale.autoscaling "carts" is invalid: spec.replicas: Invalid value: -1: '
                                            'must be greater than or equal to 0')

        now = ask(carts)[1]
        self.assertGreater(now["metadata"]["generation"], now["status"]["observedGeneration"])
        self.advance(120)
        version = ask(carts)[1]["metadata"]["resourceVersion"]
        guarded = [{"op": "test", "path": "/metadata/resourceVersion", "value": version},
                   {"op": "add", "path": "/spec/template/metadata/annotations", "value": {"neuroshield.io/key": "k2"}}]
        self.assertEqual(ask(carts, "PATCH", guarded, JSON_PATCH)[0], 200)
        status, answer = ask(carts, "PATCH", guarded, JSON_PATCH)  # the very same again
        self.assertEqual((status, answer["reason"], answer["details"]), (422, "Invalid", {}))
        restart = {"spec": {"template": {"metadata": {"annotations": {"neuroshield.io/key": "k2"}}}}}
        self.assertEqual(ask(carts, "PATCH", restart, STRATEGIC)[0], 200)  # same key, same template: no second rollout
        effects = harness.get_json(self.url + "/world/v1/effects")["items"]
        self.assertEqual([(e["kind"], e["key"]) for e in effects], [("scale", "k1"), ("restart", "k2")])

    def test_what_is_not_accepted(self):
        carts = self.url + DEPLOYMENTS + "/carts"
        rows = [(carts, "PATCH", {}, "text/plain", 415, "UnsupportedMediaType"),
                (carts, "PATCH", b"{", MERGE, 500, None),
                (carts, "PATCH", [{"op": "remove", "path": "/nosuch"}], JSON_PATCH, 422, "Invalid"),
                (carts, "PATCH", {"metadata": {"name": "other"}}, MERGE, 400, "BadRequest"),
                (carts, "PATCH", {"spec": {"selector": {"matchLabels": {"name": "x"}}}}, MERGE, 422, "Invalid"),
                (carts, "PATCH", {"spec": {"replicas": "two"}}, MERGE, 400, "BadRequest"),
                (carts, "DELETE", None, None, 405, "MethodNotAllowed"),
                (self.url + DEPLOYMENTS + "/nope/scale", "GET", None, None, 404, "NotFound"),
                (self.url + PODS + "/nope", "DELETE", None, None, 404, "NotFound"),
                (self.url + "/kubernetes/apis/apps/v1/nosuch", "GET", None, None, 404, "NotFound")]
        for url, method, body, kind, code, reason in rows:
            status, answer = ask(url, method, body, kind)
            self.assertEqual((status, answer.get("reason"), answer["kind"]), (code, reason, "Status"), (url, body, answer))
        status, text = ask(self.url + "/kubernetes/apis/metrics.k8s.io/v1beta1/nodes")
        self.assertEqual((status, text.strip()), (404, "404 page not found"))
        pod = ask(self.url + PODS)[1]["items"][0]
        status, answer = ask(f"{self.url}{PODS}/{pod['metadata']['name']}", "DELETE", {"preconditions": {"uid": "x"}})
        self.assertEqual((status, answer["reason"]), (409, "Conflict"))
        self.assertEqual(harness.get_json(self.url + "/world/v1/effects")["total"], 0)

    def test_pages_and_what_a_page_is_too_old_for(self):
        first = ask(self.url + DEPLOYMENTS + "?limit=5")[1]
        self.assertEqual(len(first["items"]), 5)
        self.assertNotIn("kind", first["items"][0])
        token = first["metadata"]["continue"]
        names = [i["metadata"]["name"] for i in first["items"]]
        second = ask(self.url + DEPLOYMENTS + "?limit=50&continue=" + token)[1]
        names += [i["metadata"]["name"] for i in second["items"]]
        self.assertEqual(len(set(names)), 14)
        ask(self.url + DEPLOYMENTS + "/carts/scale", "PATCH", {"spec": {"replicas": 2}}, MERGE)
        status, answer = ask(self.url + DEPLOYMENTS + "?limit=5&continue=" + token)
        self.assertEqual((status, answer["reason"]), (410, "Expired"))

    def test_a_watch_tells_what_happens_and_when_it_is_too_old(self):
        listed = ask(self.url + DEPLOYMENTS)[1]["metadata"]["resourceVersion"]
        watch = (f"{self.url}{DEPLOYMENTS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=1&"
                 f"fieldSelector=metadata.name%3Dcarts&resourceVersion=")
        ask(self.url + DEPLOYMENTS + "/carts/scale", "PATCH", {"spec": {"replicas": 2}}, MERGE)
        ask(self.url + DEPLOYMENTS + "/user/scale", "PATCH", {"spec": {"replicas": 2}}, MERGE)
        self.advance(5)
        events = [json.loads(line) for line in harness.get(watch + listed)[2].splitlines()]
        self.assertEqual({e["object"]["metadata"].get("name") for e in events[:-1]}, {"carts"})
        self.assertEqual([e["type"] for e in events[:-1]], ["MODIFIED"] * (len(events) - 1))
        self.assertEqual(events[-1]["type"], "BOOKMARK")
        newest = events[-1]["object"]["metadata"]["resourceVersion"]
        again = [json.loads(line) for line in harness.get(watch + newest)[2].splitlines()]
        self.assertEqual([e["type"] for e in again], ["BOOKMARK"])  # nothing twice
        fresh = [json.loads(line) for line in harness.get(watch + "0")[2].splitlines()]
        self.assertEqual([e["type"] for e in fresh], ["ADDED", "BOOKMARK"])
        ask(self.url + "/world/v1/faults", "POST", {"expire": 1})
        status, _, body = harness.get(watch + listed)
        error = json.loads(body)
        self.assertEqual((status, error["type"], error["object"]["code"], error["object"]["reason"]),
                         (200, "ERROR", 410, "Expired"))
        ask(self.url + "/world/v1/faults", "POST", {"throttle": 1})
        status, answer = ask(self.url + DEPLOYMENTS)
        self.assertEqual((status, answer["reason"], answer["details"]["retryAfterSeconds"]), (429, "TooManyRequests", 1))

    def test_faults_strike_the_cluster_too(self):
        scale = self.url + DEPLOYMENTS + "/carts/scale"
        ask(self.url + "/world/v1/faults", "POST", {"scale": {"lose_request": 1}})
        with self.assertRaises(OSError):
            ask(scale, "PATCH", {"spec": {"replicas": 2}}, MERGE)
        self.assertEqual(ask(scale)[1]["spec"]["replicas"], 1)
        ask(self.url + "/world/v1/faults", "POST", {"scale": {"drop_reply": 1}})
        with self.assertRaises(OSError):
            ask(scale, "PATCH", {"spec": {"replicas": 2}}, MERGE)
        self.assertEqual(ask(scale)[1]["spec"]["replicas"], 2)
        ask(self.url + "/world/v1/faults", "POST", {"scale": {"refuse": 1}})
        self.assertEqual(ask(scale, "PATCH", {"spec": {"replicas": 3}}, MERGE)[0], 500)

    def test_the_written_configuration_reaches_the_cluster(self):
        folder = self.folder / "config"
        self.world("--seed", "7", "--speed", "60", "--write-config", folder)
        done = subprocess.run([harness.PROGRAM, "collect", "--once", "--output", "rows.csv"], cwd=folder, text=True,
                              env=harness.CLEAN_ENV | {"HOME": str(folder)}, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        head, *rows = [line.split(",") for line in (folder / "rows.csv").read_text().splitlines()]
        self.assertEqual(len(rows), 8)
        for row in rows:
            self.assertEqual(row[head.index("kubernetes_replicas_available")], "1")
            self.assertEqual(row[head.index("kubernetes_nodes_ready")], "2")

    def test_a_closed_cluster_lets_its_role_in(self):
        _, url = self.world("--seed", "7", "--speed", "0", "--kubernetes-token", "sesame-open", "--write-config",
                            self.folder / "closed")
        self.assertIn("token: sesame-open", (self.folder / "closed" / "kubeconfig").read_text())
        self.assertEqual(ask(url + DEPLOYMENTS)[0], 401)
        self.assertEqual(ask(url + DEPLOYMENTS, Authorization="Bearer wrong-token")[1]["reason"], "Unauthorized")
        role = {"Authorization": "Bearer sesame-open"}
        self.assertEqual(ask(url + DEPLOYMENTS, **role)[0], 200)
        self.assertEqual(ask(url + DEPLOYMENTS + "/user/scale", "PATCH", {"spec": {"replicas": 2}}, MERGE, **role)[0], 200)
        status, answer = ask(url + DEPLOYMENTS + "/user", "DELETE", **role)
        self.assertEqual((status, answer["reason"]), (403, "Forbidden"))
        self.assertEqual(answer["message"], 'deployments.apps "user" is forbidden: User "neuroshield" cannot delete resource '
                                            '"deployments" in API group "apps" in the namespace "sock-shop"')
        status, answer = ask(url + "/kubernetes/api/v1/namespaces/default/pods", **role)
        self.assertEqual(answer["message"], 'pods is forbidden: User "neuroshield" cannot list resource "pods" in API group "" '
                                            'in the namespace "default"')
        review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                  "spec": {"resourceAttributes": {"namespace": NAMESPACE, "verb": "delete", "group": "apps",
                                                  "resource": "deployments"}}}
        status, answer = ask(url + "/kubernetes/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "POST", review,
                             "application/json", **role)
        self.assertEqual((status, answer["status"]["allowed"]), (201, False))
        for change, allowed in (({"verb": "patch"}, True), ({"verb": "patch", "group": "extensions"}, False),
                                ({"verb": "pat"}, False), ({"verb": "patch", "namespace": "default"}, False)):
            review["spec"]["resourceAttributes"].update({"group": "apps", "namespace": NAMESPACE} | change)
            answer = ask(url + "/kubernetes/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "POST", review,
                         "application/json", **role)[1]
            self.assertEqual(answer["status"]["allowed"], allowed, change)


if __name__ == "__main__":
    unittest.main()

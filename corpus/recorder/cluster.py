"""A small cluster for deploy jobs: the part of the Kubernetes API that kubectl needs, over pods that are real processes.

A deployment's pods run the project's own HTTP service. A controller starts, probes, restarts (with growing pauses) and replaces
them, so that `kubectl rollout status`, `get pods`, `describe` and `logs` tell of what really happened. A NodePort on 127.0.0.1
spreads requests over the ready pods.
"""
import copy
import datetime
import http.client
import http.server
import json
import os
import random
import re
import socketserver
import subprocess
import threading
import time

from sandbox import JENKINS_UID
from shell import children

NAMESPACE = "shop"


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def merge(into, change):
    """A strategic merge patch, as far as deployments need it: lists of named things merge by name."""
    for key, value in change.items():
        if key.startswith("$"):
            continue
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        elif isinstance(value, list) and key in ("containers", "env") and isinstance(into.get(key), list):
            for item in value:
                same = [old for old in into[key] if old.get("name") == item.get("name")]
                if same:
                    merge(same[0], item)
                elif "$patch" not in item:
                    into[key].append(item)
        elif value is None:
            into.pop(key, None)
        else:
            into[key] = copy.deepcopy(value)


class Pod:
    """One process of the service."""

    def __init__(self, name, template, revision, scripts, logs):
        self.name, self.template, self.revision, self.scripts = name, template, revision, scripts
        self.log = f"{logs}/{name}.log"
        self.port = random.randint(20000, 29000)
        self.restarts, self.ready, self.reason, self.exit_code, self.next_start = 0, False, "ContainerCreating", None, time.monotonic() + 0.2
        self.process, self.created = None, now()

    @property
    def container(self):
        return self.template["spec"]["containers"][0]

    def step(self, images):
        """One look of the kubelet: start, probe, restart."""
        tag = self.container["image"].rsplit(":", 1)[-1]
        if self.process is None:
            if time.monotonic() < self.next_start:
                return
            if tag not in images:
                self.reason = "ImagePullBackOff" if self.reason == "ErrImagePull" else "ErrImagePull"
                self.next_start = time.monotonic() + 1.5
                return
            env = {"PATH": "/usr/bin:/bin", "PORT": str(self.port), "VERSION": tag, "POD": self.name, "PYTHONUNBUFFERED": "1"}
            env.update({e["name"]: e.get("value", "") for e in self.container.get("env", [])})
            with open(self.log, "a", encoding="utf8") as log:
                self.process = subprocess.Popen(["/usr/bin/python3", f"{self.scripts}/service.py"], env=env, stdout=log, stderr=log, start_new_session=True, user=JENKINS_UID, group=JENKINS_UID, extra_groups=[])
            self.reason = "Running"
            return
        limit = self.container.get("resources", {}).get("limits", {}).get("memory")
        if limit and self.process.poll() is None:
            for pid, size in children(self.process.pid):
                if size > int(re.sub(r"\D", "", limit)) << 20:
                    os.kill(pid, 9)
        code = self.process.poll()
        if code is not None:
            self.exit_code = code if code >= 0 else 128 - code
            self.process, self.ready = None, False
            self.restarts += 1
            self.reason = "OOMKilled" if self.exit_code == 137 and limit else "CrashLoopBackOff" if self.restarts > 1 else "Error"
            self.next_start = time.monotonic() + min(0.4 * 2 ** self.restarts, 6)
            return
        self.ready = self.probe()

    def probe(self):
        path = self.container.get("readinessProbe", {}).get("httpGet", {}).get("path", "/health")
        try:
            link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=0.6)
            link.request("GET", path)
            return link.getresponse().status == 200
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()

    def as_object(self, deployment):
        waiting = self.reason if self.process is None else None
        state = {"waiting": {"reason": waiting, "message": f"back-off restarting failed container {self.container['name']}" if "Back" in str(waiting) else ""}} if waiting else {"running": {"startedAt": self.created}}
        status = {"name": self.container["name"], "ready": self.ready, "restartCount": self.restarts, "image": self.container["image"], "imageID": "", "state": state}
        if self.exit_code is not None:
            status["lastState"] = {"terminated": {"exitCode": self.exit_code, "reason": "OOMKilled" if self.exit_code == 137 else "Error", "startedAt": self.created, "finishedAt": now()}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": self.name, "namespace": NAMESPACE, "labels": self.template["metadata"]["labels"], "creationTimestamp": self.created, "uid": self.name},
                "spec": {"nodeName": "node-1", "containers": self.template["spec"]["containers"]},
                "status": {"phase": "Running" if self.process else "Pending", "podIP": "10.42.0." + str(self.port % 250), "hostIP": "10.0.0.4", "startTime": self.created, "containerStatuses": [status],
                           "conditions": [{"type": "Ready", "status": "True" if self.ready else "False"}]}}


class Cluster:
    """One namespace with one deployment; the API on 127.0.0.1:6443 as host cluster.example.org."""

    def __init__(self, scripts, logs):
        self.scripts, self.logs = scripts, logs
        self.deployment, self.pods, self.images, self.revision, self.version = None, [], set(), 0, 1000
        self.forbidden, self.events, self.lock, self.progress_at, self.failing = False, [], threading.RLock(), 0.0, False
        self.stopped = False
        os.makedirs(logs, exist_ok=True)
        os.chmod(logs, 0o777)
        self.api = Server(("127.0.0.1", 6443), Api)
        self.api.house = self
        self.front = Server(("127.0.0.1", 30080), Front)
        self.front.house = self
        for work in (self.api.serve_forever, self.front.serve_forever, self.control):
            threading.Thread(target=work, daemon=True).start()

    def close(self):
        self.stopped = True
        for server in (self.api, self.front):
            server.shutdown()
            server.server_close()
        for pod in self.pods:
            pod.stop()

    def put(self, body, patch):
        with self.lock:
            if patch and self.deployment:
                before = json.dumps(self.deployment["spec"]["template"], sort_keys=True)
                merge(self.deployment, body)
            else:
                before, self.deployment = "", body
                body["metadata"].update({"namespace": NAMESPACE, "uid": "0d5d0f1e", "creationTimestamp": now(), "generation": 0})
                body.setdefault("status", {})
            if json.dumps(self.deployment["spec"]["template"], sort_keys=True) != before:
                self.revision += 1
                self.progress_at, self.failing = time.monotonic(), False
            self.deployment["metadata"]["generation"] += 1
            self.touch()
            return self.deployment

    def touch(self):
        self.version += 1
        self.deployment["metadata"]["resourceVersion"] = str(self.version)

    def control(self):
        while not self.stopped:
            time.sleep(0.15)
            with self.lock:
                if self.deployment:
                    self.reconcile()

    def reconcile(self):
        spec, wanted = self.deployment["spec"], self.deployment["spec"].get("replicas", 2)
        for pod in self.pods:
            pod.step(self.images)
        new = [p for p in self.pods if p.revision == self.revision]
        old = [p for p in self.pods if p.revision != self.revision]
        ready_new = [p for p in new if p.ready]
        if len(new) < wanted and len(new) + len(old) < wanted + 1:
            name = f"{self.deployment['metadata']['name']}-{self.revision * 7919 % 0xfffff:05x}{random.randrange(0xffff):04x}-{''.join(random.choice('bcdfghjklmnpqrstvwxz2456789') for _ in range(5))}"
            self.pods.append(Pod(name, copy.deepcopy(spec["template"]), self.revision, self.scripts, self.logs))
        elif old and len(ready_new) + len(old) > wanted:
            old[0].stop()
            self.pods.remove(old[0])
            self.progress_at = time.monotonic()
        if len(ready_new) != self.deployment["status"].get("readyNew"):
            self.progress_at = time.monotonic()
        if len(ready_new) < wanted and time.monotonic() - self.progress_at > spec.get("progressDeadlineSeconds", 600):
            self.failing = True
        ready = sum(p.ready for p in self.pods)
        status = {"observedGeneration": self.deployment["metadata"]["generation"], "replicas": len(self.pods), "updatedReplicas": len(new), "readyReplicas": ready, "availableReplicas": ready, "readyNew": len(ready_new),
                  "unavailableReplicas": max(0, wanted - ready),
                  "conditions": [{"type": "Available", "status": "True" if ready >= wanted - 1 else "False", "reason": "MinimumReplicasAvailable" if ready >= wanted - 1 else "MinimumReplicasUnavailable"},
                                 {"type": "Progressing", "status": "False" if self.failing else "True", "reason": "ProgressDeadlineExceeded" if self.failing else "ReplicaSetUpdated" if len(ready_new) < wanted else "NewReplicaSetAvailable",
                                  "message": f"ReplicaSet \"{self.deployment['metadata']['name']}\" " + ("has timed out progressing." if self.failing else "is progressing.")}]}
        if status != self.deployment["status"]:
            self.deployment["status"] = status
            self.touch()


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass


class Front(http.server.BaseHTTPRequestHandler):
    """The NodePort: hands each request to a ready pod."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        pods = [p for p in self.server.house.pods if p.ready] or self.server.house.pods
        try:
            pod = random.choice(pods)
            link = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=5)
            link.request("GET", self.path)
            answer = link.getresponse()
            code, body = answer.status, answer.read()
        except (OSError, IndexError):
            code, body = 503, b"upstream connect error or disconnect/reset before headers\n"
        try:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass


def resources(group, rows):
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": [
        {"name": n, "singularName": n[:-1], "namespaced": True, "kind": k, "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"], "shortNames": s} for n, k, s in rows]}


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, body, code=200, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, code, reason, message):
        self.say({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code}, code)

    def body(self):
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")

    def pod_table(self, pods, deployment):
        rows = [{"cells": [p.name, f"{int(p.ready)}/1", p.reason if p.process is None else "Running", p.restarts, "9s"], "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": p.name, "namespace": NAMESPACE}}} for p in pods]
        columns = [{"name": n, "type": t, "format": "name" if n == "Name" else "", "description": "", "priority": 0} for n, t in (("Name", "string"), ("Ready", "string"), ("Status", "string"), ("Restarts", "integer"), ("Age", "string"))]
        return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "1"}, "columnDefinitions": columns, "rows": rows}

    def do_GET(self):
        path, house = self.path.split("?")[0].rstrip("/"), self.server.house
        plain = {"/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.4"}, "/api": {"kind": "APIVersions", "versions": ["v1"]},
                 "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [{"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}], "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"}}]},
                 "/api/v1": resources("v1", (("pods", "Pod", ["po"]), ("events", "Event", ["ev"]), ("services", "Service", ["svc"]))), "/apis/apps/v1": resources("apps/v1", (("deployments", "Deployment", ["deploy"]), ("replicasets", "ReplicaSet", ["rs"])))}
        if path in plain:
            return self.say(plain[path])
        if house.forbidden:
            return self.refuse(403, "Forbidden", f'deployments.apps "{house.forbidden}" is forbidden: User "system:serviceaccount:ci:deployer" cannot get resource "deployments" in API group "apps" in the namespace "{NAMESPACE}"')
        base = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
        if path == base:
            return self.watch() if "watch=" in self.path else self.say({"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {"resourceVersion": str(house.version)}, "items": [house.deployment] if house.deployment else []})
        if path.startswith(base + "/"):
            name = path[len(base) + 1:]
            if house.deployment and house.deployment["metadata"]["name"] == name:
                return self.say(house.deployment)
            return self.refuse(404, "NotFound", f'deployments.apps "{name}" not found')
        pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
        if path == pods:
            if "as=Table" in self.headers.get("Accept", ""):
                return self.say(self.pod_table(house.pods, house.deployment))
            return self.say({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [p.as_object(house.deployment) for p in house.pods]})
        if path.startswith(pods + "/"):
            name, _, rest = path[len(pods) + 1:].partition("/")
            for pod in house.pods:
                if pod.name == name:
                    if rest == "log":
                        with open(pod.log, "rb") as handle:
                            return self.say(handle.read()[-6000:], kind="text/plain")
                    return self.say(pod.as_object(house.deployment))
            return self.refuse(404, "NotFound", f'pods "{name}" not found')
        if path.endswith(("/events", "/replicasets")):
            return self.say({"kind": "EventList" if path.endswith("events") else "ReplicaSetList", "apiVersion": "v1" if path.endswith("events") else "apps/v1", "metadata": {}, "items": []})
        return self.refuse(404, "NotFound", "the server could not find the requested resource")

    def watch(self):
        house = self.server.house
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        seen, until = None, time.monotonic() + 60
        while time.monotonic() < until and not house.stopped:
            if house.version != seen and house.deployment:
                with house.lock:
                    seen, data = house.version, json.dumps({"type": "MODIFIED", "object": house.deployment}).encode()
                try:
                    self.wfile.write(data + b"\n")
                    self.wfile.flush()
                except OSError:
                    return
            time.sleep(0.1)

    def change(self, patch):
        house, body = self.server.house, self.body()
        if house.forbidden:
            return self.refuse(403, "Forbidden", f'deployments.apps is forbidden: User "system:serviceaccount:ci:deployer" cannot {"patch" if patch else "create"} resource "deployments" in API group "apps" in the namespace "{NAMESPACE}"')
        return self.say(house.put(body, patch), 200 if patch else 201)

    def do_POST(self):
        self.change(False)

    def do_PATCH(self):
        self.change(True)

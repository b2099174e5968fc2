"""A real Kubernetes API for tests: etcd, kube-apiserver and kube-controller-manager on loopback, and a loop that plays
kubelet. The binaries are found in the folder that NS_TEST_KUBE_APISERVER names (etcd there or on the PATH); without it
the tests that need them are skipped. How they may be built: tests/integration/README.md."""
import base64
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

from harness import free_port, wait_for

FOLDER = os.environ.get("NS_TEST_KUBE_APISERVER", "")
TOKENS = {"admin-token": ("admin", "system:masters"), "robot-token": ("robot", "robots"),
          "reader-token": ("reader", "readers"), "nobody-token": ("nobody", "nobodies")}


def find(program):
    path = os.path.join(FOLDER, program)
    return path if FOLDER and os.access(path, os.X_OK) else shutil.which(program)


def need_kubernetes():
    missing = [p for p in ("kube-apiserver", "kube-controller-manager", "etcd", "openssl") if not find(p)]
    if not FOLDER or missing:
        raise unittest.SkipTest("no real Kubernetes API: NS_TEST_KUBE_APISERVER names no folder with "
                                f"{', '.join(missing) or 'its binaries'}")


class Kube:
    """One control plane. `api` speaks to it as the administrator."""

    def __init__(self):
        need_kubernetes()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ns-kube-"))
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.processes = {}
        self.kubelet = None
        try:
            self._certificates()
            self._start_all()
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return str(self.folder / name)

    # ---- certificates and credentials

    def _openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def _certificate(self, name, subject, names=""):
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                      subject)
        more = ["-extfile", f"{name}.ext"] if names else []
        if names:
            (self.folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "2", "-out", f"{name}.crt", *more)

    def _certificates(self):
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days",
                      "2", "-subj", "/CN=test-ca")
        self._certificate("server", "/CN=kube-apiserver", "IP:127.0.0.1,DNS:localhost,DNS:api.example")
        self._certificate("admin", "/O=system:masters/CN=admin")
        self._openssl("genrsa", "-out", "sa.key", "2048")
        (self.folder / "tokens.csv").write_text(
            "".join(f'{token},{user},{user},"{group}"\n' for token, (user, group) in TOKENS.items()))
        self.tls = ssl.create_default_context(cafile=self.path("ca.crt"))
        self.kubeconfig("admin", {"client-certificate": "admin.crt", "client-key": "admin.key"})

    def data(self, name):
        return base64.b64encode((self.folder / name).read_bytes()).decode()

    def kubeconfig(self, name, user, cluster=None):
        """Writes a kubeconfig whose user is as given, and returns its path."""
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "test",
                  "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority": "ca.crt",
                                                            **(cluster or {})}}],
                  "users": [{"name": name, "user": user}],
                  "contexts": [{"name": "test", "context": {"cluster": "test", "user": name,
                                                            "namespace": "sock-shop"}}]}
        (self.folder / f"{name}.kubeconfig").write_text(json.dumps(config))
        return self.path(f"{name}.kubeconfig")

    # ---- programs

    def _run(self, name, *words):
        log = open(self.folder / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen([find(name), *words], cwd=self.folder, stdin=subprocess.DEVNULL,
                                                stdout=log, stderr=log)
        log.close()

    def _stop(self, name):
        process = self.processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start_all(self):
        etcd, peer = free_port(), free_port()
        self.etcd = f"http://127.0.0.1:{etcd}"
        self._run("etcd", "--data-dir", self.path("etcd-data"), "--listen-client-urls", self.etcd,
                  "--advertise-client-urls", self.etcd, "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                  "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}", "--initial-cluster",
                  f"default=http://127.0.0.1:{peer}")
        self.start_api()
        self._run("kube-controller-manager", "--kubeconfig", self.path("admin.kubeconfig"), "--leader-elect=false",
                  "--controllers=deployment-controller,replicaset-controller,namespace-controller,"
                  "garbage-collector-controller", "--secure-port", str(free_port()), "--bind-address=127.0.0.1")
        self.kubelet = Kubelet(self)

    def start_api(self):
        self._run("kube-apiserver", "--etcd-servers", self.etcd, "--secure-port", str(self.port),
                  "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--tls-cert-file=server.crt",
                  "--tls-private-key-file=server.key", "--client-ca-file=ca.crt", "--token-auth-file=tokens.csv",
                  "--authorization-mode=RBAC", "--service-account-key-file=sa.key",
                  "--service-account-signing-key-file=sa.key", f"--service-account-issuer={self.url}",
                  "--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount",
                  "--cert-dir", self.path("apiserver-certs"))
        wait_for(self._ready, 120, "the API server to be ready")

    def stop_api(self):
        self._stop("kube-apiserver")

    def _ready(self):
        if self.processes["kube-apiserver"].poll() is not None:
            raise AssertionError("kube-apiserver ended: " + (self.folder / "kube-apiserver.log").read_text()[-2000:])
        try:
            return self.call("GET", "/readyz", token="admin-token")[0] == 200
        except OSError:
            return False

    def close(self):
        if self.kubelet is not None:
            self.kubelet.stop()
        for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
            self._stop(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the API

    def call(self, method, path, body=None, content_type="application/json", token="admin-token"):
        """(code, parsed answer or text)"""
        request = urllib.request.Request(self.url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": f"Bearer {token}", "Content-Type": content_type,
                                                  "Accept": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.tls) as answer:
                code, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            code, text = error.code, error.read()
        try:
            return code, json.loads(text)
        except ValueError:
            return code, text.decode(errors="replace")

    def api(self, method, path, body=None, content_type="application/json"):
        code, answer = self.call(method, path, body, content_type)
        if code >= 300:
            raise AssertionError(f"{method} {path}: {code} {str(answer)[:500]}")
        return answer

    def merge(self, path, body):
        return self.api("PATCH", path, body, "application/merge-patch+json")


class Kubelet:
    """Lets every pod of the namespace run; an image named bad cannot be pulled, one named crash ends at once, one named
    hungry is killed for memory."""

    def __init__(self, kube):
        self.kube = kube
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    def stop(self):
        self.done.set()
        self.thread.join(30)

    @staticmethod
    def status(pod):
        container = pod["spec"]["containers"][0]
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        image, ready, last = container["image"], True, {}
        state = {"running": {"startedAt": now}}
        if "bad" in image:
            ready, state = False, {"waiting": {"reason": "ImagePullBackOff", "message": f"Back-off pulling {image}"}}
        elif "crash" in image:
            ready, state = False, {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting"}}
        elif "hungry" in image:
            last = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": now, "finishedAt": now,
                                   "containerID": "x://1"}}
        answer = "True" if ready else "False"
        return {"phase": "Pending" if "bad" in image else "Running",
                "conditions": [{"type": kind, "status": "True" if kind == "PodScheduled" else answer,
                                "lastTransitionTime": now} for kind in
                               ("PodScheduled", "Initialized", "ContainersReady", "Ready")],
                "containerStatuses": [{"name": container["name"], "image": image, "imageID": "", "ready": ready,
                                       "restartCount": 0 if ready and not last else 3, "state": state,
                                       "lastState": last}]}

    def _once(self):
        pods = self.kube.api("GET", "/api/v1/namespaces/sock-shop/pods")
        for pod in pods.get("items") or []:
            if not pod.get("status", {}).get("containerStatuses"):
                self.kube.merge(f"/api/v1/namespaces/sock-shop/pods/{pod['metadata']['name']}/status",
                                {"status": self.status(pod)})

    def _loop(self):
        while not self.done.wait(0.1):
            try:
                self._once()
            except (OSError, AssertionError):
                pass  # the server is away on purpose, or a pod has gone meanwhile

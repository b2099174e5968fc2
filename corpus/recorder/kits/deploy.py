"""Deploy jobs: kubectl against a small cluster whose pods are real processes; rollouts that crash, stall, answer errors or buckle."""
import os

from cluster import NAMESPACE, Cluster
from kits.base import Fault, Kit, Stage, without
import common

SERVICE = '''import http.server
import json
import os
import socketserver
import sys
import threading
import time

VERSION, MODE = os.environ["VERSION"], os.environ.get("MODE", "ok")
WORKERS = threading.Semaphore(int(os.environ.get("WORKERS", "8")))
TABLE = {table}


def log(level, text):
    print({log}, flush=True)


def boot():
    log("INFO", "{name} " + VERSION + " starting")
    for step in ("config", "schema", "cache", "routes"):
        log("INFO", "loading " + step)
{boot}
    time.sleep(float(os.environ.get("WARM_UP", "0.3")))


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        code, body = 200, {{"status": "up", "version": VERSION}}
        if self.path.startswith("/{thing}"):
            if not WORKERS.acquire(timeout=0.4):
                log("WARN", "request queue is full, {thing} refused")
                code, body = 503, {{"error": "overloaded"}}
            else:
                time.sleep(float(os.environ.get("WORK", "0.01")))
                WORKERS.release()
                try:
                    body = self.lookup()
                except Exception as broken:
                    log("ERROR", "GET %s: %s: %s" % (self.path, type(broken).__name__, broken))
                    code, body = 500, {{"error": str(broken)}}
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def lookup(self):
        key = int(self.path.rsplit("/", 1)[-1])
{lookup}
        return {{"{thing}": key, "value": TABLE[key % len(TABLE)]}}


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64


boot()
log("INFO", "listening on " + os.environ["PORT"])
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
'''

MANIFEST = '''apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {namespace}
spec:
  replicas: {replicas}
  progressDeadlineSeconds: {deadline}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
      containers:
        - name: {name}
          image: {image}
          env:
            - name: WARM_UP
              value: "0.3"
            - name: WORKERS
              value: "8"
            - name: WORK
              value: "0.01"
            - name: MODE
              value: "ok"
          readinessProbe:
            httpGet:
              path: /health
              port: 8080
{limits}'''

LOAD = '''import concurrent.futures
import sys
import time
import urllib.error
import urllib.request

requests, parallel, limit = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
spent, codes = [], {{}}


def one(n):
    began = time.monotonic()
    try:
        with urllib.request.urlopen("http://127.0.0.1:30080/{thing}/%d" % n, timeout=4) as answer:
            code = answer.status
    except urllib.error.HTTPError as broken:
        code = broken.code
    except OSError as broken:
        code = type(broken).__name__
    return code, time.monotonic() - began


with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
    for done, (code, seconds) in enumerate(pool.map(one, range(requests)), 1):
        spent.append(seconds)
        codes[code] = codes.get(code, 0) + 1
        if done % max(1, requests // {lines}) == 0:
            print("%4d requests, mean %.0f ms, codes %s" % (done, 1000 * sum(spent) / len(spent), codes), flush=True)
spent.sort()
p95, bad = spent[int(0.95 * len(spent))], sum(n for c, n in codes.items() if c != 200)
print("p50 %.0f ms, p95 %.0f ms, %d of %d requests not answered with 200" % (1000 * spent[len(spent) // 2], 1000 * p95, bad, requests))
if p95 > limit or bad > requests * 0.02:
    print("{verdict}" % (1000 * p95, 1000 * limit, 100.0 * bad / requests))
    sys.exit(1)
'''
VERDICTS = ("load check: p95 %.0f ms exceeds %.0f ms or errors (%.1f %%) exceed 2 %%", "SLO violated: latency %.0f ms (objective %.0f ms), error share %.1f %%", "gate closed: p95=%.0fms limit=%.0fms errors=%.1f%%", "the service does not bear the traffic: p95 %.0f ms > %.0f ms, %.1f %% failed")
LOGS = ('time.strftime("%H:%M:%S ") + level + " " + text', 'json.dumps({{"level": level.lower(), "msg": text}})', '"level=" + level.lower() + " msg=\\"" + text + "\\""', '"[" + level + "] {name}: " + text')


class Deploy(Kit):
    tool, test = "kubectl", "smoke"
    never_skipped = ("Deploy",)
    survivors = ("git_retry", "first_poll_fails", "old_pod_errors", "dry_run_warns", "metrics_missing", "restart_once")

    def faults(self):
        table = super().faults()
        table.pop("no_more_processes", None)
        return table

    def create(self, job):
        rng, spec = job.rng, job.spec
        thing = rng.choice(spec.nouns)
        names = {"name": spec.name.replace("-deploy", ""), "thing": thing, "log": rng.choice(LOGS)}
        names["log"] = names["log"].replace("{{", "{").replace("}}", "}").replace("{name}", names["name"])
        self.names = names
        job.names = names
        self.service(job)
        self.manifest(job)
        job.write("checks/load.py", LOAD.format(thing=thing, lines=spec.options.get("lines", 12), verdict=rng.choice(VERDICTS)))
        job.write("checks/smoke.sh", f"set -e\nfor key in {' '.join(str(rng.randint(1, 99)) for _ in range(spec.options.get('smoke', 12)))}; do\n  printf 'GET /{thing}/%s ' $key\n  curl -fsS -m 3 http://127.0.0.1:30080/{thing}/$key\n  echo\ndone\n")
        job.write("VERSION", "1.0.0\n")
        job.commit("Initial import")

    def service(self, job, boot="", lookup="", table="list(range(1, 40))"):
        pad = lambda text, n: "".join(" " * n + line + "\n" for line in text.split("\n") if line) or " " * n + "pass\n"
        job.write("service.py", SERVICE.format(boot=pad(boot, 4), lookup=pad(lookup, 8), table=table, **job.names))

    def manifest(self, job, **changes):
        spec = job.spec
        version = job.read("VERSION").strip() if os.path.exists(job.path("VERSION")) else "1.0.0"
        values = {"name": job.names["name"], "namespace": NAMESPACE, "replicas": spec.options.get("replicas", 2), "deadline": spec.options.get("deadline", 5), "image": f"registry.example.com/{job.names['name']}:{version}", "limits": ""}
        values.update(changes)
        job.write("k8s/deployment.yaml", MANIFEST.format(**values))

    def evolve(self, job, number, rng):
        message = super().evolve(job, number, rng)
        self.service(job)
        self.manifest(job)
        return message

    def cluster(self, b):
        """The job's cluster: kept from build to build, as a real one would."""
        job = b.job
        if not hasattr(job, "cluster"):
            job.cluster = Cluster(job.source, f"{job.own}/pods")
        job.cluster.images.add(job.read("VERSION").strip())
        b.put("/home/jenkins/.kube/config", "apiVersion: v1\nkind: Config\ncurrent-context: prod\nclusters:\n- name: prod\n  cluster:\n    server: http://cluster.example.org:6443\ncontexts:\n- name: prod\n  context:\n    cluster: prod\n    user: deployer\n    namespace: shop\nusers:\n- name: deployer\n  user:\n    token: example-token\n")
        return job.cluster

    def stages(self, b):
        o, job = b.job.spec.options, b.job
        self.cluster(b)
        name, thing = job.names["name"], job.names["thing"]
        b.env["PATH"] = "/usr/lib/google-cloud-sdk/bin:" + b.env["PATH"]
        kubectl = "kubectl"

        def render(b):
            script = ["kubectl version --client", "cat k8s/deployment.yaml" if o.get("show", True) else "grep -n image k8s/deployment.yaml"]
            if "metrics_missing" in b.survivors:
                script.append("kubectl top pods -n shop || echo 'metrics are not available in this cluster'")
            if "dry_run_warns" in b.survivors:
                script.append("kubectl get deployment/" + name + "-canary -n shop || true")
            b.sh("\n".join(script), "render")

        def deploy(b):
            b.sh(f"{kubectl} apply --validate=false -f k8s/deployment.yaml", "apply")
            with b.timeout(o.get("minutes", 5)):
                b.sh(f"{kubectl} rollout status deployment/{name} -n shop --timeout={o.get('wait', 25)}s", "rollout")

        def smoke(b):
            script = []
            if "first_poll_fails" in b.survivors:
                script.append("curl -fsS -m 1 http://127.0.0.1:30081/ready || sleep 0.2\ncurl -fsS -m 1 http://127.0.0.1:30080/health")
            if "old_pod_errors" in b.survivors:
                script.append(f"curl -sS http://127.0.0.1:30080/{thing}/not-a-number || true\n{kubectl} logs deployment/{name} -n shop --tail=5 || true")
            b.sh("\n".join(script + ["sh checks/smoke.sh"]), "smoke")

        def load(b):
            b.sh(f"python3 checks/load.py {o.get('requests', 160)} {o.get('parallel_requests', 6)} {o.get('limit', 0.6)}", "load")

        return [Stage("Render", render), Stage("Deploy", deploy), Stage("Smoke", smoke), Stage(o.get("load_name", "Load check"), load)]

    def post(self, b):
        name = b.job.names["name"]
        steps = [lambda b: b.sh(f"kubectl get pods -n shop\nkubectl logs -n shop -l app={name} --tail={b.job.spec.options.get('tail', 8)} --prefix || true", allow=True)]
        if b.job.spec.options.get("describe", True):
            steps.append(lambda b: b.sh(f"kubectl describe deployment {name} -n shop | head -n 40", allow=True))
        if b.fault and b.fault.cause in ("bad_release", "overload", "timeout", "out_of_memory"):
            b.undo.append(lambda: self.back(b.job))
        return steps + common.post_steps(b)

    def back(self, job):
        """The release is taken back, outside of the log, so that the next build finds a healthy service."""
        cluster = job.cluster
        with cluster.lock:
            for pod in cluster.pods:
                pod.stop()
            cluster.pods, cluster.deployment = [], None

    # --- faults ---
    def fault_crash_loop(self, b):
        boot = b.rng.choice((
            'raise RuntimeError("migration 0042 has not been applied to the database")', 'log("FATAL", "missing column rates.valid_until")\nsys.exit(3)', 'TABLE["broken"]', 'import yaml_settings', 'open("/etc/service/settings.json").read()',
            'log("ERROR", "panic: nil cache")\nos.abort()', 'raise ConnectionError("cannot reach the message broker at broker:5672")', 'assert len(TABLE) > 100, "price table is truncated"'))
        return Fault("crash_loop", "bad_release", "rollout", r"exceeded its progress deadline|CrashLoop|Error|timed out", edit=lambda job: self.service(job, boot=boot))

    def fault_bad_answers(self, b):
        lookup, boot = b.rng.choice((('if key % 3 == 0:\n    raise KeyError("rate of %d" % key)', ""), ('raise ZeroDivisionError("division by zero in rebate")', ""), ('if key > 20:\n    raise TimeoutError("statement timeout")', ""), ('return {"value": TABLE[key * 40]}', "")))
        return Fault("bad_answers", "bad_release", "smoke", r"error: 500|returned error|\(22\)|ERROR", edit=lambda job: self.service(job, boot=boot, lookup=lookup))

    def fault_bad_health(self, b):
        return Fault("bad_answers", "bad_release", "rollout", r"exceeded its progress deadline|timed out", edit=lambda job: job.replace("service.py", 'code, body = 200, {"status": "up", "version": VERSION}', 'code, body = 500, {"status": "down", "reason": "schema version mismatch"}'))

    def fault_bad_image(self, b):
        return Fault("bad_image", "bad_release", "rollout", r"exceeded its progress deadline|timed out|ErrImage", edit=lambda job: self.manifest(job, image=f"registry.example.com/{job.names['name']}:{job.read('VERSION').strip()}-rc{b.number}"))

    def fault_rollout_stuck(self, b):
        def edit(job):
            self.manifest(job, deadline=60)
            job.replace("k8s/deployment.yaml", 'value: "0.3"', 'value: "90"')
        fault = Fault("rollout_stuck", "timeout", "rollout", r"timed out|Cancelling nested", edit=edit)
        return fault

    def fault_overload(self, b):
        def edit(job):
            job.replace("k8s/deployment.yaml", 'name: WORKERS\n              value: "8"', 'name: WORKERS\n              value: "1"')
            job.replace("k8s/deployment.yaml", 'name: WORK\n              value: "0.01"', 'name: WORK\n              value: "0.2"')

        def traffic(job):
            job.write("checks/load.py", job.read("checks/load.py").replace("int(sys.argv[2])", "24"))
            edit(job)
        return Fault("overload", "overload", "load", r"503|exceeds|violated|gate closed|does not bear", edit=traffic)

    def fault_oom_pod(self, b):
        def edit(job):
            self.service(job, boot="hoard = []\nfor n in range(60):\n    hoard.append(b'x' * (4 << 20))\n    time.sleep(0.02)")
            self.manifest(job, limits="          resources:\n            limits:\n              memory: 64Mi\n")
        return Fault("oom_pod", "out_of_memory", "rollout", r"exceeded its progress deadline|OOMKilled|timed out", edit=edit)

    def fault_forbidden(self, b):
        def arm(b):
            b.job.cluster.forbidden = b.job.names["name"]
            b.undo.append(lambda: setattr(b.job.cluster, "forbidden", False))
        return Fault("forbidden", "config", "apply", r"orbidden", arm=arm)

    def fault_kubeconfig(self, b):
        text = b.rng.choice(("apiVersion: v1\nkind: Config\n", "apiVersion: v1\nclusters: [", "apiVersion: v1\nkind: Config\ncurrent-context: staging\n"))
        return Fault("kubeconfig", "config", "apply", r"(?i)error|refused", arm=lambda b: b.put("/home/jenkins/.kube/config", text))

    def fault_api_down(self, b):
        def arm(b):
            common.sandbox.host_known("cluster.example.org", False)
            b.undo.append(lambda: common.sandbox.host_known("cluster.example.org", True))
        return Fault("api_unreachable", "registry_outage", "apply", r"no such host|Unable to connect|dial tcp|lookup", arm=arm)

    def fault_manifest(self, b):
        old, new = b.rng.choice((("kind: Deployment", "kind Deployment"), ("apps/v1", "apps/v9")))
        return Fault("manifest", "config", "apply", r"(?i)error|no matches", edit=lambda job: job.replace("k8s/deployment.yaml", old, new))

    def fault_missing_tool(self, b):
        def arm(b):
            b.env["PATH"] = b.env["PATH"].replace("/usr/lib/google-cloud-sdk/bin:", "")
            without(b, "kubectl")
        return Fault("missing_tool", "config", "render", r"not found", arm=arm)

    def fault_hang(self, b):
        return Fault("hang", "timeout", "smoke", r"Cancelling nested|Build timed out|timed out|\(28\)", edit=lambda job: job.replace("service.py", "        key = int(", "        time.sleep(60)\n        key = int("))

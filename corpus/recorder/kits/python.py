"""Python projects: a package with parametrised tests, pip, flake8, pytest or unittest."""
import os

from build import wipe
from kits.base import Fault, Kit, Stage, Trouble, numbers, pascal, without
import common

MODULE = '''"""{title}: {mod}."""
import logging

LOG = logging.getLogger("{package}.{mod}")
FACTOR = {factor}
LIMITS = ({low}, {high})


class {cls}Error(ValueError):
    """Raised for a {noun} nobody can use."""


def {mod}_total(amounts):
    """Weighted sum of the amounts of one {noun}."""
    total = 0
    for position, amount in enumerate(amounts, start=1):
        total += amount * FACTOR + position
    LOG.info("{noun} with %d entries totals %d", len(amounts), total)
    return total


def {mod}_grade(value):
    """Where a value stands between the limits."""
    if value < 0:
        LOG.error("rejecting {noun}: negative value %s", value)
        raise {cls}Error(f"{noun} must not be negative: {{value}}")
    if value < LIMITS[0]:
        return "low"
    return "high" if value > LIMITS[1] else "normal"


def {mod}_parse(text):
    """Reads 'a=1;b=2' into a mapping."""
    found = {{}}
    for part in text.split(";"):
        key, _, value = part.partition("=")
        if not value:
            LOG.warning("could not parse field %r of {noun}, skipped", part)
            continue
        found[key.strip()] = int(value)
    return found
'''

TEST = '''import pytest

from {package} import {mod}


@pytest.mark.parametrize("amounts, expected", [
{cases}])
def test_{mod}_total(amounts, expected):
    assert {mod}.{mod}_total(amounts) == expected


@pytest.mark.parametrize("value", {values})
def test_{mod}_grade_is_known(value):
    assert {mod}.{mod}_grade(value) in ("low", "normal", "high")


def test_{mod}_rejects_negative():
    with pytest.raises({mod}.{cls}Error):
        {mod}.{mod}_grade(-1)


def test_{mod}_parse_skips_broken_fields():
    assert {mod}.{mod}_parse("a=1;oops;b=2") == {{"a": 1, "b": 2}}
'''

UNITTEST = '''import unittest

from {package} import {mod}


class {cls}Test(unittest.TestCase):
{cases}
    def test_rejects_negative(self):
        with self.assertRaises({mod}.{cls}Error):
            {mod}.{mod}_grade(-1)

    def test_parse_skips_broken_fields(self):
        self.assertEqual({mod}.{mod}_parse("a=1;oops;b=2"), {{"a": 1, "b": 2}})


if __name__ == "__main__":
    unittest.main()
'''

SERVE = '''import http.server
import os
import time


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{\\"status\\": \\"up\\"}\\n")


time.sleep(float(os.environ.get("WARM_UP", "0.7")))
server = http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Health)
print("listening on", os.environ["PORT"], flush=True)
server.serve_forever()
'''

SYNTAX = (
    ("def {mod}_total(amounts):", "def {mod}_total(amounts)"),
    ("    for position, amount in enumerate(amounts, start=1):", "    for position, amount in enumerate(amounts, start=1:"),
    ("    total = 0\n", "  total = 0\n"),
    ('        return "low"\n', '        return "low\n'),
    ("    found = {{}}\n", "    found = {{]\n"),
)


class Python(Kit):
    tool, registry_kind = "python", "pypi"
    survivors = ("lint_allowed", "rerun_passes", "registry_hiccup", "resolver_complains", "git_retry", "xfail", "cache_miss", "health")

    def create(self, job):
        rng, spec = job.rng, job.spec
        package = spec.package
        job.write(f"src/{package}/__init__.py", f'"""{spec.title}."""\n')
        job.write("requirements.txt", "\n".join(spec.options.get("requires", ["click", "requests"]) + ["pytest", "pytest-timeout", "pytest-rerunfailures", "flake8"]) + "\n")
        job.write("setup.cfg", "[flake8]\nmax-line-length = 130\n[tool:pytest]\npythonpath = src\ntestpaths = tests\nmarkers =\n    slow: takes long\n")
        job.write(".gitignore", ".venv\n__pycache__\n*.log\nbuild\n*.xml\n")
        job.write("scripts/serve.py", SERVE)
        job.write("scripts/serve.sh", "exec python3 -u scripts/serve.py\n")
        for mod in spec.mods:
            factor, low = rng.randint(2, 9), rng.randint(5, 20)
            names = {"title": spec.title, "package": package, "mod": mod, "cls": pascal(mod), "noun": rng.choice(spec.nouns), "factor": factor, "low": low, "high": low + rng.randint(10, 60)}
            job.write(f"src/{package}/{mod}.py", MODULE.format(**names))
            rows = [numbers(rng, rng.randint(1, 5)) for _ in range(spec.options.get("cases", 10))]
            total = lambda row, factor=factor: sum(a * factor + i for i, a in enumerate(row, 1))
            if spec.options.get("runner") == "unittest":
                cases = "".join(f"    def test_total_of_{len(row)}_entries_{i}(self):\n        self.assertEqual({mod}.{mod}_total({row}), {total(row)})\n\n" for i, row in enumerate(rows))
                job.write(f"tests/test_{mod}.py", UNITTEST.format(cases=cases, **names))
            else:
                cases = "".join(f"    ({row}, {total(row)}),\n" for row in rows)
                job.write(f"tests/test_{mod}.py", TEST.format(cases=cases, values=numbers(rng, 6), **names))
        job.write("tests/__init__.py", "")
        job.commit("Initial import")

    def configure_registry(self, b):
        base = b.registry("pypi")
        host = b.style["registry"]
        trusted = f"trusted-host = {host}\n" if base.startswith("http:") else ""
        b.put("/home/jenkins/.config/pip/pip.conf", f"[global]\nindex-url = {base}/simple/\n{trusted}timeout = 3\nretries = {b.job.spec.options.get('retries', 1)}\ndisable-pip-version-check = true\n")

    def stages(self, b):
        o = b.job.spec.options
        enter = ". .venv/bin/activate" if o.get("activate") else "export PATH=$PWD/.venv/bin:$PATH"
        self.configure_registry(b)
        if "registry_hiccup" in b.survivors:
            b.job.mirror.trouble = Trouble(b.rng.choice(("reset", 503)), after=b.rng.randint(1, 6), times=1)
        if "resolver_complains" in b.survivors:
            b.put(f"{b.job.workspace}/constraints-old.txt", "werkzeug<3\n")

        def setup(b):
            if b.rng.random() < 0.12 or (b.fault and b.fault.point == "deps"):
                wipe(f"{b.job.workspace}/.venv")
            script = ["test -x .venv/bin/pip || python3 -m venv .venv", enter]
            if "cache_miss" in b.survivors:
                script.insert(0, "tar xzf /home/jenkins/cache/pip-$JOB_NAME.tgz || echo 'no cache yet, starting cold'")
            quiet = b.rng.choice(("", "", "-q ", "-v ")) if o.get("pip_varies") else o.get("pip", "")
            script.append(f"pip install {quiet}-r requirements.txt")
            if "resolver_complains" in b.survivors:
                script.append("pip install 'werkzeug<3' || true\npip check || true")
            b.sh("\n".join(script), "deps")

        def lint(b):
            allowed = "lint_allowed" in b.survivors and not (b.fault and b.fault.point == "lint")
            flake = "flake8 --max-line-length 60 --statistics src || true" if allowed else "flake8 src"
            b.sh(f"{enter}\npython -m compileall -q src\n{flake}", "lint")

        def unit(b):
            runner = o.get("runner", "pytest -v")
            flags = ""
            if runner != "unittest":
                flags = " --reruns 2" if "rerun_passes" in b.survivors or o.get("reruns") else ""
                quick = b.rng.random() < 0.25 and not b.fault
                flags += f" -k '{b.rng.choice(b.job.spec.mods)[:4]}'" if quick else ""
                flags += " --timeout 5" if o.get("tool_timeout") else ""
                flags += " --junitxml=report.xml"
            command = "PYTHONPATH=src python -m unittest discover -v -s tests" if runner == "unittest" else f"python -m {runner}{flags}"
            with b.timeout(o.get("minutes", 10)):
                b.sh(f"{enter}\n{command}", "test")

        def smoke(b):
            b.sh(self.health_stage(b, 9000 + b.number % 500), "smoke")

        def package(b):
            b.sh("mkdir -p build\ntar czf build/$JOB_NAME-$(cat VERSION).tar.gz src\nls -l build\nsha256sum build/*.tar.gz", "package")

        work = [Stage(o.get("setup_name", "Setup"), setup)]
        if o.get("parallel"):
            work.append(Stage("Checks", {"lint": lint, "unit": unit}))
        else:
            work += [Stage("Lint", lint), Stage("Unit tests", unit)]
        if o.get("smoke"):
            work.append(Stage("Smoke test", smoke))
        if o.get("package", True):
            work.append(Stage("Package", package))
        return work

    def evolve(self, job, number, rng):
        message = super().evolve(job, number, rng)
        if job.spec.options.get("runner") != "unittest" and rng.random() < 0.6:
            mod = rng.choice(job.spec.mods)
            with open(job.path(f"tests/test_{mod}.py"), "a", encoding="utf8") as handle:
                handle.write(f"\n\n@pytest.mark.parametrize(\"seed\", range({rng.randint(2, 12)}))\ndef test_{mod}_grade_is_stable_{number}(seed):\n    assert {mod}.{mod}_grade(seed) == {mod}.{mod}_grade(seed)\n")
            message = f"More tests for {mod}"
        return message

    def for_survivors(self, job, survivors, rng):
        """Sources of the survivors that live in the code."""
        if job.spec.options.get("runner") == "unittest":
            return
        mod = rng.choice(job.spec.mods)
        path = "tests/test_survivors.py"
        text = "import os\nimport pytest\n"
        if "xfail" in survivors:
            text += f"\n\n@pytest.mark.xfail(reason=\"known: rounding of {mod}\")\ndef test_{mod}_rounding():\n    assert round(2.5) == 3, \"{mod} rounds half up\"\n"
        if "rerun_passes" in survivors:
            text += f"\n\ndef test_{mod}_settles(tmp_path_factory):\n    mark = \"/tmp/settle-%s\" % os.environ[\"BUILD_TAG\"]\n    if not os.path.exists(mark):\n        open(mark, \"w\").close()\n        raise TimeoutError(\"{mod} worker did not settle within 0.2 s\")\n"
        job.write(path, text)

    # --- faults ---
    def module(self, b):
        return b.rng.choice(b.job.spec.mods)

    def fault_syntax(self, b):
        mod = self.module(b)
        old, new = b.rng.choice(SYNTAX)
        path = f"src/{b.job.spec.package}/{mod}.py"
        return Fault("syntax", "compile_error", "lint", r"SyntaxError|IndentationError|E999|E9\d\d|\*\*\* (Error|File)|" + f"{mod}.py:\\d+", edit=lambda job: job.replace(path, old.format(mod=mod), new.format(mod=mod)))

    def fault_import(self, b):
        mod = self.module(b)
        wrong = b.rng.choice((f"from {b.job.spec.package}.helpers import normalise\n", "from dateutil_ext import parser\n", f"from {b.job.spec.package}.{mod}_types import Row\n", "import simplejson2 as json\n"))
        path = f"src/{b.job.spec.package}/{mod}.py"
        return Fault("import", "compile_error", "test", r"ModuleNotFoundError|ImportError|No module named|^ERROR tests|ERROR: test|ERROR collecting|E   ", edit=lambda job: job.replace(path, "import logging\n", f"import logging\n{wrong}"[:-1] + "  # noqa: F401,E261\n"))

    SEEN_TEST = r"FAILED|^E  |\bFAIL\b|^FAIL:|\.\.\. FAIL|\.\.\. ERROR|^[.sxRE]*F[.sxFE]*( |$)|^tests/\S+ [.sxRE]*F|^={5,} FAILURES|AssertionError|RERUN"

    def fault_assertion(self, b):
        mod = self.module(b)
        path = f"src/{b.job.spec.package}/{mod}.py"
        old, new = b.rng.choice((("amount * FACTOR + position", "amount * FACTOR - position"), ("start=1", "start=0"), ("total = 0", "total = 1"), ("found[key.strip()] = int(value)", "found[key.strip()] = value")))
        return Fault("assertion", "test_failure", "test", self.SEEN_TEST, edit=lambda job: job.replace(path, old, new))

    def fault_error(self, b):
        mod = self.module(b)
        path = f"src/{b.job.spec.package}/{mod}.py"
        old, new = b.rng.choice((("    total = 0\n", "    total = None\n"), ('        LOG.warning("could', '        found[part[9]] = 0\n        LOG.warning("could'), ("amount * FACTOR", "amount[0] * FACTOR"), ("LIMITS = (", "LIMITS = list, ("), ("        raise ", "        raise KeyError(value) or ")))
        return Fault("error", "test_failure", "test", self.SEEN_TEST, edit=lambda job: job.replace(path, old, new))

    def fault_crash(self, b):
        mod = self.module(b)
        path = f"src/{b.job.spec.package}/{mod}.py"
        return Fault("crash", "test_failure", "test", r"Fatal Python error|Segmentation fault|Aborted|core dumped|SIGSEGV",
                     edit=lambda job: job.replace(path, "    total = 0\n", b.rng.choice(("    import ctypes\n    ctypes.string_at(0)\n    total = 0\n", "    import os\n    os.abort()\n    total = 0\n"))))

    def fault_flaky(self, b):
        mod = self.module(b)
        body = b.rng.choice((
            f"    import time\n    began = time.perf_counter()\n    {mod}.{mod}_total(list(range(60000)))\n    elapsed = time.perf_counter() - began\n    assert elapsed < 0.0005, f\"{mod}_total took {{elapsed:.4f}} s, budget 0.0005 s\"\n",
            f"    import threading\n    seen = []\n    worker = threading.Timer(0.4, seen.append, ({mod}.FACTOR,))\n    worker.start()\n    worker.join(timeout=0.1)\n    assert seen, \"{mod} event did not arrive within 100 ms\"\n",
            f"    import random\n    seed = random.randrange(10**6)\n    order = list(range(12))\n    random.Random(seed).shuffle(order)\n    assert order == sorted(order), f\"{mod} order differs with seed {{seed}}\"\n",
        ))
        if b.job.spec.options.get("runner") == "unittest":
            edit = lambda job: job.replace(f"tests/test_{mod}.py", "    def test_rejects_negative(self):\n", "    def test_settles_in_time(self):\n" + body.replace("    ", "        ") + "\n    def test_rejects_negative(self):\n")
        else:
            edit = lambda job: job.write(f"tests/test_{mod}_timing.py", f"from {b.job.spec.package} import {mod}\n\n\ndef test_{mod}_settles_in_time():\n{body}")
        return Fault("flaky", "flaky_test", "test", self.SEEN_TEST, edit=edit)

    def fault_hang(self, b):
        mod = self.module(b)
        path = f"src/{b.job.spec.package}/{mod}.py"
        tool = b.job.spec.options.get("tool_timeout")
        return Fault("hang_tool" if tool else "hang", "timeout", "test", r"Timeout|Cancelling nested|Build timed out|timed out|FAILED",
                     edit=lambda job: job.replace(path, "    total = 0\n", "    import threading\n    lock = threading.Lock()\n    lock.acquire()\n    lock.acquire()\n    total = 0\n"))

    def fault_memory(self, b):
        mod = self.module(b)
        path = f"src/{b.job.spec.package}/{mod}.py"
        killed = b.rng.random() < 0.5

        def arm(b):
            if killed:
                b.limits.resident = 220 << 20
            else:
                b.limits.address = 700 << 20
        return Fault("memory", "out_of_memory", "test", r"MemoryError|Killed|FAILED|Cannot allocate|^E  ", arm=arm,
                     edit=lambda job: job.replace(path, "    total = 0\n", "    cache = []\n    for step in range(400):\n        cache.append(bytearray(b'x') * (4 << 20))\n    total = 0\n"))

    def fault_disk_full(self, b):
        where = b.rng.choice(("deps", "package"))
        path = f"{b.job.workspace}/" + (".venv" if where == "deps" else "build")
        if where == "package":
            return Fault("disk_full", "disk_full", "package", common.DISK, arm=common.mount_small(path, 4))
        return Fault("disk_full", "disk_full", "deps", common.DISK, arm=common.mount_small(path, b.rng.choice((6000, 16000, 26000))))

    def fault_conflict(self, b):
        lines = b.rng.choice((["werkzeug<3", "flask>=3"], ["urllib3>=2", "requests==2.99.0"], ["click<8", "flask>=3"], ["pydantic>=2", "pydantic-core<1"], ["attrs>=99"], ["jinja3"], ["markupsafe<1", "jinja2"]))
        return Fault("conflict", "dependency", "deps", r"ERROR: (Cannot|No matching|Could not|Resolution)|conflict|ResolutionImpossible", edit=lambda job: job.write("requirements.txt", job.read("requirements.txt") + "\n".join(lines) + "\n"))

    def fault_lint(self, b):
        mod = self.module(b)
        path = f"src/{b.job.spec.package}/{mod}.py"
        old, new = b.rng.choice((("import logging\n", "import logging\nimport os, sys\n"), ("    return found\n", "    unused = 1\n    return found \n"), ("    return total\n", "    return totals\n"), ("    found = {}\n", "    l = {}\n    found = l\n    if found == None: pass\n")))
        return Fault("lint", "compile_error", "lint", f"{mod}\\.py:\\d+:\\d+", edit=lambda job: job.replace(path, old, new))

    def fault_missing_env(self, b):
        variable = b.rng.choice(("DATABASE_URL", "VAULT_ADDR", "AWS_REGION", "BROKER_PASSWORD", "SIGNING_KEY"))
        mod = self.module(b)
        text = f"import os\n\nSETTING = os.environ[\"{variable}\"]\n" if b.rng.random() < 0.5 else f"import os\nimport sys\n\nif not os.environ.get(\"{variable}\"):\n    sys.exit(\"configuration error: {variable} is not set\")\n"
        if b.job.spec.options.get("runner") == "unittest":
            edit = lambda job: job.write("tests/__init__.py", text)
        else:
            edit = lambda job: job.write("tests/conftest.py", text)
        return Fault("missing_env", "config", "test", f"{variable}|KeyError", edit=edit)

    def fault_permission(self, b):
        def arm(b):
            for folder in (f"{b.job.workspace}/build", f"{b.job.workspace}/report.xml"):
                os.makedirs(folder, exist_ok=True)
                os.chown(folder, 0, 0)
                os.chmod(folder, 0o755)
            b.undo.append(lambda: common.subprocess.run(["rm", "-rf", f"{b.job.workspace}/build", f"{b.job.workspace}/report.xml"], check=False))
        return Fault("permission", "config", "package", common.DENIED, arm=arm)

    def fault_missing_tool(self, b):
        return Fault("missing_tool", "config", "deps", r"not found|No such file", arm=lambda b: without(b, "python3", "python3.11"))

    def fault_port_in_use(self, b):
        return Fault("port_in_use", "config", "smoke", r"Address already in use|Errno 98",
                     edit=lambda job: job.write("scripts/serve.sh", "python3 -u scripts/serve.py &\nsleep 1.2\nexec env WARM_UP=0 python3 -u scripts/serve.py\n") or job.write("scripts/serve.sh", "WARM_UP=0 python3 -u scripts/serve.py &\nadmin=$!\nWARM_UP=0.5 python3 -u scripts/serve.py || { kill $admin; exit 1; }\n"))

"""The C API: the example of include/README.md is built from an installation with pkg-config and run."""
import csv
import os
import pathlib
import re
import subprocess
import unittest

from integration import harness

BUILD = pathlib.Path(harness.PROGRAM).resolve().parent
OWN_FUNCTIONS = {"ns_collector_new", "ns_collector_start", "ns_collector_stop", "ns_collector_free",
                 "ns_collector_version"}


class CApi(harness.Case):
    def run_tool(self, *argv, env=None):
        done = subprocess.run([str(a) for a in argv], cwd=self.folder, env={**harness.CLEAN_ENV, **(env or {})},
                              text=True, capture_output=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def install(self):
        """Header, library and pkg-config file as `meson install` puts them, under a folder of the test."""
        root = self.folder / "root"
        self.run_tool(harness.need("meson"), "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", root)
        found = next(root.rglob("neuroshield.pc"))
        env = {"PKG_CONFIG_PATH": str(found.parent), "PKG_CONFIG_SYSROOT_DIR": str(root)}
        flags = self.run_tool(harness.need("pkg-config"), "--cflags", "--libs", "neuroshield", env=env).split()
        return flags, found.parent.parent

    def sanitized(self):
        text = (BUILD / "meson-info" / "intro-buildoptions.json").read_text()
        return re.search(r'"name": "b_sanitize", "value": "none"', text) is None

    def test_the_example_runs_against_the_served_world(self):
        if self.sanitized():
            self.skipTest("a sanitized library does not link into a plain program")
        code = re.search(r"```c\n(.*?)```", (harness.ROOT / "include" / "README.md").read_text(), re.S).group(1)
        (self.folder / "example.c").write_text(code)
        flags, lib = self.install()
        self.run_tool("cc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "example.c", *flags, "-o", "example")
        _, url = self.world("--seed", "6")
        env = {**harness.CLEAN_ENV, "LD_LIBRARY_PATH": str(lib), "JENKINS_URL": "http://127.0.0.1:9"}
        done = subprocess.run(["./example", url + "/jenkins", url + "/prometheus", "rows.csv"], cwd=self.folder,
                              env=env, text=True, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"sock-shop/\S+: last build (SUCCESS|FAILURE|UNSTABLE|ABORTED|not known), cpu \d")
        with open(self.folder / "rows.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertGreaterEqual(len(rows), 3)
        self.assertEqual(rows[0]["jenkins_job"][:10], "sock-shop/")
        # A wrong address is told when the collector is made.
        bad = subprocess.run(["./example", "ftp://x", ""], cwd=self.folder, env=env, text=True, capture_output=True,
                             timeout=60)
        self.assertEqual(bad.returncode, 1)
        self.assertIn("jenkins", bad.stderr)

    def test_only_the_api_can_be_seen(self):
        library = BUILD / "libneuroshield.so.0"
        names = {line.split()[-1] for line in self.run_tool("nm", "-D", "--defined-only", library).splitlines()}
        self.assertEqual({n for n in names if not n.startswith("_")}, OWN_FUNCTIONS)
        self.assertIn("libneuroshield.so.0", self.run_tool("readelf", "-d", library))

    def test_the_header_stands_alone_in_c_and_cxx(self):
        include = harness.ROOT / "include"
        (self.folder / "a.c").write_text("#include <neuroshield.h>\nint a(void);\nint a(void) { return 0; }\n")
        self.run_tool("cc", "-std=c17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", include, "-c", "a.c")
        if os.path.exists("/usr/bin/c++"):
            (self.folder / "a.cc").write_text("#include <neuroshield.h>\nint a() { return 0; }\n")
            self.run_tool("c++", "-Wall", "-Wextra", "-Werror", "-I", include, "-c", "a.cc")


if __name__ == "__main__":
    unittest.main()

"""Debian's Prometheus and node_exporter, for real: they scrape the served world and the daemon's own /metrics, and
`collect` asks them."""
import csv
import json
import pathlib
import unittest
import urllib.error
import urllib.parse
import urllib.request

import harness
from harness import PROGRAM, free_port, get, need, wait_for

SEED_COLUMNS = ["timestamp", "jenkins_last_build_status", "jenkins_last_build_duration", "jenkins_queue_length",
                "prometheus_cpu_usage", "prometheus_memory_usage", "prometheus_pod_count", "prometheus_error_rate"]
# CSV column: signal of `config show`
FROM_PROMETHEUS = {c: c.removeprefix("prometheus_") for c in SEED_COLUMNS if c.startswith("prometheus_")}

SCRAPE = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: world
    metrics_path: /prometheus/metrics
    static_configs: [{{targets: ["{world}"]}}]
  - job_name: node
    static_configs: [{{targets: ["{node}"]}}]
  - job_name: neuroshield
    static_configs: [{{targets: ["{daemon}"]}}]
"""


class Prometheus:
    """One that can be killed and started again on the same port with the same data."""

    def __init__(self, case, world, node, daemon, port):
        self.case = case
        self.port = port
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = case.folder / "prometheus.yml"
        self.config.write_text(SCRAPE.format(world=world, node=node, daemon=daemon))
        self.start()

    def start(self):
        self.process = self.case.start(
            need("prometheus"), f"--config.file={self.config}", f"--storage.tsdb.path={self.case.folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=error")
        wait_for(self.is_ready, 60, "Prometheus to be ready")

    def is_ready(self):
        if not self.process.alive():
            raise AssertionError("Prometheus ended: " + self.process.stderr[-2000:])
        try:
            return get(self.url + "/-/ready")[0] == 200
        except (urllib.error.URLError, OSError):
            return False

    def kill(self):
        self.process.stop(harness.signal.SIGKILL)

    def ask(self, promql, at=None):
        """{labels without __name__ as sorted text: value text}; the number itself for an aggregate."""
        form = {"query": promql} if at is None else {"query": promql, "time": at}
        with urllib.request.urlopen(self.url + "/api/v1/query", urllib.parse.urlencode(form).encode(), 20) as answer:
            data = json.load(answer)["data"]
        return [(s["metric"], s["value"][1]) for s in data["result"]]


def rows_of(path):
    """The complete rows written so far."""
    if not pathlib.Path(path).exists():
        return []
    text = pathlib.Path(path).read_text()
    text = text[:text.rfind("\n") + 1]
    return list(csv.DictReader(text.splitlines()))


class WithPrometheus(harness.Case):
    def setUp(self):
        super().setUp()
        need("prometheus")
        exporter = need("prometheus-node-exporter")
        config = self.folder / "config"
        self.world_process, world = self.world("--seed", "7", "--speed", "20", "--write-config", config)
        self.jenkins = world + "/jenkins"
        node = f"127.0.0.1:{free_port()}"
        self.start(exporter, f"--web.listen-address={node}", "--log.level=error")
        port = free_port()
        _, daemon, _ = self.daemon("--data", self.folder / "data", "--mode", "observe", "--config",
                                   config / "neuroshield.yaml", env={"PROMETHEUS_URL": f"http://127.0.0.1:{port}"})
        self.prometheus = Prometheus(self, world.removeprefix("http://"), node, daemon.removeprefix("http://"), port)
        self.environment = self.world_environment(config / ".env")

    def world_environment(self, path):
        """The world's credentials, as a person would have them in .env; its addresses are given by flags."""
        pairs = (line.split("=", 1) for line in path.read_text().splitlines() if "=" in line and line[0] != "#")
        return {k: v.strip().strip("'\"") for k, v in pairs if k in ("JENKINS_USERNAME", "JENKINS_TOKEN")}

    def collect_arguments(self, output):
        return ["collect", "--jenkins-url", self.jenkins, "--prometheus-url", self.prometheus.url, "--output", output,
                "--data", self.folder / "collector"]

    def targets_up(self):
        up = dict((labels["job"], value) for labels, value in self.prometheus.ask("up"))
        return up if len(up) == 3 and set(up.values()) == {"1"} else None

    def full_rows(self, output):
        """Runs `collect --once`; its rows when no seed column is missing."""
        before = len(rows_of(output))
        run = self.run_program(*self.collect_arguments(output), "--once", env=self.environment)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        rows = rows_of(output)[before:]
        self.assertGreater(len(rows), 0, run.stderr)
        complete = all(row[c] != "" for row in rows for c in SEED_COLUMNS)
        self.assertEqual(run.returncode == 0, complete, "the exit status says whether a seed column is missing")
        self.told = run.stderr
        return rows if complete else None

    def signals(self):
        run = self.run_program("config", "show", "--json")
        self.assertEqual(run.returncode, 0, run.stderr)
        values = json.loads(run.stdout)["values"]
        return {signal: values["signals." + signal] for signal in FROM_PROMETHEUS.values()}

    def differences(self, row, signals):
        found = {}
        for column, signal in FROM_PROMETHEUS.items():
            asked = self.prometheus.ask(signals[signal], row["timestamp"])
            self.assertEqual(len(asked), 1, (signals[signal], asked))
            if float(asked[0][1]) != float(row[column]):
                found[column] = (asked[0][1], row[column])
        return found

    def test_the_row_has_the_numbers_that_prometheus_has(self):
        wait_for(self.targets_up, 60, "all three targets to be scraped")
        output = self.folder / "once.csv"
        signals = self.signals()
        for attempt in range(3):
            rows = wait_for(lambda: self.full_rows(output), 120, "a row without a missing seed column")
            self.assertEqual({row["timestamp"] for row in rows}, {rows[0]["timestamp"]})
            differences = self.differences(rows[0], signals)
            # A scrape that began before the tick and ended after our query changes the past once, rarely twice.
            if not differences:
                break
        self.assertEqual(differences, {}, "column: (Prometheus, row)")
        for row in rows:
            self.assertLess(int(row["prometheus_age_ms"]), 5000)
            self.assertEqual([row[c] for c in FROM_PROMETHEUS], [rows[0][c] for c in FROM_PROMETHEUS])
        with open(output, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(lines[0].split(",")[:8], SEED_COLUMNS)
        self.assertEqual(sum(line.startswith("timestamp,") for line in lines), 1, "one header over several runs")

    def test_our_own_metrics_are_scraped(self):
        wait_for(self.targets_up, 60, "all three targets to be scraped")
        ours = wait_for(lambda: self.prometheus.ask('{job="neuroshield",__name__=~"neuroshield_.+"}'), 30,
                        "series of the daemon")
        labels = set().union(*(labels for labels, _ in ours))
        self.assertFalse([name for name in labels if name.startswith("exported_")], labels)

    def test_killing_prometheus_empties_its_fields_and_it_recovers(self):
        wait_for(self.targets_up, 60, "all three targets to be scraped")
        output = self.folder / "telemetry.csv"
        wait_for(lambda: self.full_rows(output), 120, "a row without a missing seed column")
        collector = self.start(PROGRAM, *self.collect_arguments(output), "--interval", "1", env=self.environment)
        job = rows_of(output)[-1]["jenkins_job"]

        def rows():
            return [row for row in rows_of(output) if row["jenkins_job"] == job]

        begun = len(rows())
        filled = lambda row: all(row[c] != "" for c in FROM_PROMETHEUS)
        emptied = lambda row: all(row[c] == "" for c in FROM_PROMETHEUS)
        wait_for(lambda: len(rows()) >= begun + 2 and filled(rows()[-1]), 30, "rows with Prometheus' numbers")

        self.prometheus.kill()
        killed = len(rows())
        wait_for(lambda: len([row for row in rows()[killed:] if emptied(row)]) >= 4, 60, "four rows without its numbers")
        empty = [row for row in rows()[killed:] if emptied(row)]
        ages = [int(row["prometheus_age_ms"]) for row in empty]
        self.assertEqual(ages, sorted(ages))
        self.assertGreater(ages[-1], ages[0] + 2000, "the age grows while nobody answers")
        self.assertTrue(all(row["jenkins_last_build_status"] != "" for row in empty), "Jenkins goes on")
        self.assertTrue(collector.alive(), collector.stderr)
        trouble = [line for line in collector.stderr.splitlines()
                   if "source=prometheus" in line and ("level=warn" in line or "level=error" in line)]
        self.assertEqual(len(trouble), 1, collector.stderr)

        self.prometheus.start()
        restarted = len(rows())
        wait_for(lambda: any(filled(row) for row in rows()[restarted:]), 60, "Prometheus' numbers again")
        again = [row for row in rows()[restarted:] if filled(row)][0]
        self.assertLess(int(again["prometheus_age_ms"]), ages[-1])
        wait_for(lambda: "event=source_recovered" in collector.stderr, 10, "the end of the trouble to be told")
        self.assertEqual(collector.stop(), 0)
        self.assertEqual([line for line in collector.stderr.splitlines() if "event=source_trouble" in line], trouble)


if __name__ == "__main__":
    unittest.main()

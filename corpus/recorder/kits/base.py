"""What every kit has: names, sources that grow, environment faults, shared post steps."""
import os
import subprocess

import common
from build import Fault, Stage
from mirror import Trouble

__all__ = ["Kit", "Fault", "Stage", "Trouble", "camel", "pascal", "numbers"]


def pascal(name):
    return "".join(part.capitalize() for part in name.replace("-", "_").split("_"))


def camel(name):
    whole = pascal(name)
    return whole[0].lower() + whole[1:]


def numbers(rng, count, low=1, high=90):
    return [rng.randint(low, high) for _ in range(count)]


def without(b, *tools):
    """A PATH in which everything is but these tools."""
    thin = f"/tmp/path-{b.number}-{b.rng.randrange(10**6)}"
    os.makedirs(thin)
    for folder in b.env["PATH"].split(":"):
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if name not in tools and not os.path.lexists(f"{thin}/{name}"):
                os.symlink(f"{folder}/{name}", f"{thin}/{name}")
    b.env["PATH"] = thin
    b.undo.append(lambda: subprocess.run(["rm", "-rf", thin], check=False))


class Kit:
    tool = ""
    registry_kind = None        # "pypi", "npm", ...: which registry faults make sense
    never_skipped = ()
    deps, build, test = "deps", "build", "test"

    # Fault name -> (how often it is chosen); the project table may leave some out.
    def faults(self):
        table = {}
        for name in dir(self):
            if name.startswith("fault_"):
                table[name[6:]] = getattr(self, name)
        table.update(common.git_faults())
        table.update(common.agent_faults(self.test))
        table.update(common.process_faults(self.test))
        if self.registry_kind:
            table.update(common.registry_faults(self.deps))
        return table

    survivors = ()

    def fault(self, name, b):
        return self.faults()[name](b)

    def configure_registry(self, b):
        """Writes the client's configuration for b.registry(...)."""

    def create(self, job):
        raise NotImplementedError

    def evolve(self, job, number, rng):
        """An everyday change; returns its commit message."""
        version = f"{number // 20 + 1}.{number % 20}.{rng.randrange(9)}"
        job.write("VERSION", version + "\n")
        if rng.random() < 0.5:
            return rng.choice(("Bump version to ", "Release ", "Prepare ")) + version
        return self.subject(job, rng)

    def subject(self, job, rng):
        """A commit's subject, which says nothing about whether the commit is sound."""
        mod = rng.choice(job.spec.mods)
        return rng.choice(("Tidy {}", "Document {}", "{}: smaller allocations", "Rename a helper in {}", "{}: clearer names", "Speed up {}", "Refactor {}",
                           "{}: handle empty input", "{}: simplify", "Rework {}", "{}: review comments", "Update after review of {}", "{}: first cut", "Merge branch 'feature/{}'")).format(mod)

    def stages(self, b):
        raise NotImplementedError

    def post(self, b):
        return common.post_steps(b)

    # --- shared by most kits ---
    def health_stage(self, b, port):
        """Starts the project's small service and waits for it: the first polls are refused in every build."""
        return f"""PORT={port} sh ./scripts/serve.sh > serve.log 2>&1 &
for i in 1 2 3 4 5 6 7 8 9 10; do
  curl -sS -m 2 http://127.0.0.1:{port}/health && break
  sleep 0.3
done
cat serve.log
curl -fsS http://127.0.0.1:{port}/health"""

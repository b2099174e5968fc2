"""Maven projects: modules with JUnit tests, resolved from a repository of this agent."""
import glob
import os

from build import wipe
from kits.base import Fault, Kit, Stage, Trouble, camel, numbers, pascal, without
import common

PARENT = '''<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>{group}</groupId>
  <artifactId>{name}</artifactId>
  <version>{version}-SNAPSHOT</version>
  <packaging>pom</packaging>
  <name>{title}</name>
  <modules>
{modules}  </modules>
  <properties>
    <maven.compiler.release>17</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-api</artifactId><version>2.0.13</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>2.0.13</version><scope>test</scope></dependency>
    <dependency><groupId>com.google.code.gson</groupId><artifactId>gson</artifactId><version>2.11.0</version></dependency>
    {junit}
  </dependencies>
  <build><pluginManagement><plugins>
    <plugin><artifactId>maven-clean-plugin</artifactId><version>3.3.2</version></plugin>
    <plugin><artifactId>maven-resources-plugin</artifactId><version>3.3.1</version></plugin>
    <plugin><artifactId>maven-compiler-plugin</artifactId><version>3.13.0</version></plugin>
    <plugin><artifactId>maven-surefire-plugin</artifactId><version>3.2.5</version><configuration><trimStackTrace>{trim}</trimStackTrace><forkedProcessTimeoutInSeconds>{seconds}</forkedProcessTimeoutInSeconds>{surefire}</configuration></plugin>
    <plugin><artifactId>maven-jar-plugin</artifactId><version>3.4.1</version></plugin>
    <plugin><artifactId>maven-install-plugin</artifactId><version>3.1.2</version></plugin>
  </plugins></pluginManagement>
  <plugins>{plugins}</plugins></build>
</project>
'''

MODULE = '''<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <parent><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}-SNAPSHOT</version></parent>
  <artifactId>{name}-{mod}</artifactId>
  <name>{title} :: {cls}</name>
</project>
'''

ENFORCER = '''<plugin><artifactId>maven-enforcer-plugin</artifactId><version>3.5.0</version><executions><execution><id>rules</id><goals><goal>enforce</goal></goals><configuration><rules><requireMavenVersion><version>{maven}</version></requireMavenVersion><dependencyConvergence/></rules></configuration></execution></executions></plugin>'''
JUNIT5 = "<dependency><groupId>org.junit.jupiter</groupId><artifactId>junit-jupiter</artifactId><version>5.10.3</version><scope>test</scope></dependency>"
JUNIT4 = "<dependency><groupId>junit</groupId><artifactId>junit</artifactId><version>4.13.2</version><scope>test</scope></dependency>"

SOURCE = '''package {group}.{mod};

import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Keeps the {noun} entries of {title}. */
public class {cls} {{
    private static final Logger LOG = LoggerFactory.getLogger({cls}.class);
    static final int FACTOR = {factor};
    private final List<Integer> entries = new ArrayList<>();

    public {cls} add(int entry) {{
        entries.add(entry);
        LOG.info("{noun} {{}} added, {{}} in all", entry, entries.size());
        return this;
    }}

    public long total() {{
        long total = 0;
        for (int i = 0; i < entries.size(); i++) {{
            total += (long) entries.get(i) * FACTOR + i;
        }}
        return total;
    }}

    public String grade(int value) {{
        if (value < 0) {{
            LOG.error("{noun} rejected: negative value {{}}", value, new IllegalArgumentException("negative {noun}"));
            throw new IllegalArgumentException("negative {noun}: " + value);
        }}
        return value < 10 ? "low" : value > 50 ? "high" : "normal";
    }}

    public static {cls} parse(String text) {{
        {cls} made = new {cls}();
        for (String part : text.split(",")) {{
            try {{
                made.add(Integer.parseInt(part.trim()));
            }} catch (NumberFormatException broken) {{
                LOG.warn("could not parse {noun} '{{}}': {{}}", part, broken.toString());
            }}
        }}
        return made;
    }}
}}
'''

TEST = '''package {group}.{mod};

{imports}

{public}class {cls}Test {{
{cases}
    @Test
    {public}void rejectsNegative{noun_cls}() {{
        {throws}
    }}

    @Test
    {public}void skipsBrokenParts() {{
        assertEquals({broken}L, {cls}.parse("1, two, 3").total());
    }}
}}
'''


class Maven(Kit):
    tool, registry_kind = "maven", "maven"
    survivors = ("git_retry", "registry_hiccup", "rerun_passes", "optional_site", "retry_passes", "cache_miss", "daemon_refused")
    FAILED = r"<<< (FAIL|ERROR)|FAILURE!|Failures: [1-9]|Errors: [1-9]|COMPILATION ERROR|\[ERROR\]"

    def poms(self, job, version="1.0", **changes):
        spec, o = job.spec, job.spec.options
        values = {"group": "org.example." + spec.package.split("_")[0], "name": spec.name, "version": version, "title": spec.title, "trim": "true" if o.get("trim", True) else "false", "seconds": o.get("seconds", 0),
                  "modules": "".join(f"    <module>{m}</module>\n" for m in spec.mods), "junit": JUNIT4 if o.get("junit4") else JUNIT5,
                  "plugins": ENFORCER.format(maven="3.6") if o.get("enforcer") else "", "surefire": "<rerunFailingTestsCount>2</rerunFailingTestsCount>" if o.get("reruns") else ""}
        values.update(changes)
        job.write("pom.xml", PARENT.format(**values))
        for mod in spec.mods:
            job.write(f"{mod}/pom.xml", MODULE.format(mod=mod, cls=pascal(mod), **values))

    def create(self, job):
        rng, spec = job.rng, job.spec
        group = "org.example." + spec.package.split("_")[0]
        self.poms(job)
        job.write(".gitignore", "target\n")
        four = spec.options.get("junit4")
        for mod in spec.mods:
            cls, factor, noun = pascal(mod), rng.randint(2, 9), rng.choice(spec.nouns)
            names = {"group": group, "mod": mod, "cls": cls, "noun": noun, "noun_cls": pascal(noun), "title": spec.title, "factor": factor}
            folder = group.replace(".", "/")
            job.write(f"{mod}/src/main/java/{folder}/{mod}/{cls}.java", SOURCE.format(**names))
            cases = ""
            for i in range(spec.options.get("cases", 7)):
                row = numbers(rng, rng.randint(1, 6))
                cases += f"    @Test\n    {'public ' if four else ''}void totals{pascal(noun)}{i + 1}() {{\n        assertEquals({sum(a * factor + k for k, a in enumerate(row))}L, new {cls}(){''.join(f'.add({a})' for a in row)}.total());\n    }}\n\n"
            imports = "import static org.junit.Assert.*;\n\nimport org.junit.Test;" if four else "import static org.junit.jupiter.api.Assertions.*;\n\nimport org.junit.jupiter.api.Test;"
            throws = f"assertThrows(IllegalArgumentException.class, () -> new {cls}().grade(-1));"
            job.write(f"{mod}/src/test/java/{folder}/{mod}/{cls}Test.java", TEST.format(imports=imports, cases=cases, throws=throws, public="public " if four else "", broken=factor + 3 * factor + 1, **names))
        job.commit("Initial import")

    def evolve(self, job, number, rng):
        message = super().evolve(job, number, rng)
        if rng.random() < 0.5:
            self.poms(job, version=f"{number // 20 + 1}.{number % 20}")
        mod = rng.choice(job.spec.mods)
        path = self.main(job, mod)
        with open(job.path(path), "a", encoding="utf8") as handle:
            handle.write(f"// revision {number}\n")
        return message

    def main(self, job, mod):
        return f"{mod}/src/main/java/org/example/{job.spec.package.split('_')[0]}/{mod}/{pascal(mod)}.java"

    def test_file(self, job, mod):
        return self.main(job, mod).replace("src/main", "src/test").replace(".java", "Test.java")

    def configure_registry(self, b):
        b.put("/home/jenkins/.m2/settings.xml", f"<settings><mirrors><mirror><id>{b.style['registry'].split('.')[0]}</id><mirrorOf>*</mirrorOf><url>{b.registry('maven')}</url></mirror></mirrors></settings>\n")
        b.env["MAVEN_OPTS"] = "-XX:TieredStopAtLevel=1 -Xshare:auto -Dmaven.wagon.http.retryHandler.count=1 -Dmaven.wagon.rto=4000"

    def stages(self, b):
        o = b.job.spec.options
        self.configure_registry(b)
        cold = b.rng.random() < 0.2 or (b.fault and b.fault.point == "deps") or "registry_hiccup" in b.survivors
        repository = "/home/jenkins/.m2/repository"
        if "registry_hiccup" in b.survivors:
            b.job.mirror.trouble = Trouble(b.rng.choice((502, 503)), after=b.rng.randint(5, 60), times=1)
        if cold:
            if b.rng.random() < 0.25:
                wipe(repository)
            else:
                for pattern in ("org/junit", "org/apache/maven/plugins", "com", "junit", "org/slf4j", "org/apache/maven/surefire"):
                    wipe(f"{repository}/{pattern}")
            for path in glob.glob(f"{repository}/**/*.lastUpdated", recursive=True):
                os.unlink(path)
        flags = o.get("flags", "-B")
        skip_noise = " -Dorg.slf4j.simpleLogger.log.org.apache.maven.cli.transfer.Slf4jMavenTransferListener=warn" if o.get("quiet_downloads") else ""
        tool = f"mvn {flags}{skip_noise}"

        def prepare(b):
            script = ["java --version"]
            if "cache_miss" in b.survivors:
                script.append("tar xf /home/jenkins/cache/m2-$JOB_NAME.tar || true")
            if "daemon_refused" in b.survivors:
                script.append("curl -sS -m 1 http://127.0.0.1:4040/status || echo 'build cache server unreachable, using the local one'")
            b.sh("\n".join(script), "prepare")

        def compile_step(b):
            step = lambda: b.sh(f"{tool} {'clean ' if o.get('clean', True) else ''}test-compile", "deps" if b.fault and b.fault.point == "deps" else "build")  # the first Maven run resolves too
            if "registry_hiccup" in b.survivors:
                b.retry(3, lambda: b.sh(f"{tool} -U clean test-compile", "deps"))
            else:
                step()

        def unit(b):
            with b.timeout(o.get("minutes", 30)):
                modules = f" -pl {b.rng.choice(b.job.spec.mods)}" if not b.fault and b.rng.random() < 0.15 else ""
                command = f"{tool} {o.get('goal', 'verify')}{modules}" + (" --fail-at-end" if o.get("fail_at_end") else "")
                if "retry_passes" in b.survivors:
                    command = f"test -e /tmp/broker-{b.number} || {{ touch /tmp/broker-{b.number}; echo 'ERROR o.e.Broker - java.net.ConnectException: Connection refused (Connection refused)'; exit 1; }}\n{command}"
                    b.retry(2, lambda: b.sh(command, "test"))
                else:
                    b.sh(command, "test")

        def site(b):
            if "optional_site" in b.survivors:
                b.catch_error(lambda: b.sh(f"{tool} site:stage -o", "site"))
            b.sh("find . -name '*.jar' -path '*target*' | sort | xargs -r ls -l\nfind . -name 'TEST-*.xml' | sort | xargs -r grep -ho 'tests=\"[0-9]*\"' || true", "package")

        # one Maven run does both, unless the job compiles apart
        compiles_apart = o.get("compile_apart") or "registry_hiccup" in b.survivors or (b.fault and b.fault.point in ("deps", "build"))
        middle = [Stage("Compile", compile_step)] if compiles_apart else []
        return [Stage("Environment", prepare), *middle, Stage(o.get("test_name", "Verify"), unit), Stage("Collect", site)]

    def for_survivors(self, job, survivors, rng):
        if not job.spec.options.get("reruns"):
            return
        mod = job.spec.mods[-1]
        path = self.test_file(job, mod).replace(f"{pascal(mod)}Test", "SettlesTest")
        group = "org.example." + job.spec.package.split("_")[0]
        body = "java.io.File mark = new java.io.File(\"/tmp/settles-\" + System.getenv(\"BUILD_TAG\")); if (mark.createNewFile()) { throw new IllegalStateException(\"%s did not settle in 200 ms\"); }" % mod if "rerun_passes" in survivors else "System.out.println(\"settled\");"
        job.write(path, f"package {group}.{mod};\n\nimport org.junit.jupiter.api.Test;\n\nclass SettlesTest {{\n    @Test\n    void settles() throws Exception {{\n        {body}\n    }}\n}}\n")

    # --- faults ---
    def mod(self, b):
        return b.rng.choice(b.job.spec.mods)

    def change(self, b, name, cause, point, see, old, new, mod=None, test=False):
        mod = mod or self.mod(b)
        return Fault(name, cause, point, see, edit=lambda job: job.replace((self.test_file if test else self.main)(job, mod), old, new))

    def fault_compile(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice((("long total = 0;", "long total = 0"), ("entries.size(); i++", "entries.length(); i++"), ("import java.util.ArrayList;\n", ""), ("return made;", "return made.entries;"), ("private final List<Integer> entries", "private final List<Entry> entries"), ("long total = 0;", "int total = 0L;"), ("public String grade(int value) {", "public String grade(int value) throws ParseError {")))
        return self.change(b, "compile", "compile_error", "build", r"COMPILATION ERROR|\.java:\[\d+,\d+\]", old, new, mod)

    def fault_test_compile(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice(((".parse(", ".read("), ("import static org.junit", "import static org.junti"), ("assertThrows(", "assertThrown(")))
        return self.change(b, "test_compile", "compile_error", "build", r"COMPILATION ERROR|\.java:\[\d+,\d+\]", old, new, mod, test=True)

    def fault_assertion(self, b):
        old, new = b.rng.choice((("* FACTOR + i;", "* FACTOR - i;"), ("long total = 0;", "long total = 1;"), ("if (value < 0) {", "if (value < -5) {"), ("entries.add(entry);", "entries.add(0, entry);")))
        return self.change(b, "assertion", "test_failure", "test", self.FAILED, old, new)

    def fault_exception(self, b):
        old, new = b.rng.choice((("long total = 0;", "long total = entries.get(entries.size());"), ("long total = 0;", "String label = null;\n        long total = label.length();"), ("long total = 0;", "long total = 0 / (entries.size() - entries.size());"), ("entries.add(entry);", "List.of(1).add(entry);"), ("long total = 0;", "long total = (Integer) (Object) \"0\";")))
        return self.change(b, "exception", "test_failure", "test", self.FAILED, old, new)

    def fault_crash(self, b):
        return self.change(b, "crash", "test_failure", "test", r"crash|VM terminated|System.exit|SIGKILL|forked VM|exit code", "long total = 0;", b.rng.choice(("Runtime.getRuntime().halt(139);\n        long total = 0;", "System.exit(3);\n        long total = 0;")))

    def fault_flaky(self, b):
        body = b.rng.choice((
            "long began = System.nanoTime();\n        try { Thread.sleep(2); } catch (InterruptedException e) { throw new IllegalStateException(e); }\n        long spent = (System.nanoTime() - began) / 1000;\n        assertTrue({m}\"flush took \" + spent + \" us, expected at most 2010 us\"{c}spent <= 2010{z});",
            "int seed = (int) (System.nanoTime() % 100000);\n        java.util.List<Integer> order = new java.util.ArrayList<>(java.util.List.of(1, 2, 3, 4, 5, 6, 7, 8));\n        java.util.Collections.shuffle(order, new java.util.Random(seed));\n        System.out.println(\"shuffle seed \" + seed);\n        assertEquals(java.util.List.of(1, 2, 3, 4, 5, 6, 7, 8), order);",
            "java.util.concurrent.CompletableFuture<String> event = java.util.concurrent.CompletableFuture.supplyAsync(() -> { try { Thread.sleep(300); } catch (InterruptedException e) { } return \"sent\"; });\n        try { assertEquals(\"sent\", event.get(50, java.util.concurrent.TimeUnit.MILLISECONDS)); } catch (Exception e) { throw new AssertionError(\"event not received within 50 ms\", e); }"))
        four = b.job.spec.options.get("junit4")
        body = body.replace("{m}", "").replace("{c}", ", ").replace("{z}", "") if four else body.replace("{m}\"flush took \" + spent + \" us, expected at most 2010 us\"{c}spent <= 2010{z}", "spent <= 2010, \"flush took \" + spent + \" us, expected at most 2010 us\"")
        access = "public " if four else ""
        return self.change(b, "flaky", "flaky_test", "test", self.FAILED + "|shuffle seed", f"    @Test\n    {access}void rejects", f"    @Test\n    {access}void flushesInTime() {{\n        {body}\n    }}\n\n    @Test\n    {access}void rejects", test=True)

    def fault_hang(self, b):
        return self.change(b, "hang" if not b.job.spec.options.get("seconds") else "hang_tool", "timeout", "test", r"Cancelling nested|Build timed out|timed? ?out|timeout", "long total = 0;", "long total = 0;\n        synchronized (entries) {\n            try { entries.wait(); } catch (InterruptedException e) { Thread.currentThread().interrupt(); }\n        }")

    def fault_heap(self, b):
        mod = self.mod(b)

        def edit(job):
            job.replace(self.main(job, mod), "long total = 0;", "List<long[]> hoard = new ArrayList<>();\n        for (int n = 0; n < 4000; n++) {\n            hoard.add(new long[1 << 17]);\n        }\n        long total = 0 * hoard.size();")
            self_poms = "<argLine>-Xmx48m</argLine>"
            job.replace("pom.xml", "<trimStackTrace>", self_poms + "<trimStackTrace>")
        return Fault("heap", "out_of_memory", "test", r"OutOfMemory|Java heap space", edit=edit)

    def fault_killed(self, b):
        return Fault("killed", "out_of_memory", "test", r"Killed|crash|VM terminated|exit code|137", arm=lambda b: setattr(b.limits, "resident", b.rng.choice((70, 90)) << 20))

    def fault_metaspace(self, b):
        return Fault("metaspace", "out_of_memory", "test", r"OutOfMemory|Metaspace|insufficient memory|Could not (reserve|allocate)|GC overhead", arm=lambda b: b.env.update(MAVEN_OPTS=b.rng.choice(("-XX:MaxMetaspaceSize=18m", "-Xmx9m", "-Xmx11m -XX:+UseSerialGC"))))

    def fault_disk_full(self, b):
        mod = b.rng.choice(b.job.spec.mods)

        def arm(b):
            wipe(f"{b.job.workspace}/{mod}/target")
            common.mount_small(f"{b.job.workspace}/{mod}/target", b.rng.choice((4, 12, 20)))(b)
        return Fault("disk_full", "disk_full", "test" if not b.job.spec.options.get("clean", True) else "test", common.DISK, arm=arm)

    def fault_disk_full_repository(self, b):
        def arm(b):
            wipe("/home/jenkins/.m2/repository")
            common.mount_small("/home/jenkins/.m2/repository", b.rng.choice((800, 4000, 9000)))(b)
        return Fault("disk_full_repository", "disk_full", "deps", common.DISK, arm=arm)

    def fault_missing_version(self, b):
        old, new = b.rng.choice((("<version>2.11.0</version>", "<version>2.99.1</version>"), ("<artifactId>slf4j-api</artifactId><version>2.0.13", "<artifactId>slf4j-api</artifactId><version>2.0.1333"), ("<artifactId>gson</artifactId>", "<artifactId>gson-extras</artifactId>"), ("<version>3.13.0</version>", "<version>3.13.77</version>")))
        return Fault("missing_version", "dependency", "deps", r"Could not (find|resolve)|not found in|was not found|\[ERROR\]", edit=lambda job: job.replace("pom.xml", old, new))

    def fault_convergence(self, b):
        def edit(job):
            if "maven-enforcer-plugin" not in job.read("pom.xml"):
                job.replace("pom.xml", "<plugins></plugins></build>", "<plugins>" + ENFORCER.format(maven="3.6") + "</plugins></build>")
            job.replace("pom.xml", "    <dependency><groupId>com.google", "    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-log4j12</artifactId><version>1.7.36</version></dependency>\n    <dependency><groupId>com.google")
        return Fault("convergence", "dependency", "build", r"[Cc]onvergence failed|convergence error|DependencyConvergence failed", edit=edit)

    def fault_maven_version(self, b):
        return Fault("maven_version", "config", "build", r"RequireMavenVersion failed|Detected Maven|not in the allowed range", edit=lambda job: job.replace("pom.xml", "<plugins>" + (ENFORCER.format(maven="3.6") if job.spec.options.get("enforcer") else "") + "</plugins></build>", "<plugins>" + ENFORCER.format(maven="3.9.5") + "</plugins></build>"))

    def fault_settings(self, b):
        broken = b.rng.choice(("<settings><mirrors><mirror>\n", "<settings><profiles><profile><id>ci</id></profile></settings>"))
        return Fault("settings", "config", "build", r"settings|Non-parseable|\[FATAL\]|\[ERROR\]", arm=lambda b: b.put("/home/jenkins/.m2/settings.xml", broken))

    def fault_pom(self, b):
        old, new = b.rng.choice((("<packaging>pom</packaging>", "<packaging>pom<packaging>"), ("</modules>", "  <module>legacy</module>\n  </modules>"), ("</plugins></pluginManagement>", "</plugins>")))
        return Fault("pom", "config", "build", r"\[FATAL\]|\[ERROR\]|Non-parseable|does not exist", edit=lambda job: job.replace("pom.xml", old, new))

    def fault_permission(self, b):
        mod = b.rng.choice(b.job.spec.mods)

        def arm(b):
            path = f"{b.job.workspace}/{mod}/target"
            wipe(path)
            os.makedirs(path)
            b.undo.append(lambda: wipe(path))
        return Fault("permission", "config", "test", common.DENIED + r"|Failed to (create|write|delete)|Cannot create|error while writing|could not|Could not", arm=arm)

    def fault_missing_tool(self, b):
        return Fault("missing_tool", "config", "build", r"not found|JAVA_HOME|No such file", arm=lambda b: without(b, "mvn") if b.rng.random() < 0.5 else b.env.update(JAVA_HOME="/usr/lib/jvm/java-21-openjdk"))

    def fault_missing_env(self, b):
        mod = self.mod(b)
        variable = b.rng.choice(("DB_PASSWORD", "KEYSTORE_PATH", "S3_BUCKET", "LDAP_URL"))
        return self.change(b, "missing_env", "config", "test", variable, "private final List", f"static final String SETTING = java.util.Objects.requireNonNull(System.getenv(\"{variable}\"), \"environment variable {variable} is not set\");\n    private final List", mod)

"""Go modules: go vet, go build, go test."""
from build import wipe
from kits.base import Fault, Kit, Stage, Trouble, camel, numbers, pascal, without
import common

SOURCE = '''// Package {mod} holds what {title} knows about one {noun}.
package {mod}

import (
	"errors"
	"fmt"
	"log"
	"strings"
)

// Factor weighs every amount.
const Factor = {factor}

// ErrEmpty is returned for an empty {noun}.
var ErrEmpty = errors.New("{mod}: empty {noun}")

// {cls} is a {noun} with its entries.
type {cls} struct {{
	Name    string
	Entries []int
}}

// Total adds the weighted entries up.
func (o *{cls}) Total() (int, error) {{
	if len(o.Entries) == 0 {{
		return 0, ErrEmpty
	}}
	total := 0
	for i, entry := range o.Entries {{
		total += entry*Factor + i
	}}
	return total, nil
}}

// Parse reads "name:1,2,3".
func Parse(text string) (*{cls}, error) {{
	name, rest, found := strings.Cut(text, ":")
	if !found {{
		log.Printf("ERROR {mod}: cannot parse %q", text)
		return nil, fmt.Errorf("{mod}: no colon in %q", text)
	}}
	made := &{cls}{{Name: name}}
	for _, part := range strings.Split(rest, ",") {{
		var n int
		if _, err := fmt.Sscanf(part, "%d", &n); err != nil {{
			log.Printf("{mod}: skipping %q: %v", part, err)
			continue
		}}
		made.Entries = append(made.Entries, n)
	}}
	return made, nil
}}
'''

TEST = '''package {mod}

import (
	"errors"
	"testing"
{imports})

func TestTotal(t *testing.T) {{
	cases := []struct {{
		name    string
		entries []int
		want    int
	}}{{
{cases}	}}
	for _, c := range cases {{
		t.Run(c.name, func(t *testing.T) {{
			got, err := (&{cls}{{Name: c.name, Entries: c.entries}}).Total()
			if err != nil {{
				t.Fatalf("unexpected error: %v", err)
			}}
			{check}
		}})
	}}
}}

func TestTotalOfEmpty(t *testing.T) {{
	if _, err := (&{cls}{{}}).Total(); !errors.Is(err, ErrEmpty) {{
		t.Fatalf("want ErrEmpty, have %v", err)
	}}
}}

func TestParse(t *testing.T) {{
	for text, want := range map[string]int{{"a:1,2,3": 3, "b:4,x,5": 2, "c:9": 1}} {{
		made, err := Parse(text)
		if err != nil {{
			t.Fatal(err)
		}}
		if len(made.Entries) != want {{
			t.Errorf("Parse(%q) read %d entries, want %d", text, len(made.Entries), want)
		}}
	}}
	if _, err := Parse("no colon"); err == nil {{
		t.Error("Parse accepted a text without colon")
	}}
}}
'''

MAIN = '''package main

import (
	"fmt"
	"os"
{imports})

func main() {{
	fmt.Println("{name}", os.Args[1:])
{body}}}
'''


class Go(Kit):
    tool, registry_kind = "go", "go"
    survivors = ("vet_allowed", "git_retry", "registry_hiccup", "retry_passes", "panic_recovered", "format_allowed", "cache_miss")
    FAILED = r"--- FAIL|^FAIL|_test.go:\d+:|\[build failed\]|panic:"

    def create(self, job):
        rng, spec = job.rng, job.spec
        module = f"{spec.style['git_host']}/{spec.style['team']}/{spec.name}"
        job.write("go.mod", f"module {module}\n\ngo 1.22\n\nrequire (\n\tgithub.com/stretchr/testify v1.9.0\n\tgithub.com/google/uuid v1.6.0\n\tgithub.com/pkg/errors v0.9.1\n)\n\nrequire (\n\tgithub.com/davecgh/go-spew v1.1.1 // indirect\n\tgithub.com/pmezard/go-difflib v1.0.0 // indirect\n\tgopkg.in/yaml.v3 v3.0.1 // indirect\n)\n")
        job.write("tools.go", 'package tools\n\nimport (\n\t_ "github.com/google/uuid"\n\t_ "github.com/pkg/errors"\n\t_ "github.com/stretchr/testify/assert"\n)\n')
        job.write(".gitignore", "bin\n")
        testify = spec.options.get("testify")
        for mod in spec.mods:
            factor, noun = rng.randint(2, 9), rng.choice(spec.nouns)
            cases = ""
            for i in range(spec.options.get("cases", 8)):
                row = numbers(rng, rng.randint(1, 5))
                cases += f"\t\t{{\"{noun} {i + 1}\", []int{{{', '.join(map(str, row))}}}, {sum(a * factor + k for k, a in enumerate(row))}}},\n"
            names = {"mod": mod, "cls": pascal(mod), "noun": noun, "title": spec.title, "factor": factor}
            job.write(f"{mod}/{mod}.go", SOURCE.format(**names))
            check = "assert.Equal(t, c.want, got)" if testify else 'if got != c.want {\n\t\t\t\tt.Errorf("total is %d, want %d", got, c.want)\n\t\t\t}'
            job.write(f"{mod}/{mod}_test.go", TEST.format(cases=cases, check=check, imports='\n\t"github.com/stretchr/testify/assert"\n' if testify else "", **names))
        imports = "".join(f'\t"{module}/{m}"\n' for m in spec.mods)
        body = "".join(f'\tif made, err := {m}.Parse("x:1,2"); err == nil {{\n\t\tfmt.Println(made.Total())\n\t}}\n' for m in spec.mods)
        job.write(f"cmd/{spec.name}/main.go", MAIN.format(imports="\n" + imports, body=body, name=spec.name))
        job.commit("Initial import")

    def configure_registry(self, b):
        b.env.update({"GOPROXY": b.registry("go"), "GONOSUMDB": "*", "GONOSUMCHECK": "1", "GOFLAGS": "-mod=mod", "GOSUMDB": "off", "GOTOOLCHAIN": "local",
                      "GOCACHE": "/home/jenkins/.cache/go-build", "GOMODCACHE": "/home/jenkins/go/pkg/mod", "GOTELEMETRY": "off", "GOMAXPROCS": "2"})

    def evolve(self, job, number, rng):
        message = super().evolve(job, number, rng)
        for mod in rng.sample(job.spec.mods, rng.randint(1, 3)):
            with open(job.path(f"{mod}/{mod}.go"), "a", encoding="utf8") as handle:
                handle.write(f"\n// Revision{number} names the release that last touched this file.\nconst Revision{number}x{rng.randrange(10**6)} = {number}\n")
        return message

    def stages(self, b):
        o = b.job.spec.options
        self.configure_registry(b)
        if "registry_hiccup" in b.survivors:
            b.job.mirror.trouble = Trouble(503, after=b.rng.randint(0, 3), times=1)
        cold = b.rng.random() < 0.4 or (b.fault and b.fault.point == "deps") or "registry_hiccup" in b.survivors

        def deps(b):
            if cold:
                b.sh("go clean -modcache", "prepare")
            if "cache_miss" in b.survivors:
                b.sh("test -f /home/jenkins/cache/go-mod.tar || echo 'ERROR: cache go-mod.tar: NoSuchKey, continuing without'", "prepare")
            download = lambda: b.sh(o.get("download", "go mod download -x"), "deps")
            if "registry_hiccup" in b.survivors:
                b.retry(3, download)
            else:
                download()

        def vet(b):
            b.sh("go version\ngo env GOVERSION GOPROXY\n" + ("go vet ./... || true\n" if "vet_allowed" in b.survivors and not (b.fault and b.fault.point == "vet") else "go vet ./...\n") +
                 ("gofmt -l . || true\n" if "format_allowed" in b.survivors else "") + ("test -z \"$(gofmt -l .)\" || { gofmt -d .; exit 1; }" if o.get("gofmt") else ""), "vet")

        def compile_step(b):
            b.sh(f"mkdir -p bin\ngo build {o.get('build', '-v')} -o bin/ ./cmd/...\nls -l bin", "build")

        def unit(b):
            flags = b.rng.choice(o.get("test", ("-v", "-v", "", "-v -count=1", "-cover")))
            with b.timeout(o.get("minutes", 10)):
                command = f"go test {flags} -timeout {o.get('seconds', 8)}s ./..."
                if "retry_passes" in b.survivors:
                    command = f"test -e /tmp/warm-{b.number} || {{ touch /tmp/warm-{b.number}; echo 'dial tcp 127.0.0.1:5432: connect: connection refused'; echo 'database not ready, retrying'; false; }}\n" + command
                    b.retry(2, lambda: b.sh(command, "test"))
                else:
                    b.sh(command, "test")

        work = [Stage("Modules", deps)]
        work += [Stage("Build and test", {"vet": vet, "binary": compile_step, "unit": unit})] if o.get("parallel") else [Stage("Vet", vet), Stage("Build", compile_step), Stage("Test", unit)]
        work.append(Stage("Publish", lambda b: b.sh("mkdir -p bin\nsha256sum bin/* || true\ntar czf bin/release.tgz cmd\nls -l bin", "package")))
        return work

    def for_survivors(self, job, survivors, rng):
        mod = job.spec.mods[0]
        text = f"package {mod}\n\nimport (\n\t\"log\"\n\t\"testing\"\n)\n\nfunc TestSurvives(t *testing.T) {{\n"
        if "panic_recovered" in survivors:
            text += f"\tdefer func() {{\n\t\tif r := recover(); r != nil {{\n\t\t\tlog.Printf(\"panic: %v [recovered] in {mod} handler, request answered with 500\", r)\n\t\t}}\n\t}}()\n\tvar table map[string]int\n\ttable[\"x\"] = 1\n"
        else:
            text += "\tlog.Print(\"nothing to survive\")\n"
        job.write(f"{mod}/survives_test.go", text + "}\n")

    def mod(self, b):
        return b.rng.choice(b.job.spec.mods)

    def edit(self, name, cause, point, see, mod, old, new, test=False):
        path = f"{mod}/{mod}{'_test' if test else ''}.go"
        return Fault(name, cause, point, see, edit=lambda job: job.replace(path, old, new))

    BUILD = r"^\S*\.go:\d+(:\d+)?: |undefined:|syntax error|\.go:\d+:\d+: "

    def point(self, b):
        return "vet" if not b.job.spec.options.get("parallel") else "deps"

    def fault_compile(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice((("	total := 0\n", "	total := 0\n	unused := 1\n"), ('	"strings"\n', '	"strings"\n	"os"\n'), ("entry*Factor + i", "entry*factor + i"), ("return total, nil", "return total"), ("	total := 0\n", "	total = 0\n"), ("total += entry*Factor + i", "total += entry*Factor + o.Name"), ("for i, entry := range o.Entries {", "for i, entry := range o.Entries")))
        return self.edit("compile", "compile_error", "vet", self.BUILD, mod, old, new)

    def fault_test_compile(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice((("made, err := Parse(text)", "made := Parse(text)"), ("!errors.Is(err, ErrEmpty)", "!errors.Is(err, ErrNone)"), ("entries []int", "entries []string")))
        return self.edit("test_compile", "compile_error", "vet", self.BUILD, mod, old, new, test=True)

    def fault_lint(self, b):
        mod = self.mod(b)
        return self.edit("lint", "compile_error", "vet", self.BUILD, mod, 'log.Printf("ERROR', b.rng.choice(('log.Printf("%d entries", text)\n\t\tlog.Printf("ERROR', 'log.Printf("ERROR %s %s", text)\n\t\tlog.Printf("ERROR', "for {\n\t\t\tbreak\n\t\t}\n\t\tlog.Println(\"%s\", text)\n\t\tlog.Printf(\"ERROR")))

    def fault_assertion(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice((("entry*Factor + i", "entry*Factor - i"), ("	total := 0\n", "	total := 1\n"), ("return 0, ErrEmpty", "return 0, nil"), ("continue", "break"), ("if !found {", "if !found && len(text) > 99 {")))
        return self.edit("assertion", "test_failure", "test", self.FAILED, mod, old, new)

    def fault_panic(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice((("	total := 0\n", "	total := o.Entries[len(o.Entries)]\n"), ("	total := 0\n", "	var by map[string]int\n	by[o.Name] = 1\n	total := 0\n"), ("	total := 0\n", "	var other *" + pascal(mod) + "\n	total := 0 * len(other.Name)\n")))
        return self.edit("panic", "test_failure", "test", self.FAILED, mod, old, new)

    def fault_flaky(self, b):
        mod = self.mod(b)
        body = b.rng.choice((
            "\tbegan := time.Now()\n\ttime.Sleep(2 * time.Millisecond)\n\tif spent := time.Since(began); spent > 2010*time.Microsecond {\n\t\tt.Fatalf(\"woke up after %v, deadline was 2.01ms\", spent)\n\t}\n",
            "\tdone := make(chan struct{})\n\tgo func() {\n\t\ttime.Sleep(60 * time.Millisecond)\n\t\tclose(done)\n\t}()\n\tselect {\n\tcase <-done:\n\tcase <-time.After(20 * time.Millisecond):\n\t\tt.Fatal(\"event was not delivered within 20ms\")\n\t}\n",
            "\tkeys := \"\"\n\tfor k := range map[string]int{\"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4, \"e\": 5, \"f\": 6} {\n\t\tkeys += k\n\t}\n\ttime.Sleep(time.Millisecond)\n\tif keys != \"abcdef\" {\n\t\tt.Errorf(\"iteration order %q differs from the recorded one\", keys)\n\t}\n"))
        return Fault("flaky", "flaky_test", "test", self.FAILED, edit=lambda job: job.write(f"{mod}/timing_test.go", f"package {mod}\n\nimport (\n\t\"testing\"\n\t\"time\"\n)\n\nfunc TestDelivery(t *testing.T) {{\n{body}}}\n"))

    def fault_hang(self, b):
        mod = self.mod(b)
        return Fault("hang_tool", "timeout", "test", r"test timed out|panic:", edit=lambda job: job.replace(f"{mod}/{mod}.go", "	total := 0\n", b.rng.choice(("	wait := make(chan int)\n	go func() {\n		select {}\n	}()\n	total := <-wait\n", "	for len(o.Name) >= 0 {\n	}\n	total := 0\n"))))

    def fault_memory(self, b):
        mod = self.mod(b)

        def arm(b):
            b.limits.resident = 260 << 20
        return Fault("memory", "out_of_memory", "test", r"signal: killed|out of memory|cannot allocate|Killed", arm=arm,
                     edit=lambda job: job.replace(f"{mod}/{mod}.go", "	total := 0\n", "	var hoard [][]byte\n	for n := 0; n < 150; n++ {\n		page := make([]byte, 8<<20)\n		for k := range page {\n			page[k] = byte(n)\n		}\n		hoard = append(hoard, page)\n	}\n	total := 0 * len(hoard)\n"))

    def fault_disk_full(self, b):
        def arm(b):
            b.env["GOTMPDIR"] = f"{b.job.workspace}/bin"
            common.mount_small(f"{b.job.workspace}/bin", b.rng.choice((300, 900)))(b)
        return Fault("disk_full", "disk_full", "build", common.DISK, arm=arm)

    def fault_conflict(self, b):
        require = b.rng.choice(("github.com/google/uuid v9.9.9", "github.com/example-labs/ledger v1.2.3", "github.com/stretchr/testify/v3 v3.0.0", "github.com/google/uuid v2.0.0+incompatible"))
        return Fault("conflict", "dependency", "deps", r"go: |404|unknown revision|invalid|not found", edit=lambda job: job.replace("go.mod", "require (\n", f"require (\n\t{require}\n"))

    def fault_missing_tool(self, b):
        return Fault("missing_tool", "config", "vet", r"not found", arm=lambda b: without(b, "go"))

    def fault_permission(self, b):
        def arm(b):
            path = f"{b.job.workspace}/bin"
            wipe(path)
            common.os.makedirs(path)
            b.undo.append(lambda: wipe(path))
        return Fault("permission", "config", "build", common.DENIED, arm=arm)

    def fault_missing_env(self, b):
        mod = self.mod(b)
        variable = b.rng.choice(("PAYMENT_API_KEY", "DB_DSN", "KAFKA_BROKERS", "OIDC_ISSUER"))
        return Fault("missing_env", "config", "test", variable, edit=lambda job: job.write(f"{mod}/main_test.go", f"package {mod}\n\nimport (\n\t\"log\"\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestMain(m *testing.M) {{\n\tif os.Getenv(\"{variable}\") == \"\" {{\n\t\tlog.Fatal(\"{variable} is not set: integration settings are incomplete\")\n\t}}\n\tos.Exit(m.Run())\n}}\n"))

"""Smaller ecosystems: Perl with prove, Tcl with tcltest, shell with bats, Ruby, PHP, Ant, OCaml with dune, Elixir with mix."""
import os

from build import wipe
from kits.base import Fault, Kit, Stage, numbers, pascal, without
from mirror import Trouble
import common


class Scripting(Kit):
    """One language: its files (one source and one test for each module), its commands, and edits that break the source or the test."""

    survivors = ("git_retry", "retry_passes", "rm_missing", "lint_allowed", "cache_miss", "expected_errors", "slow_service")
    binary = "sh"
    FAILED = r"not ok|FAIL|Failed|failure|Error|ERROR"
    SYNTAX = r"(?i)syntax error|error"
    lint_see = None             # set where lint is a step of its own that can fail
    breaks_syntax, breaks_test, breaks_error = (), (), ()
    flaky_bodies, hang_body, memory_body = (), "", ""
    conflicts = ()              # (point, file of a module, old, new): versions that contradict what is installed
    CONFLICT = r"(?i)version|not found|could not find|required|conflict|unchecked|Error"

    def source_path(self, mod):
        raise NotImplementedError

    def test_path(self, mod):
        raise NotImplementedError

    def create(self, job):
        rng, spec = job.rng, job.spec
        job.write(".gitignore", "dist\n_build\nbuild\n")
        job.write("dist.sh", "set -e\nmkdir -p dist\nfor i in 1 2 3 4 5 6 7 8; do cat $(git ls-files) ; done > dist/bundle.txt\ntar czf dist/$JOB_NAME-$(cat VERSION).tgz dist/bundle.txt\nls -l dist\n")
        job.write("VERSION", "0.1\n")
        for mod in spec.mods:
            factor, noun = rng.randint(2, 9), rng.choice(spec.nouns)
            rows = [numbers(rng, rng.randint(1, 5)) for _ in range(spec.options.get("cases", 8))]
            cases = [(row, sum(a * factor + k for k, a in enumerate(row))) for row in rows]
            names = {"mod": mod, "cls": pascal(mod), "noun": noun, "factor": factor, "title": spec.title, "package": spec.package}
            job.write(self.source_path(mod), self.source(names))
            job.write(self.test_path(mod), self.test_text(names, cases))
        self.project_files(job)
        job.commit("Initial import")

    def project_files(self, job):
        pass

    def check_command(self, b):
        raise NotImplementedError

    def test_command(self, b):
        raise NotImplementedError

    def stages(self, b):
        o = b.job.spec.options

        def check(b):
            lines = []
            if "rm_missing" in b.survivors:
                lines.append("rm results/*.tap old/*.log || true")
            if "cache_miss" in b.survivors:
                lines.append("cp -r /home/jenkins/cache/$JOB_NAME cache || echo 'warm cache is missing, going on'")
            if lines:
                b.sh("\n".join(lines), "prepare")
            b.sh(self.check_command(b), "build")

        def lint(b):
            command = self.lint_command(b)
            allowed = "lint_allowed" in b.survivors and not (b.fault and b.fault.point == "lint")
            if command:
                b.sh(command[1] + " || true" if allowed else command[0], "lint")

        def unit(b):
            if "expected_errors" in b.survivors:
                b.sh("printf 'ERROR simulator: device not found\\nFAILED to open /dev/ttyUSB7, using the software device\\n'\ncat missing-settings.conf || echo 'no local settings, defaults are used'", "prepare")
            if "slow_service" in b.survivors:
                port = 7000 + b.number % 900
                b.sh(f"( sleep 0.8; exec python3 -m http.server {port} --bind 127.0.0.1 >/dev/null 2>&1 ) &\nfor i in 1 2 3 4 5 6 7 8 9; do curl -sS -o /dev/null -m 1 http://127.0.0.1:{port}/VERSION && break; echo \"waiting for the test service ($i)\"; sleep 0.3; done", "prepare")
            with b.timeout(o.get("minutes", 10)):
                command = self.test_command(b)
                if "retry_passes" in b.survivors:
                    b.retry(3, lambda: b.sh(f"test -e /tmp/first-{b.number} || {{ touch /tmp/first-{b.number}; echo 'Error: lock file held by another run, giving up'; exit 3; }}\n{command}", "test"))
                else:
                    b.sh(command, "test")

        pack = Stage("Bundle", lambda b: b.sh("sh dist.sh", "package"))
        if o.get("parallel"):
            return [Stage("Prepare", check), Stage("Verify", {"lint": lint, "tests": unit}), pack]
        return [Stage(o.get("check_name", "Syntax"), check), Stage("Lint", lint), Stage("Tests", unit), pack]

    def lint_command(self, b):
        return ("git diff --check HEAD~1 || true", "git diff --check HEAD~1")

    def mod(self, b):
        return b.rng.choice(b.job.spec.mods)

    def fault_syntax(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice(self.breaks_syntax)
        return Fault("syntax", "compile_error", "build", self.SYNTAX, edit=lambda job: job.replace(self.source_path(mod), old, new))

    def fault_assertion(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice(self.breaks_test)
        return Fault("assertion", "test_failure", "test", self.FAILED, edit=lambda job: job.replace(self.source_path(mod), old, new))

    def fault_error(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice(self.breaks_error)
        return Fault("error", "test_failure", "test", self.FAILED, edit=lambda job: job.replace(self.source_path(mod), old, new))

    def insert(self, b, name, cause, see, body):
        mod = self.mod(b)
        return Fault(name, cause, "test", see, edit=lambda job: job.replace(self.test_path(mod), self.anchor, body.replace("MOD", mod) + self.anchor))

    def fault_flaky(self, b):
        return self.insert(b, "flaky", "flaky_test", self.FAILED + "|seed|took", b.rng.choice(self.flaky_bodies))

    def fault_hang(self, b):
        return self.insert(b, "hang", "timeout", r"Cancelling nested|Build timed out|timed out|timeout|Timeout", self.hang_body)

    def fault_memory(self, b):
        fault = self.insert(b, "memory", "out_of_memory", r"(?i)out of memory|killed|cannot allocate|failed to allocate|memory|unable to (re)?alloc|SIGKILL|137|Out_of_memory", self.memory_body)
        fault.arm = lambda b: setattr(b.limits, *(("resident", 200 << 20) if b.rng.random() < 0.5 or self.only_killed else ("address", self.address << 20)))
        return fault

    only_killed, address = False, 500

    def faults(self):
        table = super().faults()
        if self.conflicts:
            table["conflict"] = self.version_conflict
        return table

    def version_conflict(self, b):
        mod = self.mod(b)
        point, path, old, new = b.rng.choice(self.conflicts)
        where = {"source": self.source_path(mod), "test": self.test_path(mod)}.get(path, path)
        return Fault("conflict", "dependency", point, self.CONFLICT, edit=lambda job: job.replace(where, old, new))

    def fault_disk_full(self, b):
        return Fault("disk_full", "disk_full", "package", common.DISK, arm=common.mount_small(f"{b.job.workspace}/dist", b.rng.choice((12, 24, 40))))

    def fault_permission(self, b):
        def arm(b):
            path = f"{b.job.workspace}/dist"
            wipe(path)
            os.makedirs(path)
            b.undo.append(lambda: wipe(path))
        return Fault("permission", "config", "package", common.DENIED, arm=arm)

    def fault_read_only(self, b):
        def arm(b):
            wipe(f"{b.job.workspace}/dist")
            os.makedirs(f"{b.job.workspace}/dist")
            common.read_only(f"{b.job.workspace}/dist")(b)
        return Fault("read_only", "agent_lost", "package", common.READ_ONLY, arm=arm)

    def fault_missing_tool(self, b):
        return Fault("missing_tool", "config", "build", r"not found|No such file", arm=lambda b: without(b, *self.binary.split()))

    def fault_missing_env(self, b):
        variable = b.rng.choice(("DEPLOY_KEY", "DB_HOST", "FTP_PASSWORD", "TENANT", "LICENCE_KEY", "UPLOAD_TOKEN"))
        text = b.rng.choice((f': "${{{variable}:?is not set}}"\n', f'[ -n "${variable}" ] || {{ echo "configuration error: {variable} is empty, check the credentials binding" >&2; exit 78; }}\n'))
        return Fault("missing_env", "config", "package", variable, edit=lambda job: job.replace("dist.sh", "set -e\n", "set -e\n" + text))

    def fault_upload(self, b):
        how = b.rng.choice(("unresolvable", "refused", "503", "reset"))
        target = {"unresolvable": "http://uploads.gone.example/put", "refused": "http://127.0.0.1:9/put", "503": "http://hooks.example.com/maven/put", "reset": "http://hooks.example.com/maven/put"}[how]

        def arm(b):
            if how in ("503", "reset"):
                b.job.mirror.trouble = Trouble(503 if how == "503" else "reset")
        return Fault("upload", "registry_outage", "package", common.NETWORK + r"|curl: \(\d+\)", arm=arm, edit=lambda job: job.write("dist.sh", job.read("dist.sh") + f"curl -fsS --retry 1 --retry-delay 1 -m 5 {target}?name=$JOB_NAME -o dist/receipt.txt\n"))

    def fault_credentials(self, b):
        kind = b.rng.choice((401, 403))
        return Fault("credentials", "config", "package", r"40[13]", arm=lambda b: setattr(b.job.mirror, "trouble", Trouble(kind)), edit=lambda job: job.write("dist.sh", job.read("dist.sh") + "curl -fsS -u \"$JOB_NAME:expired\" -m 5 http://hooks.example.com/maven/put -o dist/receipt.txt\n"))

    def fault_certificate(self, b):
        host = b.rng.choice(("files.example.org", "downloads.example.org", "vault.example.org"))
        return Fault("certificate", "config", "package", common.CERTIFICATE, edit=lambda job: job.write("dist.sh", job.read("dist.sh") + f"curl -sS -f -m 5 https://{host}/maven/put -o dist/receipt.txt\n"))


class Perl(Scripting):
    tool, binary = "perl", "perl prove"
    FAILED = r"not ok|Failed test|Failed|FAIL|Dubious|Can't|Illegal|died|line \d+\."
    conflicts = (("build", "source", "use strict;", "use strict;\nuse POSIX 99.1;"), ("build", "source", "use strict;", "use strict;\nuse List::Util 7.2 qw(sum0);"), ("test", "test", "use Test::More;", "use Test::More 3.40;"))
    anchor = "done_testing();"
    breaks_syntax = (("my $total = 0;", "my $total = 0"), ("    return $total;\n}", "    return $total;\n"), ("use strict;", "use strict;\nuse Missing::Module;"), ("my $total", "my total"), ("for my $i (0 .. $#_) {", "for my $i (0 .. $#_ {"))
    breaks_test = (("+ $i;", "- $i;"), ("my $total = 0;", "my $total = 1;"), ("'low'", "'lower'"))
    breaks_error = (("my $total = 0;", "my $none;\n    my $total = $none->{a}->method;"), ("my $total = 0;", "my $total = 1 / (@_ - @_);"), ("my $total = 0;", "die \"table not loaded\\n\" if @_ > 2;\n    my $total = 0;"))
    flaky_bodies = ("use Time::HiRes;\nmy $t0 = Time::HiRes::time();\nTime::HiRes::sleep(0.002);\nmy $took = Time::HiRes::time() - $t0;\ncmp_ok($took, '<', 0.00202, 'MOD answers within 2.02 ms');\n\n",
                    "my $seed = int(rand(1_000_000));\ndiag(\"random seed $seed\");\nis($seed % 31, 4, 'MOD is stable for any seed');\n\n")
    hang_body = "while (-e '/proc/self/status') { select(undef, undef, undef, 1); }\n"
    memory_body = "my @hoard;\npush @hoard, 'x' x (8 << 20) for 1 .. 200;\n"

    def source_path(self, mod):
        return f"lib/Local/{pascal(mod)}.pm"

    def test_path(self, mod):
        return f"t/{mod}.t"

    def source(self, n):
        return ("package Local::{cls};\n# {title}\nuse strict;\nuse warnings;\n\nour $FACTOR = {factor};\n\nsub total {{\n    my $total = 0;\n    for my $i (0 .. $#_) {{\n        $total += $_[$i] * $FACTOR + $i;\n    }}\n    return $total;\n}}\n\n"
                "sub grade {{\n    my ($value) = @_;\n    die \"negative {noun}: $value\\n\" if $value < 0;\n    warn \"{noun} $value is unusually high\\n\" if $value > 80;\n    return $value < 10 ? 'low' : 'normal';\n}}\n\n1;\n").format(**n)

    def test_text(self, n, cases):
        lines = "".join(f"is(Local::{n['cls']}::total({', '.join(map(str, row))}), {want}, '{n['mod']}: total of {len(row)} {n['noun']}s ({i + 1})');\n" for i, (row, want) in enumerate(cases))
        return f"use strict;\nuse warnings;\nuse lib 'lib';\nuse Test::More;\nuse Local::{n['cls']};\n\n{lines}is(Local::{n['cls']}::grade(3), 'low', '{n['mod']}: low {n['noun']}');\nis(Local::{n['cls']}::grade(90), 'normal', 'warns only');\nok(!eval {{ Local::{n['cls']}::grade(-1); 1 }}, 'negative {n['noun']} dies');\nlike($@, qr/negative/, 'and says why');\n\ndone_testing();\n"

    def check_command(self, b):
        return "perl -v | head -n 2\nfor file in lib/Local/*.pm; do perl -Ilib -c $file; done"

    def test_command(self, b):
        return f"prove -Ilib {b.job.spec.options.get('prove', '-v')} t"


class Tcl(Scripting):
    tool, binary = "tcl", "tclsh tclsh8.6"
    FAILED = r"==== \S+ .*FAILED|FAILED|Failed\s+[1-9]|error|invalid|wrong # args"
    SYNTAX = r"(?i)error|missing|extra characters|wrong # args|can't read|not load"
    conflicts = (("build", "source", "package provide", "package require tcltest 9.9\npackage provide"), ("build", "source", "package provide", "package require Tcl 8.9\npackage provide"), ("build", "source", "package provide", "package require json 4\npackage provide"))
    anchor = "cleanupTests"
    breaks_syntax = (("    return $total\n}", "    return $total\n"), ("set total 0", "set total \"0"), ("package provide", "package require nosuchpackage\npackage provide"), ("namespace eval", "namspace eval"))
    breaks_test = (("+ $i}]", "- $i}]"), ("set total 0", "set total 2"), ("return low", "return lower"))
    breaks_error = (("set total 0", "set total $undefined"), ("set total 0", "set total [expr {1 / 0}]"), ("set total 0", "set total [dict get {a 1} b]"), ("set total 0", "set total [open /nonexistent/table r]"))
    flaky_bodies = ("test MOD-timing {wakes up in time} -body {\n    set t0 [clock microseconds]\n    after 2\n    set took [expr {[clock microseconds] - $t0}]\n    puts \"took $took us\"\n    expr {$took < 2010}\n} -result 1\n\n",
                    "test MOD-order {random order} -body {\n    set seed [expr {int(rand() * 100000)}]\n    puts \"seed $seed\"\n    expr {$seed % 29}\n} -result 4\n\n")
    hang_body = "test MOD-waits {waits for an event} -body {\n    vwait ::never\n} -result 1\n\n"
    memory_body = "test MOD-history {keeps history} -body {\n    for {set n 0} {$n < 200} {incr n} { lappend hoard [string repeat x$n 4000000] }\n    llength $hoard\n} -result 200\n\n"

    def source_path(self, mod):
        return f"lib/{mod}.tcl"

    def test_path(self, mod):
        return f"tests/{mod}.test"

    def source(self, n):
        return ("# {title}\npackage provide {mod} 1.0\nnamespace eval {mod} {{\n    variable factor {factor}\n}}\n\nproc {mod}::total {{amounts}} {{\n    variable factor\n    set total 0\n    for {{set i 0}} {{$i < [llength $amounts]}} {{incr i}} {{\n        set total [expr {{$total + [lindex $amounts $i] * $factor + $i}}]\n    }}\n    return $total\n}}\n\n"
                "proc {mod}::grade {{value}} {{\n    if {{$value < 0}} {{\n        puts stderr \"error: {noun} $value is negative\"\n        return -code error \"negative {noun}\"\n    }}\n    if {{$value < 10}} {{\n        return low\n    }}\n    return normal\n}}\n").format(**n)

    def test_text(self, n, cases):
        text = "".join(f"test {n['mod']}-1.{i + 1} {{total of {len(row)} {n['noun']}s}} {{\n    {n['mod']}::total {{{' '.join(map(str, row))}}}\n}} {want}\n\n" for i, (row, want) in enumerate(cases))
        return f"package require tcltest\nnamespace import ::tcltest::*\nconfigure -verbose {{body error pass}}\nsource [file join [file dirname [info script]] .. lib {n['mod']}.tcl]\n\n{text}test {n['mod']}-2.1 {{low}} {{\n    {n['mod']}::grade 3\n}} low\n\ntest {n['mod']}-2.2 {{negative {n['noun']} is an error}} -body {{\n    {n['mod']}::grade -1\n}} -returnCodes error -result {{negative {n['noun']}}}\n\nset failures $::tcltest::numTests(Failed)\ncleanupTests\nexit [expr {{$failures > 0}}]\n"

    def check_command(self, b):
        return "echo 'puts [info patchlevel]' | tclsh\nfor file in lib/*.tcl; do echo \"source $file\"; echo \"source $file; puts {loaded $file}\" > /tmp/load.tcl; tclsh /tmp/load.tcl; done"

    def test_command(self, b):
        return "for file in tests/*.test; do echo \"---- $file\"; tclsh $file; done"


class Bats(Scripting):
    tool, binary = "shell", "bats"
    FAILED = r"not ok|✗|failed|failures"
    SYNTAX = r"(?i)syntax error|SC\d{4}|error|unexpected"
    conflicts = (("test", "test", "setup() {", "bats_require_minimum_version 9.0.0\nsetup() {"), ("test", "test", "setup() {", "bats_load_library bats-assert-3\nsetup() {"))
    anchor = "# end of tests\n"
    breaks_syntax = (("    local total=0\n", "    local total=(0\n"), ("    done\n", ""), ('    echo "$total"\n}', '    echo "$total\n}'), ("    if [ \"$1\" -lt 0 ]; then", "    if [ \"$1\" -lt 0 ]"))
    breaks_test = (("+ position))", "- position))"), ("local total=0", "local total=1"), ("echo low", "echo lower"))
    breaks_error = (("    local total=0\n", "    local total=0\n    gawkish --sum \"$@\" || return 127\n"), ("    local total=0\n", "    local total=$((1 / 0))\n"), ("    local total=0\n", "    local total=0\n    cat /nonexistent/rates.csv || return 1\n"))
    flaky_bodies = ("@test \"MOD: answers within 12 ms\" {\n    start=$(date +%s%N)\n    sleep 0.01\n    took=$(( ($(date +%s%N) - start) / 1000 ))\n    echo \"took $took us\"\n    [ \"$took\" -lt 10500 ]\n}\n\n",
                    "@test \"MOD: background worker reports in time\" {\n    ( sleep 0.4; echo done > \"$BATS_TEST_TMPDIR/mark\" ) &\n    sleep 0.1\n    [ -s \"$BATS_TEST_TMPDIR/mark\" ]\n}\n\n",
                    "@test \"MOD: any random seed gives the same order\" {\n    seed=$(od -An -N2 -tu2 /dev/urandom)\n    echo \"seed $seed\"\n    [ $((seed % 37)) -eq 5 ]\n}\n\n")
    hang_body = "@test \"MOD: waits for the lock\" {\n    while [ ! -e /tmp/never-MOD ]; do sleep 0.5; done\n}\n\n"
    memory_body = "@test \"MOD: reads the whole journal\" {\n    journal=$(head -c 900000000 /dev/zero | tr '\\0' x)\n    [ -n \"$journal\" ]\n}\n\n"
    address = 400

    def source_path(self, mod):
        return f"lib/{mod}.sh"

    def test_path(self, mod):
        return f"test/{mod}.bats"

    def source(self, n):
        return ("#!/bin/bash\n# {title}\n\n{mod}_total() {{\n    local total=0\n    local position=0\n    local amount\n    for amount in \"$@\"; do\n        total=$((total + amount * {factor} + position))\n        position=$((position + 1))\n    done\n    echo \"$total\"\n}}\n\n"
                "{mod}_grade() {{\n    if [ \"$1\" -lt 0 ]; then\n        echo \"ERROR: negative {noun} $1\" >&2\n        return 1\n    fi\n    if [ \"$1\" -lt 10 ]; then\n        echo low\n    else\n        echo normal\n    fi\n}}\n").format(**n)

    def test_text(self, n, cases):
        text = "".join(f"@test \"{n['mod']}: total of {len(row)} {n['noun']}s, case {i + 1}\" {{\n    run {n['mod']}_total {' '.join(map(str, row))}\n    [ \"$status\" -eq 0 ]\n    [ \"$output\" = \"{want}\" ]\n}}\n\n" for i, (row, want) in enumerate(cases))
        return f"load_lib() {{ source \"$BATS_TEST_DIRNAME/../lib/{n['mod']}.sh\"; }}\nsetup() {{ load_lib; }}\n\n{text}@test \"{n['mod']}: low\" {{\n    run {n['mod']}_grade 3\n    [ \"$output\" = low ]\n}}\n\n@test \"{n['mod']}: negative {n['noun']} is refused\" {{\n    run {n['mod']}_grade -1\n    [ \"$status\" -eq 1 ]\n    echo \"# refused with: $output\" >&3\n}}\n\n# end of tests\n"

    def check_command(self, b):
        return "bats --version\nfor file in lib/*.sh; do bash -n $file && echo \"$file: ok\"; done\ntest -z \"$(for file in lib/*.sh; do bash -n $file 2>&1; done)\""

    def lint_command(self, b):
        return ("shellcheck -S warning lib/*.sh", "shellcheck -o all lib/*.sh")

    def fault_lint(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice((("    local position=0\n", "    local position=0\n    local unused=3\n    cd /tmp/$mod\n"), ("    local amount\n", "    local amount\n    files=$(ls *.csv)\n    echo $prefix/*.bak\n"), ("    local amount\n", "    local amount\n    read line\n    [ $amounts == 0 ] && echo $line\n")))
        return Fault("lint", "compile_error", "lint", r"SC\d{4}|In lib/", edit=lambda job: job.replace(self.source_path(mod), old, new))

    def test_command(self, b):
        return f"bats {b.job.spec.options.get('bats', '--tap')} test"


class Ruby(Scripting):
    tool, binary = "ruby", "ruby rspec rake"
    FAILED = r"\(FAILED|Failure|FAILED|Failures:|Error:|^\s+\d+\) |F[.F]*$"
    SYNTAX = r"(?i)syntax error|unexpected|LoadError|cannot load"
    conflicts = (("test", "source", "# frozen_string_literal: true\n", "# frozen_string_literal: true\n\ngem 'json', '~> 99.0'\n"), ("test", "source", "# frozen_string_literal: true\n", "# frozen_string_literal: true\n\ngem 'rake', '< 2'\n"), ("test", "source", "# frozen_string_literal: true\n", "# frozen_string_literal: true\n\ngem 'nokogiri-lite'\n"))
    anchor = "# end of tests\n"
    breaks_syntax = (("    total = 0\n", "    total = (0\n"), ("      end\n", ""), ("module Local", "modul Local"), ("    total\n", "    total]\n"))
    breaks_test = (("* FACTOR + i", "* FACTOR - i"), ("total = 0", "total = 1"), ("'low'", "'lower'"))
    breaks_error = (("total = 0", "total = nil"), ("total = 0", "total = Integer('x')"), ("total = 0", "total = 1 / (amounts.size - amounts.size)"), ("total = 0", "total = {}.fetch(:base)"), ("total = 0", "total = amounts.summarise"))
    flaky_bodies = ("  TEST('MOD answers within 2.1 ms') do\n    began = Process.clock_gettime(Process::CLOCK_MONOTONIC, :microsecond)\n    sleep 0.002\n    took = Process.clock_gettime(Process::CLOCK_MONOTONIC, :microsecond) - began\n    puts \"took #{took} us\"\n    raise \"took #{took} us, limit 2010\" if took > 2010\n  end\n\n",
                    "  TEST('MOD receives the event') do\n    seen = nil\n    Thread.new { sleep 0.3; seen = 1 }\n    sleep 0.05\n    raise 'event not received within 50 ms' unless seen\n  end\n\n")
    hang_body = "  TEST('MOD waits for the queue') do\n    Queue.new.tap { |q| Thread.new { sleep }; q.pop }\n  end\n\n"
    memory_body = "  TEST('MOD keeps a history') do\n    hoard = []\n    200.times { |n| hoard << ('x' * (8 << 20)) }\n  end\n\n"

    def source_path(self, mod):
        return f"lib/{mod}.rb"

    def test_path(self, mod):
        return f"spec/{mod}_spec.rb"

    def insert(self, b, name, cause, see, body):
        return super().insert(b, name, cause, see, body.replace("TEST(", "it(") if not b.job.spec.options.get("minitest") else "\n".join(body.replace("TEST('MOD ", "define_method('test_MOD_").split("\n")))

    def source(self, n):
        return ("# frozen_string_literal: true\n\n# {title}\nmodule Local\n  module {cls}\n    FACTOR = {factor}\n\n    def self.total(amounts)\n    total = 0\n    amounts.each_with_index do |amount, i|\n      total += amount * FACTOR + i\n      end\n    total\n    end\n\n    def self.grade(value)\n      if value.negative?\n        warn \"ERROR {noun} #{{value}} is negative\"\n        raise ArgumentError, \"negative {noun}\"\n      end\n      value < 10 ? 'low' : 'normal'\n    end\n  end\nend\n").format(**n)

    def test_text(self, n, cases):
        if self.minitest:
            text = "".join(f"  def test_{n['mod']}_total_{i + 1}\n    assert_equal {want}, Local::{n['cls']}.total({row})\n  end\n\n" for i, (row, want) in enumerate(cases))
            return f"require 'minitest/autorun'\nrequire_relative '../lib/{n['mod']}'\n\nclass {n['cls']}Test < Minitest::Test\n{text}  def test_low\n    assert_equal 'low', Local::{n['cls']}.grade(3)\n  end\n\n  def test_negative\n    assert_raises(ArgumentError) {{ Local::{n['cls']}.grade(-1) }}\n  end\n# end of tests\nend\n"
        text = "".join(f"  it 'totals {len(row)} {n['noun']}s (case {i + 1})' do\n    expect(Local::{n['cls']}.total({row})).to eq({want})\n  end\n\n" for i, (row, want) in enumerate(cases))
        return f"require_relative '../lib/{n['mod']}'\n\nRSpec.describe Local::{n['cls']} do\n{text}  it 'calls 3 low' do\n    expect(Local::{n['cls']}.grade(3)).to eq('low')\n  end\n\n  it 'refuses a negative {n['noun']}' do\n    expect {{ Local::{n['cls']}.grade(-1) }}.to raise_error(ArgumentError)\n  end\n# end of tests\nend\n"

    minitest = False

    def check_command(self, b):
        return "ruby --version\nfor file in lib/*.rb; do ruby -wc $file; done"

    def test_command(self, b):
        if self.minitest:
            return "ruby -Ilib -e 'Dir[\"./spec/*_spec.rb\"].sort.each { |f| require f }' -- -v"
        return f"rspec {b.job.spec.options.get('rspec', '--format documentation')} --no-color"


class Minitest(Ruby):
    minitest = True


class Php(Scripting):
    tool, binary = "php", "php php8.2"
    FAILED = r"FAILURES|ERRORS|There (was|were)|^\d+\) |Failed asserting|Fatal error|✘|[.]*[FE][.FE]*\s"
    SYNTAX = r"(?i)parse error|syntax error|fatal error"
    anchor = "    // end of tests\n"
    breaks_syntax = (("        $total = 0;\n", "        $total = 0\n"), ("        return $total;\n    }", "        return $total;\n"), ("public static function total", "public static funtion total"), ("foreach ($amounts as $i => $amount) {", "foreach ($amounts as $i => $amount {"))
    breaks_test = (("self::FACTOR + $i", "self::FACTOR - $i"), ("$total = 0;", "$total = 1;"), ("'low'", "'lower'"))
    breaks_error = (("$total = 0;", "$total = (new \\ArrayObject())->missing();"), ("$total = 0;", "$total = intdiv(1, 0);"), ("$total = 0;", "$total = undefined_function_x();"), ("$total = 0;", "throw new \\RuntimeException('rate table not loaded');\n        $total = 0;"))
    flaky_bodies = ("    public function testMODAnswersInTime(): void\n    {\n        $began = hrtime(true);\n        usleep(2000);\n        $took = (int) ((hrtime(true) - $began) / 1000);\n        $this->assertLessThan(2010, $took, \"took $took us\");\n    }\n\n",
                    "    public function testMODShuffleSeed(): void\n    {\n        $seed = random_int(0, 99999);\n        $this->assertSame(4, $seed % 41, \"shuffled with seed $seed\");\n    }\n\n")
    hang_body = "    public function testMODWaits(): void\n    {\n        while (!file_exists('/tmp/never-MOD')) {\n            usleep(200000);\n        }\n    }\n\n"
    memory_body = "    public function testMODHistory(): void\n    {\n        $hoard = [];\n        for ($n = 0; $n < 300; $n++) {\n            $hoard[] = str_repeat('x', 8 << 20);\n        }\n        $this->assertNotEmpty($hoard);\n    }\n\n"

    def fault_memory(self, b):
        fault = super().fault_memory(b)
        if b.rng.random() < 0.6:
            fault.arm = lambda b: b.env.update(PHP_MEMORY="48M")
        return fault

    def source_path(self, mod):
        return f"src/{pascal(mod)}.php"

    def test_path(self, mod):
        return f"tests/{pascal(mod)}Test.php"

    def source(self, n):
        return ("<?php\ndeclare(strict_types=1);\n\n/** {title} */\nfinal class {cls}\n{{\n    public const FACTOR = {factor};\n\n    public static function total(array $amounts): int\n    {{\n        $total = 0;\n        foreach ($amounts as $i => $amount) {{\n            $total += $amount * self::FACTOR + $i;\n        }}\n        return $total;\n    }}\n\n"
                "    public static function grade(int $value): string\n    {{\n        if ($value < 0) {{\n            fwrite(STDERR, \"PHP Warning: negative {noun} $value refused\\n\");\n            throw new InvalidArgumentException('negative {noun}');\n        }}\n        return $value < 10 ? 'low' : 'normal';\n    }}\n}}\n").format(**n)

    def test_text(self, n, cases):
        text = "".join(f"    public function testTotal{pascal(n['noun'])}{i + 1}(): void\n    {{\n        $this->assertSame({want}, {n['cls']}::total([{', '.join(map(str, row))}]));\n    }}\n\n" for i, (row, want) in enumerate(cases))
        return f"<?php\nuse PHPUnit\\Framework\\TestCase;\n\nrequire_once __DIR__ . '/../src/{n['cls']}.php';\n\nfinal class {n['cls']}Test extends TestCase\n{{\n{text}    public function testLow(): void\n    {{\n        $this->assertSame('low', {n['cls']}::grade(3));\n    }}\n\n    public function testNegative(): void\n    {{\n        $this->expectException(InvalidArgumentException::class);\n        {n['cls']}::grade(-1);\n    }}\n\n    // end of tests\n}}\n"

    def project_files(self, job):
        job.write("phpunit.xml", '<?xml version="1.0"?>\n<phpunit colors="false"><testsuites><testsuite name="all"><directory>tests</directory></testsuite></testsuites></phpunit>\n')

    def check_command(self, b):
        return "php --version | head -n 1\nfor file in src/*.php; do php -l $file; done"

    def test_command(self, b):
        return f"php -d memory_limit=${{PHP_MEMORY:-512M}} /usr/bin/phpunit {b.job.spec.options.get('phpunit', '--testdox')}"


class Ant(Scripting):
    tool, binary = "ant", "ant"
    FAILED = r"FAILED|Failures: [1-9]|Errors: [1-9]|Testcase:.*(FAILED|ERROR)|Caused an ERROR"
    SYNTAX = r"error:|\d+ errors?"
    anchor = "    // end of tests\n"
    breaks_syntax = (("long total = 0;", "long total = 0"), ("amounts.length", "amounts.size()"), ("return total;", "return totals;"), ("long total = 0;", "String total = 0;"))
    breaks_test = (("* FACTOR + i", "* FACTOR - i"), ("long total = 0;", "long total = 1;"), ('"low"', '"lower"'))
    breaks_error = (("long total = 0;", "long total = amounts[amounts.length];"), ("long total = 0;", "long total = Long.parseLong(\"x\");"), ("long total = 0;", "long total = ((String) null).length();"))
    flaky_bodies = ("    @Test public void answersInTime() throws Exception {\n        long began = System.nanoTime();\n        Thread.sleep(2);\n        long took = (System.nanoTime() - began) / 1000;\n        assertTrue(\"took \" + took + \" us, limit 2010 us\", took < 2010);\n    }\n\n",
                    "    @Test public void eventArrives() throws Exception {\n        java.util.concurrent.CountDownLatch latch = new java.util.concurrent.CountDownLatch(1);\n        new Thread(() -> { try { Thread.sleep(400); } catch (InterruptedException e) { } latch.countDown(); }).start();\n        assertTrue(\"event of MOD not seen within 50 ms\", latch.await(50, java.util.concurrent.TimeUnit.MILLISECONDS));\n    }\n\n")
    hang_body = "    @Test public void waits() throws Exception {\n        synchronized (this) { wait(); }\n    }\n\n"
    memory_body = "    @Test public void history() {\n        java.util.List<long[]> hoard = new java.util.ArrayList<>();\n        for (int n = 0; n < 4000; n++) { hoard.add(new long[1 << 17]); }\n        assertTrue(hoard.size() > 0);\n    }\n\n"
    only_killed = True

    def fault_memory(self, b):
        fault = super().fault_memory(b)
        fault.arm = lambda b: b.env.update(ANT_OPTS="-Xmx48m")
        fault.see = r"OutOfMemory|heap space"
        return fault

    def source_path(self, mod):
        return f"src/local/{pascal(mod)}.java"

    def test_path(self, mod):
        return f"test/local/{pascal(mod)}Test.java"

    def source(self, n):
        return ("package local;\n\n/** {title}. */\npublic class {cls} {{\n    static final int FACTOR = {factor};\n\n    public static long total(int... amounts) {{\n        long total = 0;\n        for (int i = 0; i < amounts.length; i++) {{\n            total += (long) amounts[i] * FACTOR + i;\n        }}\n        return total;\n    }}\n\n    public static String grade(int value) {{\n        if (value < 0) {{\n            System.err.println(\"SEVERE: {noun} \" + value + \" is negative\");\n            throw new IllegalArgumentException(\"negative {noun}\");\n        }}\n        return value < 10 ? \"low\" : \"normal\";\n    }}\n}}\n").format(**n)

    def test_text(self, n, cases):
        text = "".join(f"    @Test public void totals{pascal(n['noun'])}{i + 1}() {{\n        assertEquals({want}L, {n['cls']}.total({', '.join(map(str, row))}));\n    }}\n\n" for i, (row, want) in enumerate(cases))
        return f"package local;\n\nimport static org.junit.Assert.*;\nimport org.junit.Test;\n\npublic class {n['cls']}Test {{\n{text}    @Test(expected = IllegalArgumentException.class) public void refusesNegative() {{\n        {n['cls']}.grade(-1);\n    }}\n    // end of tests\n}}\n"

    def project_files(self, job):
        o = job.spec.options
        job.write("build.xml", f'''<project name="{job.spec.name}" default="test">
  <path id="cp"><pathelement location="build/main"/><pathelement location="build/test"/><pathelement location="/usr/share/java/junit4.jar"/><pathelement location="/usr/share/java/hamcrest-core.jar"/></path>
  <target name="compile"><mkdir dir="build/main"/><mkdir dir="build/test"/><javac srcdir="src" destdir="build/main" includeantruntime="false" {'verbose="true"' if o.get("verbose") else ''} release="17"/><javac srcdir="test" destdir="build/test" classpathref="cp" includeantruntime="false" release="17"/></target>
  <target name="test" depends="compile"><mkdir dir="build/reports"/><junit printsummary="withOutAndErr" haltonfailure="{o.get('halt', 'no')}" failureproperty="broken" showoutput="true"><classpath refid="cp"/><formatter type="plain" usefile="false"/><batchtest todir="build/reports"><fileset dir="test" includes="**/*Test.java"/></batchtest></junit><fail if="broken" message="there are broken tests"/></target>
</project>
''')

    def check_command(self, b):
        return "ant -version\nant compile"

    def test_command(self, b):
        return "ant -noinput test"


class Dune(Scripting):
    tool, binary = "ocaml", "dune ocamlfind ocamlopt ocamlc"
    FAILED = r"Fatal error|exception|FAIL|failed|Error|bad:"
    SYNTAX = r"Error"
    conflicts = (("build", "src/dune", "(name local)", "(name local) (libraries zarith_big)"), ("build", "dune-project", "2.9", "3.17"), ("build", "src/dune", "(name local)", "(name local) (libraries str cohttp.lwt)"))
    anchor = "(* end of tests *)\n"
    breaks_syntax = (("let total amounts =", "let total amounts"), ("amount * factor", "amount *. factor"), ("List.fold_left", "List.fold_lefts"), ("let factor =", "let factor : string ="), ("in\n  sum", "in\n  summ"))
    breaks_test = (("* factor + i", "* factor - i"), ("(0, 0)", "(0, 1)"), ('"low"', '"lower"'))
    breaks_error = (("let total amounts =", "let total amounts =\n  let _ = List.nth amounts 99 in"), ("let total amounts =", "let total amounts =\n  let _ = int_of_string \"x\" in"), ("let total amounts =", "let total amounts =\n  let _ = 1 / (List.length amounts - List.length amounts) in"), ("let total amounts =", "let total amounts =\n  if List.length amounts > 1 then failwith \"rate table not loaded\";\n"))
    flaky_bodies = ("let () = Random.self_init ()\nlet seed = Random.int 100000\nlet () = Printf.printf \"random seed %d\\n%!\" seed\nlet () = check \"MOD is stable for any seed\" (seed mod 43) 7\n",
                    "let () =\n  let t0 = Unix.gettimeofday () in\n  Unix.sleepf 0.002;\n  let took = (Unix.gettimeofday () -. t0) *. 1e6 in\n  Printf.printf \"took %.0f us, budget 2010 us\\n%!\" took;\n  check \"MOD is within its budget\" (if took < 2010.0 then 1 else 0) 1\n")
    hang_body = "let () = while not (Sys.file_exists \"/tmp/never-MOD\") do Unix.sleepf 0.2 done\n"
    memory_body = "let hoard = List.init 200 (fun n -> Bytes.make (8 lsl 20) (Char.chr (n mod 250)))\nlet () = check \"MOD history\" (List.length hoard) 200\n"

    def source_path(self, mod):
        return f"src/{mod}.ml"

    def test_path(self, mod):
        return f"test/test_{mod}.ml"

    def source(self, n):
        return ("(* {title} *)\nlet factor = {factor}\n\nlet total amounts =\n  let _, sum =\n    List.fold_left (fun (i, sum) amount -> (i + 1, sum + amount * factor + i)) (0, 0) amounts\n  in\n  sum\n\nlet grade value =\n  if value < 0 then begin\n    prerr_endline (\"error: negative {noun} \" ^ string_of_int value);\n    invalid_arg \"negative {noun}\"\n  end\n  else if value < 10 then \"low\"\n  else \"normal\"\n").format(**n)

    def test_text(self, n, cases):
        text = "".join(f"let () = check \"{n['mod']}: total of {len(row)} {n['noun']}s ({i + 1})\" (Local.{n['mod'].capitalize()}.total [{'; '.join(map(str, row))}]) {want}\n" for i, (row, want) in enumerate(cases))
        return f"let bad = ref 0\n\nlet check name got want =\n  if got = want then Printf.printf \"  ok   %s\\n%!\" name\n  else begin\n    Printf.printf \"  bad: %s: got %d, want %d\\n%!\" name got want;\n    incr bad\n  end\n\n{text}let () = check \"{n['mod']}: low\" (String.length (Local.{n['mod'].capitalize()}.grade 3)) 3\nlet () =\n  match Local.{n['mod'].capitalize()}.grade (-1) with\n  | _ -> incr bad\n  | exception Invalid_argument _ -> ()\n\n(* end of tests *)\nlet () = if !bad > 0 then (Printf.eprintf \"{n['mod']}: %d failed\\n\" !bad; exit 1)\n"

    def project_files(self, job):
        job.write("dune-project", "(lang dune 2.9)\n")
        job.write("src/dune", "(library (name local))\n")
        job.write("test/dune", "(tests (names " + " ".join(f"test_{m}" for m in job.spec.mods) + ") (libraries local unix))\n")

    def check_command(self, b):
        return "ocamlc -version\ndune build " + b.job.spec.options.get("flags", "--display=short") + " ./src"

    def test_command(self, b):
        return "dune test --force --display=short"


class Mix(Scripting):
    tool, binary = "elixir", "mix elixir"
    FAILED = r"^\s+\d+\) test|failures?\b|\*\* \("
    SYNTAX = r"\*\* \(|error:|== Compilation error"
    conflicts = (("build", "mix.exs", "deps: []", "deps: [{:jason, path: \"../jason\"}]"), ("build", "mix.exs", "~> 1.10", "~> 2.4"))
    anchor = "  # end of tests\n"
    breaks_syntax = (("    amounts\n", "    amounts |>\n"), ("def total(amounts) do", "def total(amounts)"), ("    |> Enum.sum()\n", "    |> Enum.sum(\n"), ("    amounts\n", "    amonts\n"))
    breaks_test = (("* @factor + i", "* @factor - i"), ("|> Enum.sum()", "|> Enum.sum()\n    |> Kernel.+(1)"), ('"low"', '"lower"'))
    breaks_error = (("    amounts\n", "    amounts\n    |> Map.fetch!(:rates)\n"), ("    amounts\n", "    raise ArgumentError, \"rate table not loaded\"\n    amounts\n") , ("    amounts\n", "    amounts\n    |> Enum.map(&String.to_integer/1)\n"))
    flaky_bodies = ("  test \"MOD answers in time\" do\n    {took, _} = :timer.tc(fn -> Process.sleep(2) end)\n    assert took < 2010, \"took #{took} us\"\n  end\n\n",
                    "  test \"MOD receives the event\" do\n    Process.send_after(self(), :event, 300)\n    assert_receive :event, 50\n  end\n\n")
    hang_body = "  @tag timeout: :infinity\n  test \"MOD waits for a message\" do\n    receive do\n      :never -> :ok\n    end\n  end\n\n"
    memory_body = "  test \"MOD history\" do\n    hoard = for n <- 1..400, do: :binary.copy(<<n>>, 8_000_000)\n    assert length(hoard) == 400\n  end\n\n"
    only_killed = True

    def source_path(self, mod):
        return f"lib/{mod}.ex"

    def test_path(self, mod):
        return f"test/{mod}_test.exs"

    def source(self, n):
        return ("defmodule {cls} do\n  @moduledoc \"{title}\"\n  require Logger\n  @factor {factor}\n\n  def total(amounts) do\n    amounts\n    |> Enum.with_index()\n    |> Enum.map(fn {{amount, i}} -> amount * @factor + i end)\n    |> Enum.sum()\n  end\n\n  def grade(value) when value < 0 do\n    Logger.error(\"{noun} #{{value}} is negative\")\n    raise ArgumentError, \"negative {noun}\"\n  end\n\n  def grade(value) when value < 10, do: \"low\"\n  def grade(_), do: \"normal\"\nend\n").format(**n)

    def test_text(self, n, cases):
        text = "".join(f"  test \"totals {len(row)} {n['noun']}s, case {i + 1}\" do\n    assert {n['cls']}.total({row}) == {want}\n  end\n\n" for i, (row, want) in enumerate(cases)).replace("charlist", "")
        return f"defmodule {n['cls']}Test do\n  use ExUnit.Case\n\n{text}  test \"3 is low\" do\n    assert {n['cls']}.grade(3) == \"low\"\n  end\n\n  test \"a negative {n['noun']} is refused\" do\n    assert_raise ArgumentError, fn -> {n['cls']}.grade(-1) end\n  end\n  # end of tests\nend\n"

    def project_files(self, job):
        name = job.spec.package
        job.write("mix.exs", f"defmodule {pascal(name)}.MixProject do\n  use Mix.Project\n\n  def project do\n    [app: :{name}, version: \"0.1.0\", elixir: \"~> 1.10\", deps: []]\n  end\n\n  def application do\n    [extra_applications: [:logger]]\n  end\nend\n")
        job.write("test/test_helper.exs", "ExUnit.start()\n")

    def check_command(self, b):
        return "export MIX_ENV=test\nmix compile --force"

    def test_command(self, b):
        return f"mix test {b.job.spec.options.get('mix', '--trace')}"

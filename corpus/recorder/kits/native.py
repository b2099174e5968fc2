"""C and C++ projects: make, CMake with CTest, Meson with Ninja."""
import os

from build import wipe
from kits.base import Fault, Kit, Stage, numbers, pascal, without
import common

HEADER = '''#ifndef {up}_H
#define {up}_H
#include <stddef.h>
#include <stdint.h>

struct {mod}_{noun} {{
    int32_t weight;
    const char *label;
}};

/* Weighted sum of n amounts. */
long {mod}_total(const int *amounts, size_t n);
/* FNV-like digest of a text. */
uint32_t {mod}_digest(const char *text);
int {mod}_find(const int *sorted, size_t n, int wanted);
void {mod}_describe(const struct {mod}_{noun} *one, char *out, size_t cap);
#endif
'''

SOURCE = '''#include "{mod}.h"

#include <stdio.h>
#include <string.h>

enum {{ {up}_FACTOR = {factor} }};

long {mod}_total(const int *amounts, size_t n)
{{
    long total = 0;
    for (size_t i = 0; i < n; i++) {{
        total += (long)amounts[i] * {up}_FACTOR + (long)i;
    }}
    return total;
}}

uint32_t {mod}_digest(const char *text)
{{
    uint32_t hash = 2166136261u;
    while (*text != '\\0') {{
        hash = (hash ^ (unsigned char)*text++) * 16777619u;
    }}
    return hash;
}}

int {mod}_find(const int *sorted, size_t n, int wanted)
{{
    size_t low = 0;
    size_t high = n;
    while (low < high) {{
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] < wanted) {{
            low = middle + 1;
        }} else {{
            high = middle;
        }}
    }}
    return low < n && sorted[low] == wanted ? (int)low : -1;
}}

void {mod}_describe(const struct {mod}_{noun} *one, char *out, size_t cap)
{{
    snprintf(out, cap, "{noun} %s weighs %d", one->label, one->weight);
}}
'''

CHECK = '''#ifndef CHECK_H
#define CHECK_H
#include <stdio.h>
#include <stdlib.h>

static int failures;

{style}
#endif
'''

CHECK_STYLES = (
    '#define CHECK(name, got, want) \\\n    do { \\\n        long g = (long)(got), w = (long)(want); \\\n        if (g != w) { \\\n            fprintf(stderr, "%s:%d: %s: expected %ld, got %ld\\n", __FILE__, __LINE__, name, w, g); \\\n            failures++; \\\n        } else { \\\n            printf("  pass  %s\\n", name); \\\n        } \\\n    } while (0)\n#define FINISH(suite) (printf("%s: %d failed\\n", suite, failures), fflush(stdout), failures ? 1 : 0)',
    '#define CHECK(name, got, want) \\\n    do { \\\n        static int number; \\\n        long g = (long)(got), w = (long)(want); \\\n        number++; \\\n        printf("%s - %s\\n", g == w ? "ok" : "not ok", name); \\\n        if (g != w) { \\\n            printf("#   want: %ld\\n#   have: %ld\\n#   at %s line %d\\n", w, g, __FILE__, __LINE__); \\\n            failures++; \\\n        } \\\n    } while (0)\n#define FINISH(suite) (printf("# %s done, %d bad\\n", suite, failures), fflush(stdout), failures != 0)',
    '#define CHECK(name, got, want) \\\n    do { \\\n        long g = (long)(got), w = (long)(want); \\\n        printf("[ RUN      ] %s\\n", name); \\\n        if (g != w) { \\\n            printf("%s:%d: Failure\\nValue of: %s\\n  Actual: %ld\\nExpected: %ld\\n[  FAILED  ] %s\\n", __FILE__, __LINE__, #got, g, w, name); \\\n            failures++; \\\n        } else { \\\n            printf("[       OK ] %s\\n", name); \\\n        } \\\n    } while (0)\n#define FINISH(suite) (printf(failures ? "[  FAILED  ] %d tests of %s\\n" : "[  PASSED  ] %d failures in %s\\n", failures, suite), fflush(stdout), failures ? 1 : 0)',
    '#define CHECK(name, got, want) \\\n    do { \\\n        if ((long)(got) != (long)(want)) { \\\n            printf("F"); \\\n            fprintf(stderr, "\\n%s:%d: assertion \'%s == %s\' does not hold (%s)\\n", __FILE__, __LINE__, #got, #want, name); \\\n            failures++; \\\n        } else { \\\n            printf("."); \\\n        } \\\n    } while (0)\n#define FINISH(suite) (printf("\\n%s: %s\\n", suite, failures ? "some checks do not hold" : "all checks hold"), fflush(stdout), failures ? 1 : 0)',
)

TEST = '''#include "{mod}.h"
#include "check.h"
#include <string.h>
{extra}
static void totals(void)
{{
{totals}}}

static void searches(void)
{{
    const int sorted[] = {{ {sorted} }};
{searches}}}

static void texts(void)
{{
    char out[64];
    struct {mod}_{noun} one = {{ {weight}, "{label}" }};
    {mod}_describe(&one, out, sizeof out);
    CHECK("{mod} describes a {noun}", strcmp(out, "{noun} {label} weighs {weight}"), 0);
    CHECK("{mod} digest of {label}", {mod}_digest("{label}") == {digest}u, 1);
    fprintf(stderr, "{mod}: warning: %s has no owner, error ignored\\n", one.label);
}}

int main(void)
{{
    totals();
    searches();
    texts();
    return FINISH("{mod}");
}}
'''

MAKEFILE = '''CC ?= gcc
CFLAGS ?= -O1 -g -Wall -Wextra -Werror -std=c17
MODS = {mods}
VERSION = $(shell cat VERSION)

all: build/lib{lib}.a build/{lib}ctl

build/%.o: src/%.c src/%.h
\t@mkdir -p build
\t{echo}$(CC) $(CFLAGS) -Isrc -c $< -o $@

build/lib{lib}.a: $(MODS:%=build/%.o)
\t{echo}ar rcs $@ $^

build/{lib}ctl: src/main.c build/lib{lib}.a
\t{echo}$(CC) $(CFLAGS) -Isrc -DVERSION='"$(VERSION)"' $< -o $@ -Lbuild -l{lib}

build/test_%: tests/test_%.c build/lib{lib}.a
\t{echo}$(CC) $(CFLAGS) -Isrc -Itests $< -o $@ -Lbuild -l{lib} -lpthread

check: $(MODS:%=build/test_%)
\t@for mod in $(MODS); do echo "== $$mod"; ./build/test_$$mod || exit 1; done

check-all: $(MODS:%=build/test_%)
\t@bad=0; for mod in $(MODS); do echo "== $$mod"; ./build/test_$$mod || bad=$$((bad+1)); done; echo "$$bad suites with problems"; test $$bad -eq 0

lint:
\tcppcheck --enable=warning,style --inline-suppr --suppress=unusedFunction --suppress=missingIncludeSystem --error-exitcode=2 -q src

dist: all
\ttar czf build/{lib}-$(VERSION).tar.gz src build/lib{lib}.a
\tls -l build/{lib}-$(VERSION).tar.gz

clean:
\trm -rf build
'''

CMAKE = '''cmake_minimum_required(VERSION 3.20)
project({lib} C)
set(CMAKE_C_STANDARD 17)
add_compile_options(-Wall -Wextra -Werror -g)
option(WITH_COMPRESSION "compress exports" {zlib})
find_package(Threads REQUIRED)
if(WITH_COMPRESSION)
  find_package(ZLIB {zversion})
endif()
add_library({lib} {sources})
target_include_directories({lib} PUBLIC src)
add_executable({lib}ctl src/main.c)
target_compile_definitions({lib}ctl PRIVATE VERSION="dev")
target_link_libraries({lib}ctl {lib})
enable_testing()
foreach(mod {mods})
  add_executable(test_${{mod}} tests/test_${{mod}}.c)
  target_link_libraries(test_${{mod}} {lib} Threads::Threads)
  target_include_directories(test_${{mod}} PRIVATE tests)
  add_test(NAME ${{mod}} COMMAND test_${{mod}})
  set_tests_properties(${{mod}} PROPERTIES TIMEOUT {seconds})
endforeach()
install(TARGETS {lib} {lib}ctl DESTINATION lib)
'''

MESON = '''project('{lib}', 'c', version: '1.0', default_options: ['c_std=c17', 'werror=true', 'warning_level=3'])
threads = dependency('threads')
{extra}
lib = static_library('{lib}', {sources}, include_directories: include_directories('src'))
executable('{lib}ctl', 'src/main.c', link_with: lib, c_args: ['-DVERSION="dev"'])
foreach mod : [{mods}]
  test(mod, executable('test_' + mod, 'tests' / 'test_' + mod + '.c', include_directories: include_directories('src', 'tests'), link_with: lib, dependencies: threads), timeout: {seconds})
endforeach
'''

MAIN = '''#include <stdio.h>
{includes}
int main(int argc, char **argv)
{{
    const int amounts[] = {{ 1, 2, 3 }};
    printf("{lib}ctl %s (%d arguments, first %s)\\n", VERSION, argc - 1, argc > 1 ? argv[1] : "none");
{calls}    return 0;
}}
'''


def digest(text):
    value = 2166136261
    for byte in text.encode():
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value


class Native(Kit):
    """Shared by the three builders: the sources and what can be broken in them."""

    survivors = ("lint_allowed", "git_retry", "retry_passes", "cache_miss", "expected_errors", "rm_missing")
    ERROR = r"error:|Error:|undefined reference|fatal error|ld: |ERROR"
    FAILED = r"not ok|FAILED|Failed|: expected|Failure|does not hold|\*\*\*|FAIL\b|^F|\.F|some checks|Exception"

    def create(self, job):
        rng, spec = job.rng, job.spec
        lib = spec.package.split("_")[0]
        style = CHECK_STYLES[rng.randrange(len(CHECK_STYLES))] if "check" not in spec.options else CHECK_STYLES[spec.options["check"]]
        job.write("tests/check.h", CHECK.format(style=style))
        job.write(".gitignore", "build\nbuilddir\n")
        for mod in spec.mods:
            noun, factor, label = rng.choice(spec.nouns), rng.randint(2, 11), rng.choice(("alpha", "north", "spare", "blue", "seven", "edge")) + str(rng.randint(1, 99))
            names = {"mod": mod, "up": mod.upper(), "noun": noun, "factor": factor, "label": label, "weight": rng.randint(1, 400), "digest": digest(label)}
            job.write(f"src/{mod}.h", HEADER.format(**names))
            job.write(f"src/{mod}.c", SOURCE.format(**names))
            totals = ""
            for i in range(spec.options.get("cases", 8)):
                row = numbers(rng, rng.randint(2, 6))
                want = sum(a * factor + k for k, a in enumerate(row))
                totals += f"    {{\n        const int amounts[] = {{ {', '.join(map(str, row))} }};\n        CHECK(\"{mod} totals {noun} {i + 1}\", {mod}_total(amounts, {len(row)}), {want});\n    }}\n"
            row = sorted(set(numbers(rng, 9, 1, 200)))
            searches = "".join(f"    CHECK(\"{mod} finds {row[k]}\", {mod}_find(sorted, {len(row)}, {row[k]}), {k});\n" for k in range(0, len(row), 2)) + f"    CHECK(\"{mod} misses 0\", {mod}_find(sorted, {len(row)}, 0), -1);\n"
            job.write(f"tests/test_{mod}.c", TEST.format(totals=totals, searches=searches, sorted=", ".join(map(str, row)), extra="", **names))
        calls = "".join(f"    printf(\"{m} %ld\\n\", {m}_total(amounts, 3));\n" for m in spec.mods)
        job.write("src/main.c", MAIN.format(includes="".join(f'#include "{m}.h"\n' for m in spec.mods), lib=lib, calls=calls))
        self.build_files(job, lib)
        job.write("VERSION", "0.1.0\n")
        job.commit("Initial import")

    def evolve(self, job, number, rng):
        message = super().evolve(job, number, rng)
        for mod in rng.sample(job.spec.mods, min(len(job.spec.mods), rng.randint(1, 4))):
            if rng.random() < 0.5:
                with open(job.path(f"src/{mod}.c"), "a", encoding="utf8") as handle:
                    handle.write(f"\n/* Revision {number}. */\n")
        return message

    # --- source faults ---
    def mod(self, b):
        return b.rng.choice(b.job.spec.mods)

    def fault_compile(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice((
            ("    long total = 0;", "    long total = 0"), ("size_t middle = low", "size_t center = low"), ("#include <string.h>", f"#include <{mod}/config.h>"),
            ("one->label, one->weight", "one->label, one->wieght"), ("uint32_t hash = 2166136261u;", "uint32_t hash = seed(2166136261u);"),
            ("    size_t high = n;", "    size_t high = n;\n    int unused = 3;"), ("    return hash;", "    return text;"), ("snprintf(out, cap, ", "snprintf(out, ")))
        return Fault("compile", "compile_error", "build", r"\berror: |fatal error:", edit=lambda job: job.replace(f"src/{mod}.c", old, new))

    def fault_link(self, b):
        mod = self.mod(b)
        return Fault("link", "compile_error", "build", r"undefined reference", edit=lambda job: job.replace("src/main.c", "    return 0;", f"    extern int {mod}_shutdown(void);\n    return {mod}_shutdown();"))

    def fault_test_compile(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice((("char out[64];", "char out[64]"), (f'"{mod}.h"', f'"{mod}s.h"'), ("searches();", "search();")))
        return Fault("test_compile", "compile_error", self.test_build_point, r"\berror: |fatal error:", edit=lambda job: job.replace(f"tests/test_{mod}.c", old, new))

    def fault_assertion(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice((("+ (long)i;", "- (long)i;"), ("16777619u", "16777617u"), ("low = middle + 1;", "low = middle + 2;"), ("weighs %d", "weight %d"), ("long total = 0", "long total = 1"), ("hash ^ (unsigned", "hash + (unsigned")))
        return Fault("assertion", "test_failure", "test", self.FAILED, edit=lambda job: job.replace(f"src/{mod}.c", old, new))

    def fault_crash(self, b):
        mod = self.mod(b)
        how = b.rng.choice(("    volatile int *gone = NULL;\n    *gone = (int)n;\n", "    if (n > 2) {\n        __builtin_trap();\n    }\n"))
        return Fault("crash", "test_failure", "test", r"Segmentation|core dumped|SEGFAULT|Exception|signal|SIGSEGV|Illegal|Trap|trap", edit=lambda job: job.replace(f"src/{mod}.c", "    long total = 0;\n", how + "    long total = 0;\n"))

    def fault_flaky(self, b):
        mod = self.mod(b)
        code = b.rng.choice((
            '#include <time.h>\nstatic void timing(void)\n{\n    struct timespec a, z;\n    clock_gettime(CLOCK_MONOTONIC, &a);\n    struct timespec nap = {0, 2000000};\n    nanosleep(&nap, NULL);\n    clock_gettime(CLOCK_MONOTONIC, &z);\n    long us = (z.tv_sec - a.tv_sec) * 1000000 + (z.tv_nsec - a.tv_nsec) / 1000;\n    printf("nap took %ld us, budget 2010 us\\n", us);\n    CHECK("MOD wakes up within its time budget", us <= 2010, 1);\n}\n',
            '#include <pthread.h>\nstatic volatile int counter;\nstatic void *work(void *unused)\n{\n    for (int i = 0; i < 4000000; i++) {\n        counter = counter + 1;\n    }\n    return unused;\n}\nstatic void timing(void)\n{\n    pthread_t a, z;\n    pthread_create(&a, NULL, work, NULL);\n    pthread_create(&z, NULL, work, NULL);\n    pthread_join(a, NULL);\n    pthread_join(z, NULL);\n    printf("two workers counted to %d\\n", counter);\n    CHECK("MOD counts events of two threads (race)", counter, 8000000);\n}\n',
            '#include <unistd.h>\n#include <time.h>\nstatic void timing(void)\n{\n    srand((unsigned)(time(NULL) ^ getpid()));\n    int seed = rand();\n    printf("random seed %d\\n", seed);\n    CHECK("MOD shuffles evenly for any seed", seed % 16, 3);\n}\n')).replace("MOD", mod)

        def edit(job):
            job.replace(f"tests/test_{mod}.c", "\nstatic void totals(void)", "\n" + code + "\nstatic void totals(void)")
            job.replace(f"tests/test_{mod}.c", "    texts();\n    return", "    texts();\n    timing();\n    return")
        return Fault("flaky", "flaky_test", "test", self.FAILED + r"|budget|two workers|random seed", edit=edit)

    def fault_hang(self, b):
        mod = self.mod(b)
        return Fault("hang_tool" if self.own_timeout else "hang", "timeout", "test", r"Timeout|TIMEOUT|Cancelling nested|timed out", edit=lambda job: job.replace(f"src/{mod}.c", "low = middle + 1;", "low = middle;"))

    def fault_memory(self, b):
        mod = self.mod(b)
        if b.rng.random() < 0.5:
            return Fault("memory", "out_of_memory", "build", r"(?i)out of memory|cannot allocate|memory exhausted|Killed|internal compiler error|failed to map segment", arm=lambda b: setattr(b.limits, "address", b.rng.choice((60, 75, 90)) << 20))

        def arm(b):
            b.limits.resident = 150 << 20
        return Fault("memory_test", "out_of_memory", "test", r"Killed|SIGKILL|signal 9|\*\*\*Exception|Subprocess killed|KILLED|FAIL", arm=arm,
                     edit=lambda job: job.replace(f"src/{mod}.c", "    long total = 0;\n", "    extern void *calloc(size_t, size_t);\n    for (int grown = 0; grown < 300; grown++) {\n        char *page = calloc(1, 4u << 20);\n        memset(page, 1, 4u << 20);\n    }\n    long total = 0;\n"))

    def fault_disk_full(self, b):
        def arm(b):
            wipe(f"{b.job.workspace}/{self.folder}")
            common.mount_small(f"{b.job.workspace}/{self.folder}", b.rng.choice((40, 90, 150)))(b)
        return Fault("disk_full", "disk_full", "build", common.DISK + r"|final link failed|is not able to compile a simple test|ABI info - failed", arm=arm)

    def fault_read_only(self, b):
        def arm(b):
            wipe(f"{b.job.workspace}/{self.folder}")
            os.makedirs(f"{b.job.workspace}/{self.folder}")
            common.read_only(f"{b.job.workspace}/{self.folder}")(b)
        return Fault("read_only", "agent_lost", "build", common.READ_ONLY + r"|cannot create|not writable|Unable to \(re\)create", arm=arm)

    def fault_permission(self, b):
        def arm(b):
            wipe(f"{b.job.workspace}/{self.folder}")
            os.makedirs(f"{b.job.workspace}/{self.folder}")
            b.undo.append(lambda: wipe(f"{b.job.workspace}/{self.folder}"))
        return Fault("permission", "config", "build", common.DENIED + "|not writable|Cannot", arm=arm)

    def fault_missing_tool(self, b):
        tools = b.rng.choice(self.tools)
        return Fault("missing_tool", "config", "build", r"(?i)not found|no such file|could not find|unable to find|unknown compiler|No CMAKE", arm=lambda b: without(b, *tools))

    def fault_lint(self, b):
        mod = self.mod(b)
        old, new = b.rng.choice((("    long total = 0;", "    int waste[4];\n    long total = waste[0] * 0;"), ("    size_t low = 0;", "    size_t low = 0;\n    const char *text = 0;\n    if (n > 99999) {\n        return *text;\n    }"), ("char out[64];", "char out[64];")))
        return Fault("lint", "compile_error", "lint", r"(error|warning|style): |\[\w+\]$", edit=lambda job: job.replace(f"src/{mod}.c", "    long total = 0;", "    char *copy = 0;\n    if (n == 77777) {\n        copy[1] = 0;\n    }\n    int sizes[3] = {0, 1, 2};\n    long total = sizes[1] - sizes[1];\n    if (n > 1u << 30) {\n        total = sizes[3];\n    }" if old.startswith("char") else new if old.startswith("    long") else "    long total = 0;\n    const char *text = 0;\n    if (n > 99999) {\n        return *text;\n    }"))

    def fault_missing_env(self, b):
        variable = b.rng.choice(("SIGNING_KEY", "RELEASE_TOKEN", "DEVICE_ID", "FIRMWARE_CA"))
        return Fault("missing_env", "config", "package", variable, edit=lambda job: job.write("scripts/package-check.sh", f": \"${{{variable}:?must be set by the job's credentials}}\"\n"))

    def lint_step(self, b):
        allowed = "lint_allowed" in b.survivors and not (b.fault and b.fault.point == "lint")
        if allowed:
            b.sh("cppcheck --enable=all --suppress=missingIncludeSystem src tests || true\nclang-format --dry-run --Werror src/*.c || true", "lint")
        else:
            b.sh("cppcheck --enable=warning,style --suppress=unusedFunction --suppress=constVariable --error-exitcode=2 -q src", "lint")

    def before(self, b):
        lines = []
        if "rm_missing" in b.survivors:
            lines.append("rm core.* old-results/*.xml || true")
        if "cache_miss" in b.survivors:
            lines.append("tar xzf /home/jenkins/cache/$JOB_NAME-objects.tgz || echo 'object cache cannot be restored, building everything'")
        if "expected_errors" in b.survivors:
            lines.append("printf 'int main(void) { return missing; }\\n' > probe.c\ngcc -c probe.c -o probe.o || echo 'probe: not available, as expected'")
        if lines:
            b.sh("\n".join(lines), "prepare")

    def packaging(self, b, command):
        b.sh(f"test ! -f scripts/package-check.sh || sh scripts/package-check.sh\n{command}", "package")


class Make(Native):
    tool, folder, test_build_point, own_timeout = "make", "build", "test", False
    tools = (("gcc", "cc"), ("ar",), ("make", "gmake"))

    def build_files(self, job, lib):
        job.write("Makefile", MAKEFILE.format(mods=" ".join(job.spec.mods), lib=lib, echo=job.spec.options.get("echo", "")))

    def fault_missing_tool(self, b):
        tools = b.rng.choice((("gcc",), ("ar",), ("make", "gmake")))
        return Fault("missing_tool", "config", "build", r"(?i)not found|no such file", arm=lambda b: wipe(f"{b.job.workspace}/build") or without(b, *tools))

    def stages(self, b):
        o = b.job.spec.options

        def compile_step(b):
            self.before(b)
            if b.rng.random() < 0.5 and not b.style.get("clean"):
                b.sh("make clean", "prepare")
            b.sh(f"make {o.get('flags', '-j2')} CC={o.get('cc', 'gcc')}", "build")

        def test_step(b):
            target = o.get("check", "check") if isinstance(o.get("check"), str) else o.get("target", "check")
            with b.timeout(o.get("minutes", 15)):
                if "retry_passes" in b.survivors and not b.fault:
                    mark = f"/tmp/first-{b.number}"
                    b.retry(3, lambda: b.sh(f"test -e {mark} || {{ touch {mark}; echo 'device simulator: connection refused, not ready'; exit 7; }}\nmake {target} CC={o.get('cc', 'gcc')}", "test"))
                else:
                    b.sh(f"make {target} CC={o.get('cc', 'gcc')}", "test")

        work = [Stage("Compile", compile_step)]
        work += [Stage("Verify", {"static analysis": self.lint_step, "tests": test_step})] if o.get("parallel") else [Stage("Static analysis", self.lint_step), Stage("Test", test_step)]
        work.append(Stage("Dist", lambda b: self.packaging(b, f"make dist CC={o.get('cc', 'gcc')}")))
        return work


class CMake(Native):
    tool, folder, test_build_point, own_timeout = "cmake", "build", "build", True
    tools = (("ninja", "make", "gmake"), ("gcc", "cc", "clang", "c89", "c99", "x86_64-linux-gnu-gcc", "tcc"), ("cmake",))

    def build_files(self, job, lib):
        job.write("CMakeLists.txt", CMAKE.format(lib=lib, sources=" ".join(f"src/{m}.c" for m in job.spec.mods), mods=" ".join(job.spec.mods), seconds=job.spec.options.get("seconds", 6), zlib="ON", zversion="1.2"))

    def fault_conflict(self, b):
        new = b.rng.choice(('find_package(ZLIB 9.1 REQUIRED)', 'find_package(Protobuf 3.21 CONFIG REQUIRED)', 'find_package(PkgConfig REQUIRED)\n  pkg_check_modules(CURL REQUIRED libcurl>=19.0)', 'find_package(GTest 99 REQUIRED)'))
        return Fault("conflict", "dependency", "build", r"CMake Error|Could NOT find|Could not find|No package|required", edit=lambda job: job.replace("CMakeLists.txt", "find_package(ZLIB 1.2)", new))

    def stages(self, b):
        o = b.job.spec.options
        generator = o.get("generator", "Ninja")

        def compile_step(b):
            self.before(b)
            if b.rng.random() < 0.6 or (b.fault and b.fault.point == "build"):
                wipe(f"{b.job.workspace}/build")
            b.sh(f"cmake -S . -B build -G '{generator}' -DCMAKE_BUILD_TYPE={o.get('type', 'Debug')}\ncmake --build build {o.get('flags', '')}", "build")

        def test_step(b):
            flags = b.rng.choice(o.get("ctest", ("--output-on-failure", "-V", "--output-on-failure -j2")))
            with b.timeout(o.get("minutes", 20)):
                command = f"cd build\nctest {flags}"
                if "retry_passes" in b.survivors:
                    command += " --repeat until-pass:2"
                b.sh(command, "test")

        work = [Stage("Configure and build", compile_step)]
        work += [Stage("Quality", {"cppcheck": self.lint_step, "ctest": test_step})] if o.get("parallel") else [Stage("CTest", test_step), Stage("Cppcheck", self.lint_step)]
        work.append(Stage("Install", lambda b: self.packaging(b, "cmake --install build --prefix $PWD/build/stage\ntar -C build/stage -czf build/$JOB_NAME.tar.gz .\nsha256sum build/$JOB_NAME.tar.gz")))
        return work


class Meson(Native):
    tool, folder, test_build_point, own_timeout = "meson", "builddir", "build", True
    tools = (("ninja",), ("gcc", "cc", "clang", "icc", "pgcc", "nvc"), ("meson",))
    FAILED = Native.FAILED + "|ERROR"

    def build_files(self, job, lib):
        job.write("meson.build", MESON.format(lib=lib, sources=", ".join(f"'src/{m}.c'" for m in job.spec.mods), mods=", ".join(f"'{m}'" for m in job.spec.mods), seconds=job.spec.options.get("seconds", 6), extra="zlib = dependency('zlib', required: false)"))

    def fault_conflict(self, b):
        new = b.rng.choice(("dependency('zlib', version: '>= 9.0')", "dependency('libfrobnicate')", "dependency('libcurl', version: '< 2')", "subproject('vendored')"))
        return Fault("conflict", "dependency", "build", r"ERROR|NO found|found: NO", edit=lambda job: job.replace("meson.build", "dependency('zlib', required: false)", new))

    def stages(self, b):
        o = b.job.spec.options

        def compile_step(b):
            self.before(b)
            if b.rng.random() < 0.6 or (b.fault and b.fault.point == "build"):
                wipe(f"{b.job.workspace}/builddir")
            b.sh("test -d builddir/meson-info || meson setup builddir\nninja -C builddir " + o.get("flags", "-v"), "build")

        def test_step(b):
            with b.timeout(o.get("minutes", 12)):
                b.sh(f"meson test -C builddir {b.rng.choice(o.get('mtest', ('--print-errorlogs', '-v')))} --no-rebuild", "test")

        return [Stage("Build", compile_step), Stage("Lint", self.lint_step), Stage("Tests", test_step), Stage("Package", lambda b: self.packaging(b, "DESTDIR=$PWD/builddir/stage meson install -C builddir --no-rebuild\ntar -C builddir -cf builddir/out.tar meson-logs\nls -l builddir/out.tar"))]

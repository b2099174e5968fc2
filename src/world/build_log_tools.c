/* What the tools of a build print when nothing special happens: git, Maven, Go, npm, Docker, kubectl. */
#include "world/build_log_pen.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define SAY(...) ns_pen_line(pen, __VA_ARGS__)

static const int usual_lines[3][NS_STAGE_KINDS] = {
    [NS_LANGUAGE_java] = {24, 320, 70, 330, 75, 26},
    [NS_LANGUAGE_go] = {24, 60, 70, 210, 65, 26},
    [NS_LANGUAGE_node] = {24, 120, 80, 170, 75, 26},
};

static const char *const commands[3][NS_STAGE_KINDS] = {
    [NS_LANGUAGE_java] = {"git submodule update --init", "mvn -B -s ci/settings.xml dependency:go-offline",
                          "mvn -B -s ci/settings.xml -DskipTests package", "mvn -B -s ci/settings.xml verify",
                          "docker build -t registry.sock-shop.example/%s:%.7s .",
                          "kubectl -n sock-shop apply -f deploy/%s.yaml"},
    [NS_LANGUAGE_go] = {"git submodule update --init", "go mod download -x", "go build -v ./...",
                        "go test -v -race -cover ./...", "docker build -t registry.sock-shop.example/%s:%.7s .",
                        "kubectl -n sock-shop apply -f deploy/%s.yaml"},
    [NS_LANGUAGE_node] = {"git submodule update --init", "npm ci --loglevel=http", "npm run build",
                          "npm test -- --ci --coverage", "docker build -t registry.sock-shop.example/%s:%.7s .",
                          "kubectl -n sock-shop apply -f deploy/%s.yaml"},
};

int ns_log_usual_lines(ns_language language, ns_stage_kind kind)
{
    return usual_lines[language][kind];
}

const char *ns_log_command(ns_language language, ns_stage_kind kind)
{
    return commands[language][kind];
}

static const char *const groups[] = {"Controller", "Repository", "Service", "Client",
                                     "Validation", "Health",     "Metrics", "Session"};
static const char *const cases[] = {
    "addsItem",       "removesItem",      "returnsEmptyListForNewUser", "rejectsUnknownId",
    "mergesTwoItems", "survivesRestart",  "answersWithinDeadline",      "keepsOrder",
    "countsRequests", "refusesBadAmount", "retriesOnConflict",          "findsByCustomer"};

ns_log_test ns_log_some_test(ns_pen *pen)
{
    return (ns_log_test){NS_PEN_PICK(pen, groups), NS_PEN_PICK(pen, cases)};
}

static void command_line(ns_pen *pen, ns_stage_kind kind)
{
    const ns_build_plan *plan = pen->plan;
    const char *command = commands[plan->language][kind];
    char text[256];
    if (kind == NS_STAGE_package)
        (void)snprintf(text, sizeof text, "docker build -t registry.sock-shop.example/%s:%.7s .", plan->service,
                       plan->commit);
    else if (kind == NS_STAGE_deploy)
        (void)snprintf(text, sizeof text, "kubectl -n sock-shop apply -f deploy/%s.yaml", plan->service);
    else
        (void)snprintf(text, sizeof text, "%s", command);
    SAY("[Pipeline] sh");
    SAY("+ %s", text);
}

/* ---- small helpers ----------------------------------------------------------------------------------------------- */

static const char *info(const ns_pen *pen)
{
    return pen->style.colour ? "[\x1b[1;34mINFO\x1b[m]" : "[INFO]";
}

static const char *warning(const ns_pen *pen)
{
    return pen->style.colour ? "[\x1b[1;33mWARNING\x1b[m]" : "[WARNING]";
}

static unsigned hex(ns_pen *pen)
{
    return (unsigned)(ns_rng_u64(&pen->rng) & 0xffffffffu);
}

/* A progress bar that rewrites its line; one line of many carriage returns, as a log file has it. */
static void progress_line(ns_pen *pen, const char *what, int total)
{
    char line[NS_LOG_LINE_BYTES];
    size_t n = 0;
    int steps = ns_pen_between(pen, 5, 30);
    for (int i = 1; i <= steps; i++) {
        int done = total * i / steps;
        int put = snprintf(line + n, sizeof line - n, "%s: %3d%% (%d/%d)\r", what, done * 100 / total, done, total);
        if (put < 0 || (size_t)put >= sizeof line - n)
            break;
        n += (size_t)put;
    }
    (void)snprintf(line + n, sizeof line - n, "%s: 100%% (%d/%d), done.", what, total, total);
    ns_pen_raw(pen, line);
}

/* ---- checkout ---------------------------------------------------------------------------------------------------- */

static const char *const subjects[] = {"raise the pool size",
                                       "tidy the imports",
                                       "fix rounding of prices",
                                       "log the customer's id only once",
                                       "bump the base image",
                                       "answer 404 instead of 500",
                                       "größere Warteschlange für Bestellungen",
                                       "修正购物车合计",
                                       "rename the health route",
                                       "cache the catalogue for a minute"};

static void checkout_begin(ns_pen *pen)
{
    const ns_build_plan *plan = pen->plan;
    SAY("[Pipeline] checkout");
    SAY("The recommended git tool is: NONE");
    SAY("using credential git-ci");
    SAY(" > git rev-parse --resolve-git-dir /home/jenkins/workspace/sock-shop_%s/.git # timeout=10", plan->service);
    SAY("Fetching changes from the remote Git repository");
    SAY(" > git config remote.origin.url https://git.sock-shop.example/%s.git # timeout=10", plan->service);
    SAY("Fetching upstream changes from https://git.sock-shop.example/%s.git", plan->service);
    SAY(" > git --version # timeout=10");
    SAY(" > git --version # 'git version 2.39.5'");
    SAY("using GIT_ASKPASS to set credentials git-ci");
}

static void checkout_line(ns_pen *pen, int i)
{
    static const char *const words[] = {"Counting objects", "Compressing objects", "Receiving objects",
                                        "Resolving deltas"};
    if (i < 4 && pen->style.progress)
        progress_line(pen, words[i], ns_pen_between(pen, 40, 3000));
    else if (i < 4)
        SAY("remote: %s: 100%% (%d/%d), done.", words[i], 7 * (i + 3), 7 * (i + 3));
    else
        SAY(" * [new %s]         %s%d -> origin/%s%d", i % 3 == 0 ? "tag" : "branch", i % 3 == 0 ? "v0." : "fix-", i,
            i % 3 == 0 ? "v0." : "fix-", i);
}

static void checkout_end(ns_pen *pen)
{
    const ns_build_plan *plan = pen->plan;
    SAY(" > git rev-parse refs/remotes/origin/main^{commit} # timeout=10");
    SAY("Checking out Revision %s (refs/remotes/origin/main)", plan->commit);
    SAY(" > git config core.sparsecheckout # timeout=10");
    SAY(" > git checkout -f %s # timeout=10", plan->commit);
    /* The same commit has the same message in every build of it. */
    uint64_t at = ns_hash(ns_text_of(plan->commit));
    SAY("Commit message: \"%s: %s\"", plan->service, subjects[at % NS_COUNT_OF(subjects)]);
    if (plan->retry_of == 0)
        SAY(" > git rev-list --no-walk %08x%08x%08x%08x%08x # timeout=10", hex(pen), hex(pen), hex(pen), hex(pen),
            hex(pen));
    for (size_t i = 0; i < plan->parameter_count; i++)
        if (plan->parameter[i].value[0] != '\0')
            SAY("parameter %s=%s", plan->parameter[i].name, plan->parameter[i].value);
}

/* ---- dependencies ------------------------------------------------------------------------------------------------ */

static const char *const jars[] = {"org/springframework/spring-core",
                                   "org/springframework/boot/spring-boot-starter-web",
                                   "com/fasterxml/jackson/core/jackson-databind",
                                   "io/micrometer/micrometer-core",
                                   "org/mongodb/mongodb-driver-sync",
                                   "ch/qos/logback/logback-classic",
                                   "com/rabbitmq/amqp-client",
                                   "org/apache/commons/commons-lang3",
                                   "org/junit/jupiter/junit-jupiter-engine",
                                   "org/mockito/mockito-core",
                                   "net/bytebuddy/byte-buddy",
                                   "io/zipkin/brave/brave"};
static const char *const modules[] = {"github.com/go-kit/kit",
                                      "github.com/gorilla/mux",
                                      "github.com/prometheus/client_golang",
                                      "go.mongodb.org/mongo-driver",
                                      "github.com/go-sql-driver/mysql",
                                      "golang.org/x/sys",
                                      "golang.org/x/net",
                                      "google.golang.org/protobuf",
                                      "github.com/openzipkin/zipkin-go",
                                      "gopkg.in/yaml.v3"};
static const char *const packages[] = {"express",       "body-parser", "redis",  "connect-redis", "morgan",
                                       "cookie-parser", "request",     "async",  "prom-client",   "helmet",
                                       "jest",          "supertest",   "eslint", "webpack",       "babel-core",
                                       "lodash",        "chalk",       "glob"};

static void maven_download(ns_pen *pen)
{
    const char *jar = NS_PEN_PICK(pen, jars);
    const char *name = strrchr(jar, '/') + 1;
    int major = ns_pen_between(pen, 1, 6), minor = ns_pen_below(pen, 20), patch = ns_pen_below(pen, 12);
    const char *kind = ns_pen_chance(pen, 0.6) ? "pom" : "jar";
    char url[256];
    (void)snprintf(url, sizeof url,
                   "https://nexus.sock-shop.example/repository/maven-public/%s/%d.%d.%d/%s-%d.%d.%d.%s", jar, major,
                   minor, patch, name, major, minor, patch, kind);
    SAY("%s Downloading from nexus: %s", info(pen), url);
    int kb = ns_pen_between(pen, 1, 900);
    if (pen->style.progress)
        SAY("Progress (1): %d/%d kB\rProgress (1): %d/%d kB\rProgress (1): %d kB\r                    \r%s Downloaded "
            "from nexus: %s (%d kB at %d kB/s)",
            kb / 3, kb, kb * 2 / 3, kb, kb, info(pen), url, kb, ns_pen_between(pen, 40, 4000));
    else
        SAY("%s Downloaded from nexus: %s (%d kB at %d kB/s)", info(pen), url, kb, ns_pen_between(pen, 40, 4000));
}

static void dependency_line(ns_pen *pen)
{
    switch (pen->plan->language) {
    case NS_LANGUAGE_java:
        maven_download(pen);
        break;
    case NS_LANGUAGE_go: {
        const char *module = NS_PEN_PICK(pen, modules);
        if (ns_pen_chance(pen, 0.5))
            SAY("go: downloading %s v%d.%d.%d", module, ns_pen_below(pen, 3), ns_pen_below(pen, 40),
                ns_pen_below(pen, 9));
        else
            SAY("# get https://goproxy.sock-shop.example/%s/@v/v1.%d.%d.zip: 200 OK (0.%03ds)", module,
                ns_pen_below(pen, 40), ns_pen_below(pen, 9), ns_pen_between(pen, 4, 900));
        break;
    }
    case NS_LANGUAGE_node: {
        const char *package = NS_PEN_PICK(pen, packages);
        if (ns_pen_chance(pen, 0.12))
            SAY("npm WARN deprecated %s@%d.%d.%d: this version is no longer supported, please upgrade", package,
                ns_pen_below(pen, 9), ns_pen_below(pen, 20), ns_pen_below(pen, 9));
        else
            SAY("npm http fetch GET 200 https://npm.sock-shop.example/%s %dms (cache %s)", package,
                ns_pen_between(pen, 3, 900), ns_pen_chance(pen, 0.7) ? "hit" : "miss");
        break;
    }
    }
}

static void dependencies_end(ns_pen *pen)
{
    int n = ns_pen_between(pen, 180, 900);
    switch (pen->plan->language) {
    case NS_LANGUAGE_java:
        SAY("%s ------------------------------------------------------------------------", info(pen));
        SAY("%s BUILD SUCCESS", info(pen));
        SAY("%s Total time:  %d.%03d s", info(pen), ns_pen_between(pen, 9, 80), ns_pen_below(pen, 1000));
        break;
    case NS_LANGUAGE_go:
        SAY("+ go mod verify");
        SAY("all modules verified");
        break;
    case NS_LANGUAGE_node:
        SAY("added %d packages, and audited %d packages in %ds", n, n + 1, ns_pen_between(pen, 9, 70));
        SAY("%d packages are looking for funding", n / 9);
        SAY("%d vulnerabilities (%d low, %d moderate, %d high)", 7, 2, 4, 1);
        SAY("To address issues that do not require attention, run:");
        SAY("  npm audit fix");
        break;
    }
}

/* ---- compile ----------------------------------------------------------------------------------------------------- */

/* javac's command line with its class path: the lines over 2,000 characters. */
static void class_path_line(ns_pen *pen)
{
    char line[NS_LOG_LINE_BYTES];
    size_t n = (size_t)snprintf(line, sizeof line,
                                "[DEBUG] -d /home/jenkins/workspace/sock-shop_%s/target/classes -classpath ",
                                pen->plan->service);
    int count = ns_pen_between(pen, 25, 90);
    for (int i = 0; i < count && n + 200 < sizeof line; i++) {
        const char *jar = NS_PEN_PICK(pen, jars);
        n += (size_t)snprintf(line + n, sizeof line - n, "/home/jenkins/.m2/repository/%s/%d.%d.0/%s-%d.%d.0.jar:", jar,
                              i % 7, i % 13, strrchr(jar, '/') + 1, i % 7, i % 13);
    }
    ns_pen_raw(pen, line);
}

static void compile_line(ns_pen *pen)
{
    char type[NS_NAME_MAX];
    (void)ns_log_type_name(pen->plan->service, type);
    const char *group = NS_PEN_PICK(pen, groups);
    switch (pen->plan->language) {
    case NS_LANGUAGE_java:
        if (pen->style.verbose && ns_pen_chance(pen, 0.1))
            class_path_line(pen);
        else if (ns_pen_chance(pen, 0.25))
            SAY("%s /home/jenkins/workspace/sock-shop_%s/src/main/java/shop/socks/%s%s.java:[%d,%d] [deprecation] "
                "getOne(ID) in JpaRepository has been deprecated",
                warning(pen), pen->plan->service, type, group, ns_pen_between(pen, 12, 300),
                ns_pen_between(pen, 5, 60));
        else if (ns_pen_chance(pen, 0.3))
            SAY("%s --- %s-maven-plugin:3.%d.%d:%s (default) @ %s ---", info(pen),
                ns_pen_chance(pen, 0.5) ? "compiler" : "resources", ns_pen_below(pen, 12), ns_pen_below(pen, 3),
                ns_pen_chance(pen, 0.5) ? "compile" : "resources", pen->plan->service);
        else
            SAY("%s Copying %d resource%s from src/main/resources to target/classes", info(pen),
                1 + ns_pen_below(pen, 9), "s");
        break;
    case NS_LANGUAGE_go:
        if (ns_pen_chance(pen, 0.08))
            SAY("# note: internal/legacy is deprecated: use package transport");
        else
            SAY("%s%s%s", NS_PEN_PICK(pen, modules), ns_pen_chance(pen, 0.5) ? "/" : "",
                ns_pen_chance(pen, 0.5) ? "internal" : "transport/http");
        break;
    case NS_LANGUAGE_node:
        if (ns_pen_chance(pen, 0.12))
            SAY("  %d:%d  warning  Unexpected console statement  no-console", ns_pen_between(pen, 3, 400),
                ns_pen_between(pen, 1, 60));
        else if (ns_pen_chance(pen, 0.1))
            SAY("DeprecationWarning: Buffer() is deprecated; use Buffer.alloc() instead.");
        else
            SAY("asset public/js/%s.%08x.js %d KiB [emitted] [minimized] (name: %s)", NS_PEN_PICK(pen, packages),
                hex(pen), ns_pen_between(pen, 2, 900), group);
        break;
    }
}

static void compile_end(ns_pen *pen)
{
    switch (pen->plan->language) {
    case NS_LANGUAGE_java:
        SAY("%s Building jar: /home/jenkins/workspace/sock-shop_%s/target/%s.jar", info(pen), pen->plan->service,
            pen->plan->service);
        SAY("%s BUILD SUCCESS", info(pen));
        SAY("%s Finished at: build %lld", info(pen), (long long)pen->plan->number);
        break;
    case NS_LANGUAGE_go:
        SAY("+ go vet ./...");
        SAY("+ ls -l bin/%s", pen->plan->service);
        SAY("-rwxr-xr-x 1 jenkins jenkins %d bin/%s", ns_pen_between(pen, 9000000, 28000000), pen->plan->service);
        break;
    case NS_LANGUAGE_node:
        SAY("webpack 5.%d.0 compiled with %d warnings in %d ms", ns_pen_between(pen, 60, 94), ns_pen_between(pen, 1, 4),
            ns_pen_between(pen, 2000, 30000));
        break;
    }
}

/* ---- test -------------------------------------------------------------------------------------------------------- */

/* A stack trace that a passing test logs: the code under test met the fault that the test wanted. */
static void logged_trace(ns_pen *pen, const char *type)
{
    SAY("java.lang.IllegalStateException: no such customer");
    int depth = ns_pen_between(pen, 4, 18);
    for (int i = 0; i < depth; i++)
        SAY("\tat shop.socks.%s%s.%s(%s.java:%d)", type, NS_PEN_PICK(pen, groups), NS_PEN_PICK(pen, cases), type,
            ns_pen_between(pen, 20, 400));
    if (ns_pen_chance(pen, 0.5))
        SAY("\t... %d common frames omitted", ns_pen_between(pen, 12, 60));
}

static void java_test(ns_pen *pen, const char *type)
{
    const char *group = NS_PEN_PICK(pen, groups);
    SAY("%s Running shop.socks.%s%sTest", info(pen), type, group);
    int n = ns_pen_between(pen, 1, 5);
    for (int i = 0; i < n; i++)
        SAY("%02d:%02d:%02d.%03d  %s %d --- [           main] s.s.%s%s : %s", i, ns_pen_below(pen, 60),
            ns_pen_below(pen, 60), ns_pen_below(pen, 1000), ns_pen_chance(pen, 0.15) ? "WARN" : "INFO",
            ns_pen_between(pen, 900, 4000), type, group,
            ns_pen_chance(pen, 0.5) ? "Started application context" : "HikariPool-1 - Start completed.");
    if (ns_pen_chance(pen, 0.07))
        logged_trace(pen, type);
    SAY("%s Tests run: %d, Failures: 0, Errors: 0, Skipped: %d, Time elapsed: %d.%02d s - in shop.socks.%s%sTest",
        info(pen), ns_pen_between(pen, 2, 24), ns_pen_chance(pen, 0.1) ? 1 : 0, ns_pen_below(pen, 9),
        ns_pen_below(pen, 100), type, group);
}

static void go_test(ns_pen *pen, const char *type)
{
    ns_log_test test = ns_log_some_test(pen);
    SAY("=== RUN   Test%s_%s", test.group, test.name);
    if (ns_pen_chance(pen, 0.15))
        SAY("level=error msg=\"lookup failed\" err=\"not found\" component=%s", type);
    if (ns_pen_chance(pen, 0.1))
        SAY("    %s_test.go:%d: using the in-memory store", pen->plan->service, ns_pen_between(pen, 20, 300));
    SAY("--- %s: Test%s_%s (%d.%02ds)", ns_pen_chance(pen, 0.05) ? "SKIP" : "PASS", test.group, test.name,
        ns_pen_below(pen, 3), ns_pen_below(pen, 100));
}

static void node_test(ns_pen *pen, const char *type)
{
    ns_log_test test = ns_log_some_test(pen);
    if (ns_pen_chance(pen, 0.2))
        SAY(pen->style.colour
                ? "\x1b[0m\x1b[7m\x1b[1m\x1b[32m PASS \x1b[39m\x1b[22m\x1b[27m\x1b[0m test/%s.test.js (%d.%d s)"
                : "PASS test/%s.test.js (%d.%d s)",
            test.group, ns_pen_between(pen, 1, 9), ns_pen_below(pen, 10));
    else if (ns_pen_chance(pen, 0.1))
        SAY("  console.error src/%s.js:%d  Error: connect ECONNREFUSED 127.0.0.1:6379 (mocked)", type,
            ns_pen_between(pen, 9, 200));
    else
        SAY("    \xe2\x9c\x93 %s (%d ms)", test.name, ns_pen_between(pen, 1, 300));
}

static int test_lines(ns_pen *pen, const char *type)
{
    switch (pen->plan->language) {
    case NS_LANGUAGE_java:
        java_test(pen, type);
        return 5;
    case NS_LANGUAGE_go:
        go_test(pen, type);
        return 2;
    case NS_LANGUAGE_node:
        node_test(pen, type);
        return 1;
    }
    return 1;
}

static void test_begin(ns_pen *pen)
{
    if (!pen->style.parallel)
        return;
    SAY("[Pipeline] parallel");
    SAY("[Pipeline] { (Branch: unit)");
    SAY("[Pipeline] { (Branch: integration)");
}

static void test_body(ns_pen *pen, int lines)
{
    char type[NS_NAME_MAX];
    (void)ns_log_type_name(pen->plan->service, type);
    if (!pen->style.parallel) {
        for (int n = 0; n < lines;)
            n += test_lines(pen, type);
        return;
    }
    double start = pen->weight[0];
    static const char *const names[] = {"", "unit", "integration"};
    for (int branch = 1; branch < NS_PEN_BRANCHES; branch++) {
        ns_pen_branch(pen, branch, names[branch]);
        ns_pen_pause(pen, start * 0.5);
        for (int n = 0; n < lines / 2;)
            n += test_lines(pen, type);
    }
    ns_pen_branch(pen, 0, "");
    ns_pen_pause(pen, (double)lines); /* the main branch goes on when both are through */
}

static void test_end(ns_pen *pen)
{
    int total = pen->plan->tests_total > 0 ? pen->plan->tests_total : 120;
    int skipped = pen->plan->tests_skipped > 0 ? pen->plan->tests_skipped : 0;
    switch (pen->plan->language) {
    case NS_LANGUAGE_java:
        SAY("%s Results:", info(pen));
        SAY("%s Tests run: %d, Failures: 0, Errors: 0, Skipped: %d", info(pen), total, skipped);
        SAY("%s BUILD SUCCESS", info(pen));
        break;
    case NS_LANGUAGE_go:
        SAY("PASS");
        SAY("coverage: %d.%d%% of statements", ns_pen_between(pen, 55, 88), ns_pen_below(pen, 10));
        SAY("ok  \tgit.sock-shop.example/%s\t%d.%03ds", pen->plan->service, ns_pen_between(pen, 1, 60),
            ns_pen_below(pen, 1000));
        SAY("?   \tgit.sock-shop.example/%s/cmd\t[no test files]", pen->plan->service);
        break;
    case NS_LANGUAGE_node:
        SAY("----------|---------|----------|---------|---------|-------------------");
        SAY("File      | %% Stmts | %% Branch | %% Funcs | %% Lines | Uncovered Line #s ");
        SAY("All files |   %2d.%d |    %2d.%d |   %2d.%d |   %2d.%d |", 81, 4, 70, 2, 77, 7, 82, 1);
        SAY("Tests:       %d skipped, %d passed, %d total", skipped, total - skipped, total);
        SAY("Ran all test suites.");
        break;
    }
    if (pen->style.parallel)
        SAY("[Pipeline] // parallel");
}

/* ---- package, deploy --------------------------------------------------------------------------------------------- */

static void package_line(ns_pen *pen, int i)
{
    static const char *const steps[] = {"FROM registry.sock-shop.example/base/runtime:bookworm",
                                        "WORKDIR /usr/src/app",
                                        "COPY . .",
                                        "RUN adduser --system --uid 10001 app",
                                        "RUN apt-get update && apt-get install -y ca-certificates",
                                        "EXPOSE 80",
                                        "ENTRYPOINT [\"/usr/src/app/start\"]"};
    int step = i / 9 + 1;
    if (i % 9 == 0)
        SAY("#%d [%d/7] %s", step + 3, step > 7 ? 7 : step, steps[(step - 1) % 7]);
    else if (pen->style.progress && i % 9 == 4)
        progress_line(pen, "extracting layer", ns_pen_between(pen, 20, 90));
    else if (i % 9 == 7)
        SAY("debconf: delaying package configuration, since apt-utils is not installed");
    else if (i % 9 == 8)
        SAY("#%d DONE %d.%ds", step + 3, ns_pen_below(pen, 20), ns_pen_below(pen, 10));
    else
        SAY("#%d %d.%03d %s %s %d.%d.%d-%d", step + 3, i % 50, ns_pen_below(pen, 1000),
            i % 2 == 0 ? "Unpacking" : "Setting up",
            i % 3 == 0   ? "libssl3"
            : i % 3 == 1 ? "ca-certificates"
                         : "tzdata",
            i % 4, ns_pen_below(pen, 20), ns_pen_below(pen, 9), 1 + i % 3);
}

static void package_end(ns_pen *pen)
{
    SAY("+ docker push registry.sock-shop.example/%s:%.7s", pen->plan->service, pen->plan->commit);
    SAY("The push refers to repository [registry.sock-shop.example/%s]", pen->plan->service);
    int layers = ns_pen_between(pen, 4, 9);
    for (int i = 0; i < layers; i++)
        SAY("%08x%04x: %s", hex(pen), hex(pen) & 0xffff, i < 3 ? "Pushed" : "Layer already exists");
    SAY("%.7s: digest: sha256:%08x%08x%08x%08x%08x%08x%08x%08x size: %d", pen->plan->commit, hex(pen), hex(pen),
        hex(pen), hex(pen), hex(pen), hex(pen), hex(pen), hex(pen), ns_pen_between(pen, 1200, 2900));
}

static void deploy_line(ns_pen *pen, int i)
{
    static const char *const kinds[] = {"service/%s unchanged", "deployment.apps/%s configured",
                                        "configmap/%s-env unchanged", "serviceaccount/%s unchanged",
                                        "networkpolicy.networking.k8s.io/%s configured"};
    if (i < 5)
        SAY(kinds[i], pen->plan->service);
    else if (i % 4 == 1)
        SAY("Waiting for deployment \"%s\" rollout to finish: %d old replicas are pending termination...",
            pen->plan->service, 1);
    else
        SAY("Waiting for deployment \"%s\" rollout to finish: %d of %d updated replicas are available...",
            pen->plan->service, 0, 1);
}

static void deploy_end(ns_pen *pen)
{
    SAY("deployment \"%s\" successfully rolled out", pen->plan->service);
    SAY("+ ./ci/smoke.sh http://%s.sock-shop/health", pen->plan->service);
    SAY("attempt 1: HTTP 503, waiting");
    SAY("attempt 2: HTTP 200 {\"health\":[{\"service\":\"%s\",\"status\":\"OK\"}]}", pen->plan->service);
}

/* ---- the stage --------------------------------------------------------------------------------------------------- */

void ns_log_body(ns_pen *pen, const ns_plan_stage *stage, int lines, bool begin)
{
    if (begin && stage->kind == NS_STAGE_checkout)
        checkout_begin(pen);
    else if (begin)
        command_line(pen, stage->kind);
    if (stage->kind == NS_STAGE_test) {
        if (begin)
            test_begin(pen);
        test_body(pen, lines);
        return;
    }
    for (int i = 0; i < lines; i++) {
        switch (stage->kind) {
        case NS_STAGE_checkout:
            checkout_line(pen, begin ? i : i + 4);
            break;
        case NS_STAGE_dependencies:
            i += pen->plan->language == NS_LANGUAGE_java ? 1 : 0; /* a download is two lines */
            dependency_line(pen);
            break;
        case NS_STAGE_compile:
            compile_line(pen);
            break;
        case NS_STAGE_package:
            package_line(pen, i);
            break;
        case NS_STAGE_deploy:
            deploy_line(pen, begin ? i : i + 5);
            break;
        case NS_STAGE_test:
        case NS_STAGE_KINDS:
            break;
        }
    }
}

void ns_log_good_end(ns_pen *pen, const ns_plan_stage *stage)
{
    static void (*const ends[NS_STAGE_KINDS])(ns_pen *) = {checkout_end, dependencies_end, compile_end,
                                                           test_end,     package_end,      deploy_end};
    ends[stage->kind](pen);
}

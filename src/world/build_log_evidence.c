/*
 * What failing looks like, by cause and tool; and failures that a build survives.
 *
 * The first line of ns_log_evidence is the first telling one. Survived failures use the same vocabulary as real ones:
 * a reader that alarms at the mere word "ERROR" must be wrong about green builds, as it is in the field.
 */
#include "world/build_log_pen.h"

#include <string.h>

#define SAY(...) ns_pen_line(pen, __VA_ARGS__)

static const char *error_tag(const ns_pen *pen)
{
    return pen->style.colour ? "[\x1b[1;31mERROR\x1b[m]" : "[ERROR]";
}

static const char *type_of(const ns_pen *pen, char out[NS_NAME_MAX])
{
    return ns_log_type_name(pen->plan->service, out);
}

static void java_frames(ns_pen *pen, const char *type, int low, int high)
{
    static const char *const where[] = {"Controller.handle", "Service.apply", "Repository.save", "Client.exchange"};
    int depth = ns_pen_between(pen, low, high);
    for (int i = 0; i < depth; i++)
        SAY("\tat shop.socks.%s%s(%s.java:%d)", type, NS_PEN_PICK(pen, where), type, ns_pen_between(pen, 15, 480));
}

/* ---- compile error ----------------------------------------------------------------------------------------------- */

static void compile_error(ns_pen *pen)
{
    static const char *const symbols[] = {"customerId", "totalPrice", "maxItems", "shippingCost", "retryAfter"};
    const char *symbol = NS_PEN_PICK(pen, symbols);
    char name[NS_NAME_MAX];
    const char *type = type_of(pen, name);
    int errors = ns_pen_between(pen, 1, 5);
    for (int i = 0; i < errors; i++) {
        int line = ns_pen_between(pen, 20, 300);
        switch (pen->plan->language) {
        case NS_LANGUAGE_java:
            if (i == 0)
                SAY("%s COMPILATION ERROR :", error_tag(pen));
            SAY("%s /home/jenkins/workspace/sock-shop_%s/src/main/java/shop/socks/%sService.java:[%d,%d] cannot find "
                "symbol",
                error_tag(pen), pen->plan->service, type, line, ns_pen_between(pen, 9, 50));
            SAY("  symbol:   variable %s", symbol);
            SAY("  location: class shop.socks.%sService", type);
            break;
        case NS_LANGUAGE_go:
            if (i == 0)
                SAY("# git.sock-shop.example/%s", pen->plan->service);
            SAY("./service.go:%d:%d: undefined: %s", line, ns_pen_between(pen, 2, 40), symbol);
            break;
        case NS_LANGUAGE_node:
            SAY("ERROR in ./src/%s.js %d:%d", pen->plan->service, line, ns_pen_between(pen, 2, 40));
            SAY("Module parse failed: Unexpected token (%d:%d)", line, ns_pen_between(pen, 2, 40));
            SAY("SyntaxError: missing ) after argument list near '%s'", symbol);
            break;
        }
    }
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

/* A deterministic failure is the same test with the same values in every build of the commit; a flaky one waits. */
static ns_log_test test_of(ns_pen *pen, bool flaky)
{
    if (flaky)
        return ns_log_some_test(pen);
    ns_rng kept = pen->rng;
    ns_rng_seed(&pen->rng, ns_hash(ns_text_of(pen->plan->commit)));
    ns_log_test test = ns_log_some_test(pen);
    pen->rng = kept;
    return test;
}

static void test_failed(ns_pen *pen, bool flaky)
{
    char name[NS_NAME_MAX];
    const char *type = type_of(pen, name);
    ns_log_test test = test_of(pen, flaky);
    int seconds = flaky ? ns_pen_between(pen, 5, 30) : ns_pen_below(pen, 2);
    switch (pen->plan->language) {
    case NS_LANGUAGE_java:
        SAY("%s Tests run: %d, Failures: %d, Errors: %d, Skipped: 0, Time elapsed: %d.%02d s <<< %s! - in "
            "shop.socks.%s%sTest",
            error_tag(pen), ns_pen_between(pen, 4, 20), flaky ? 0 : 1, flaky ? 1 : 0, seconds, ns_pen_below(pen, 100),
            flaky ? "ERROR" : "FAILURE", type, test.group);
        SAY("%s %s  Time elapsed: %d.%02d s  <<< %s!", error_tag(pen), test.name, seconds, ns_pen_below(pen, 100),
            flaky ? "ERROR" : "FAILURE");
        if (flaky)
            SAY("java.util.concurrent.TimeoutException: condition was not fulfilled within %d seconds", seconds);
        else
            SAY("org.opentest4j.AssertionFailedError: expected: <%d> but was: <%d>", 3, 2);
        java_frames(pen, type, 5, 22);
        break;
    case NS_LANGUAGE_go:
        SAY("--- FAIL: Test%s_%s (%d.%02ds)", test.group, test.name, seconds, ns_pen_below(pen, 100));
        if (flaky)
            SAY("    %s_test.go:%d: context deadline exceeded after %ds: server did not become ready",
                pen->plan->service, ns_pen_between(pen, 20, 300), seconds);
        else
            SAY("    %s_test.go:%d: got status 500, want 200", pen->plan->service, ns_pen_between(pen, 20, 300));
        break;
    case NS_LANGUAGE_node:
        SAY("FAIL test/%s.test.js (%d.%d s)", test.group, seconds + 1, ns_pen_below(pen, 10));
        SAY("  \xe2\x97\x8f %s \xe2\x80\xba %s", test.group, test.name);
        if (flaky)
            SAY("    thrown: \"Exceeded timeout of 5000 ms for a test.");
        else
            SAY("    expect(received).toBe(expected) // Object.is equality");
        SAY("      at Object.<anonymous> (test/%s.test.js:%d:%d)", test.group, ns_pen_between(pen, 9, 200),
            ns_pen_between(pen, 3, 40));
        break;
    }
}

static void flaky_test(ns_pen *pen)
{
    test_failed(pen, true);
    if (ns_pen_chance(pen, 0.4)) {
        SAY("Retrying the failed test (2/2)");
        ns_pen_pause(pen, 4.0);
        test_failed(pen, true);
    }
}

/* ---- dependency conflict ----------------------------------------------------------------------------------------- */

static void dependency(ns_pen *pen)
{
    switch (pen->plan->language) {
    case NS_LANGUAGE_java:
        SAY("%s Rule 2: org.apache.maven.enforcer.rules.dependency.DependencyConvergence failed with message:",
            error_tag(pen));
        SAY("Failed while enforcing releasability. Dependency convergence error for "
            "com.fasterxml.jackson.core:jackson-databind:2.%d.0 paths to dependency are:",
            ns_pen_between(pen, 9, 13));
        SAY("+-shop.socks:%s:0.4.8", pen->plan->service);
        SAY("  +-io.micrometer:micrometer-core:1.9.2");
        SAY("    +-com.fasterxml.jackson.core:jackson-databind:2.%d.3", ns_pen_between(pen, 14, 17));
        break;
    case NS_LANGUAGE_go:
        SAY("go: git.sock-shop.example/%s requires", pen->plan->service);
        SAY("\tgithub.com/go-kit/kit@v0.%d.0 requires", ns_pen_between(pen, 9, 13));
        SAY("\tgithub.com/openzipkin/zipkin-go@v0.2.%d: version conflict: module declares its path as "
            "github.com/openzipkin/zipkin-go/v2",
            ns_pen_below(pen, 9));
        SAY("go: updates to go.mod needed, disabled by -mod=readonly");
        break;
    case NS_LANGUAGE_node:
        SAY("npm ERR! code ERESOLVE");
        SAY("npm ERR! ERESOLVE could not resolve: conflicting peer dependency");
        SAY("npm ERR! While resolving: connect-redis@%d.0.0", ns_pen_between(pen, 5, 7));
        SAY("npm ERR! Found: redis@%d.1.2", ns_pen_between(pen, 2, 3));
        SAY("npm ERR! Could not resolve dependency: peer redis@\"^4.0.0\" from connect-redis");
        break;
    }
}

/* ---- the outside: registry, credentials -------------------------------------------------------------------------- */

static const char *host_of(const ns_pen *pen, const ns_plan_stage *stage)
{
    if (stage->kind == NS_STAGE_checkout)
        return "git.sock-shop.example";
    if (stage->kind >= NS_STAGE_package)
        return "registry.sock-shop.example";
    return pen->plan->language == NS_LANGUAGE_java ? "nexus.sock-shop.example"
           : pen->plan->language == NS_LANGUAGE_go ? "goproxy.sock-shop.example"
                                                   : "npm.sock-shop.example";
}

/* One failed request, in the words of the tool of that stage. */
static void request_failed(ns_pen *pen, const ns_plan_stage *stage, const char *why)
{
    const char *host = host_of(pen, stage);
    if (stage->kind == NS_STAGE_checkout) {
        SAY("fatal: unable to access 'https://%s/%s.git/': %s", host, pen->plan->service, why);
    } else if (stage->kind >= NS_STAGE_package) {
        SAY("ERROR: failed to do request: Head \"https://%s/v2/%s/manifests/%.7s\": %s", host, pen->plan->service,
            pen->plan->commit, why);
    } else if (pen->plan->language == NS_LANGUAGE_java) {
        SAY("%s Could not transfer artifact org.springframework:spring-core:pom:5.3.%d from/to nexus "
            "(https://%s/repository/maven-public): %s",
            error_tag(pen), ns_pen_between(pen, 10, 39), host, why);
    } else if (pen->plan->language == NS_LANGUAGE_go) {
        SAY("go: github.com/gorilla/mux@v1.8.%d: reading https://%s/github.com/gorilla/mux/@v/v1.8.0.mod: %s",
            ns_pen_below(pen, 3), host, why);
    } else {
        SAY("npm ERR! network request to https://%s/express failed, reason: %s", host, why);
    }
}

static void registry_outage(ns_pen *pen, const ns_plan_stage *stage)
{
    static const char *const whys[] = {
        "502 Bad Gateway",        "503 Service Unavailable",  "connection timed out after 30001 ms",
        "Could not resolve host", "connection reset by peer", "TLS handshake timeout"};
    const char *why = NS_PEN_PICK(pen, whys);
    int tries = 2 + (int)(stage->severity * 5.0);
    for (int i = 1; i <= tries; i++) {
        request_failed(pen, stage, why);
        if (i < tries)
            SAY("retrying in %d s (attempt %d of %d)", 5 * i, i + 1, tries);
        ns_pen_pause(pen, 6.0);
    }
}

static void config(ns_pen *pen, const ns_plan_stage *stage)
{
    if (stage->kind == NS_STAGE_deploy) {
        SAY("Error from server (Forbidden): deployments.apps \"%s\" is forbidden: User "
            "\"system:serviceaccount:ci:deployer\" cannot patch resource \"deployments\" in API group \"apps\" in the "
            "namespace \"sock-shop\"",
            pen->plan->service);
    } else if (stage->kind == NS_STAGE_package) {
        SAY("denied: requested access to the resource is denied");
        SAY("unauthorized: authentication required (401) for registry.sock-shop.example/%s", pen->plan->service);
    } else if (stage->kind == NS_STAGE_checkout) {
        SAY("ERROR: Could not find credentials entry with ID 'git-ci'");
        SAY("fatal: Authentication failed for 'https://git.sock-shop.example/%s.git/'", pen->plan->service);
    } else {
        request_failed(pen, stage, "401 Unauthorized: the credentials were not accepted");
        SAY("Permission denied: check the settings file ci/settings.xml and the secret REGISTRY_TOKEN");
    }
}

/* ---- resources --------------------------------------------------------------------------------------------------- */

static void out_of_memory(ns_pen *pen, const ns_plan_stage *stage)
{
    if (pen->plan->language == NS_LANGUAGE_java && stage->kind != NS_STAGE_package) {
        SAY("java.lang.OutOfMemoryError: Java heap space");
        SAY("\tat java.base/java.util.Arrays.copyOf(Arrays.java:3512)");
        SAY("Dumping heap to java_pid%d.hprof ...", ns_pen_between(pen, 300, 9000));
        SAY("Heap dump file created [%d bytes in %d.%03d secs]", ns_pen_between(pen, 90000000, 500000000),
            ns_pen_between(pen, 1, 9), ns_pen_below(pen, 1000));
    } else if (pen->plan->language == NS_LANGUAGE_node && stage->kind != NS_STAGE_package) {
        SAY("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory");
        SAY(" 1: 0xb%05x node::Abort() [node]", (unsigned)ns_pen_below(pen, 0xfffff));
        SAY(" 2: 0xa%05x v8::internal::V8::FatalProcessOutOfMemory [node]", (unsigned)ns_pen_below(pen, 0xfffff));
    } else {
        SAY("signal: killed");
    }
    SAY("/home/jenkins/workspace/sock-shop_%s@tmp/durable-%04x/script.sh.copy: line %d: %d Killed", pen->plan->service,
        (unsigned)ns_pen_below(pen, 0xffff), ns_pen_between(pen, 1, 9), ns_pen_between(pen, 300, 9000));
}

static void disk_full(ns_pen *pen, const ns_plan_stage *stage)
{
    if (stage->kind >= NS_STAGE_package)
        SAY("#9 ERROR: failed to solve: write /var/lib/docker/overlay2/%08x/diff/usr/lib/x.so: no space left on device",
            (unsigned)ns_rng_below(&pen->rng, 0xffffffffu));
    else if (pen->plan->language == NS_LANGUAGE_java)
        SAY("%s java.io.IOException: No space left on device", error_tag(pen));
    else if (pen->plan->language == NS_LANGUAGE_node)
        SAY("npm ERR! code ENOSPC: no space left on device, write");
    else
        SAY("compile: writing output: write $WORK/b0%02d/_pkg_.a: no space left on device", ns_pen_below(pen, 99));
    SAY("tar: /tmp/%s: Cannot write: No space left on device", pen->plan->service);
    SAY("df: /home/jenkins 100%% used");
}

static void timed_out(ns_pen *pen)
{
    ns_pen_pause(pen, 60.0); /* nothing is printed for a long while: that is what a hang looks like */
    SAY("no output for a long time: still waiting for the step");
    ns_pen_pause(pen, 60.0);
    SAY("Cancelling nested steps due to timeout");
    SAY("Sending interrupt signal to process");
}

static void agent_lost(ns_pen *pen)
{
    const char *agent = pen->plan->agent;
    SAY("Cannot contact %s: java.lang.InterruptedException: the connection was closed", agent);
    SAY("Agent %s went offline during the build", agent);
    SAY("ERROR: Connection was broken: java.io.EOFException");
    SAY("\tat hudson.remoting.SynchronousCommandTransport$ReaderThread.run(SynchronousCommandTransport.java:%d)",
        ns_pen_between(pen, 50, 110));
    SAY("Caused by: hudson.remoting.ChannelClosedException: Channel \"%s\": channel is already closed", agent);
}

static void bad_release(ns_pen *pen)
{
    SAY("error: deployment \"%s\" exceeded its progress deadline", pen->plan->service);
    SAY("%s-%08x-x%d   0/1   CrashLoopBackOff   %d", pen->plan->service, (unsigned)ns_rng_below(&pen->rng, 0xffffffffu),
        ns_pen_below(pen, 9), ns_pen_between(pen, 3, 9));
    SAY("Back-off restarting failed container %s", pen->plan->service);
}

static void overload(ns_pen *pen)
{
    SAY("smoke test: HTTP 503 from http://%s.sock-shop/health: upstream request timeout", pen->plan->service);
    SAY("smoke test: p95 latency %d ms is above its limit of 500 ms", ns_pen_between(pen, 900, 9000));
}

void ns_log_evidence(ns_pen *pen, const ns_plan_stage *stage)
{
    switch (stage->cause) {
    case NS_CAUSE_compile_error:
        compile_error(pen);
        break;
    case NS_CAUSE_test_failure:
        test_failed(pen, false);
        break;
    case NS_CAUSE_flaky_test:
        flaky_test(pen);
        break;
    case NS_CAUSE_dependency:
        dependency(pen);
        break;
    case NS_CAUSE_registry_outage:
        registry_outage(pen, stage);
        break;
    case NS_CAUSE_out_of_memory:
        out_of_memory(pen, stage);
        break;
    case NS_CAUSE_disk_full:
        disk_full(pen, stage);
        break;
    case NS_CAUSE_timeout:
        timed_out(pen);
        break;
    case NS_CAUSE_agent_lost:
        agent_lost(pen);
        break;
    case NS_CAUSE_config:
        config(pen, stage);
        break;
    case NS_CAUSE_bad_release:
        bad_release(pen);
        break;
    case NS_CAUSE_overload:
        overload(pen);
        break;
    case NS_CAUSE_none:
    case NS_CAUSE_COUNT:
        break;
    }
}

int ns_log_exit_status(const ns_plan_stage *stage)
{
    if (stage->cause == NS_CAUSE_out_of_memory)
        return 137;
    return stage->cause == NS_CAUSE_registry_outage || stage->cause == NS_CAUSE_disk_full ? 2 : 1;
}

/* ---- the tool gives up ------------------------------------------------------------------------------------------- */

static void java_gives_up(ns_pen *pen, const ns_plan_stage *stage)
{
    const char *tag = error_tag(pen);
    bool test_failed = stage->cause == NS_CAUSE_test_failure || stage->cause == NS_CAUSE_flaky_test;
    if (stage->kind == NS_STAGE_test)
        SAY("%s Tests run: %d, Failures: %d, Errors: 0, Skipped: 0", tag,
            pen->plan->tests_total > 0 ? pen->plan->tests_total : 120, test_failed ? 1 : 0);
    SAY("[INFO] BUILD FAILURE");
    SAY("[INFO] Total time:  %d.%03d s", ns_pen_between(pen, 9, 300), ns_pen_below(pen, 1000));
    SAY("%s Failed to execute goal on project %s: see the messages above -> [Help 1]", tag, pen->plan->service);
    SAY("%s To see the full stack trace of the errors, re-run Maven with the -e switch.", tag);
    SAY("%s Re-run Maven using the -X switch to enable full debug logging.", tag);
}

void ns_log_bad_end(ns_pen *pen, const ns_plan_stage *stage)
{
    bool outside = stage->kind == NS_STAGE_checkout || stage->kind >= NS_STAGE_package;
    if (stage->cause == NS_CAUSE_agent_lost) {
        SAY("Could not connect to %s to send interrupt signal to process", pen->plan->agent);
        return;
    }
    if (stage->cause == NS_CAUSE_timeout) {
        SAY("script returned exit code 143");
        SAY("Timeout has been exceeded");
        return;
    }
    if (stage->kind == NS_STAGE_test && pen->style.parallel)
        SAY("Failed in branch unit");
    if (stage->cause == NS_CAUSE_out_of_memory) {
        SAY("the command ended with exit code 137");
    } else if (outside) {
        SAY("make: *** [Makefile:%d: %s] Error %d", ns_pen_between(pen, 10, 90),
            stage->kind == NS_STAGE_package ? "image" : "deploy", ns_log_exit_status(stage));
    } else if (pen->plan->language == NS_LANGUAGE_java) {
        java_gives_up(pen, stage);
    } else if (pen->plan->language == NS_LANGUAGE_go && stage->kind != NS_STAGE_test) {
        SAY("make: *** [Makefile:%d: %s] Error %d", ns_pen_between(pen, 10, 90),
            stage->kind == NS_STAGE_compile ? "build" : "deps", ns_log_exit_status(stage));
    } else if (pen->plan->language == NS_LANGUAGE_go) {
        SAY("FAIL\tgit.sock-shop.example/%s\t%d.%03ds", pen->plan->service, ns_pen_between(pen, 1, 60),
            ns_pen_below(pen, 1000));
        SAY("FAIL");
    } else {
        SAY("npm ERR! Exit status %d", ns_log_exit_status(stage));
        SAY("npm ERR! A complete log of this run can be found in: /home/jenkins/.npm/_logs/%lld-debug.log",
            (long long)pen->plan->number);
    }
}

/* ---- survived ---------------------------------------------------------------------------------------------------- */

static void tolerated_step(ns_pen *pen)
{
    SAY("+ ./ci/licence-check.sh || true");
    SAY("[ERROR] licence-check: 2 files without a header");
    SAY("ERROR: script returned exit code 1 (ignored)");
}

static void ignored_make_target(ns_pen *pen)
{
    SAY("make: [Makefile:%d: lint] Error 1 (ignored)", ns_pen_between(pen, 10, 80));
}

static void retried_download(ns_pen *pen, const ns_plan_stage *stage)
{
    request_failed(pen, stage, "502 Bad Gateway");
    SAY("retrying in 5 s (attempt 2 of 5)");
    ns_pen_pause(pen, 5.0);
    SAY("attempt 2 of 5: 200 OK");
}

static void expected_failure(ns_pen *pen)
{
    char name[NS_NAME_MAX];
    SAY("[ERROR] %s: expected failure follows, this test checks the error path", pen->plan->service);
    SAY("java.net.SocketTimeoutException: Read timed out");
    java_frames(pen, type_of(pen, name), 3, 12);
}

static void rerun_passes(ns_pen *pen)
{
    ns_log_test test = ns_log_some_test(pen);
    SAY("[WARNING] Flakes:");
    SAY("[WARNING] shop.socks.%sTest.%s", test.group, test.name);
    SAY("[ERROR]   Run 1: %sTest.%s:%d expected: <1> but was: <0>", test.group, test.name,
        ns_pen_between(pen, 20, 200));
    SAY("[INFO]   Run 2: PASS");
}

static void cache_trouble(ns_pen *pen)
{
    SAY("WARNING: failed to restore the cache: Permission denied (os error 13), going on without it");
    SAY("warning: unable to access '/root/.config/git/attributes': Permission denied");
}

void ns_log_survived(ns_pen *pen, const ns_plan_stage *stage)
{
    int blocks = ns_pen_between(pen, 1, 3);
    for (int i = 0; i < blocks; i++) {
        int which = ns_pen_below(pen, 4);
        if (stage->kind == NS_STAGE_test && which < 2) {
            if (which == 0)
                expected_failure(pen);
            else
                rerun_passes(pen);
        } else if (which == 0) {
            retried_download(pen, stage);
        } else if (which == 1) {
            tolerated_step(pen);
        } else if (which == 2) {
            ignored_make_target(pen);
        } else {
            cache_trouble(pen);
        }
    }
}

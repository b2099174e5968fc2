/*
 * Order does not matter. Weights are log-odds, rounded by hand: about how much likelier the phrase is in a failing
 * build than in a green one. Two rules for weights: what green builds print every day stays below 1, and only phrases
 * that a tool prints when it gives up reach 3.
 */
#include "prediction/keyword_rules.h"

#define EVIDENCE(literal, pattern, weight, cause) {NS_RULE_evidence, literal, pattern, weight, NS_CAUSE_##cause},
#define DAMPER(literal, pattern, factor)          {NS_RULE_damper, literal, pattern, factor, NS_CAUSE_none},
#define VERDICT(literal, pattern)                 {NS_RULE_verdict, literal, pattern, 0.0, NS_CAUSE_none},
#define HINT(literal, pattern, weight, cause)     {NS_RULE_hint, literal, pattern, weight, NS_CAUSE_##cause},

/* Where a tool's message may begin: at the line's start or behind a bracketed or piped prefix. */
#define START "(?:^|[\\]|>] ?) *"

const ns_keyword_rule ns_keyword_rules[] = {
    /* Compilers and checkers. */
    EVIDENCE("compilation error", "COMPILATION ERROR", 4.0, compile_error)
        EVIDENCE("compilation fail", "[Cc]ompilation failed", 3.5, compile_error) EVIDENCE(
            "error:", "\\.(?:c|cc|cpp|cxx|h|hpp|hh|m|mm|java|swift|d|f90|cs|vala|go):\\d+(?::\\d+)?: (?:fatal )?error:",
            4.0, compile_error) EVIDENCE(".java:[", "^\\[ERROR\\].*\\.java:\\[\\d+,\\d+\\]", 4.0,
                                         compile_error) EVIDENCE("cannot find symbol", "", 3.5, compile_error)
            EVIDENCE("does not exist", "error: package \\S+ does not exist|package \\S+ does not exist$", 3.0,
                     compile_error) EVIDENCE("error[e", "^error\\[E\\d{4}\\]", 4.0, compile_error)
                EVIDENCE("could not compile", "could not compile `", 4.0, compile_error) EVIDENCE(
                    "error ts", "\\berror TS\\d+", 3.5,
                    compile_error) EVIDENCE("error cs", "\\berror CS\\d+", 3.5,
                                            compile_error) EVIDENCE("error fs", "\\berror FS\\d+", 3.5,
                                                                    compile_error) EVIDENCE("undefined reference to",
                                                                                            "", 3.5, compile_error)
                    EVIDENCE("ld returned", "", 3.5, compile_error) EVIDENCE(
                        ".go:", "\\.go:\\d+:\\d+: (?:undefined|cannot use|syntax error|\\S+ (?:declared|imported) )",
                        4.0, compile_error) EVIDENCE(".scala:", "\\[error\\] .*\\.scala:\\d+", 4.0,
                                                     compile_error) EVIDENCE(".kt:", "^e: .*\\.kt:", 4.0, compile_error)
                        EVIDENCE("syntaxerror", "\\bSyntaxError\\b", 2.0,
                                 compile_error) EVIDENCE("indentationerror", "", 2.5, compile_error)
                            EVIDENCE("syntax error", "(?:[Pp]arse|[Ss]yntax) error[:,]", 2.0, compile_error)
                                EVIDENCE("parse error", "Parse error:", 2.5, compile_error)
                                    EVIDENCE("error during compilation", "", 3.0, compile_error)
                                        EVIDENCE("module not found", "Module not found: Error", 3.0, compile_error)
                                            EVIDENCE("failed to compile", "^\\s*Failed to compile", 3.5, compile_error)
                                                EVIDENCE("checkstyle violation", "[1-9]\\d* [Cc]heckstyle violation",
                                                         3.0, compile_error)
                                                    EVIDENCE("problems (", "[1-9]\\d* problems? \\([1-9]\\d* error",
                                                             3.5, compile_error)
                                                        EVIDENCE("offenses detected", "\\b[1-9]\\d* offenses? detected",
                                                                 2.5, compile_error)
                                                            EVIDENCE("-werror", "\\[-Werror", 3.0, compile_error)
                                                                EVIDENCE("type errors", "Found [1-9]\\d* errors? in",
                                                                         3.0, compile_error)

    /* Test runners that count or name what failed. */
    EVIDENCE("<<< ", "<<< (?:FAILURE|ERROR|FAIL)", 4.0, test_failure) EVIDENCE(
        "tests run", "Tests run: ?\\d+.*(?:Failures|Errors|failed): ?[1-9]",
        4.0, test_failure) EVIDENCE("failures: ", "^(?:FAILURES!|.*\\b(?:Failures|Failed): [1-9]\\d*\\b)", 3.0,
                                    test_failure) EVIDENCE("errors: ", "\\bErrors: [1-9]\\d*\\b", 2.5,
                                                           test_failure) EVIDENCE("failures!",
                                                                                  "FAILURES!", 3.5, test_failure)
        EVIDENCE("failures", "There (?:was|were) [1-9]\\d* failure", 3.5, test_failure) EVIDENCE(
            "failure",
            "\\b[1-9]\\d* (?:examples?|tests?|runs|specs?|scenarios?)\\b.*\\b[1-9]\\d* (?:failures?|errors?|failed)",
            3.5,
            test_failure) EVIDENCE(" failed", "\\b[1-9]\\d* failed\\b", 3.0,
                                   test_failure) EVIDENCE(" failing", "^\\s*[1-9]\\d* failing\\b", 3.5, test_failure)
            EVIDENCE("failed (", "^(?:\\S+ )?FAILED \\(\\S*(?:failures|errors)=[1-9]", 4.0, test_failure) EVIDENCE(
                "fail: ", START "--- FAIL: |^FAIL: ", 4.0,
                test_failure) EVIDENCE("error: ", "^ERROR: (?:test|setUp|tearDown)\\w*", 3.5,
                                       test_failure) EVIDENCE("fail", "^FAIL\\s+\\S", 3.5, test_failure)
                EVIDENCE("not ok ", "^\\s*not ok \\d+(?!.*# ?(?:TODO|SKIP|todo|skip))", 3.0, test_failure) EVIDENCE(
                    "test result: failed", "",
                    4.0, test_failure) EVIDENCE("panicked at", "thread '.*' panicked at", 2.5, test_failure)
                    EVIDENCE("... fail", "\\.\\.\\. FAIL(?:ED)?\\b", 3.5,
                             test_failure) EVIDENCE("the following tests failed", "", 4.0, test_failure)
                        EVIDENCE("***failed", "", 3.5, test_failure) EVIDENCE("[  failed  ]", "", 4.0, test_failure)
                            EVIDENCE(" failed", "> \\S.* FAILED\\s*$", 3.5,
                                     test_failure) EVIDENCE("there were failing tests", "", 4.0, test_failure)
                                EVIDENCE("there are test failures", "", 4.0,
                                         test_failure) EVIDENCE("failed examples:", "", 4.0, test_failure)
                                    EVIDENCE("failed tests:", "^(?:\\[ERROR\\] )?\\s*(?:Failed tests|Tests in error):",
                                             4.0, test_failure)
                                        EVIDENCE("tests in error:", "Tests in error:", 4.0, test_failure) EVIDENCE(
                                            "test-unexpected", "TEST-UNEXPECTED-(?:FAIL|ERROR|PASS|TIMEOUT|CRASH)", 4.0,
                                            test_failure) EVIDENCE("process-crash", "PROCESS-CRASH", 4.0, test_failure)
                                            EVIDENCE("test failed", "\\b(?:[Tt]est|TEST|Tests) (?:failed|FAILED)", 2.5,
                                                     test_failure) EVIDENCE("assertionerror",
                                                                            "\\bAssertion(?:Failed)?Error\\b", 2.5,
                                                                            test_failure)
                                                EVIDENCE("assertion", "[Aa]ssert(?:ion)? .*failed", 2.5, test_failure)
                                                    EVIDENCE("assert", "^E {3,}assert", 3.5, test_failure) EVIDENCE(
                                                        "failed asserting", "Failed asserting that", 3.5, test_failure)
                                                        EVIDENCE("comparisonfailure", "", 3.5, test_failure)
                                                            EVIDENCE("segmentation fault", "", 2.5, test_failure)
                                                                EVIDENCE("core dumped", "", 2.5, test_failure)
                                                                    EVIDENCE("crash-recovery", "", 0.5, test_failure)

    /* Tests whose failing tells more of the clock or the net than of the code. */
    EVIDENCE("flaky", "(?i)\\bflaky\\b|Flakes: [1-9]", 0.8, flaky_test) HINT(
        "flaky", "(?i)\\bflaky\\b|Flakes: [1-9]", 3.0, flaky_test) HINT("flake", "(?i)\\bflakes?\\b", 2.0, flaky_test)
        HINT("re-run", "(?i)re-?run(?:ning)? (?:the )?(?:failed )?tests?|passed on (?:retry|re-?run)", 2.5, flaky_test)
            HINT("retry", "(?i)retry(?:ing)? (?:\\S+ )?(?:failed )?tests?\\b|passed (?:on|after) retry", 2.5,
                 flaky_test) EVIDENCE("timeout of ", "[Tt]imeout of \\d+ ?ms exceeded", 3.0, flaky_test)
                EVIDENCE("async callback was not invoked", "", 3.0, flaky_test)
                    EVIDENCE("test timed out", "(?i)test timed out", 3.0, flaky_test)
                        EVIDENCE("testtimedoutexception", "", 3.5, flaky_test)
                            EVIDENCE("conditiontimeoutexception", "", 3.5, flaky_test)
                                HINT("timed out waiting", "", 1.5, flaky_test)
                                    HINT("did not become", "did not become (?:true|ready|visible|available)", 1.5,
                                         flaky_test) HINT("expected within", "", 1.5, flaky_test)
                                        HINT("race", "WARNING: DATA RACE|race condition|race detected", 3.0, flaky_test)
                                            HINT("intermittent", "", 2.0, flaky_test)
                                                HINT("staleelementreference", "", 3.0, flaky_test)
                                                    HINT("address already in use", "", 2.0, flaky_test)

    /* Versions that do not go together. */
    EVIDENCE("could not resolve dependencies", "", 3.0,
             dependency) EVIDENCE("eresolve", "\\bERESOLVE\\b", 4.0,
                                  dependency) EVIDENCE("unable to resolve dependency tree", "", 4.0, dependency)
        EVIDENCE("peer", "[Cc]onflicting peer dependency", 3.5, dependency) EVIDENCE(
            "could not find a version that", "", 4.0, dependency) EVIDENCE("resolutionimpossible", "", 4.0, dependency)
            EVIDENCE("no matching distribution", "", 4.0, dependency) EVIDENCE("versionconflict",
                                                                               "\\bVersionConflict\\b", 3.5, dependency)
                EVIDENCE("version conflict", "(?i)version conflict", 2.5,
                         dependency) EVIDENCE("conflicting dependenc", "(?i)conflicting dependenc", 3.5, dependency)
                    EVIDENCE("could not find compatible versions", "", 4.0,
                             dependency) EVIDENCE("could not find gem", "Could not find gem", 3.5, dependency)
                        EVIDENCE("requirements could not be resolved", "", 4.0,
                                 dependency) EVIDENCE("unmet dependenc", "(?i)unmet dependenc", 2.0, dependency)
                            EVIDENCE("unable to locate package", "", 3.0,
                                     dependency) EVIDENCE("dependency convergence error", "", 3.5, dependency)
                                EVIDENCE("could not find artifact", "", 2.5, dependency)
                                    EVIDENCE("could not resolve all",
                                             "Could not resolve all (?:files|dependencies|artifacts|task dependencies)",
                                             3.5, dependency)
                                        EVIDENCE("no module named", "(?:ModuleNotFound|Import)Error: No module named",
                                                 2.5, dependency)
                                            EVIDENCE("cannot find module", "[Cc]annot find module", 2.5, dependency)
                                                EVIDENCE("failed to select a version", "", 4.0, dependency)
                                                    EVIDENCE("nosuchmethoderror", "", 2.5, dependency)
                                                        EVIDENCE("etarget", "\\bETARGET\\b|notarget", 3.5, dependency)
                                                            EVIDENCE("e404", "\\bE404\\b|npm ERR! 404", 3.0, dependency)

    /* Registries and the network to them. */
    EVIDENCE("could not resolve host", "", 2.5,
             registry_outage) EVIDENCE("name resolution", "[Ff]ailure in name resolution", 2.5,
                                       registry_outage) EVIDENCE("unknownhostexception", "", 2.5, registry_outage)
        EVIDENCE("could not transfer artifact", "", 3.0, registry_outage) EVIDENCE(
            "503", "(?i)\\b503\\b.*(?:service )?unavailable|status(?: code)?:? 503\\b", 2.0, registry_outage)
            EVIDENCE("502", "(?i)\\b502\\b.*bad gateway|status(?: code)?:? 502\\b", 2.0, registry_outage) EVIDENCE(
                "504", "(?i)\\b504\\b.*gateway|status(?: code)?:? 504\\b",
                2.0, registry_outage) EVIDENCE("status code 5", "Received status code 5\\d\\d from server", 3.5,
                                               registry_outage) EVIDENCE("toomanyrequests", "", 3.0, registry_outage)
                EVIDENCE("too many requests", "(?i)\\b429\\b.*too many requests", 2.0,
                         registry_outage) EVIDENCE("tls handshake timeout", "", 3.0,
                                                   registry_outage) EVIDENCE("i/o timeout", "", 2.5, registry_outage)
                    EVIDENCE("econnrefused", "", 2.0, registry_outage) EVIDENCE("econnreset", "", 2.0, registry_outage)
                        EVIDENCE("etimedout", "", 2.5, registry_outage) EVIDENCE("eai_again", "", 3.0, registry_outage)
                            EVIDENCE("enotfound", "\\bENOTFOUND\\b", 2.0,
                                     registry_outage) EVIDENCE("npm err! network", "", 3.0, registry_outage)
                                EVIDENCE("connection timed out", "(?i)connection timed out", 2.0, registry_outage)
                                    EVIDENCE("connection refused", "(?i)connection refused", 1.2,
                                             registry_outage) EVIDENCE("connection reset", "(?i)connection reset", 1.2,
                                                                       registry_outage)
                                        EVIDENCE("read timed out", "(?i)read timed out", 2.0, registry_outage) EVIDENCE(
                                            "failed to fetch",
                                            "(?:Failed|Unable) to fetch (?:http|some archives)|E: Failed to fetch", 2.5,
                                            registry_outage)
                                            EVIDENCE("unable to access", "unable to access 'http", 3.0, registry_outage)
                                                EVIDENCE("could not get '", "Could not (?:GET|HEAD) 'http", 3.0,
                                                         registry_outage)
                                                    EVIDENCE("hash sum mismatch", "(?i)hash sum mismatch", 2.5,
                                                             registry_outage)
                                                        EVIDENCE("error pulling image", "", 3.0, registry_outage)
                                                            EVIDENCE("failed to pull", "(?i)failed to pull image", 3.0,
                                                                     registry_outage)
                                                                EVIDENCE("imagepullbackoff", "", 3.0, registry_outage)
                                                                    EVIDENCE("errimagepull", "", 3.0, registry_outage)
                                                                        EVIDENCE("error response from daemon",
                                                                                 "Error response from daemon: Get ",
                                                                                 3.0, registry_outage)
                                                                            EVIDENCE("request canceled while waiting",
                                                                                     "", 3.0, registry_outage)

    /* Memory, disk. */
    EVIDENCE("outofmemoryerror", "", 3.5, out_of_memory) EVIDENCE("heap out of memory", "", 4.0, out_of_memory)
        EVIDENCE("heap limit", "Reached heap limit", 4.0, out_of_memory) EVIDENCE("gc overhead limit", "", 3.5,
                                                                                  out_of_memory)
            EVIDENCE("cannot allocate memory", "(?i)cannot allocate memory", 3.0, out_of_memory) EVIDENCE(
                "memory exhausted", "(?i)(?:virtual )?memory exhausted", 3.5,
                out_of_memory) EVIDENCE("bad_alloc", "std::bad_alloc", 3.5,
                                        out_of_memory) EVIDENCE("memoryerror", "\\bMemoryError\\b", 3.0, out_of_memory)
                EVIDENCE("oomkilled", "", 4.0,
                         out_of_memory) EVIDENCE("oom-kill", "(?i)\\boom-kill", 4.0, out_of_memory)
                    EVIDENCE("out of memory", "(?i)\\bout of memory\\b", 3.0, out_of_memory) EVIDENCE(
                        "killed", "(?:^|: |\\d )Killed\\b(?! by user)|\\bKilled\\s*$", 3.0,
                        out_of_memory) EVIDENCE("signal: killed", "", 3.0, out_of_memory)
                        EVIDENCE("the forked vm terminated", "", 2.5, out_of_memory) HINT(
                            "137", "(?i)(?:exit(?:ed)?(?: with)?(?: code| status)?|code|status|returned):? 137\\b", 4.0,
                            out_of_memory) EVIDENCE("no space left on device", "(?i)no space left on device", 4.0,
                                                    disk_full) EVIDENCE("enospc", "\\bENOSPC\\b", 4.0, disk_full)
                            EVIDENCE("quota exceeded", "(?i)disk quota exceeded", 4.0, disk_full)
                                EVIDENCE("not enough space",
                                         "(?i)not enough (?:disk )?space|insufficient (?:disk )?space", 3.0, disk_full)

    /* Time. */
    EVIDENCE("build timed out", "(?i)build timed out", 4.0, timeout) EVIDENCE("no output has been received", "", 4.0,
                                                                              timeout)
        EVIDENCE("due to timeout", "(?i)(?:cancell?ing|killed|abort\\w*|terminat\\w*).* due to timeout", 4.0,
                 timeout) EVIDENCE("timeout has been exceeded", "(?i)timeout has been exceeded", 4.0, timeout)
            EVIDENCE("maximum time limit", "exceeded the maximum time limit", 4.0, timeout)
                EVIDENCE("maximum execution time", "exceeded the maximum execution time", 4.0, timeout)
                    EVIDENCE("timed out after", "(?i)timed out after \\d+ ?(?:s|m|h|sec|min|hour|ms)", 2.0, timeout)
                        EVIDENCE("timed out", "(?i)\\btimed out\\b", 1.5, timeout)
                            EVIDENCE("sending interrupt signal", "Sending interrupt signal to process", 1.5, timeout)
                                EVIDENCE("deadline exceeded", "(?i)deadline exceeded", 1.5, timeout)

    /* Agents. */
    EVIDENCE("cannot contact", "Cannot contact \\S+: ", 3.0, agent_lost) EVIDENCE(
        "offline", "(?i)\\b(?:agent|slave|node|computer)\\b.*\\b(?:went|goes|is|was marked) offline", 3.5,
        agent_lost) EVIDENCE("marked offline", "was marked offline", 3.5, agent_lost)
        EVIDENCE("channelclosedexception", "", 4.0, agent_lost) EVIDENCE("requestabortedexception", "", 4.0, agent_lost)
            EVIDENCE("hudson.remoting", "hudson\\.remoting\\.\\w*Exception", 4.0,
                     agent_lost) EVIDENCE("connection was broken", "(?i)connection was broken", 3.0, agent_lost)
                EVIDENCE("remote call on", "Remote call on \\S+ failed", 4.0,
                         agent_lost) EVIDENCE("agent was removed", "(?i)agent was removed", 4.0, agent_lost)
                    EVIDENCE("backing channel", "", 3.0, agent_lost)
                        EVIDENCE("filepath", "Unable to create live FilePath", 4.0, agent_lost)
                            EVIDENCE("wrapper script does not seem", "", 4.0, agent_lost) EVIDENCE(
                                "lost connection to",
                                "(?i)lost (?:connection|communication) (?:to|with) (?:agent|node|the server|runner)",
                                3.5, agent_lost) EVIDENCE("runner has received a shutdown", "", 4.0, agent_lost)

    /* Configuration and credentials. */
    EVIDENCE("permission denied", "(?i)permission denied", 1.5,
             config) EVIDENCE("authentication failed", "(?i)authentication failed", 3.0,
                              config) EVIDENCE("unauthorized", "(?i)\\b401\\b.*unauthorized", 2.5,
                                               config) EVIDENCE("forbidden", "(?i)\\b403\\b.*forbidden", 2.0, config)
        EVIDENCE("access denied", "(?i)access denied",
                 2.0, config) EVIDENCE("access to the resource is denied", "", 3.5,
                                       config) EVIDENCE("bad credentials", "(?i)bad credentials", 3.0, config)
            EVIDENCE("could not find credentials", "(?i)could not find credentials", 4.0, config) EVIDENCE(
                "could not read username", "(?i)could not read (?:username|password)", 3.5,
                config) EVIDENCE("host key verification failed", "(?i)host key verification failed", 4.0, config)
                EVIDENCE("no such property", "No such (?:property|DSL method)",
                         4.0, config) EVIDENCE("no such dsl", "No such DSL method", 4.0,
                                               config) EVIDENCE("workflowscript", "WorkflowScript: \\d+:", 4.0, config)
                    EVIDENCE("command not found", "(?i)command not found", 2.0, config) EVIDENCE(
                        ": not found", "(?:sh|bash|line \\d+|\\d+): \\S+: not found", 2.0,
                        config) EVIDENCE("no such file or directory", "(?i)no such file or directory", 1.2, config)
                        EVIDENCE("is not recognized as", "is not recognized as an internal", 3.0, config) EVIDENCE(
                            "unrecognized option", "(?i)unrecognized option|unknown option", 2.0, config)
                            EVIDENCE("invalid configuration", "(?i)invalid configuration", 2.5, config) EVIDENCE(
                                "is not set", "(?i)environment variable \\S+ is not set|\\bmust be set\\b", 2.0, config)
                                EVIDENCE("parameter null", "parameter null or not set|unbound variable", 2.5, config)

    /* Releases. */
    EVIDENCE("crashloopbackoff", "", 4.0, bad_release)
        EVIDENCE("progress deadline", "exceeded its progress deadline", 4.0, bad_release)
            EVIDENCE("back-off restarting", "Back-off restarting failed container", 4.0, bad_release)
                EVIDENCE("readiness probe failed", "(?i)(?:readiness|liveness) probe failed", 2.0, bad_release)
                    EVIDENCE("smoke test", "(?i)smoke tests? failed", 3.5, bad_release)
                        EVIDENCE("overloaded", "(?i)\\b(?:server|service|upstream)\\b.*\\boverloaded\\b", 2.0, overload)

    /* Unspecific complaints, from loud to everyday. */
    EVIDENCE("' failed", "^'[^']+' failed\\.?$", 3.0, none) EVIDENCE("installation failed", "", 2.5, none) EVIDENCE(
        "error creating", "^error creating ", 3.0,
        config) EVIDENCE("fatal: [", "^fatal: \\[[^\\]]+\\]: (?:FAILED|UNREACHABLE)!(?!.*ignor)", 3.0, config)
        EVIDENCE("non-parseable pom", "", 3.5, config) EVIDENCE("missing header in", "", 1.5, compile_error) EVIDENCE(
            "fatal: ", START "fatal: ", 2.5, none) EVIDENCE("fatal error", "(?i)\\bfatal error\\b", 2.5, compile_error)
            EVIDENCE("npm err!", "^npm ERR!", 2.5, none)
                EVIDENCE("traceback", "^Traceback \\(most recent call last\\)", 2.0, none)
                    EVIDENCE("failure", "\\bFAILURE\\b", 1.8, none) EVIDENCE("failed", "\\bFAILED\\b", 1.8, none)
                        EVIDENCE("failed", "\\b[Ff]ailed\\b", 0.7, none) EVIDENCE("[error]", "^\\[(?:ERROR|error)\\]",
                                                                                  1.5, none)
                            EVIDENCE("error", "^ERROR\\b", 1.5, none) EVIDENCE("error: ", "\\berror: ", 1.5, none)
                                EVIDENCE("error", "\\b[Ee]rror\\b|\\bERROR\\b", 0.6, none)
                                    EVIDENCE("errors", "\\b[1-9]\\d* errors?\\b", 2.0, none)
                                        EVIDENCE("exception", "\\b[A-Z]\\w+(?:Error|Exception)\\b(?::|$)", 1.0, none)
                                            EVIDENCE("error:", "\\b[A-Z]\\w+Error:", 1.5, none)
                                                EVIDENCE("caused by:", "^\\s*Caused by:", 1.0, none)
                                                    EVIDENCE("aborted", "\\bAborted\\b", 1.0, none)
                                                        EVIDENCE("warning", "(?i)\\bwarning\\b", 0.1, none)

    /* Remarks, not failures: the tool goes on. */
    DAMPER("retry", "(?i)\\bretry(?:ing)?\\b|\\bwill retry\\b", 0.4)
        DAMPER("attempt", "(?i)\\battempt \\d+ (?:of|/) ?\\d+|trying again", 0.4)
            DAMPER("ignor", "(?i)\\bignor(?:ed|ing)\\b", 0.4)
                DAMPER("warn", "(?i)^\\W*(?:npm )?warn(?:ing)?\\b|\\[WARN(?:ING)?\\]|\\bWARN\\b|warning:", 0.4)
                    DAMPER("deprecat", "", 0.4) DAMPER("non-fatal", "", 0.2) DAMPER("allowed to fail", "", 0.2)
                        DAMPER("debug", "\\bDEBUG\\b|\\[debug\\]", 0.4) DAMPER("info", "^\\W*INFO\\b|\\[INFO\\]", 0.6)
                            DAMPER("0 failed",
                                   "(?<!\\d)0 (?:failed|failures|errors)\\b(?!.*[1-9]\\d* (?:failed|failures|errors))",
                                   0.1) DAMPER("+ ", "^\\+ ", 0.2) /* the shell echoes a command */
    DAMPER("$ ", "^\\$ ", 0.2) DAMPER("echo ", "\\becho ['\"]", 0.2)

    /* How it ended: true, and too late. */
    VERDICT("finished: ", "^Finished: [A-Z_]+") VERDICT("build failure", "") VERDICT("build failed", "BUILD FAILED")
        VERDICT("build success", "") VERDICT("marked build as", "Build step '.*' (?:marked|changed) build") VERDICT(
            "script returned exit code", "") VERDICT("exited with",
                                                     "(?i)exited with (?:code |status )?\\d+|your build exited")
            VERDICT("exit code", "(?i)exit code:? \\d+") VERDICT("exit status", "(?i)exit status:? \\d+")
                VERDICT("non-zero", "(?i)return(?:ed)? (?:a )?non-zero")
                    VERDICT("make", "make(?:\\[\\d+\\])?: \\*\\*\\*") VERDICT("end of pipeline", "") VERDICT(
                        "failed to execute goal", "") VERDICT("stage", "Stage \".*\" skipped due to earlier failure")
                        VERDICT("pipeline", "^\\[Pipeline\\]") VERDICT("github", "Setting (?:commit )?status of")
                            VERDICT("process completed", "Process completed with") VERDICT("reactor summary", "")
                                VERDICT("... failure", "\\.{3,} (?:FAILURE|SUCCESS|SKIPPED)")
                                    VERDICT("what went wrong", "^\\* (?:What went wrong|Try|Exception is)")
                                        VERDICT("stacktrace",
                                                "Run with --(?:stacktrace|info|debug|scan)|To see the full stack trace")
                                            VERDICT("returned 1", "^(?:The command|Command) .* returned \\d+")
                                                VERDICT("elifecycle", "") VERDICT("task run with exit", "")
                                                    VERDICT("taskcluster:error", "")};

const size_t ns_keyword_rule_count = NS_COUNT_OF(ns_keyword_rules);

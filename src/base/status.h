/*
 * How a function says that it could not do its work.
 *
 * Three kinds of trouble, three answers. The world misbehaves (time-out, bad file): return an ns_status and fill the
 * ns_error. We are wrong (broken invariant): NS_CHECK, which stops the program in release builds too. Pure maths
 * cannot fail and returns void. On failure every output stays untouched and everything taken has been given back.
 */
#ifndef NS_BASE_STATUS_H
#define NS_BASE_STATUS_H

#include <stddef.h>

/* name, the sentence people read */
#define NS_STATUS_MAP(X)                                                                                               \
    X(OK, "done")                                                                                                      \
    X(BAD_USAGE, "the command line or configuration is wrong")                                                         \
    X(BAD_INPUT, "input does not have the expected form")                                                              \
    X(NOT_FOUND, "there is no such thing")                                                                             \
    X(TOO_LARGE, "input is above its ceiling")                                                                         \
    X(NO_MEMORY, "memory is exhausted or a ceiling was reached")                                                       \
    X(IO, "the operating system refused a file or socket operation")                                                   \
    X(UNREACHABLE, "the other side cannot be reached")                                                                 \
    X(TIMEOUT, "the other side did not answer in time")                                                                \
    X(STARTING, "the other side is still starting")                                                                    \
    X(UNAUTHORIZED, "the other side does not accept our credentials")                                                  \
    X(FORBIDDEN, "the other side does not give us this right")                                                         \
    X(CONFLICT, "the thing was changed by somebody else meanwhile")                                                    \
    X(PROTOCOL, "the other side's answer makes no sense")                                                              \
    X(BUSY, "a queue is full, try again")                                                                              \
    X(REFUSED, "a guardrail or a lock forbids it")                                                                     \
    X(CORRUPT, "stored data is damaged")                                                                               \
    X(CANCELLED, "it was given up on purpose")                                                                         \
    X(LATER, "this part is not built yet")

typedef enum ns_status {
#define NS_STATUS_ENUM(name, sentence) NS_##name,
    NS_STATUS_MAP(NS_STATUS_ENUM)
#undef NS_STATUS_ENUM
        NS_STATUS_COUNT
} ns_status;

/* What went wrong, for a person: what was tried, on what, and what to do. Never holds a secret. */
typedef struct ns_error {
    ns_status status;
    char text[512];
} ns_error;

#define NS_MUST_USE          __attribute__((warn_unused_result))
#define NS_PRINTF(nth, args) __attribute__((format(printf, nth, args)))

/* Fills *err (NULL is allowed) and returns status, so that `return ns_fail(err, NS_TIMEOUT, ...)` is one line. */
ns_status ns_fail(ns_error *err, ns_status status, const char *format, ...) NS_PRINTF(3, 4);

#ifdef __clang_analyzer__ /* lets it see the promise: what is returned is the status given */
#define ns_fail(err, status, ...) ((void)ns_fail(err, status, __VA_ARGS__), (status))
#endif

/* Puts "prefix: " in front of the text already in *err; returns err->status. Without err: returns status given. */
ns_status ns_fail_in(ns_error *err, ns_status status, const char *format, ...) NS_PRINTF(3, 4);

/* "TIMEOUT", the name used in logs and metrics; static. */
const char *ns_status_name(ns_status status);

/* "the other side did not answer in time"; static. */
const char *ns_status_sentence(ns_status status);

/* The exit status of CONTRACT.md for a command that failed so: 1 not done, 2 usage, 3 input file, 4 refused. */
int ns_status_exit(ns_status status);

/* A broken invariant of our own: says where, and aborts, in release builds too. */
#define NS_CHECK(condition)                                                                                            \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ns_check_failed(#condition, __FILE__, __LINE__);                                                           \
    } while (0)

__attribute__((noreturn, cold)) void ns_check_failed(const char *condition, const char *file, int line);

#define NS_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif

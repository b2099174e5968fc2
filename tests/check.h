/*
 * What every unit test includes: cmocka with its headers in order, and a few checks that read well.
 *
 * Tests are tables of cases where possible. See each new test fail once before you trust it.
 */
#ifndef NS_TESTS_CHECK_H
#define NS_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) assert_true(condition)
#define CHECK_OK(call)                                                                                                 \
    do {                                                                                                               \
        ns_status check_status_ = (call);                                                                              \
        if (check_status_ != NS_OK)                                                                                    \
            fail_msg("%s: %s", #call, ns_status_name(check_status_));                                                  \
    } while (0)
#define CHECK_STATUS(wanted, call) assert_string_equal(ns_status_name(call), ns_status_name(wanted))
#define CHECK_INT(wanted, got)     assert_int_equal((intmax_t)(got), (intmax_t)(wanted))
#define CHECK_STRING(wanted, got)  assert_string_equal((got), (wanted))
#define CHECK_NEAR(wanted, got, tolerance)                                                                             \
    do {                                                                                                               \
        double check_w_ = (wanted), check_g_ = (got);                                                                  \
        if (!(fabs(check_w_ - check_g_) <= (tolerance)))                                                               \
            fail_msg("%s: wanted %.9g, got %.9g", #got, check_w_, check_g_);                                           \
    } while (0)
/* The view holds exactly this C string. */
#define CHECK_TEXT(wanted, got)                                                                                        \
    do {                                                                                                               \
        ns_text check_t_ = (got);                                                                                      \
        if (!ns_text_is(check_t_, (wanted)))                                                                           \
            fail_msg("%s: wanted \"%s\", got \"%.*s\"", #got, (wanted), (int)check_t_.len, check_t_.at);               \
    } while (0)

/* A view as the initialiser of a static table (NS_TEXT is no constant there). */
#define BYTES(literal)                                                                                                 \
    {                                                                                                                  \
        ("" literal), sizeof(literal) - 1                                                                              \
    }

/* A path below the source tree (meson sets NS_TEST_ROOT). */
static inline const char *test_path(const char *relative)
{
    static char path[4096];
    const char *root = getenv("NS_TEST_ROOT");
    (void)snprintf(path, sizeof path, "%s/%s", root == NULL ? "." : root, relative);
    return path;
}

#endif

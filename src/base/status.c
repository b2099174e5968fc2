#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
#define NS_STATUS_NAME(name, sentence) #name,
    NS_STATUS_MAP(NS_STATUS_NAME)
#undef NS_STATUS_NAME
};

static const char *const sentences[] = {
#define NS_STATUS_SENTENCE(name, sentence) sentence,
    NS_STATUS_MAP(NS_STATUS_SENTENCE)
#undef NS_STATUS_SENTENCE
};

#undef ns_fail /* see status.h */
ns_status ns_fail(ns_error *err, ns_status status, const char *format, ...)
{
    if (err == NULL)
        return status;
    va_list args;
    va_start(args, format);
    err->status = status;
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return status;
}

ns_status ns_fail_in(ns_error *err, ns_status status, const char *format, ...)
{
    if (err == NULL)
        return status;
    char prefix[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    char inner[sizeof err->text];
    memcpy(inner, err->text, sizeof inner);
    inner[sizeof inner - 1] = '\0';
    err->status = status;
    size_t used = (size_t)snprintf(err->text, sizeof err->text, "%s: ", prefix);
    (void)snprintf(err->text + used, sizeof err->text - used, "%s", inner);
    return status;
}

const char *ns_status_name(ns_status status)
{
    return (unsigned)status < NS_STATUS_COUNT ? names[status] : "UNKNOWN";
}

const char *ns_status_sentence(ns_status status)
{
    return (unsigned)status < NS_STATUS_COUNT ? sentences[status] : "unknown status";
}

int ns_status_exit(ns_status status)
{
    switch (status) {
    case NS_OK:
        return 0;
    case NS_BAD_USAGE:
        return 2;
    case NS_BAD_INPUT:
    case NS_CORRUPT:
    case NS_TOO_LARGE:
        return 3;
    case NS_REFUSED:
        return 4;
    default:
        return 1;
    }
}

void ns_check_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "neuroshield: broken invariant: %s (%s:%d). Please report this.\n", condition, file, line);
    abort();
}

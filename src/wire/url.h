/* URLs: taken apart, percent-encoded, query strings. */
#ifndef NS_WIRE_URL_H
#define NS_WIRE_URL_H

#include "base/text.h"

typedef struct ns_url {
    char scheme[8];       /* "http" or "https" */
    char host[256];       /* without brackets */
    int port;             /* default of the scheme filled in */
    char path[1024];      /* without trailing '/'; "" for none */
    bool had_credentials; /* user:password@ stood there: the caller warns; they are not kept */
} ns_url;

/* An http(s) base URL. NS_BAD_INPUT says what is wrong without repeating credentials. */
NS_MUST_USE ns_status ns_url_parse(const char *text, ns_url *out, ns_error *err);

/* scheme://host:port/path without credentials and without the scheme's default port; out[size]. */
void ns_url_print(const ns_url *url, char *out, size_t size);

/* Percent-encodes everything but unreserved characters (RFC 3986). */
ns_status ns_url_encode(ns_buf *out, ns_text text);
/* Percent-decodes; '+' becomes a blank when plus_is_blank. NS_BAD_INPUT for a bad escape. */
NS_MUST_USE ns_status ns_url_decode(ns_buf *out, ns_text text, bool plus_is_blank);

/* Value of name in a query or form body, decoded into out; false when absent (out empty), badly encoded, or when it
 * could not be taken in (out->failed: above its ceiling, or no memory). */
bool ns_query_value(ns_text query, const char *name, ns_buf *out);
/* Takes the next name=value off *query, decoded. False at the end; bad escapes give *bad = true. */
bool ns_query_next(ns_text *query, ns_buf *name, ns_buf *value, bool *bad);

#endif

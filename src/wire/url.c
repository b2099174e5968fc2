#include "wire/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NAME_CEILING = 4096 };

static bool all_printable(ns_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] <= ' ' || (unsigned char)text.at[i] >= 0x7f)
            return false;
    return true;
}

/* Index of the first byte that is in `set`, or text.len. */
static size_t until(ns_text text, const char *set)
{
    size_t i = 0;
    while (i < text.len && (text.at[i] == '\0' || strchr(set, text.at[i]) == NULL))
        i++;
    return i;
}

static ns_text from(ns_text text, size_t n)
{
    return (ns_text){text.at + n, text.len - n};
}

static ns_status take_scheme(ns_text *rest, ns_url *url, ns_error *err)
{
    static const struct {
        const char *name;
        int port;
    } schemes[] = {{"http", 80}, {"https", 443}};
    for (size_t i = 0; i < NS_COUNT_OF(schemes); i++) {
        size_t n = strlen(schemes[i].name);
        if (rest->len >= n + 3 && strncasecmp(rest->at, schemes[i].name, n) == 0 &&
            memcmp(rest->at + n, "://", 3) == 0) {
            (void)ns_text_copy(url->scheme, sizeof url->scheme, ns_text_of(schemes[i].name));
            url->port = schemes[i].port;
            *rest = from(*rest, n + 3);
            return NS_OK;
        }
    }
    return ns_fail(err, NS_BAD_INPUT, "a URL must start with http:// or https://");
}

static bool is_address6(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET6, host, &address) == 1;
}

static bool is_host_name(const char *host)
{
    size_t good = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");
    return good > 0 && host[good] == '\0' && host[0] != '.' && host[0] != '-' && strstr(host, "..") == NULL;
}

/* host[:port] or [address]:port */
static ns_status take_host(ns_text authority, ns_url *url, ns_error *err)
{
    bool bracket = authority.len > 0 && authority.at[0] == '[';
    if (bracket)
        authority = from(authority, 1);
    size_t n = until(authority, bracket ? "]" : ":");
    if (bracket && n == authority.len)
        return ns_fail(err, NS_BAD_INPUT, "the URL's '[' has no ']'");
    if (n == 0)
        return ns_fail(err, NS_BAD_INPUT, "the URL has no host");
    if (!ns_text_copy(url->host, sizeof url->host, (ns_text){authority.at, n}))
        return ns_fail(err, NS_BAD_INPUT, "the URL's host is longer than %zu bytes", sizeof url->host - 1);
    if (bracket ? !is_address6(url->host) : !is_host_name(url->host))
        return ns_fail(err, NS_BAD_INPUT, "the URL's host is neither a name nor an address");
    ns_text port = from(authority, n + (bracket ? 1 : 0));
    if (port.len == 0)
        return NS_OK;
    int64_t number;
    if (port.at[0] != ':' || port.len > 6 || (port.len > 1 && (port.at[1] == '+' || port.at[1] == '-')) ||
        !ns_text_int64(from(port, 1), &number) || number < 1 || number > 65535)
        return ns_fail(err, NS_BAD_INPUT, "the URL's port is not a number from 1 to 65535");
    url->port = (int)number;
    return NS_OK;
}

static ns_status take_path(ns_text path, ns_url *url, ns_error *err)
{
    if (until(path, "?#") < path.len)
        return ns_fail(err, NS_BAD_INPUT, "a base URL has no '?' and no '#'");
    if (path.len > 0 && path.at[0] != '/')
        return ns_fail(err, NS_BAD_INPUT, "the URL's path does not start with '/'");
    while (path.len > 0 && path.at[path.len - 1] == '/')
        path.len--;
    if (!ns_text_copy(url->path, sizeof url->path, path))
        return ns_fail(err, NS_BAD_INPUT, "the URL's path is longer than %zu bytes", sizeof url->path - 1);
    return NS_OK;
}

ns_status ns_url_parse(const char *text, ns_url *out, ns_error *err)
{
    ns_url url = {0};
    ns_text rest = ns_text_of(text);
    if (!all_printable(rest))
        return ns_fail(err, NS_BAD_INPUT, "the URL holds a blank, a control byte or a byte that is not ASCII");
    ns_status status = take_scheme(&rest, &url, err);
    if (status != NS_OK)
        return status;
    ns_text authority = {rest.at, until(rest, "/?#\\")};
    ns_text path = from(rest, authority.len);
    for (size_t at; (at = until(authority, "@")) < authority.len;) {
        url.had_credentials = true;
        authority = from(authority, at + 1);
    }
    status = take_host(authority, &url, err);
    if (status == NS_OK)
        status = take_path(path, &url, err);
    if (status == NS_OK)
        *out = url;
    return status;
}

void ns_url_print(const ns_url *url, char *out, size_t size)
{
    bool bare = strchr(url->host, ':') == NULL;
    bool usual = url->port == (strcmp(url->scheme, "https") == 0 ? 443 : 80);
    char port[16] = "";
    if (!usual)
        (void)snprintf(port, sizeof port, ":%d", url->port);
    (void)snprintf(out, size, "%s://%s%s%s%s%s", url->scheme, bare ? "" : "[", url->host, bare ? "" : "]", port,
                   url->path);
}

ns_status ns_url_encode(ns_buf *out, ns_text text)
{
    static const char hex[] = "0123456789ABCDEF";
    ns_status status = NS_OK;
    for (size_t i = 0; i < text.len && status == NS_OK; i++) {
        unsigned char c = (unsigned char)text.at[i];
        bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                          c == '.' || c == '_' || c == '~';
        char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
        status = unreserved ? ns_buf_char(out, (char)c) : ns_buf_put(out, escape, 3);
    }
    return status;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

ns_status ns_url_decode(ns_buf *out, ns_text text, bool plus_is_blank)
{
    ns_status status = NS_OK;
    for (size_t i = 0; i < text.len && status == NS_OK; i++) {
        char c = text.at[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.at[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return NS_BAD_INPUT;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        status = ns_buf_char(out, c);
    }
    return status;
}

bool ns_query_next(ns_text *query, ns_buf *name, ns_buf *value, bool *bad)
{
    while (query->len > 0 && query->at[0] == '&')
        *query = from(*query, 1);
    if (query->len == 0)
        return false;
    ns_text pair = {query->at, until(*query, "&")};
    *query = from(*query, pair.len);
    ns_text left = {pair.at, until(pair, "=")};
    ns_text right = left.len < pair.len ? from(pair, left.len + 1) : from(pair, pair.len);
    ns_buf_reset(name);
    ns_buf_reset(value);
    *bad = ns_url_decode(name, left, true) != NS_OK || ns_url_decode(value, right, true) != NS_OK;
    return true;
}

bool ns_query_value(ns_text query, const char *name, ns_buf *out)
{
    ns_buf key;
    bool bad, found = false, lost = false;
    ns_buf_init(&key, NAME_CEILING);
    while (!found && ns_query_next(&query, &key, out, &bad)) {
        bool unread = key.failed && key.len + 1 < NAME_CEILING; /* for want of memory: it may have been this one */
        bool named = !key.failed && ns_text_is(ns_buf_view(&key), name);
        found = named && !bad;
        lost = lost || unread || (named && out->failed);
    }
    ns_buf_clear(&key);
    if (!found)
        ns_buf_reset(out);
    out->failed = out->failed || (!found && lost);
    return found;
}

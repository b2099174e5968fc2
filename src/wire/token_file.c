#include "wire/token_file.h"

#include "base/clock.h"
#include "base/mem.h"

#include <sodium.h>

enum { CEILING = 64 * 1024 };
static const int64_t AGE_NS = INT64_C(30) * 1000000000;

/* On success *text holds what the caller must wipe. */
static ns_status read_token(const ns_token_file *file, ns_buf *text, ns_text *token, ns_error *err)
{
    ns_error inner;
    if (ns_file_read(file->path, CEILING, text, &inner) != NS_OK)
        return ns_fail(err, NS_UNAUTHORIZED, "%s: token file: %.400s", file->who, inner.text);
    ns_text rest = ns_text_trim(ns_buf_view(text));
    if (!ns_text_line(&rest, token) || (*token = ns_text_trim(*token)).len == 0)
        return ns_fail(err, NS_UNAUTHORIZED, "%s: the token file %.300s is empty", file->who, file->path);
    return NS_OK;
}

static ns_status hand_over(ns_token_file *file, ns_text token, ns_http_client *http, ns_error *err)
{
    char *copy = ns_strndup(token.at, token.len);
    ns_status status = copy == NULL ? ns_fail(err, NS_NO_MEMORY, "%s: no memory for a token", file->who)
                                    : ns_http_client_set_bearer(http, copy, err);
    if (copy != NULL)
        sodium_memzero(copy, token.len);
    ns_free(copy);
    if (status == NS_OK && file->learn != NULL)
        file->learn(file->owner, token);
    return status;
}

ns_status ns_token_file_refresh(ns_token_file *file, ns_http_client *http, bool now, bool *changed, ns_error *err)
{
    int64_t at_ns = ns_monotonic_ns();
    *changed = false;
    if (file->path == NULL || (!now && file->read_at_ns != 0 && at_ns - file->read_at_ns < AGE_NS))
        return NS_OK;
    ns_buf text;
    ns_text token = {NULL, 0};
    ns_buf_init(&text, CEILING);
    ns_status status = read_token(file, &text, &token, err);
    if (status == NS_OK && (file->read_at_ns == 0 || ns_hash(token) != file->hash)) {
        status = hand_over(file, token, http, err);
        *changed = status == NS_OK;
    }
    if (status == NS_OK) {
        file->hash = ns_hash(token);
        file->read_at_ns = at_ns;
    }
    if (text.at != NULL)
        sodium_memzero(text.at, text.len);
    ns_buf_clear(&text);
    return status;
}

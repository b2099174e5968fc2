#include "wire/kubernetes_answer.h"

#include "wire/json.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN = 200 };

/* Words of the other side for our log: one line, printable, not long. */
static void show(char *out, size_t size, ns_text text)
{
    text = ns_text_trim(text);
    (void)ns_text_copy(out, size < SHOWN ? size : SHOWN, text);
    for (char *c = out; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}

static ns_status status_of(int code)
{
    switch (code) {
    case 400:
    case 405:
    case 406:
    case 415:
    case 422:
        return NS_BAD_INPUT;
    case 401:
        return NS_UNAUTHORIZED;
    case 403:
        return NS_FORBIDDEN;
    case 404:
        return NS_NOT_FOUND;
    case 409:
    case 410:
        return NS_CONFLICT;
    case 413:
        return NS_TOO_LARGE;
    case 429:
        return NS_BUSY;
    case 503:
        return NS_STARTING;
    case 504:
        return NS_TIMEOUT;
    default:
        return code / 100 == 2 ? NS_OK : code / 100 == 5 ? NS_UNREACHABLE : NS_PROTOCOL;
    }
}

static const char *sentence_of(ns_status status, int code)
{
    switch (status) {
    case NS_UNAUTHORIZED:
        return "our credentials are not accepted; are those of the kubeconfig still valid?";
    case NS_FORBIDDEN:
        return "our account has no right to this (RBAC)";
    case NS_NOT_FOUND:
        return "there is no such thing";
    case NS_CONFLICT:
        return code == 410 ? "what we knew is too old" : "it was changed by somebody else meanwhile";
    case NS_BUSY:
        return "too many requests, or a disruption budget forbids it now";
    case NS_STARTING:
        return "the API server is not ready";
    case NS_BAD_INPUT:
        return "the request is not accepted";
    case NS_PROTOCOL:
        return code / 100 == 3 ? "it redirects, which is not followed" : "not an answer of a Kubernetes API";
    default:
        return "the API server failed";
    }
}

static void read_status(const json_t *root, ns_kubernetes_verdict *out, char said[SHOWN])
{
    ns_text view;
    if (ns_json_text(root, "message", &view))
        show(said, SHOWN, view);
    if (ns_json_text(root, "reason", &view))
        show(out->reason, sizeof out->reason, view);
    const json_t *details = ns_json_at(root, "details");
    const json_t *causes = ns_json_at(details, "causes");
    for (size_t i = 0; i < json_array_size(causes); i++) {
        const json_t *cause = json_array_get(causes, i);
        if (out->field[0] == '\0' && ns_json_text(cause, "field", &view))
            show(out->field, sizeof out->field, view);
        if (strcmp(ns_json_string(cause, "reason", ""), "DisruptionBudget") == 0)
            out->blocked = true;
    }
    int64_t seconds = ns_json_int(details, "retryAfterSeconds", -1);
    if (out->retry_after_ms < 0 && seconds >= 0 && seconds <= 86400)
        out->retry_after_ms = seconds * 1000;
}

static void tell(ns_kubernetes_verdict *out, const char *what, const char *said)
{
    const char *between = said[0] == '\0' ? "" : ": ";
    out->status = status_of(out->code);
    out->expired = out->code == 410;
    if (out->status != NS_OK)
        (void)ns_fail(&out->error, out->status, "%.120s: HTTP %d: %s%s%s", what, out->code,
                      sentence_of(out->status, out->code), between, said);
}

void ns_kubernetes_judge(int code, ns_text retry_after, ns_text body, const char *what, ns_kubernetes_verdict *out)
{
    char said[SHOWN] = "";
    int64_t seconds;
    *out = (ns_kubernetes_verdict){.code = code, .retry_after_ms = -1};
    if (ns_text_int64(ns_text_trim(retry_after), &seconds) && seconds >= 0 && seconds <= 86400)
        out->retry_after_ms = seconds * 1000;
    json_t *root = NULL;
    body = ns_text_trim(body);
    if (code / 100 != 2 && body.len > 0 && body.at[0] == '{' && ns_json_read(body, &root, NULL) == NS_OK)
        read_status(root, out, said);
    else if (code / 100 != 2 && body.len > 0 && body.at[0] != '<' && body.at[0] != '{') /* a page says nothing */
        show(said, sizeof said, body);
    json_decref(root);
    tell(out, what, said);
}

void ns_kubernetes_judge_event(const json_t *status_object, const char *what, ns_kubernetes_verdict *out)
{
    char said[SHOWN] = "";
    int64_t code = ns_json_int(status_object, "code", 0);
    *out = (ns_kubernetes_verdict){.code = code >= 100 && code <= 999 ? (int)code : 0, .retry_after_ms = -1};
    read_status(status_object, out, said);
    tell(out, what, said);
    if (out->status == NS_OK) /* an error that calls itself a success */
        out->status = ns_fail(&out->error, NS_PROTOCOL, "%.120s: an ERROR event without an error", what);
}

/* ---- watch ---- */

void ns_kubernetes_lines_init(ns_kubernetes_lines *lines, size_t ceiling)
{
    ns_buf_init(&lines->partial, ceiling);
}

void ns_kubernetes_lines_clear(ns_kubernetes_lines *lines)
{
    ns_buf_clear(&lines->partial);
}

ns_status ns_kubernetes_lines_feed(ns_kubernetes_lines *lines, ns_text piece, ns_kubernetes_line *line, void *owner)
{
    while (piece.len > 0) {
        const char *lf = memchr(piece.at, '\n', piece.len);
        size_t n = lf == NULL ? piece.len : (size_t)(lf - piece.at);
        ns_text whole = {piece.at, n};
        if (lf == NULL || lines->partial.len > 0) { /* most lines come whole: those are not copied */
            ns_status status = ns_buf_put(&lines->partial, piece.at, n);
            if (status != NS_OK)
                return status;
            whole = ns_buf_view(&lines->partial);
        }
        if (whole.len > lines->partial.ceiling)
            return NS_TOO_LARGE;
        if (lf == NULL)
            return NS_OK;
        whole = ns_text_trim(whole);
        bool more = whole.len == 0 || line(owner, whole);
        ns_buf_reset(&lines->partial);
        if (!more)
            return NS_CANCELLED;
        piece = (ns_text){lf + 1, piece.len - n - 1};
    }
    return NS_OK;
}

ns_status ns_kubernetes_event_read(ns_text line, ns_kubernetes_event_kind *kind, json_t **root, const json_t **object,
                                   ns_error *err)
{
    static const char *const kinds[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};
    json_t *read = NULL;
    ns_status status = ns_json_read(line, &read, err);
    if (status != NS_OK)
        return status;
    const char *type = ns_json_string(read, "type", "");
    const json_t *inside = ns_json_at(read, "object");
    for (size_t i = 0; i < NS_COUNT_OF(kinds) && json_is_object(inside); i++) {
        if (strcmp(type, kinds[i]) != 0)
            continue;
        *kind = (ns_kubernetes_event_kind)i;
        *root = read;
        *object = inside;
        return NS_OK;
    }
    json_decref(read);
    return ns_fail(err, NS_BAD_INPUT, "a line of a watch is no event");
}

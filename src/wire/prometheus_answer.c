#include "wire/prometheus_answer.h"

#include "wire/json.h"

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

static void fail(ns_prometheus_answer *out, ns_status status, bool may_retry, const char *what, const char *text)
{
    out->status = status;
    out->may_retry = may_retry;
    (void)ns_fail(&out->error, status, "HTTP %d: %s%s%s", out->code, what, text[0] == '\0' ? "" : ": ", text);
}

/* An error object of the API: the HTTP status decides first, then errorType. */
static void read_api_error(const json_t *root, ns_prometheus_answer *out)
{
    char type[64] = "", text[SHOWN] = "", what[96];
    ns_text view;
    if (ns_json_text(root, "errorType", &view))
        show(type, sizeof type, view);
    if (ns_json_text(root, "error", &view))
        show(text, sizeof text, view);
    (void)snprintf(what, sizeof what, "%s", type[0] == '\0' ? "error" : type);
    bool deadline = strstr(text, "context deadline exceeded") != NULL || strcmp(type, "timeout") == 0;
    if (deadline)
        fail(out, NS_TIMEOUT, true, what, text);
    else if (out->code == 503 || out->code == 502 || out->code == 504)
        fail(out, NS_UNREACHABLE, true, what, text);
    else if (out->code >= 500)
        fail(out, NS_UNREACHABLE, strcmp(type, "unavailable") != 0, what, text);
    else if (out->code == 429)
        fail(out, NS_BUSY, true, what, text);
    else
        fail(out, NS_BAD_INPUT, false, what, text);
}

/* No JSON of the API: a proxy, a log-in page, a server that is starting, another program. */
static void read_foreign(ns_text body, ns_prometheus_answer *out)
{
    char text[SHOWN] = "";
    show(text, sizeof text, body);
    if (text[0] == '<') /* a page says nothing in a line */
        text[0] = '\0';
    switch (out->code) {
    case 404:
        fail(out, NS_NOT_FOUND, false, "no Prometheus API under this URL (is a path prefix missing?)", text);
        break;
    case 429:
        fail(out, NS_BUSY, true, "too many requests", text);
        break;
    case 503:
        fail(out, NS_STARTING, true, "not ready", text);
        break;
    case 500:
    case 502:
    case 504:
        fail(out, NS_UNREACHABLE, true, "server error", text);
        break;
    default:
        fail(out, NS_PROTOCOL, false,
             out->code / 100 == 3 ? "it redirects: give the address it redirects to"
                                  : "not an answer of Prometheus' API",
             text);
    }
}

static void read_warnings(const json_t *root, ns_prometheus_answer *out)
{
    const json_t *list = ns_json_at(root, "warnings");
    out->warnings = json_array_size(list);
    const json_t *first = json_array_get(list, 0);
    if (out->warnings > 0)
        show(out->warning, sizeof out->warning,
             json_is_string(first) ? (ns_text){json_string_value(first), json_string_length(first)}
                                   : NS_TEXT("a warning without text"));
}

static void read_data(json_t *root, ns_prometheus_answer *out)
{
    const json_t *data = ns_json_at(root, "data");
    const json_t *result = ns_json_at(data, "result");
    const char *type = ns_json_string(data, "resultType", "");
    if (!json_is_array(result)) {
        fail(out, NS_PROTOCOL, false, "the answer has no result", "");
        return;
    }
    if (strcmp(type, "vector") == 0) {
        out->shape = NS_PROMETHEUS_vector;
        out->series = json_array_size(result);
    } else if (strcmp(type, "scalar") == 0) {
        out->shape = NS_PROMETHEUS_scalar;
        out->series = 1;
    } else {
        char shown[32];
        show(shown, sizeof shown, ns_text_of(type));
        fail(out, NS_BAD_INPUT, false, "the query gives neither a vector nor a scalar but", shown);
        return;
    }
    read_warnings(root, out);
    out->result = result;
    out->root = json_incref(root);
    out->status = NS_OK;
}

void ns_prometheus_read(int code, ns_text body, ns_prometheus_answer *out)
{
    *out = (ns_prometheus_answer){.code = code};
    if (code == 401 || code == 403) {
        char text[SHOWN] = "";
        if (body.len > 0 && body.at[0] != '<' && body.at[0] != '{')
            show(text, sizeof text, body);
        fail(out, code == 401 ? NS_UNAUTHORIZED : NS_FORBIDDEN, false,
             code == 401 ? "it wants other credentials" : "our credentials give no right to ask", text);
        return;
    }
    json_t *root = NULL;
    ns_error why;
    ns_status status = ns_json_read(body, &root, &why);
    const char *said = ns_json_string(root, "status", "");
    if (status == NS_NO_MEMORY)
        fail(out, NS_NO_MEMORY, true, "no memory to read the answer", "");
    else if (status == NS_OK && code / 100 == 2 && strcmp(said, "success") == 0)
        read_data(root, out);
    else if (status == NS_OK && strcmp(said, "error") == 0)
        read_api_error(root, out);
    else
        read_foreign(body, out);
    json_decref(root);
}

void ns_prometheus_answer_clear(ns_prometheus_answer *answer)
{
    json_decref(answer->root);
    answer->root = NULL;
    answer->result = NULL;
    answer->series = 0;
}

/* [seconds, "number"]; the number is always a string. */
static ns_value read_point(const json_t *point)
{
    const json_t *t = json_array_get(point, 0), *v = json_array_get(point, 1);
    double value, seconds = json_is_number(t) ? json_number_value(t) : NAN;
    if (!json_is_string(v) || !(fabs(seconds) < 1e12))
        return NS_MISSING;
    if (!ns_text_double((ns_text){json_string_value(v), json_string_length(v)}, &value) || !isfinite(value))
        return NS_MISSING;
    return (ns_value){value, (int64_t)(seconds * 1000.0 + (seconds < 0 ? -0.5 : 0.5))};
}

ns_value ns_prometheus_series(const ns_prometheus_answer *answer, size_t i, const char *label, ns_text *label_value)
{
    NS_CHECK(i < answer->series);
    if (label_value != NULL)
        *label_value = (ns_text){NULL, 0};
    if (answer->shape == NS_PROMETHEUS_scalar)
        return read_point(answer->result);
    const json_t *one = json_array_get(answer->result, i);
    if (label != NULL && label_value != NULL && !ns_json_text(ns_json_at(one, "metric"), label, label_value))
        *label_value = (ns_text){NULL, 0};
    return read_point(ns_json_at(one, "value"));
}

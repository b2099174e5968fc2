/* What each answer of Jenkins means: one status per thing that a caller has to do differently. */
#include "wire/jenkins_client.h"

#include <string.h>
#include <strings.h>

/* Header values go into messages for people: never more than this of each. */
enum { SHOWN = 100 };

static int shown(ns_text text)
{
    return (int)(text.len < SHOWN ? text.len : SHOWN);
}

static bool mentions(ns_text text, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.len; i++)
        if (strncasecmp(text.at + i, word, n) == 0)
            return true;
    return false;
}

static ns_status good(const ns_jenkins_head *head, ns_error *err)
{
    ns_text body = ns_text_trim(head->body);
    bool html = mentions(head->content_type, "html");
    if (head->kind == NS_JENKINS_JSON)
        html = html || (body.len > 0 && body.at[0] == '<');
    if (html && head->kind != NS_JENKINS_POST)
        return ns_fail(err, NS_PROTOCOL,
                       "an HTML page came where data was asked for: a proxy or login page stands in between");
    return NS_OK;
}

static ns_status forbidden(const ns_jenkins_head *head, ns_error *err)
{
    if (mentions(head->body, "No valid crumb"))
        return ns_fail(err, NS_FORBIDDEN, "Jenkins does not accept our crumb");
    return ns_fail(err, NS_FORBIDDEN, "no permission (as %.*s%s%.*s)", head->user.len == 0 ? 9 : shown(head->user),
                   head->user.len == 0 ? "anonymous" : head->user.at, head->permission.len == 0 ? "" : ", needs ",
                   shown(head->permission), head->permission.len == 0 ? "" : head->permission.at);
}

static ns_status redirected(const ns_jenkins_head *head, ns_error *err)
{
    if (head->kind == NS_JENKINS_POST)
        return NS_OK; /* the Location tells what became of it */
    return ns_fail(err, NS_PROTOCOL, "redirected to %.*s: is the address right, or does a single sign-on stand before?",
                   shown(head->location), head->location.len == 0 ? "" : head->location.at);
}

ns_status ns_jenkins_classify(const ns_jenkins_head *head, ns_error *err)
{
    int code = head->code;
    if (code >= 200 && code < 300)
        return good(head, err);
    if (code >= 300 && code < 400)
        return redirected(head, err);
    switch (code) {
    case 400:
        return ns_fail(err, NS_BAD_INPUT, "Jenkins does not understand the request (400)");
    case 401:
        return ns_fail(err, NS_UNAUTHORIZED, "Jenkins does not accept the user name or token (401)");
    case 403:
        return forbidden(head, err);
    case 404:
        return ns_fail(err, NS_NOT_FOUND, "there is no such thing, or we may not see it (404)");
    case 405:
        return ns_fail(err, NS_PROTOCOL, "wrong method (405)");
    case 409:
        return ns_fail(err, NS_REFUSED, "the job is disabled or cannot be built (409)");
    case 502:
    case 504:
        return ns_fail(err, NS_UNREACHABLE, "the proxy does not reach Jenkins (%d)", code);
    case 503:
        return ns_fail(err, NS_STARTING, "Jenkins is starting or restarting (503)");
    default:
        return ns_fail(err, NS_PROTOCOL, "unexpected answer (%d)", code);
    }
}

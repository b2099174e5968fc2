/* The world as a Jenkins: which URL is which object, and what is done with it. */
#include "world/serve_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { CONSOLE_MAX = 48 << 20, OVERSIZE = 17 << 20 };

/*
 * A real log holds hidden notes that the text endpoints leave out, so X-Text-Size runs ahead of the bytes sent. Ours is
 * one note in front: raw offset = text offset + NOTE_BYTES, but nothing is nothing.
 */
enum { NOTE_BYTES = 152 };

static void not_found(ns_serve_reply *reply)
{
    ns_served_error(reply, 404, "Not Found");
}

/* ---- the API suffix ---------------------------------------------------------------------------------------------- */

/* Exported objects by (tree, depth): NULL no memory, json null: there is no such thing. */
typedef json_t *exporter(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                         const char *name, ns_served_view view);

static json_t *export_root(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                           const char *name, ns_served_view view)
{
    (void)job;
    (void)number;
    (void)name;
    return ns_served_root(server, request, view);
}

static json_t *export_folder(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                             const char *name, ns_served_view view)
{
    (void)job;
    (void)number;
    (void)name;
    return ns_served_folder(server, request, view);
}

static json_t *export_job(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                          const char *name, ns_served_view view)
{
    (void)number;
    (void)name;
    return ns_served_job(server, request, job, view);
}

static json_t *export_run(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                          const char *name, ns_served_view view)
{
    (void)name;
    return ns_served_run(server, request, job, number, view);
}

static json_t *export_tests(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                            const char *name, ns_served_view view)
{
    (void)request;
    (void)name;
    (void)view;
    return ns_served_tests(server, job, number);
}

static json_t *export_queue(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                            const char *name, ns_served_view view)
{
    (void)job;
    (void)number;
    (void)name;
    return ns_served_queue(server, request, view);
}

static json_t *export_item(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                           const char *name, ns_served_view view)
{
    ns_world_queue_item item;
    (void)job;
    (void)name;
    if (!ns_world_queue_find(server->world, number, &item))
        return json_null();
    return ns_served_queue_item(server, request, &item, view);
}

static json_t *export_computers(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                                const char *name, ns_served_view view)
{
    (void)job;
    (void)number;
    (void)name;
    return ns_served_computers(server, request, view);
}

static json_t *export_computer(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                               const char *name, ns_served_view view)
{
    (void)job;
    (void)number;
    return ns_served_computer(server, request, name, view);
}

static json_t *export_who(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                          const char *name, ns_served_view view)
{
    (void)server;
    (void)job;
    (void)number;
    (void)name;
    (void)view;
    return json_pack("{s:s,s:b,s:b,s:[s],s:s,s:o}", "_class", "hudson.security.WhoAmI", "anonymous",
                     !request->authenticated, "authenticated", request->authenticated, "authorities",
                     request->authenticated ? "authenticated" : "anonymous", "details", "details are hidden", "name",
                     ns_served_string(request->user));
}

static json_t *export_me(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                         const char *name, ns_served_view view)
{
    char url[600];
    (void)server;
    (void)job;
    (void)number;
    (void)name;
    (void)view;
    (void)snprintf(url, sizeof url, "%suser/%s", request->base, request->user);
    return json_pack("{s:s,s:o,s:n,s:o,s:o,s:[]}", "_class", "hudson.model.User", "absoluteUrl", ns_served_string(url),
                     "description", "fullName", ns_served_string(request->user), "id", ns_served_string(request->user),
                     "property");
}

/* Faults that spoil an API answer. */
static void spoil(ns_world_server *server, ns_serve_reply *reply)
{
    if (ns_serve_fault_due(server, NS_SERVE_oversize)) {
        reply->body.len -= reply->body.len > 0; /* the closing brace */
        (void)ns_buf_string(&reply->body, ",\"padding\":\"");
        for (int i = 0; i < OVERSIZE / 64; i++)
            (void)ns_buf_string(&reply->body, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        (void)ns_buf_string(&reply->body, "\"}");
    }
    if (ns_serve_fault_due(server, NS_SERVE_nan)) {
        reply->body.len -= reply->body.len > 0;
        (void)ns_buf_string(&reply->body, ",\"score\":NaN,\"load\":-Infinity}");
    }
    if (ns_serve_fault_due(server, NS_SERVE_html))
        ns_serve_text(reply, 200, "text/html;charset=utf-8",
                      "<html><head><title>Sign in</title></head><body>please sign in</body></html>\n");
}

static void answer_pruned(ns_world_server *server, const ns_tree *tree, json_t *whole, ns_serve_reply *reply)
{
    if (json_is_null(whole)) {
        json_decref(whole);
        not_found(reply);
        return;
    }
    json_t *pruned = whole == NULL || tree == NULL ? json_incref(whole) : ns_tree_apply(tree, whole);
    json_decref(whole);
    ns_serve_json(reply, 200, pruned);
    if (reply->code == 200)
        spoil(server, reply);
}

static bool depth_asked(const ns_serve_request *request, int64_t *depth)
{
    ns_buf text;
    ns_buf_init(&text, 64);
    bool good = !ns_serve_value(request, "depth", &text) ||
                (ns_text_int64(ns_buf_view(&text), depth) && *depth >= 0 && *depth <= 10);
    ns_buf_clear(&text);
    return good;
}

static void answer_api(ns_world_server *server, const ns_serve_request *request, exporter *export, size_t job,
                       int64_t number, const char *name, ns_serve_reply *reply)
{
    ns_buf text;
    ns_tree *tree = NULL;
    ns_error err = {0};
    int64_t depth = 0;
    ns_buf_init(&text, NS_TREE_BYTES_MAX * 4);
    if (!depth_asked(request, &depth)) {
        ns_served_error(reply, 400, "depth is no number");
    } else if (ns_serve_value(request, "tree", &text)) {
        if (ns_tree_parse(ns_buf_view(&text), &tree, &err) != NS_OK)
            ns_served_error(reply, 500, "javax.servlet.ServletException: Malformed tree expression");
        else
            answer_pruned(server, tree, export(server, request, job, number, name, (ns_served_view){.tree = tree}),
                          reply);
    } else {
        answer_pruned(server, NULL, export(server, request, job, number, name, (ns_served_view){.depth = (int)depth}),
                      reply);
    }
    ns_tree_free(tree);
    ns_buf_clear(&text);
}

/* True when the path from `from` on is api/json; other flavours are not spoken here. */
static bool is_api(const ns_serve_request *request, size_t from)
{
    return NS_SERVE_PATH_IS(request, from, "api", "json");
}

/* ---- pages for people -------------------------------------------------------------------------------------------- */

static void page(const ns_serve_request *request, const char *title, ns_serve_reply *reply)
{
    char text[512];
    if (!request->slash) { /* Jenkins adds the slash */
        ns_serve_header(reply, "Location", "%.*s/", (int)(request->path.len > 400 ? 400 : request->path.len),
                        request->path.at);
        ns_serve_text(reply, 302, "text/html;charset=utf-8", "");
        return;
    }
    (void)snprintf(text, sizeof text,
                   "<!DOCTYPE html><html><head><title>%s [Jenkins]</title></head><body><h1>%s</h1>"
                   "<p>A simulated Jenkins. Its API is at <a href=\"api/json\">api/json</a>.</p></body></html>\n",
                   title, title);
    ns_serve_text(reply, 200, "text/html;charset=utf-8", text);
}

/* ---- logs -------------------------------------------------------------------------------------------------------- */

static void put_html(ns_buf *out, ns_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.at[i]) {
        case '<':
            (void)ns_buf_string(out, "&lt;");
            break;
        case '>':
            (void)ns_buf_string(out, "&gt;");
            break;
        case '&':
            (void)ns_buf_string(out, "&amp;");
            break;
        default:
            (void)ns_buf_char(out, text.at[i]);
        }
    }
}

static int64_t start_asked(const ns_serve_request *request)
{
    ns_buf text;
    int64_t start = 0;
    ns_buf_init(&text, 64);
    if (!ns_serve_value(request, "start", &text) || !ns_text_int64(ns_buf_view(&text), &start) || start < 0)
        start = 0;
    ns_buf_clear(&text);
    return start;
}

static void answer_progressive(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                               bool html, ns_serve_reply *reply)
{
    ns_buf text;
    int64_t next = 0;
    bool more = true;
    int64_t start = start_asked(request);
    if (ns_serve_fault_due(server, NS_SERVE_rollover))
        start = 0;
    int64_t offset = start > NOTE_BYTES ? start - NOTE_BYTES : 0;
    ns_buf_init(&text, CONSOLE_MAX);
    if (ns_world_log(server->world, job, number, offset, CONSOLE_MAX, &text, &next, &more) != NS_OK) {
        ns_buf_clear(&text);
        not_found(reply);
        return;
    }
    ns_serve_text(reply, 200, html ? "text/html;charset=utf-8" : "text/plain;charset=utf-8", "");
    if (html)
        put_html(&reply->body, ns_buf_view(&text));
    else
        (void)ns_buf_text(&reply->body, ns_buf_view(&text));
    ns_buf_clear(&text);
    ns_serve_header(reply, "X-Text-Size", "%lld", (long long)(next > 0 ? next + NOTE_BYTES : 0));
    if (more)
        ns_serve_header(reply, "X-More-Data", "%s", "true");
}

static void answer_console(ns_world_server *server, size_t job, int64_t number, ns_serve_reply *reply)
{
    int64_t next = 0;
    bool more = true;
    ns_serve_text(reply, 200, "text/plain;charset=utf-8", "");
    if (ns_world_log(server->world, job, number, 0, CONSOLE_MAX, &reply->body, &next, &more) != NS_OK)
        not_found(reply);
}

/* ---- builds ------------------------------------------------------------------------------------------------------ */

static void answer_stages(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                          ns_serve_reply *reply)
{
    ns_serve_json(reply, 200, ns_served_stages(server, request, job, number));
}

static void term(ns_world_server *server, ns_serve_request *request, size_t job, int64_t number, ns_serve_reply *reply)
{
    ns_served_stop(server, request, job, number, reply);
    if (reply->code == 302 && !reply->dropped) { /* these two answer 200 */
        reply->header_count = 0;
        reply->code = 200;
    }
}

static void on_build(ns_world_server *server, ns_serve_request *request, size_t job, int64_t number, size_t at,
                     ns_serve_reply *reply)
{
    if (request->segments == at)
        page(request, "Build", reply);
    else if (is_api(request, at))
        answer_api(server, request, export_run, job, number, "", reply);
    else if (NS_SERVE_PATH_IS(request, at, "consoleText"))
        answer_console(server, job, number, reply);
    else if (NS_SERVE_PATH_IS(request, at, "logText", "progressiveText"))
        answer_progressive(server, request, job, number, false, reply);
    else if (NS_SERVE_PATH_IS(request, at, "logText", "progressiveHtml"))
        answer_progressive(server, request, job, number, true, reply);
    else if (NS_SERVE_PATH_IS(request, at, "testReport", "api", "json"))
        answer_api(server, request, export_tests, job, number, "", reply);
    else if (NS_SERVE_PATH_IS(request, at, "wfapi", "describe") || NS_SERVE_PATH_IS(request, at, "wfapi"))
        answer_stages(server, request, job, number, reply);
    else if (NS_SERVE_PATH_IS(request, at, "stop"))
        ns_served_stop(server, request, job, number, reply);
    else if (NS_SERVE_PATH_IS(request, at, "term") || NS_SERVE_PATH_IS(request, at, "kill"))
        term(server, request, job, number, reply);
    else
        not_found(reply);
}

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

/* Newest ten runs, from `since` (a display name, "#42") on. */
static void answer_runs(ns_world_server *server, const ns_serve_request *request, size_t job, ns_serve_reply *reply)
{
    ns_world_job of;
    ns_world_build build;
    ns_buf since;
    int64_t oldest = 0;
    ns_buf_init(&since, 64);
    if (ns_serve_value(request, "since", &since) && since.len > 1 && since.at[0] == '#' &&
        !ns_text_int64((ns_text){since.at + 1, since.len - 1}, &oldest))
        oldest = 0;
    ns_buf_clear(&since);
    ns_world_job_at(server->world, job, &of);
    json_t *runs = json_array();
    for (int64_t n = of.newest_number; n >= oldest && n > 0 && json_array_size(runs) < 10; n--) {
        if (ns_world_build_at(server->world, job, n, &build))
            (void)json_array_append_new(runs, ns_served_stages(server, request, job, n));
    }
    ns_serve_json(reply, 200, runs);
}

static void on_job(ns_world_server *server, ns_serve_request *request, size_t job, size_t at, ns_serve_reply *reply)
{
    if (request->segments == at)
        page(request, "Job", reply);
    else if (is_api(request, at))
        answer_api(server, request, export_job, job, 0, "", reply);
    else if (NS_SERVE_PATH_IS(request, at, "build"))
        ns_served_build(server, request, job, false, reply);
    else if (NS_SERVE_PATH_IS(request, at, "buildWithParameters"))
        ns_served_build(server, request, job, true, reply);
    else if (NS_SERVE_PATH_IS(request, at, "enable"))
        ns_served_set_disabled(server, request, job, false, reply);
    else if (NS_SERVE_PATH_IS(request, at, "disable"))
        ns_served_set_disabled(server, request, job, true, reply);
    else if (NS_SERVE_PATH_IS(request, at, "wfapi", "runs"))
        answer_runs(server, request, job, reply);
    else if (ns_served_number(server->world, job, request->segment[at]) > 0)
        on_build(server, request, job, ns_served_number(server->world, job, request->segment[at]), at + 1, reply);
    else
        not_found(reply);
}

/* view/V/ in front of anything is a way to it, when the view is "all". */
static size_t skip_views(const ns_serve_request *request, size_t at)
{
    while (request->segments >= at + 2 && strcmp(request->segment[at], "view") == 0 &&
           strcmp(request->segment[at + 1], "all") == 0)
        at += 2;
    return at;
}

static void on_folder(ns_world_server *server, ns_serve_request *request, size_t at, ns_serve_reply *reply)
{
    char name[NS_JOB_MAX];
    at = skip_views(request, at);
    if (request->segments == at) {
        page(request, NS_WORLD_FOLDER, reply);
    } else if (is_api(request, at)) {
        answer_api(server, request, export_folder, 0, 0, "", reply);
    } else if (request->segments >= at + 2 && strcmp(request->segment[at], "job") == 0) {
        int len = snprintf(name, sizeof name, NS_WORLD_FOLDER "/%s", request->segment[at + 1]);
        ptrdiff_t job = len < (int)sizeof name ? ns_world_find_job(server->world, ns_text_of(name)) : -1;
        if (job < 0)
            not_found(reply);
        else
            on_job(server, request, (size_t)job, at + 2, reply);
    } else {
        not_found(reply);
    }
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void on_queue(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply)
{
    int64_t id = 0;
    if (is_api(request, 1))
        answer_api(server, request, export_queue, 0, 0, "", reply);
    else if (NS_SERVE_PATH_IS(request, 1, "cancelItem"))
        ns_served_cancel(server, request, reply);
    else if (request->segments == 5 && strcmp(request->segment[1], "item") == 0 && is_api(request, 3) &&
             ns_text_int64(ns_text_of(request->segment[2]), &id))
        answer_api(server, request, export_item, 0, id, "", reply);
    else
        not_found(reply);
}

static void on_root(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply)
{
    size_t at = skip_views(request, 0);
    const char *first = request->segments > at ? request->segment[at] : "";
    if (request->segments == at)
        page(request, "Dashboard", reply);
    else if (is_api(request, at))
        answer_api(server, request, export_root, 0, 0, "", reply);
    else if (strcmp(first, "job") == 0 && request->segments >= at + 2 &&
             strcmp(request->segment[at + 1], NS_WORLD_FOLDER) == 0)
        on_folder(server, request, at + 2, reply);
    else if (strcmp(first, "queue") == 0)
        on_queue(server, request, reply);
    else if (strcmp(first, "computer") == 0 && is_api(request, 1))
        answer_api(server, request, export_computers, 0, 0, "", reply);
    else if (strcmp(first, "computer") == 0 && request->segments == 4 && is_api(request, 2))
        answer_api(server, request, export_computer, 0, 0, request->segment[1], reply);
    else if (NS_SERVE_PATH_IS(request, 0, "whoAmI", "api", "json"))
        answer_api(server, request, export_who, 0, 0, "", reply);
    else if (NS_SERVE_PATH_IS(request, 0, "me", "api", "json"))
        answer_api(server, request, export_me, 0, 0, "", reply);
    else if (NS_SERVE_PATH_IS(request, 0, "crumbIssuer", "api", "json"))
        ns_served_crumb(server, request, reply);
    else if (NS_SERVE_PATH_IS(request, 0, "login"))
        ns_serve_text(reply, 200, "text/html;charset=utf-8", "<html><head><title>Sign in</title></head></html>\n");
    else
        not_found(reply);
}

static bool is_up(ns_world_server *server, ns_serve_reply *reply)
{
    const ns_world_faults *faults = ns_world_faults_of(server->world);
    int64_t now_ms = ns_real_now_ms();
    if (faults->jenkins_down || now_ms < server->jenkins_down_until_ms) {
        reply->dropped = true;
        return false;
    }
    if (ns_serve_fault_due(server, NS_SERVE_half_open)) {
        reply->hanging = true;
        return false;
    }
    if (faults->jenkins_starting || now_ms < server->starting_until_ms) {
        ns_serve_text(reply, 503, "text/html;charset=utf-8",
                      "<!DOCTYPE html><html><head><title>Starting Jenkins</title></head><body>"
                      "<h1>Please wait while Jenkins is getting ready to work ...</h1></body></html>\n");
        return false;
    }
    return true;
}

void ns_serve_jenkins(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply)
{
    ns_serve_header(reply, "X-Content-Type-Options", "%s", "nosniff");
    if (!is_up(server, reply))
        return;
    ns_serve_header(reply, "X-Jenkins", "%s", "2.462.3");
    ns_serve_header(reply, "X-Jenkins-Session", "%s", server->session);
    if (request->method == NS_HTTP_PUT || request->method == NS_HTTP_PATCH || request->method == NS_HTTP_DELETE) {
        ns_served_error(reply, 405, "Method Not Allowed");
        return;
    }
    if (ns_served_admits(server, request, reply))
        on_root(server, request, reply);
}

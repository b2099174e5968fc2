/* What POST does: build, stop, cancel, enable, disable. Each answers as Jenkins does, refusals included. */
#include "world/serve_internal.h"

#include "wire/url.h"

#include <stdio.h>
#include <string.h>

/* The faults that strike before anything is done. False: the reply is complete. */
static bool reaches_jenkins(ns_world_server *server, ns_serve_reply *reply, ns_world_effect_kind kind)
{
    bool refused;
    if (ns_serve_arrives(server, reply, kind, &refused))
        return true;
    if (refused)
        ns_served_error(reply, 500, "java.lang.IllegalStateException: the world was told to refuse");
    return false;
}

static bool is_post(const ns_serve_request *request, ns_serve_reply *reply)
{
    if (request->method == NS_HTTP_POST)
        return true;
    ns_serve_header(reply, "Allow", "%s", "POST");
    ns_serve_text(reply, 405, "text/html;charset=utf-8",
                  "<html><head><title>POST required</title></head><body>POST is required for this URL"
                  "<form method='POST'><input type='submit' value='Try POSTing'/></form></body></html>\n");
    return false;
}

static ns_world_request who(const ns_serve_request *request)
{
    return (ns_world_request){.user = request->user, .from = request->peer};
}

/* ---- build ------------------------------------------------------------------------------------------------------- */

typedef struct form {
    ns_parameter parameter[NS_PARAMETERS_MAX];
    size_t count;
    int64_t quiet_ms;
    bool bad;      /* cannot be read */
    bool too_long; /* a value */
} form;

static bool is_defined(const ns_world_job *job, const char *name)
{
    for (size_t i = 0; i < job->parameter_count; i++) {
        if (strcmp(job->parameter[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Undefined parameters are dropped, as Jenkins drops them. */
static void form_put(form *f, const ns_world_job *job, ns_text name, ns_text value)
{
    char plain[NS_NAME_MAX];
    if (!ns_text_copy(plain, sizeof plain, name) || !is_defined(job, plain))
        return;
    size_t i = 0;
    while (i < f->count && strcmp(f->parameter[i].name, plain) != 0)
        i++;
    if (i == NS_PARAMETERS_MAX)
        return;
    f->count = i < f->count ? f->count : i + 1;
    memcpy(f->parameter[i].name, plain, sizeof plain);
    f->too_long = f->too_long || !ns_text_copy(f->parameter[i].value, sizeof f->parameter[i].value, value);
}

static void form_from_query(form *f, const ns_world_job *job, ns_text query)
{
    ns_buf name, value;
    bool bad = false;
    ns_buf_init(&name, 64u << 10);
    ns_buf_init(&value, 64u << 10);
    while (ns_query_next(&query, &name, &value, &bad)) {
        form_put(f, job, ns_buf_view(&name), ns_buf_view(&value));
        ns_buf_reset(&name);
        ns_buf_reset(&value);
    }
    f->bad = f->bad || bad;
    ns_buf_clear(&name);
    ns_buf_clear(&value);
}

static void form_put_json(form *f, const ns_world_job *job, const json_t *parameter)
{
    ns_text name, value;
    if (ns_json_text(parameter, "name", &name) && ns_json_text(parameter, "value", &value))
        form_put(f, job, name, value);
    else
        f->bad = true;
}

/* {"parameter":[{"name":..,"value":..}]}, or one object instead of the list. */
static bool form_from_json(form *f, const ns_world_job *job, const ns_serve_request *request)
{
    ns_buf text;
    json_t *json = NULL;
    ns_buf_init(&text, 256u << 10);
    bool found = ns_serve_value(request, "json", &text);
    if (found && ns_json_read(ns_buf_view(&text), &json, NULL) == NS_OK) {
        json_t *parameter = ns_json_at(json, "parameter");
        for (size_t i = 0; i < json_array_size(parameter); i++)
            form_put_json(f, job, json_array_get(parameter, i));
        if (json_is_object(parameter))
            form_put_json(f, job, parameter);
        json_decref(json);
    } else if (found) {
        f->bad = true;
    }
    ns_buf_clear(&text);
    return found;
}

/* delay=0sec, delay=5: seconds; absent: the job's own. */
static void read_delay(form *f, const ns_serve_request *request)
{
    ns_buf text;
    int64_t seconds = 0;
    ns_buf_init(&text, 256);
    f->quiet_ms = -1;
    if (ns_serve_value(request, "delay", &text)) {
        ns_text view = ns_buf_view(&text);
        if (ns_text_ends(view, "sec"))
            view.len -= 3;
        if (ns_text_int64(view, &seconds) && seconds >= 0 && seconds <= 86400)
            f->quiet_ms = seconds * 1000;
        else
            f->bad = true;
    }
    ns_buf_clear(&text);
}

static bool read_form(form *f, const ns_serve_request *request, const ns_world_job *job, bool with_parameters,
                      ns_serve_reply *reply)
{
    *f = (form){0};
    read_delay(f, request);
    if (with_parameters && job->parameter_count == 0) {
        ns_served_error(reply, 400, "This job is not parameterized");
        return false;
    }
    if (with_parameters) {
        form_from_query(f, job, request->query);
        form_from_query(f, job, request->body);
    } else if (job->parameter_count > 0 && !form_from_json(f, job, request)) {
        ns_served_error(reply, 400, "Nothing is submitted");
        return false;
    }
    if (f->bad || f->too_long) {
        ns_served_error(reply, 400, f->bad ? "The form cannot be read" : "A parameter's value is too long");
        return false;
    }
    return true;
}

static void scheduled(const ns_serve_request *request, int64_t id, bool merged, ns_serve_reply *reply)
{
    ns_serve_header(reply, "Location", "%squeue/item/%lld/", request->base, (long long)id);
    ns_serve_text(reply, merged ? 303 : 201, "text/plain;charset=utf-8", "");
}

void ns_served_build(ns_world_server *server, ns_serve_request *request, size_t job, bool with_parameters,
                     ns_serve_reply *reply)
{
    ns_world_job view;
    form f;
    ns_error err = {0};
    int64_t id = -1;
    bool merged = false;
    if (!is_post(request, reply) || !ns_served_crumb_ok(server, request, reply))
        return;
    ns_world_job_at(server->world, job, &view);
    if (view.disabled) {
        ns_served_error(reply, 409, "This job is disabled");
        return;
    }
    if (!read_form(&f, request, &view, with_parameters, reply) || !reaches_jenkins(server, reply, NS_EFFECT_build))
        return;
    ns_world_request from = who(request);
    /* The mishap: taken in by what waits. Where nothing waits it is only answered so. */
    from.merge = ns_serve_fault_due(server, NS_SERVE_merge) ||
                 ns_world_mishap_strikes(server->world, NS_EFFECT_build, NS_MISHAP_merge);
    switch (ns_world_trigger(server->world, job, f.parameter, f.count, f.quiet_ms, &from, &id, &merged, &err)) {
    case NS_OK:
        scheduled(request, id, merged || from.merge, reply);
        break;
    case NS_CONFLICT:
        ns_served_error(reply, 409, "This job is not buildable");
        break;
    case NS_BUSY: /* nothing was scheduled: Jenkins goes back to the job's page */
        ns_serve_header(reply, "Location", "%s", ".");
        ns_serve_text(reply, 302, "text/plain;charset=utf-8", "");
        break;
    default:
        ns_served_error(reply, 400, "The parameters are not accepted");
        break;
    }
}

/* ---- stop, cancel, disable --------------------------------------------------------------------------------------- */

void ns_served_stop(ns_world_server *server, ns_serve_request *request, size_t job, int64_t number,
                    ns_serve_reply *reply)
{
    ns_error err = {0};
    bool stopped = false;
    if (!is_post(request, reply) || !ns_served_crumb_ok(server, request, reply) ||
        !reaches_jenkins(server, reply, NS_EFFECT_stop))
        return;
    ns_world_request from = who(request);
    if (ns_world_stop(server->world, job, number, &from, &stopped, &err) != NS_OK) {
        ns_served_error(reply, 404, "Not Found");
        return;
    }
    ns_serve_header(reply, "Location", "%s", "./");
    ns_serve_text(reply, 302, "text/plain;charset=utf-8", "");
}

void ns_served_cancel(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply)
{
    ns_buf text;
    ns_error err = {0};
    int64_t id = -1;
    if (!is_post(request, reply) || !ns_served_crumb_ok(server, request, reply) ||
        !reaches_jenkins(server, reply, NS_EFFECT_cancel))
        return;
    ns_buf_init(&text, 256);
    bool good = ns_serve_value(request, "id", &text) && ns_text_int64(ns_buf_view(&text), &id);
    ns_buf_clear(&text);
    ns_world_request from = who(request);
    if (!good)
        ns_served_error(reply, 400, "the parameter id is missing or no number");
    else if (ns_world_cancel(server->world, id, &from, &err) == NS_OK)
        ns_serve_text(reply, 204, "text/plain;charset=utf-8", "");
    else
        ns_served_error(reply, 404, "Not Found");
}

void ns_served_set_disabled(ns_world_server *server, ns_serve_request *request, size_t job, bool disabled,
                            ns_serve_reply *reply)
{
    if (!is_post(request, reply) || !ns_served_crumb_ok(server, request, reply))
        return;
    ns_world_set_disabled(server->world, job, disabled);
    ns_serve_header(reply, "Location", "%s", ".");
    ns_serve_text(reply, 302, "text/plain;charset=utf-8", "");
}

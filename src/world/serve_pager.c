/* /pager: the webhook by which the person on call is told. A message with an Idempotency-Key comes through once. */
#include "world/serve_internal.h"

#include "wire/http_server.h"

static void refuse(ns_serve_reply *reply, int code, const char *message)
{
    ns_serve_json(reply, code, json_pack("{s:i,s:{s:s}}", "schema", 1, "error", "message", message));
}

static ptrdiff_t pipeline_of(const ns_world_server *server, ns_text body)
{
    json_t *json = NULL;
    ns_text name;
    ptrdiff_t job = -1;
    if (ns_json_read(body, &json, NULL) == NS_OK && ns_json_text(json, "pipeline", &name))
        job = ns_world_find_job(server->world, name);
    json_decref(json);
    return job;
}

void ns_serve_pager(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply)
{
    bool refused;
    char key[NS_KEY_MAX] = "";
    ns_text given;
    if (request->method != NS_HTTP_POST) {
        ns_serve_header(reply, "Allow", "%s", "POST");
        refuse(reply, 405, "the pager takes messages by POST");
        return;
    }
    ptrdiff_t job = pipeline_of(server, request->body);
    if (job < 0 ||
        (ns_exchange_header(request->exchange, "Idempotency-Key", &given) && !ns_text_copy(key, sizeof key, given))) {
        refuse(reply, 400, "a JSON object with \"pipeline\" is wanted, and a key of at most 39 characters");
        return;
    }
    if (!ns_serve_arrives(server, reply, NS_EFFECT_escalate, &refused)) {
        if (refused)
            refuse(reply, 503, "the world was told to refuse");
        return;
    }
    ns_world_request from = {.user = NS_WORLD_USER, .from = request->peer};
    ns_error err;
    if (ns_world_escalate(server->world, (size_t)job, key, &from, &err) == NS_OK)
        ns_serve_json(reply, 202, json_pack("{s:i,s:b}", "schema", 1, "told", true));
    else
        refuse(reply, 500, err.text);
}

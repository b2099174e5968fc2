#include "orchestration/jenkins_retry.h"

#include "wire/url.h"

#include <string.h>

enum { FORM_MAX = 256 * 1024, VALUE_MAX = 64 * 1024 };

/* ---- reading before sending ---- */

void retry_read_job(const json_t *json, retry_job *out)
{
    const json_t *last = ns_json_at(json, "lastBuild");
    *out = (retry_job){
        .buildable = ns_json_bool(json, "buildable", true) &&
                     strncmp(ns_json_string(json, "color", ""), "disabled", sizeof "disabled" - 1) != 0,
        .waiting = ns_json_bool(json, "inQueue", false),
        .last_build = ns_json_int(last, "number", 0),
        .last_queue = ns_json_int(last, "queueId", -1),
    };
    const json_t *properties = ns_json_at(json, "property");
    for (size_t i = 0; i < json_array_size(properties); i++) {
        const json_t *definitions = ns_json_at(json_array_get(properties, i), "parameterDefinitions");
        for (size_t k = 0; k < json_array_size(definitions); k++) {
            out->parameterized = true;
            if (strcmp(ns_json_string(json_array_get(definitions, k), "name", ""), NS_JENKINS_KEY_PARAMETER) == 0)
                out->takes_key = true;
        }
    }
}

ns_status retry_check_build(const json_t *build, int64_t number, ns_error *err)
{
    const char *result = ns_json_string(build, "result", "");
    const json_t *actions = ns_json_at(build, "actions");
    int by_person = ns_jenkins_interrupted_by_person(actions);
    if (ns_json_bool(build, "building", false) || ns_json_bool(build, "inProgress", false))
        return ns_fail(err, NS_REFUSED, "build %lld still runs", (long long)number);
    /* Without a word about who stopped it, it is taken for a person. */
    if (by_person == 1 || (strcmp(result, "ABORTED") == 0 && by_person != 0))
        return ns_fail(err, NS_REFUSED, "a person stopped build %lld", (long long)number);
    if (result[0] == '\0' || strcmp(result, "SUCCESS") == 0)
        return ns_fail(err, NS_REFUSED, "build %lld did not fail", (long long)number);
    return NS_OK;
}

static void put_pair(ns_buf *out, ns_text name, ns_text value)
{
    if (out->len > 0)
        (void)ns_buf_char(out, '&');
    (void)ns_url_encode(out, name);
    (void)ns_buf_char(out, '=');
    (void)ns_url_encode(out, value);
}

static bool is_key(ns_text name)
{
    return ns_text_is(name, NS_JENKINS_KEY_PARAMETER);
}

static ns_status put_parameter(ns_buf *out, const json_t *parameter, ns_buf *value, ns_error *err)
{
    ns_text name;
    if (!ns_json_text(parameter, "name", &name) || name.len == 0)
        return ns_fail(err, NS_REFUSED, "the build has a parameter without a name");
    if (is_key(name))
        return NS_OK; /* an earlier retry's; this one gets its own */
    ns_buf_reset(value);
    if (!ns_jenkins_parameter_value(parameter, value))
        return ns_fail(err, NS_REFUSED, "parameter %.*s is secret, a file or too large: it cannot be read back",
                       (int)(name.len < 80 ? name.len : 80), name.at);
    put_pair(out, name, ns_buf_view(value));
    return NS_OK;
}

ns_status retry_form(const json_t *build, const char *key, ns_buf *out, ns_error *err)
{
    const json_t *parameters = ns_jenkins_parameters(ns_json_at(build, "actions"));
    ns_buf value;
    ns_status status = NS_OK;
    ns_buf_init(&value, VALUE_MAX);
    for (size_t i = 0; i < json_array_size(parameters) && status == NS_OK; i++)
        status = put_parameter(out, json_array_get(parameters, i), &value, err);
    ns_buf_clear(&value);
    if (status == NS_OK && key != NULL)
        put_pair(out, NS_TEXT(NS_JENKINS_KEY_PARAMETER), ns_text_of(key));
    if (status == NS_OK && out->failed)
        status = ns_fail(err, NS_TOO_LARGE, "the parameters make a form above %zu bytes", out->ceiling);
    return status;
}

/* ---- the baseline ---- */

ns_status retry_write_baseline(const retry_baseline *baseline, char *out, size_t size, ns_error *err)
{
    ns_buf text;
    ns_json_writer w;
    ns_buf_init(&text, size - 1);
    ns_json_begin(&w, &text);
    ns_json_object(&w);
    ns_json_field_int(&w, "version", 1);
    ns_json_field_string(&w, "user", baseline->user);
    ns_json_field_int(&w, "last_build", baseline->last_build);
    ns_json_field_int(&w, "last_queue", baseline->last_queue);
    ns_json_field_bool(&w, "takes_key", baseline->takes_key);
    ns_json_end_object(&w);
    bool good = !text.failed;
    if (good)
        memcpy(out, text.at, text.len + 1);
    ns_buf_clear(&text);
    return good ? NS_OK : ns_fail(err, NS_NO_MEMORY, "the baseline of a retry");
}

ns_status retry_read_baseline(const char *text, retry_baseline *out, ns_error *err)
{
    json_t *json = NULL;
    if (text[0] == '\0' || ns_json_read(ns_text_of(text), &json, err) != NS_OK)
        return ns_fail(err, NS_BAD_INPUT, "the effect has no readable baseline");
    *out = (retry_baseline){.last_build = ns_json_int(json, "last_build", -1),
                            .last_queue = ns_json_int(json, "last_queue", -1),
                            .takes_key = ns_json_bool(json, "takes_key", false)};
    bool good = ns_json_int(json, "version", 0) == 1 && out->last_build >= 0 &&
                ns_text_copy(out->user, sizeof out->user, ns_text_of(ns_json_string(json, "user", "")));
    json_decref(json);
    return good ? NS_OK : ns_fail(err, NS_BAD_INPUT, "the effect's baseline is not understood");
}

/* ---- searching afterwards ---- */

static bool value_of(const json_t *parameters, const char *name, ns_buf *out)
{
    ns_buf_reset(out);
    for (size_t i = 0; i < json_array_size(parameters); i++) {
        const json_t *parameter = json_array_get(parameters, i);
        if (strcmp(ns_json_string(parameter, "name", ""), name) == 0)
            return ns_jenkins_parameter_value(parameter, out);
    }
    return false;
}

/* Every parameter of `some` (but the key) stands in `others` with the same value. The other way round need not hold:
 * a job may have got new parameters, which take their defaults. */
static bool holds_all(const json_t *some, const json_t *others)
{
    ns_buf here, there;
    bool same = true;
    ns_buf_init(&here, VALUE_MAX);
    ns_buf_init(&there, VALUE_MAX);
    for (size_t i = 0; i < json_array_size(some) && same; i++) {
        const json_t *parameter = json_array_get(some, i);
        const char *name = ns_json_string(parameter, "name", "");
        ns_buf_reset(&here);
        if (strcmp(name, NS_JENKINS_KEY_PARAMETER) != 0)
            same = ns_jenkins_parameter_value(parameter, &here) && value_of(others, name, &there) &&
                   ns_text_same(ns_buf_view(&here), ns_buf_view(&there));
    }
    ns_buf_clear(&here);
    ns_buf_clear(&there);
    return same;
}

typedef struct search {
    const ns_effect *effect;
    const retry_baseline *baseline;
    const json_t *parameters; /* of the failed build; NULL none */
    bool know_parameters;
    bool by_key; /* what was found bears our key */
    int found;
    int64_t build, queue_id;
} search;

static void consider(search *s, const json_t *actions, int64_t build, int64_t queue_id)
{
    const json_t *parameters = ns_jenkins_parameters(actions);
    char key[NS_KEY_MAX];
    ns_jenkins_key_of(parameters, key);
    bool ours = key[0] != '\0' && strcmp(key, s->effect->key) == 0;
    if (s->by_key || (!ours && (s->baseline->takes_key || key[0] != '\0')))
        return; /* with a key only the key counts; another key is another effect */
    if (!ours && !(s->know_parameters && ns_jenkins_started_by(actions, s->baseline->user) &&
                   holds_all(s->parameters, parameters)))
        return;
    s->by_key = ours;
    s->found = ours ? 1 : s->found + 1;
    s->build = build;
    s->queue_id = queue_id;
}

static bool of_this_job(const search *s, const json_t *item)
{
    ns_text url;
    char job[NS_JOB_MAX];
    int64_t number;
    return ns_json_text(ns_json_at(item, "task"), "url", &url) && ns_jenkins_job_of_url(url, job, &number) &&
           strcmp(job, s->effect->jenkins_job) == 0;
}

static void search_queue(search *s, const json_t *queue)
{
    const json_t *items = ns_json_at(queue, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        int64_t id = ns_json_int(item, "id", -1);
        if (id > s->baseline->last_queue && of_this_job(s, item))
            consider(s, ns_json_at(item, "actions"), 0, id);
    }
}

/* Queue first, then builds: an item that became a build between the two readings shows in both, with one id. */
static void search_builds(search *s, const json_t *builds)
{
    int64_t waiting = s->found > 0 ? s->queue_id : -1;
    for (size_t i = 0; i < json_array_size(builds); i++) {
        const json_t *build = json_array_get(builds, i);
        int64_t number = ns_json_int(build, "number", 0);
        int64_t queue_id = ns_json_int(build, "queueId", -1);
        if (number <= s->baseline->last_build || (queue_id >= 0 && queue_id <= s->baseline->last_queue))
            continue; /* it was there, or waited in the queue, before ours could be sent */
        if (waiting >= 0 && queue_id == waiting) {
            s->build = number;
            continue;
        }
        consider(s, ns_json_at(build, "actions"), number, queue_id);
    }
}

/* Does the list reach down to what was there before? */
static bool reaches_baseline(const json_t *builds, int64_t last_build)
{
    for (size_t i = 0; i < json_array_size(builds); i++)
        if (ns_json_int(json_array_get(builds, i), "number", 0) <= last_build)
            return true;
    return json_array_size(builds) < RETRY_BUILDS_ASKED;
}

void retry_find(const ns_effect *effect, const retry_baseline *baseline, const json_t *failed_build,
                const json_t *queue, const json_t *builds_answer, ns_effect_answer *answer)
{
    const json_t *builds = ns_json_at(builds_answer, "builds");
    search s = {.effect = effect,
                .baseline = baseline,
                .parameters = ns_jenkins_parameters(ns_json_at(failed_build, "actions")),
                .know_parameters = failed_build != NULL && baseline->user[0] != '\0',
                .queue_id = -1};
    if (!json_is_array(builds) || !json_is_array(ns_json_at(queue, "items"))) {
        answer->sent = NS_SENT_unknown;
        (void)ns_fail(&answer->error, NS_PROTOCOL, "queue or builds cannot be read");
        return;
    }
    search_queue(&s, queue);
    search_builds(&s, builds);
    if (s.found == 1) {
        answer->sent = NS_SENT_acknowledged;
        answer->build = s.build;
        answer->queue_id = s.queue_id;
    } else if (s.found > 1) {
        answer->sent = NS_SENT_unknowable;
        (void)ns_fail(&answer->error, NS_CONFLICT, "%d builds could be ours", s.found);
    } else if (reaches_baseline(builds, baseline->last_build) && (baseline->takes_key || s.know_parameters)) {
        answer->sent = NS_SENT_refused;
        (void)ns_fail(&answer->error, NS_NOT_FOUND, "Jenkins has no build and no queue item of ours");
    } else {
        answer->sent = NS_SENT_unknowable;
        (void)ns_fail(&answer->error, NS_NOT_FOUND, "nothing of ours is seen, but not all can be seen");
    }
}

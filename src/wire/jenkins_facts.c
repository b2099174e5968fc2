#include "wire/jenkins_facts.h"

#include "wire/url.h"

#include <string.h>

bool ns_jenkins_name_ok(ns_text name)
{
    if (name.len == 0 || name.len >= NS_JOB_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.at[i] < 0x20 || name.at[i] == 0x7f || name.at[i] == '/')
            return false;
    return true;
}

/* Takes the part before the next '/' off *rest. */
static ns_text segment(ns_text *rest)
{
    const char *slash = rest->len == 0 ? NULL : memchr(rest->at, '/', rest->len);
    size_t len = slash == NULL ? rest->len : (size_t)(slash - rest->at);
    ns_text taken = {rest->at, len};
    size_t skip = slash == NULL ? len : len + 1;
    *rest = (ns_text){rest->at + skip, rest->len - skip};
    return taken;
}

ns_status ns_jenkins_job_path(ns_buf *out, ns_text full_name)
{
    if (full_name.len == 0 || full_name.at[full_name.len - 1] == '/')
        return NS_BAD_INPUT;
    while (full_name.len > 0) {
        ns_text name = segment(&full_name);
        if (!ns_jenkins_name_ok(name))
            return NS_BAD_INPUT;
        (void)ns_buf_string(out, "/job/");
        (void)ns_url_encode(out, name);
    }
    return out->failed ? NS_NO_MEMORY : NS_OK;
}

/* One decoded name behind what job already holds. */
static bool add_segment(char job[NS_JOB_MAX], ns_text encoded)
{
    ns_buf name;
    ns_buf_init(&name, NS_JOB_MAX);
    bool good = ns_url_decode(&name, encoded, false) == NS_OK && ns_jenkins_name_ok(ns_buf_view(&name));
    size_t len = strlen(job);
    good = good && len + 1 + name.len < NS_JOB_MAX;
    if (good) {
        if (len > 0)
            job[len++] = '/';
        memcpy(job + len, name.at, name.len + 1);
    }
    ns_buf_clear(&name);
    return good;
}

bool ns_jenkins_job_of_url(ns_text url, char job[NS_JOB_MAX], int64_t *number)
{
    ptrdiff_t at = ns_text_find(url, "/job/");
    if (at < 0)
        return false;
    ns_text rest = {url.at + at + 1, url.len - (size_t)at - 1};
    char found[NS_JOB_MAX] = "";
    ns_text word = segment(&rest);
    while (ns_text_is(word, "job")) {
        if (!add_segment(found, segment(&rest)))
            return false;
        word = segment(&rest);
    }
    int64_t build = 0;
    if (word.len > 0 && (!ns_text_int64(word, &build) || build < 1))
        return false;
    memcpy(job, found, sizeof found);
    *number = build;
    return true;
}

int64_t ns_jenkins_queue_item_of(ns_text location)
{
    ptrdiff_t at = ns_text_find(location, "/queue/item/");
    if (at < 0)
        return -1;
    size_t skip = (size_t)at + sizeof "/queue/item/" - 1;
    ns_text rest = {location.at + skip, location.len - skip};
    int64_t id;
    return ns_text_int64(segment(&rest), &id) && id >= 0 ? id : -1;
}

bool ns_jenkins_parameter_value(const json_t *parameter, ns_buf *out)
{
    const json_t *value = ns_json_at(parameter, "value");
    if (json_is_string(value))
        return ns_buf_put(out, json_string_value(value), json_string_length(value)) == NS_OK;
    if (json_is_boolean(value))
        return ns_buf_string(out, json_is_true(value) ? "true" : "false") == NS_OK;
    if (json_is_integer(value))
        return ns_buf_printf(out, "%lld", (long long)json_integer_value(value)) == NS_OK;
    return false;
}

const json_t *ns_jenkins_parameters(const json_t *actions)
{
    const json_t *found = NULL;
    for (size_t i = 0; i < json_array_size(actions); i++) {
        const json_t *list = ns_json_at(json_array_get(actions, i), "parameters");
        if (json_is_array(list))
            found = list;
    }
    return found;
}

void ns_jenkins_key_of(const json_t *parameters, char key[NS_KEY_MAX])
{
    key[0] = '\0';
    for (size_t i = 0; i < json_array_size(parameters); i++) {
        const json_t *parameter = json_array_get(parameters, i);
        ns_text value;
        if (strcmp(ns_json_string(parameter, "name", ""), NS_JENKINS_KEY_PARAMETER) == 0 &&
            ns_json_text(parameter, "value", &value) && value.len < NS_KEY_MAX)
            (void)ns_text_copy(key, NS_KEY_MAX, value);
    }
}

/* The i-th action's causes, if its class is (or is not) the one of interruptions. */
static const json_t *causes_of(const json_t *actions, size_t i, bool of_interruption)
{
    const json_t *action = json_array_get(actions, i);
    bool is_interruption = strstr(ns_json_string(action, "_class", ""), "InterruptedBuildAction") != NULL;
    return is_interruption == of_interruption ? ns_json_at(action, "causes") : NULL;
}

bool ns_jenkins_started_by(const json_t *actions, const char *user)
{
    if (user[0] == '\0')
        return false;
    for (size_t i = 0; i < json_array_size(actions); i++) {
        const json_t *causes = causes_of(actions, i, false);
        for (size_t k = 0; k < json_array_size(causes); k++)
            if (strcmp(ns_json_string(json_array_get(causes, k), "userId", ""), user) == 0)
                return true;
    }
    return false;
}

int ns_jenkins_interrupted_by_person(const json_t *actions)
{
    int answer = -1;
    for (size_t i = 0; i < json_array_size(actions); i++) {
        const json_t *causes = causes_of(actions, i, true);
        for (size_t k = 0; k < json_array_size(causes); k++) {
            const char *kind = ns_json_string(json_array_get(causes, k), "_class", "");
            if (strstr(kind, "UserInterruption") != NULL)
                return 1;
            if (kind[0] != '\0')
                answer = 0;
        }
    }
    return answer;
}

/* Scenario files: a table of keys over libyaml's event stream, with a limit on everything. */
#include "world/scenario.h"

#include "base/mem.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* Made from the files in simulations when building. */
#include "world/scenario_builtin.h"

/* ---- the tree of a file: small, flat, with line numbers ---- */

#define NODES_MAX 8192
#define TEXT_MAX  256 /* the longest scalar that means anything here */

typedef enum node_kind { NODE_scalar, NODE_map, NODE_list } node_kind;

typedef struct node {
    node_kind kind;
    bool quoted;
    size_t line;    /* 1-based */
    int32_t parent; /* -1 the root */
    int32_t next;   /* sibling; -1 none. In a map: key, value, key, value */
    int32_t first;  /* child; -1 none */
    int32_t last;
    char text[TEXT_MAX];
} node;

typedef struct reader {
    const char *file;
    node *nodes;
    int32_t count;
    int32_t room;
    ns_error *err;
    yaml_parser_t yaml;
} reader;

static ns_status bad(const reader *r, size_t line, const char *format, ...) NS_PRINTF(3, 4);

static ns_status bad(const reader *r, size_t line, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ns_fail(r->err, NS_BAD_INPUT, "%s:%zu: %s", r->file, line, text);
}

static ns_status add_node(reader *r, node_kind kind, size_t line, int32_t parent, int32_t *out)
{
    if (r->count >= NODES_MAX)
        return bad(r, line, "more than %d values", NODES_MAX);
    if (r->count == r->room) {
        int32_t room = r->room == 0 ? 64 : r->room * 2;
        node *grown = ns_realloc(r->nodes, (size_t)room, sizeof *grown);
        if (grown == NULL)
            return ns_fail(r->err, NS_NO_MEMORY, "%s: %d values", r->file, room);
        r->nodes = grown;
        r->room = room;
    }
    *out = r->count++;
    node *n = &r->nodes[*out];
    *n = (node){.kind = kind, .line = line, .parent = parent, .next = -1, .first = -1, .last = -1};
    if (parent >= 0) {
        node *above = &r->nodes[parent];
        if (above->last >= 0)
            r->nodes[above->last].next = *out;
        else
            above->first = *out;
        above->last = *out;
    }
    return NS_OK;
}

static ns_status scalar_node(reader *r, const yaml_event_t *event, int32_t parent)
{
    size_t line = event->start_mark.line + 1;
    size_t len = event->data.scalar.length;
    const char *value = (const char *)event->data.scalar.value;
    if (len >= TEXT_MAX || memchr(value, '\0', len) != NULL)
        return bad(r, line, "a value is longer than %d bytes or holds a NUL", TEXT_MAX - 1);
    if (event->data.scalar.anchor != NULL)
        return bad(r, line, "anchors are not allowed");
    int32_t at = 0;
    ns_status status = add_node(r, NODE_scalar, line, parent, &at);
    if (status != NS_OK)
        return status;
    memcpy(r->nodes[at].text, value, len);
    r->nodes[at].text[len] = '\0';
    r->nodes[at].quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return NS_OK;
}

static ns_status open_node(reader *r, const yaml_event_t *event, node_kind kind, int32_t *at, int *depth)
{
    size_t line = event->start_mark.line + 1;
    bool anchored =
        kind == NODE_map ? event->data.mapping_start.anchor != NULL : event->data.sequence_start.anchor != NULL;
    if (anchored)
        return bad(r, line, "anchors are not allowed");
    if (++*depth > NS_SCENARIO_DEPTH_MAX)
        return bad(r, line, "nested deeper than %d", NS_SCENARIO_DEPTH_MAX);
    return add_node(r, kind, line, *at, at);
}

/* One event into the tree; *done after the end of the stream. */
static ns_status take_event(reader *r, const yaml_event_t *event, int32_t *at, int *depth, int *documents, bool *done)
{
    size_t line = event->start_mark.line + 1;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return bad(r, line, "aliases are not allowed");
    case YAML_SCALAR_EVENT:
        return scalar_node(r, event, *at);
    case YAML_MAPPING_START_EVENT:
        return open_node(r, event, NODE_map, at, depth);
    case YAML_SEQUENCE_START_EVENT:
        return open_node(r, event, NODE_list, at, depth);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        --*depth;
        /* The root stays open: nothing may follow it but the document's end. */
        if (r->nodes[*at].parent >= 0)
            *at = r->nodes[*at].parent;
        return NS_OK;
    case YAML_DOCUMENT_START_EVENT:
        return ++*documents > 1 ? bad(r, line, "more than one document") : NS_OK;
    case YAML_STREAM_END_EVENT:
        *done = true;
        return NS_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return NS_OK;
}

static ns_status read_tree(reader *r)
{
    int32_t at = -1;
    int depth = 0, documents = 0;
    bool done = false;
    ns_status status = NS_OK;
    while (status == NS_OK && !done) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->yaml, &event)) {
            if (r->yaml.error == YAML_MEMORY_ERROR)
                return ns_fail(r->err, NS_NO_MEMORY, "%s: YAML", r->file);
            return bad(r, r->yaml.problem_mark.line + 1, "%s", r->yaml.problem == NULL ? "not YAML" : r->yaml.problem);
        }
        status = take_event(r, &event, &at, &depth, &documents, &done);
        yaml_event_delete(&event);
    }
    if (status == NS_OK && (r->count == 0 || r->nodes[0].kind != NODE_map))
        return bad(r, 1, "a scenario is a map of keys");
    return status;
}

/* ---- values ---- */

static ns_status read_number(const reader *r, const node *n, double low, double high, double *out)
{
    double value;
    if (n->kind != NODE_scalar || n->quoted || !ns_text_double(ns_text_of(n->text), &value) || !isfinite(value))
        return bad(r, n->line, "a number is expected here");
    if (value < low || value > high)
        return bad(r, n->line, "%s is outside %g..%g", n->text, low, high);
    *out = value;
    return NS_OK;
}

static ns_status read_name(const reader *r, const node *n, char *out, size_t size)
{
    size_t len = strlen(n->text);
    if (n->kind != NODE_scalar || len == 0)
        return bad(r, n->line, "a name is expected here");
    for (size_t i = 0; i < len; i++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", n->text[i]) == NULL)
            return bad(r, n->line, "a name has letters, digits, dot, dash and underscore only");
    if (len >= size)
        return bad(r, n->line, "a name has at most %zu characters", size - 1);
    memcpy(out, n->text, len + 1);
    return NS_OK;
}

typedef ns_status read_key(const reader *r, const char *key, const node *value, void *into);

/* Calls `each` for every key of a map; duplicates are refused here. */
static ns_status each_key(const reader *r, const node *map, read_key *each, void *into)
{
    if (map->kind != NODE_map)
        return bad(r, map->line, "a map of keys is expected here");
    for (int32_t k = map->first; k >= 0; k = r->nodes[r->nodes[k].next].next) {
        const node *key = &r->nodes[k];
        if (key->kind != NODE_scalar)
            return bad(r, key->line, "a key must be a word");
        for (int32_t e = map->first; e != k; e = r->nodes[r->nodes[e].next].next)
            if (strcmp(r->nodes[e].text, key->text) == 0)
                return bad(r, key->line, "%s is given twice", key->text);
        ns_status status = each(r, key->text, &r->nodes[key->next], into);
        if (status == NS_NOT_FOUND)
            return bad(r, key->line, "unknown key %s", key->text);
        if (status != NS_OK)
            return status;
    }
    return NS_OK;
}

/* A table of plain numbers; NS_NOT_FOUND when the key is not in it. */
typedef struct number_key {
    const char *key;
    size_t offset; /* of a double */
    double low, high;
} number_key;

static ns_status read_number_key(const reader *r, const number_key *keys, size_t count, const char *key,
                                 const node *value, void *into)
{
    double number = NAN;
    size_t i = 0;
    while (i < count && strcmp(keys[i].key, key) != 0)
        i++;
    if (i == count)
        return NS_NOT_FOUND;
    ns_status status = read_number(r, value, keys[i].low, keys[i].high, &number);
    if (status == NS_OK)
        memcpy((char *)into + keys[i].offset, &number, sizeof number);
    return status;
}

#define NUMBERS(table, r, key, value, into) read_number_key(r, table, NS_COUNT_OF(table), key, value, into)

static ns_status spread_key(const reader *r, const char *key, const node *value, void *into)
{
    static const number_key keys[] = {
        {"median", offsetof(ns_spread, median), 1e-6, 1e8},
        {"sigma", offsetof(ns_spread, sigma), 0, 5},
    };
    return NUMBERS(keys, r, key, value, into);
}

static ns_status read_spread(const reader *r, const node *value, ns_spread *out)
{
    return each_key(r, value, spread_key, out);
}

static ns_status cause_key(const reader *r, const char *key, const node *value, void *into)
{
    static const number_key keys[] = {
        {"weight", offsetof(ns_cause_scenario, weight), 0, 1e6},
        {"cluster_share", offsetof(ns_cause_scenario, cluster_share), 0, 1},
        {"heals_itself_share", offsetof(ns_cause_scenario, heals_itself_share), 0, 1},
    };
    ns_cause_scenario *cause = into;
    if (strcmp(key, "lasts_s") == 0)
        return read_spread(r, value, &cause->lasts_s);
    if (strcmp(key, "severity") == 0)
        return read_spread(r, value, &cause->severity);
    return NUMBERS(keys, r, key, value, into);
}

static bool parse_cause(const char *name, ns_cause *out)
{
    return ns_cause_parse(ns_text_of(name), out) && *out != NS_CAUSE_none;
}

static ns_status causes_key(const reader *r, const char *key, const node *value, void *into)
{
    ns_scenario *s = into;
    ns_cause cause;
    if (!parse_cause(key, &cause))
        return NS_NOT_FOUND;
    return each_key(r, value, cause_key, &s->cause[cause]);
}

static ns_status action_key(const reader *r, const char *key, const node *value, void *into)
{
    static const number_key keys[] = {{"cost", offsetof(ns_action_scenario, cost), 0, 1}};
    ns_action_scenario *action = into;
    if (strcmp(key, "duration_s") == 0)
        return read_spread(r, value, &action->duration_s);
    return NUMBERS(keys, r, key, value, into);
}

static ns_status actions_key(const reader *r, const char *key, const node *value, void *into)
{
    ns_scenario *s = into;
    ns_action action;
    if (!ns_action_parse(ns_text_of(key), &action))
        return NS_NOT_FOUND;
    return each_key(r, value, action_key, &s->action[action]);
}

static ns_status by_cause_key(const reader *r, const char *key, const node *value, void *into)
{
    ns_scenario *s = into;
    ns_cause cause;
    if (!parse_cause(key, &cause))
        return NS_NOT_FOUND;
    return read_number(r, value, 0.01, 100, &s->human.by_cause[cause]);
}

static ns_status human_key(const reader *r, const char *key, const node *value, void *into)
{
    ns_scenario *s = into;
    if (strcmp(key, "acknowledge_s") == 0)
        return read_spread(r, value, &s->human.acknowledge_s);
    if (strcmp(key, "diagnose_s") == 0)
        return read_spread(r, value, &s->human.diagnose_s);
    if (strcmp(key, "act_s") == 0)
        return read_spread(r, value, &s->human.act_s);
    if (strcmp(key, "success") == 0)
        return read_number(r, value, 0.01, 1, &s->human.success);
    if (strcmp(key, "by_cause") == 0)
        return each_key(r, value, by_cause_key, into);
    return NS_NOT_FOUND;
}

static ns_status read_delays(const reader *r, const node *list, ns_scenario *s)
{
    if (list->kind != NODE_list || list->first < 0)
        return bad(r, list->line, "a list of seconds is expected here");
    size_t n = 0;
    for (int32_t at = list->first; at >= 0; at = r->nodes[at].next) {
        if (n >= NS_RETRIES_MAX)
            return bad(r, r->nodes[at].line, "more than %d delays", NS_RETRIES_MAX);
        ns_status status = read_number(r, &r->nodes[at], 0, 1e6, &s->naive_retry.delay_s[n]);
        if (status != NS_OK)
            return status;
        n++;
    }
    for (; n < NS_RETRIES_MAX; n++)
        s->naive_retry.delay_s[n] = s->naive_retry.delay_s[n - 1];
    return NS_OK;
}

static ns_status retry_key(const reader *r, const char *key, const node *value, void *into)
{
    ns_scenario *s = into;
    if (strcmp(key, "delays_s") == 0)
        return read_delays(r, value, s);
    if (strcmp(key, "max") != 0)
        return NS_NOT_FOUND;
    double max = 0;
    ns_status status = read_number(r, value, 0, NS_RETRIES_MAX, &max);
    if (status == NS_OK && max != floor(max))
        return bad(r, value->line, "a whole number is expected here");
    if (status == NS_OK)
        s->naive_retry.max = (int32_t)max;
    return status;
}

static ns_status reward_key(const reader *r, const char *key, const node *value, void *into)
{
    static const number_key keys[] = {
        {"mttr_cap_s", offsetof(ns_scenario, reward.mttr_cap_s), 1, 1e8},
        {"cost_cap", offsetof(ns_scenario, reward.cost_cap), 1e-6, 1e6},
    };
    return NUMBERS(keys, r, key, value, into);
}

static const char *const split_names[] = {"train", "validation", "test"};

const char *ns_log_split_name(ns_log_split split)
{
    NS_CHECK((size_t)split < NS_COUNT_OF(split_names));
    return split_names[split];
}

static ns_status observation_key(const reader *r, const char *key, const node *value, void *into)
{
    static const number_key keys[] = {
        {"noise", offsetof(ns_scenario, observation.noise), 0, 100},
        {"missing_share", offsetof(ns_scenario, observation.missing_share), 0, 1},
    };
    ns_scenario *s = into;
    if (strcmp(key, "age_s") == 0)
        return read_spread(r, value, &s->observation.age_s);
    if (strcmp(key, "log_split") != 0)
        return NUMBERS(keys, r, key, value, into);
    for (size_t i = 0; i < NS_COUNT_OF(split_names); i++) {
        if (value->kind == NODE_scalar && strcmp(value->text, split_names[i]) == 0) {
            s->observation.log_split = (ns_log_split)i;
            return NS_OK;
        }
    }
    return bad(r, value->line, "log_split is train, validation or test");
}

static ns_status read_held_out(const reader *r, const node *list, ns_scenario *s)
{
    if (list->kind != NODE_list)
        return bad(r, list->line, "a list of causes is expected here");
    for (int32_t at = list->first; at >= 0; at = r->nodes[at].next) {
        const node *n = &r->nodes[at];
        ns_cause cause;
        if (n->kind != NODE_scalar || !parse_cause(n->text, &cause))
            return bad(r, n->line, "this is not a cause");
        if (s->held_out[cause])
            return bad(r, n->line, "%s is given twice", n->text);
        s->held_out[cause] = true;
    }
    return NS_OK;
}

static ns_status read_word(const reader *r, const node *n, const char *word, const char *what)
{
    if (n->kind != NODE_scalar || strcmp(n->text, word) != 0)
        return bad(r, n->line, "%s must be %s", what, word);
    return NS_OK;
}

static ns_status root_key(const reader *r, const char *key, const node *value, void *into)
{
    static const number_key keys[] = {
        {"step_s", offsetof(ns_scenario, step_s), 1, 3600},
        {"censor_s", offsetof(ns_scenario, censor_s), 60, 1e7},
        {"rate_per_day", offsetof(ns_scenario, rate_per_day), 0.01, 5000},
        {"control_share", offsetof(ns_scenario, control_share), 0, 1},
        {"double_fault_share", offsetof(ns_scenario, double_fault_share), 0, 1},
    };
    static const struct {
        const char *key;
        read_key *read;
    } maps[] = {
        {"causes", causes_key},     {"actions", actions_key}, {"human", human_key},
        {"naive_retry", retry_key}, {"reward", reward_key},   {"observation", observation_key},
    };
    ns_scenario *s = into;
    if (strcmp(key, "version") == 0)
        return read_word(r, value, "1", "version");
    if (strcmp(key, "services") == 0)
        return read_word(r, value, "sock_shop", "services");
    if (strcmp(key, "name") == 0)
        return read_name(r, value, s->name, sizeof s->name);
    if (strcmp(key, "held_out") == 0)
        return read_held_out(r, value, s);
    for (size_t i = 0; i < NS_COUNT_OF(maps); i++)
        if (strcmp(key, maps[i].key) == 0)
            return each_key(r, value, maps[i].read, into);
    return NUMBERS(keys, r, key, value, into);
}

/* ---- what holds for keys left out ---- */

static void set_defaults(ns_scenario *s)
{
    *s = (ns_scenario){.name = "unnamed",
                       .step_s = 30,
                       .censor_s = 14400,
                       .rate_per_day = 40,
                       .control_share = 0.3,
                       .human = {{240, 0.8}, {420, 0.8}, {120, 0.6}, .success = 0.95},
                       .naive_retry = {.max = 3, .delay_s = {0, 60, 300}},
                       .reward = {3600, 1.0},
                       .observation = {1.0, 0.02, {10, 0.5}, NS_SPLIT_train}};
    for (size_t i = 3; i < NS_RETRIES_MAX; i++)
        s->naive_retry.delay_s[i] = 300;
    for (size_t i = 0; i < NS_CAUSE_COUNT; i++) {
        s->human.by_cause[i] = 1.0;
        s->cause[i] = (ns_cause_scenario){.cluster_share = 0.5, .lasts_s = {1200, 0.9}, .severity = {0.5, 0.3}};
    }
    for (size_t i = 0; i < NS_ACTION_COUNT; i++)
        s->action[i] = (ns_action_scenario){{240, 0.4}, ns_action_facts_of((ns_action)i)->cost};
}

static ns_status check_whole(const reader *r, const ns_scenario *s)
{
    double weights = 0;
    for (size_t i = 0; i < NS_CAUSE_COUNT; i++)
        weights += s->cause[i].weight;
    if (weights <= 0 && s->control_share < 1)
        return bad(r, 1, "no cause has a weight; give one, or set control_share to 1");
    return NS_OK;
}

static ns_status read_scenario(reader *r, ns_text yaml, ns_scenario *out)
{
    if (!yaml_parser_initialize(&r->yaml))
        return ns_fail(r->err, NS_NO_MEMORY, "%s: YAML", r->file);
    yaml_parser_set_encoding(&r->yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->yaml, (const unsigned char *)(yaml.at == NULL ? "" : yaml.at), yaml.len);
    ns_scenario read;
    set_defaults(&read);
    ns_status status = read_tree(r);
    if (status == NS_OK)
        status = each_key(r, &r->nodes[0], root_key, &read);
    if (status == NS_OK)
        status = check_whole(r, &read);
    if (status == NS_OK)
        *out = read;
    yaml_parser_delete(&r->yaml);
    return status;
}

ns_status ns_scenario_read(const char *file, ns_text yaml, ns_scenario *out, ns_error *err)
{
    if (yaml.len > NS_SCENARIO_BYTES_MAX)
        return ns_fail(err, NS_TOO_LARGE, "%s: a scenario has at most %u bytes", file, NS_SCENARIO_BYTES_MAX);
    reader r = {.file = file, .err = err};
    ns_status status = read_scenario(&r, yaml, out);
    ns_free(r.nodes);
    return status;
}

ns_status ns_scenario_load(const char *path, ns_scenario *out, ns_error *err)
{
    ns_buf content;
    ns_buf_init(&content, NS_SCENARIO_BYTES_MAX);
    ns_status status = ns_file_read(path, NS_SCENARIO_BYTES_MAX, &content, err);
    if (status == NS_OK)
        status = ns_scenario_read(path, ns_buf_view(&content), out, err);
    ns_buf_clear(&content);
    return status;
}

ns_text ns_scenario_builtin_text(const char *name)
{
    for (size_t i = 0; i < NS_COUNT_OF(scenario_builtin); i++)
        if (strcmp(scenario_builtin[i].name, name) == 0)
            return (ns_text){(const char *)scenario_builtin[i].bytes, scenario_builtin[i].len};
    return (ns_text){NULL, 0};
}

ns_status ns_scenario_builtin(const char *name, ns_scenario *out, ns_error *err)
{
    ns_text text = ns_scenario_builtin_text(name);
    if (text.len == 0)
        return ns_fail(err, NS_NOT_FOUND, "there is no built-in scenario %s", name);
    return ns_scenario_read(name, text, out, err);
}

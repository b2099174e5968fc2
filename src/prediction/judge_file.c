/* judge.json: see judge.h. */
#include "prediction/judge.h"

#include "base/mem.h"
#include "prediction/template.h"
#include "wire/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, SCHEMA = 2 };

static const char *const mode_name[NS_JUDGE_MODES] = {"alone", "compared", "jenkins_alone", "jenkins_compared"};

static void put_triple(ns_json_writer *w, size_t a, double b, double c)
{
    ns_json_array(w);
    ns_json_put_int(w, (int64_t)a);
    ns_json_put_real(w, b);
    ns_json_put_real(w, c);
    ns_json_end_array(w);
}

static void put_head(ns_json_writer *w, const ns_judge_head *head)
{
    ns_json_object(w);
    ns_json_key(w, "stumps");
    ns_json_array(w);
    for (size_t i = 0; i < head->stumps; i++)
        put_triple(w, head->stump[i].feature, (double)head->stump[i].above, head->stump[i].gain);
    ns_json_end_array(w);
    ns_json_field_real(w, "stump_bias", head->stump_bias);
    ns_json_key(w, "linear");
    ns_json_array(w);
    for (size_t i = 0; i < NS_JUDGE_FEATURES; i++) {
        if (head->weight[i] == 0.0)
            continue;
        ns_json_array(w);
        ns_json_put_int(w, (int64_t)i);
        ns_json_put_real(w, head->weight[i]);
        ns_json_end_array(w);
    }
    ns_json_end_array(w);
    ns_json_field_real(w, "bias", head->bias);
    ns_json_field_real(w, "mix", head->mix);
    ns_json_field_real(w, "slope", head->slope);
    ns_json_field_real(w, "offset", head->offset);
    ns_json_field_real(w, "alarm", head->alarm);
    ns_json_end_object(w);
}

static void put_causes(ns_json_writer *w, const ns_judge *judge)
{
    ns_json_array(w);
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
        for (size_t i = 0; i < NS_LINE_RULES; i++)
            if (judge->cause[c][i] != 0.0F)
                put_triple(w, c, (double)i, (double)judge->cause[c][i]);
    ns_json_end_array(w);
}

static void put_heads(ns_json_writer *w, const ns_judge_head head[NS_JUDGE_MODES])
{
    ns_json_key(w, "heads");
    ns_json_object(w);
    for (size_t m = 0; m < NS_JUDGE_MODES; m++) {
        ns_json_key(w, mode_name[m]);
        put_head(w, &head[m]);
    }
    ns_json_end_object(w);
}

static void put_encoder(ns_json_writer *w, const ns_judge *judge)
{
    ns_json_key(w, "encoder");
    ns_json_object(w);
    ns_json_field_int(w, "features", NS_SUSPECT_FEATURES);
    ns_json_field_real(w, "cause", judge->encoder_cause);
    put_heads(w, judge->encoder_head);
    ns_json_end_object(w);
}

ns_status ns_judge_write(const char *folder, const ns_judge *judge, ns_error *err)
{
    ns_buf out, path;
    ns_json_writer w;
    char rules[17];
    ns_buf_init(&out, FILE_MAX);
    ns_buf_init(&path, 4096);
    (void)snprintf(rules, sizeof rules, "%016llx", (unsigned long long)ns_rules_version());
    ns_json_begin(&w, &out);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", SCHEMA);
    ns_json_field_int(&w, "templates", NS_TEMPLATE_VERSION);
    ns_json_field_string(&w, "rules", rules);
    put_heads(&w, judge->head);
    ns_json_key(&w, "cause");
    put_causes(&w, judge);
    if (judge->with_encoder)
        put_encoder(&w, judge);
    ns_json_end_object(&w);
    (void)ns_buf_char(&out, '\n');
    (void)ns_buf_printf(&path, "%s/%s", folder, NS_JUDGE_FILE);
    ns_status status = out.failed || path.failed
                           ? ns_fail(err, NS_NO_MEMORY, "%s/%s: no memory to write it", folder, NS_JUDGE_FILE)
                           : ns_file_replace(path.at, ns_buf_view(&out), 0644, err);
    ns_buf_clear(&out);
    ns_buf_clear(&path);
    return status;
}

/* True: json is [number in 0..below-1, number, ...] of n numbers, all finite. */
static bool row_of(const json_t *json, size_t n, size_t below, double out[3])
{
    if (!json_is_array(json) || json_array_size(json) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(json, i);
        if (!json_is_number(one) || !isfinite(out[i] = json_number_value(one)))
            return false;
    }
    return out[0] >= 0.0 && out[0] < (double)below && out[0] == floor(out[0]);
}

static bool number_of(const json_t *json, const char *key, double *out)
{
    const json_t *one = ns_json_at(json, key);
    if (!json_is_number(one))
        return false;
    *out = json_number_value(one);
    return isfinite(*out);
}

static bool take_stumps(const json_t *json, size_t features, ns_judge_head *out)
{
    double row[3];
    if (!json_is_array(json) || json_array_size(json) > NS_JUDGE_STUMPS_MAX)
        return false;
    out->stumps = json_array_size(json);
    for (size_t i = 0; i < out->stumps; i++) {
        if (!row_of(json_array_get(json, i), 3, features, row) || row[2] < 0.0)
            return false;
        out->stump[i] = (ns_judge_stump){(uint16_t)row[0], (float)row[1], row[2]};
    }
    return true;
}

static bool take_linear(const json_t *json, size_t features, ns_judge_head *out)
{
    double row[3];
    if (!json_is_array(json))
        return false;
    for (size_t i = 0; i < json_array_size(json); i++) {
        if (!row_of(json_array_get(json, i), 2, features, row) || row[1] < 0.0)
            return false;
        out->weight[(size_t)row[0]] = row[1];
    }
    return true;
}

/* features: how many there are for it. */
static bool take_head(const json_t *json, size_t features, ns_judge_head *out)
{
    memset(out, 0, sizeof *out);
    return take_stumps(ns_json_at(json, "stumps"), features, out) &&
           take_linear(ns_json_at(json, "linear"), features, out) && number_of(json, "stump_bias", &out->stump_bias) &&
           number_of(json, "bias", &out->bias) && number_of(json, "mix", &out->mix) &&
           number_of(json, "slope", &out->slope) && out->slope > 0.0 && number_of(json, "offset", &out->offset) &&
           number_of(json, "alarm", &out->alarm) && out->alarm > 0.0 && out->alarm <= 1.0;
}

static bool take_causes(const json_t *json, ns_judge *out)
{
    double row[3];
    if (!json_is_array(json))
        return false;
    for (size_t i = 0; i < json_array_size(json); i++) {
        if (!row_of(json_array_get(json, i), 3, NS_CAUSE_COUNT, row) || row[1] < 0.0 || row[1] >= (double)NS_LINE_RULES)
            return false;
        out->cause[(size_t)row[0]][(size_t)row[1]] = (float)row[2];
    }
    return true;
}

static ns_status take_heads(const char *path, const json_t *heads, size_t features, ns_judge_head out[NS_JUDGE_MODES],
                            ns_error *err)
{
    for (size_t m = 0; m < NS_JUDGE_MODES; m++)
        if (!take_head(ns_json_at(heads, mode_name[m]), features, &out[m]))
            return ns_fail(err, NS_BAD_INPUT, "%s: the head '%s' is missing or damaged", path, mode_name[m]);
    return NS_OK;
}

static ns_status take_encoder(const char *path, const json_t *json, ns_judge *out, ns_error *err)
{
    if (ns_json_int(json, "features", -1) != NS_SUSPECT_FEATURES || !number_of(json, "cause", &out->encoder_cause) ||
        out->encoder_cause < 0.0 || out->encoder_cause > 4.0)
        return ns_fail(err, NS_BAD_INPUT, "%s: what it has for an encoder is of another version; train it again", path);
    out->with_encoder = true;
    return take_heads(path, ns_json_at(json, "heads"), NS_JUDGE_FEATURES, out->encoder_head, err);
}

static ns_status take(const char *path, const json_t *json, ns_judge *out, ns_error *err)
{
    char rules[17];
    (void)snprintf(rules, sizeof rules, "%016llx", (unsigned long long)ns_rules_version());
    if (ns_json_int(json, "schema", -1) != SCHEMA || ns_json_int(json, "templates", -1) != NS_TEMPLATE_VERSION ||
        strcmp(ns_json_string(json, "rules", ""), rules) != 0)
        return ns_fail(err, NS_BAD_INPUT,
                       "%s: learnt for other features, templates or phrases than this program's; train it again", path);
    ns_status status = take_heads(path, ns_json_at(json, "heads"), NS_JUDGE_ENCODER, out->head, err);
    if (status != NS_OK)
        return status;
    if (!take_causes(ns_json_at(json, "cause"), out))
        return ns_fail(err, NS_BAD_INPUT, "%s: its weights of causes are damaged", path);
    const json_t *encoder = ns_json_at(json, "encoder");
    return encoder == NULL ? NS_OK : take_encoder(path, encoder, out, err);
}

ns_status ns_judge_parse(const char *path, ns_text text, ns_judge *out, ns_error *err)
{
    json_t *json = NULL;
    memset(out, 0, sizeof *out);
    ns_status status = ns_json_read(text, &json, err);
    if (status != NS_OK)
        return ns_fail_in(err, status, "%s", path);
    status = take(path, json, out, err);
    json_decref(json);
    return status;
}

ns_status ns_judge_read(const char *folder, ns_judge *out, ns_error *err)
{
    ns_buf file, path;
    ns_judge *judge = NS_NEW(ns_judge);
    if (judge == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s/%s: no memory", folder, NS_JUDGE_FILE);
    ns_buf_init(&file, FILE_MAX);
    ns_buf_init(&path, 4096);
    (void)ns_buf_printf(&path, "%s/%s", folder, NS_JUDGE_FILE);
    ns_status status = path.failed ? ns_fail(err, NS_TOO_LARGE, "model folder: its name is too long")
                                   : ns_file_read(path.at, FILE_MAX, &file, err);
    if (status == NS_OK)
        status = ns_judge_parse(path.at, ns_buf_view(&file), judge, err);
    if (status == NS_OK)
        *out = *judge;
    ns_free(judge);
    ns_buf_clear(&file);
    ns_buf_clear(&path);
    return status;
}

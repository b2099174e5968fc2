/* Both JSON readers on any bytes; what was read is written and must read back as the same. */
#include "base/mem.h"
#include "wire/json.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_value(ns_json_writer *w, json_t *value);

static void write_inside(ns_json_writer *w, json_t *value)
{
    const char *key;
    json_t *inner;
    size_t i;
    if (json_is_array(value)) {
        ns_json_array(w);
        json_array_foreach(value, i, inner) write_value(w, inner);
        ns_json_end_array(w);
        return;
    }
    ns_json_object(w);
    json_object_foreach(value, key, inner)
    {
        ns_json_key(w, key);
        write_value(w, inner);
    }
    ns_json_end_object(w);
}

static void write_value(ns_json_writer *w, json_t *value)
{
    if (json_is_array(value) || json_is_object(value))
        write_inside(w, value);
    else if (json_is_string(value))
        ns_json_put_text(w, (ns_text){json_string_value(value), json_string_length(value)});
    else if (json_is_integer(value))
        ns_json_put_int(w, json_integer_value(value));
    else if (json_is_real(value))
        ns_json_put_real(w, json_real_value(value));
    else if (json_is_boolean(value))
        ns_json_put_bool(w, json_is_true(value));
    else
        ns_json_put_null(w);
}

/* Like json_equal, but 5.0 is written as 5. */
static bool same(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *inner;
    size_t i;
    if (json_is_real(a))
        return json_is_number(b) && json_real_value(a) == json_number_value(b);
    if (json_is_array(a)) {
        bool all = json_array_size(a) == json_array_size(b);
        json_array_foreach(a, i, inner) all = all && same(inner, json_array_get(b, i));
        return all;
    }
    if (json_is_object(a)) {
        bool all = json_object_size(a) == json_object_size(b);
        json_object_foreach((json_t *)(uintptr_t)a, key, inner) all = all && same(inner, json_object_get(b, key));
        return all;
    }
    return json_equal(a, b) == 1;
}

static void round_trip(json_t *value, size_t size)
{
    ns_buf out;
    ns_json_writer w;
    json_t *back = NULL;
    ns_error err;
    ns_buf_init(&out, 64 * size + 4096);
    ns_json_begin(&w, &out);
    write_value(&w, value);
    NS_CHECK(!out.failed);
    NS_CHECK(ns_json_read(ns_buf_view(&out), &back, &err) == NS_OK);
    NS_CHECK(same(value, back));
    json_decref(back);
    ns_buf_clear(&out);
}

static void fetch(const json_t *value)
{
    ns_text text;
    (void)ns_json_string(value, "a", "");
    (void)ns_json_int(value, "a", -1);
    (void)ns_json_real(value, "a", 0);
    (void)ns_json_bool(value, "a", false);
    (void)ns_json_text(value, "a", &text);
}

/* Any bytes at all may be put as text, and come back repaired but readable. */
static void any_text(ns_text text)
{
    ns_buf out;
    ns_json_writer w;
    json_t *back = NULL;
    ns_error err;
    ns_buf_init(&out, 6 * text.len + 16);
    ns_json_begin(&w, &out);
    ns_json_put_text(&w, text);
    NS_CHECK(!out.failed && memchr(out.at, '<', out.len) == NULL);
    NS_CHECK(ns_json_read(ns_buf_view(&out), &back, &err) == NS_OK);
    json_decref(back);
    ns_buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ns_text text = {(const char *)data, size};
    json_t *strict = NULL, *lenient = NULL;
    ns_error err;
    size_t live = ns_mem_live();
    ns_status status = ns_json_read(text, &strict, &err);
    if (ns_json_read_lenient(text, &lenient, &err) == NS_OK) {
        round_trip(lenient, size);
        fetch(lenient);
    }
    NS_CHECK(status != NS_OK || json_equal(strict, lenient) == 1);
    json_decref(strict);
    json_decref(lenient);
    any_text(text);
    NS_CHECK(ns_mem_live() == live);
    return 0;
}

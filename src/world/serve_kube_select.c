/* Label and field selectors, as they come in queries. */
#include "world/serve_kube.h"

#include <stdio.h>
#include <string.h>

#define PART_MAX 256

static const char *skip_blanks(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

/* A word up to one of the stops; false: empty or too long. */
static bool word(const char **at, const char *stops, char *out)
{
    *at = skip_blanks(*at);
    size_t len = strcspn(*at, stops);
    while (len > 0 && (*at)[len - 1] == ' ')
        len--;
    if (len == 0 || len >= PART_MAX)
        return false;
    memcpy(out, *at, len);
    out[len] = '\0';
    *at = skip_blanks(*at + len);
    return true;
}

static bool operator_is(const char **at, const char *name)
{
    size_t len = strlen(name);
    if (strncmp(*at, name, len) != 0)
        return false;
    *at = skip_blanks(*at + len);
    return true;
}

/* "(a,b)": is the value among them? */
static bool in_list(const char **at, const char *value, bool *found)
{
    char item[PART_MAX];
    if (!operator_is(at, "("))
        return false;
    do {
        if (!word(at, ",) ", item))
            return false;
        *found = *found || (value != NULL && strcmp(item, value) == 0);
    } while (operator_is(at, ","));
    return operator_is(at, ")");
}

/* One requirement: key, !key, key=value, key==value, key!=value, key in (..), key notin (..). */
static bool requirement(const char **at, const json_t *labels, bool *holds)
{
    char key[PART_MAX], wanted[PART_MAX] = "";
    bool negated = operator_is(at, "!");
    if (!word(at, "=!, ()", key))
        return false;
    const char *value = json_string_value(json_object_get(labels, key));
    bool found = false;
    if (negated || **at == '\0' || **at == ',') {
        *holds = (value != NULL) != negated;
        return true;
    }
    if (operator_is(at, "notin")) {
        if (!in_list(at, value, &found))
            return false;
        *holds = !found;
        return true;
    }
    if (operator_is(at, "in")) {
        if (!in_list(at, value, &found))
            return false;
        *holds = found;
        return true;
    }
    bool differs = operator_is(at, "!=");
    if (!differs && !operator_is(at, "==") && !operator_is(at, "="))
        return false;
    if (**at != '\0' && **at != ',' && !word(at, ",=!() ", wanted))
        return false;
    *holds = (value != NULL && strcmp(value, wanted) == 0) != differs;
    return true;
}

bool ns_kube_labels_match(const char *selector, const json_t *labels, bool *match)
{
    const char *at = skip_blanks(selector);
    *match = true;
    while (*at != '\0') {
        bool holds = false;
        if (!requirement(&at, labels, &holds))
            return false;
        *match = *match && holds;
        if (*at != '\0' && !operator_is(&at, ","))
            return false;
    }
    return true;
}

/* "metadata.name" of an object; "" where there is no such text. */
static const char *field_of(const json_t *object, const char *path)
{
    char part[PART_MAX];
    const json_t *here = object;
    for (const char *at = path; *at != '\0' && here != NULL;) {
        size_t len = strcspn(at, ".");
        if (len == 0 || len >= sizeof part)
            return "";
        memcpy(part, at, len);
        part[len] = '\0';
        here = json_object_get(here, part);
        at += len + (at[len] == '.');
    }
    const char *text = json_string_value(here);
    return text == NULL ? "" : text;
}

bool ns_kube_fields_match(const char *selector, const json_t *object, bool *match)
{
    const char *at = skip_blanks(selector);
    *match = true;
    while (*at != '\0') {
        char path[PART_MAX], wanted[PART_MAX] = "";
        if (!word(&at, "=!,", path))
            return false;
        bool differs = operator_is(&at, "!=");
        if (!differs && !operator_is(&at, "==") && !operator_is(&at, "="))
            return false;
        if (*at != '\0' && *at != ',' && !word(&at, ",=!", wanted))
            return false;
        *match = *match && (strcmp(field_of(object, path), wanted) == 0) != differs;
        if (*at != '\0' && !operator_is(&at, ","))
            return false;
    }
    return true;
}

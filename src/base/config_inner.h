/* What the files of the configuration share. Private to base/config*.c. */
#ifndef NS_BASE_CONFIG_INNER_H
#define NS_BASE_CONFIG_INNER_H

#include "base/config.h"

#define NS_CONFIG_VALUE_MAX ((size_t)65536) /* bytes of one value */
#define NS_CONFIG_NAMES_MAX 1000            /* texts in one list */

typedef struct ns_config_value {
    char *text; /* NULL: not set */
    double number;
    int64_t integer;
    ns_layer layer;
    char *origin; /* NULL: "default" */
    char *file;   /* a secret's; NULL none */
    bool from_file;
} ns_config_value;

typedef struct ns_config_rows_of {
    char **cells; /* rows * field_count, NULL where not given */
    char **origins;
    size_t count;
} ns_config_rows_of;

struct ns_config {
    const ns_key *keys;
    size_t key_count;
    const ns_key_table *tables;
    size_t table_count;
    ns_config_value *values;
    ns_config_rows_of *rows;
};

/* Where a value stands. */
typedef struct ns_config_place {
    ns_layer layer;
    const char *origin; /* "./neuroshield.yaml:12" */
    const char *folder; /* that relative paths start from; NULL: the present one */
    bool from_file;     /* the value names a file that holds the secret */
} ns_config_place;

/* Checks the value (always) and keeps it (unless a stronger layer has spoken). */
ns_status ns_config_put(ns_config *config, size_t i, const ns_config_place *place, ns_text value, ns_error *err);

/* A value that fits its key: fills number and integer, and *kept with the text to keep. */
ns_status ns_config_check(const ns_key *key, const char *origin, ns_text value, ns_config_value *out, ns_error *err);

/* folder/path unless path is absolute; a heap copy, NULL: no memory. */
char *ns_config_resolve(const char *folder, ns_text path);

/* Edits (insert, delete, replace, swap neighbours) between two short names; large when one is longer than 63 bytes. */
size_t ns_edit_distance(ns_text a, ns_text b);
/* How many edits still look like a slip of the pen. */
size_t ns_edit_limit(size_t len);

#endif

/*
 * Configuration: one table of keys, five sources, and where every value came from.
 *
 * The caller hands in the table (key, environment name, type, default, range, secret, help). Values are read from
 * flags > environment > `.env` > YAML > defaults; a weaker source never replaces a stronger one, in whatever order they
 * are read. Each value remembers its origin: "flag --interval", "environment JENKINS_URL", "./.env:3",
 * "./neuroshield.yaml:12", "default".
 *
 * Everything wrong in a source is NS_BAD_USAGE with its file and line (or its flag or variable), also where a stronger
 * source has the last word. Values never appear in messages when their key is secret. An empty value in the
 * environment or `.env` means "not set"; in YAML `key:` means "not set" and `key: ""` is the empty text.
 *
 * A secret may stand in a file of its own: NAME_FILE in the environment or `.env`, `key_file` in YAML or as a flag's
 * key. The file's first line, without blanks at its ends, is the value. Paths in YAML are relative to the YAML file's
 * folder, all others to the present folder.
 *
 * One thread at a time. The tables are borrowed and must outlive the configuration.
 */
#ifndef NS_BASE_CONFIG_H
#define NS_BASE_CONFIG_H

#include "base/status.h"
#include "base/text.h"

/*
 * string: any text.  path: a file or folder.  word: one of `words`.  integer, real: within low..high.
 * duration: seconds; also 500ms 10s 5m 2h 1d.  bytes: also KiB MiB GiB.  boolean: true false yes no on off 1 0.
 * list: texts; a YAML sequence, or one text with commas.
 */
typedef enum ns_key_type {
    NS_KEY_string,
    NS_KEY_path,
    NS_KEY_word,
    NS_KEY_integer,
    NS_KEY_real,
    NS_KEY_duration,
    NS_KEY_bytes,
    NS_KEY_boolean,
    NS_KEY_list,
} ns_key_type;

typedef struct ns_key {
    const char *name;        /* "jenkins.url": dots are nesting in YAML */
    const char *environment; /* "JENKINS_URL"; NULL: not settable there */
    ns_key_type type;
    const char *otherwise; /* default, as it would be written; NULL: not set */
    double low, high;      /* of integer, real, duration, bytes; both included */
    const char *words;     /* of word: "observe|suggest|approve|auto" */
    bool secret;
    const char *help;
} ns_key;

/* A YAML sequence of mappings, as in `pipelines: [{name: a}, {name: b}]`. Types string and path only. */
typedef struct ns_key_table {
    const char *name; /* at the top level: "pipelines" */
    const ns_key *fields;
    size_t field_count; /* at most 16 */
    size_t max_rows;
    const char *required; /* name of the field that each row must have */
} ns_key_table;

/* From weakest to strongest. */
typedef enum ns_layer {
    NS_LAYER_default,
    NS_LAYER_yaml,
    NS_LAYER_dotenv,
    NS_LAYER_environment,
    NS_LAYER_flag
} ns_layer;

typedef struct ns_config ns_config;

#define NS_CONFIG_MAX_BYTES ((size_t)1 << 20) /* of a YAML or .env file */
#define NS_CONFIG_MAX_DEPTH 32                /* of nesting in YAML */

/* tables may be NULL. NS_NO_MEMORY. A default that does not fit its own key is our bug (NS_CHECK). */
NS_MUST_USE ns_status ns_config_new(const ns_key *keys, size_t key_count, const ns_key_table *tables,
                                    size_t table_count, ns_config **out, ns_error *err);
void ns_config_free(ns_config *config);

/* path is for messages and origins only. Several documents, aliases, anchors, tags, duplicate and unknown keys are
 * refused; for an unknown key the nearest known one is named. After a failure the configuration may only be freed. */
NS_MUST_USE ns_status ns_config_read_yaml(ns_config *config, const char *path, ns_text text, ns_error *err);

/* KEY=VALUE lines: `export `, quotes ('as is', "with \n \t \" \\ \$"), comments, CRLF. Names that are not in the table
 * are passed over: the file may be shared with other programs. */
NS_MUST_USE ns_status ns_config_read_dotenv(ns_config *config, const char *path, ns_text text, ns_error *err);

/* environment: "NAME=value" strings up to a NULL. */
NS_MUST_USE ns_status ns_config_read_environment(ns_config *config, char *const *environment, ns_error *err);

/* One value from a flag: origin "flag --interval" is made from flag "interval". key may be NAME or, for a secret,
 * NAME_file. An unknown key is our bug. */
NS_MUST_USE ns_status ns_config_set_flag(ns_config *config, const char *key, const char *flag, const char *value,
                                         ns_error *err);

/* Index of a key, or -1. */
ptrdiff_t ns_config_index(const ns_config *config, const char *key);
/* Value number i as text, as it was written (paths resolved, lists joined by '\n'); NULL: not set. */
const char *ns_config_text(const ns_config *config, size_t i);
/* integer, real, duration (seconds), bytes: NAN when not set. boolean: 0 or 1. word: its place in words, -1 not set. */
double ns_config_number(const ns_config *config, size_t i);
/* integer and bytes, exact; otherwise when not set. */
int64_t ns_config_integer(const ns_config *config, size_t i, int64_t otherwise);
/* The file that a secret was read from (path resolved); NULL: it was given as a value, or not at all. */
const char *ns_config_secret_file(const ns_config *config, size_t i);
const char *ns_config_origin(const ns_config *config, size_t i);
ns_layer ns_config_layer(const ns_config *config, size_t i);

size_t ns_config_rows(const ns_config *config, size_t table);
/* NULL: the row does not have this field. */
const char *ns_config_cell(const ns_config *config, size_t table, size_t row, size_t field);
/* "./neuroshield.yaml:12" */
const char *ns_config_row_origin(const ns_config *config, size_t table, size_t row);

/* The known name nearest to `wrong` (few edits away), or NULL: for "did you mean". */
typedef const char *ns_name_at(const void *names, size_t i);
const char *ns_nearest_name(const char *wrong, const void *names, size_t count, ns_name_at *name_at);

#endif

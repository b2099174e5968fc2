/*
 * How the plain structs of flow/ become columns of tables: one list per kind of row, from which everything follows.
 *
 * The same list packs a row compactly for the queue, binds it to an INSERT, names the columns of a SELECT and reads
 * them back. Missing is NULL in the database (-1, 0 or NAN in the struct, as the list says); enums are stored by name,
 * so that a list in flow/ may be reordered; the few arrays are blobs (see blobs.h). What is read back is not trusted:
 * unknown names, numbers out of range and texts that do not fit are NS_CORRUPT, never cut.
 *
 * Pure functions on the caller's memory; any thread.
 */
#ifndef NS_STORE_COLUMNS_H
#define NS_STORE_COLUMNS_H

#include "flow/store.h"
#include "store/blobs.h"

#include <sqlite3.h>

typedef enum ns_column_type {
    NS_COLUMN_i8,
    NS_COLUMN_i32,
    NS_COLUMN_u32,
    NS_COLUMN_i64,
    NS_COLUMN_bool,
    NS_COLUMN_real,
    NS_COLUMN_text,
    NS_COLUMN_enum,
    NS_COLUMN_blob
} ns_column_type;

typedef struct ns_column {
    const char *name;
    ns_column_type type;
    bool nullable;   /* integers: `unknown` is stored as NULL */
    int64_t unknown; /* the struct's word for missing */
    size_t offset;   /* in the row struct */
    size_t size;     /* of the field */
    const char *(*enum_name)(unsigned value);
    unsigned enum_count;
    const ns_blob *blob;
} ns_column;

/* What one table holds. */
typedef struct ns_table {
    const char *name;
    const ns_column *columns;
    size_t count;
    size_t row_size;      /* of the struct */
    const char *conflict; /* column(s) that make a second put an update; NULL: rows are appended */
    const char *created;  /* column that keeps the first value of `at_ms` through updates; NULL none */
    size_t id_offset;     /* where the store's id goes when a row is read; SIZE_MAX: the struct has none */
    const char *job;      /* columns that a query may ask for; NULL: this table has no such thing */
    const char *build;
    const char *case_id;
    const char *open; /* condition of `open_only` */
} ns_table;

/* Room for any row, packed or not. */
#define NS_ROW_BYTES_MAX 8192

typedef union ns_any_row {
    ns_record record;
    ns_build_row build;
    ns_log_row log;
    ns_prediction_row prediction;
    ns_decision_row decision;
    ns_case a_case;
    ns_effect_row effect;
    ns_audit_row audit;
    ns_revision_row revision;
    ns_label_row label;
    ns_scaling_row scaling;
} ns_any_row;

const ns_table *ns_table_of(ns_row_kind kind);

/* The struct inside *row, and the other way round. */
const void *ns_row_struct(const ns_row *row);
ns_row ns_row_of(ns_row_kind kind, const ns_any_row *any);

/* Number of bytes written to out (room >= NS_ROW_BYTES_MAX); only the meaningful part of texts and arrays. */
size_t ns_row_pack(const ns_table *table, const void *row, unsigned char *out);
/* The inverse, for bytes that ns_row_pack wrote. Returns the bytes used. */
size_t ns_row_unpack(const ns_table *table, const unsigned char *bytes, size_t len, void *row);

/* Binds column i of the list to parameter i+1. Returns SQLite's result code. */
NS_MUST_USE int ns_row_bind(const ns_table *table, const void *row, sqlite3_stmt *statement);

/* Reads the list from result columns first, first+1, ... *row is whole or NS_CORRUPT (message names table, column). */
NS_MUST_USE ns_status ns_row_read(const ns_table *table, sqlite3_stmt *statement, int first, void *row, ns_error *err);

/* "INSERT INTO ... ON CONFLICT ..." and "a, b, c", appended to out. */
void ns_table_insert_sql(const ns_table *table, ns_buf *out);
void ns_table_columns_sql(const ns_table *table, ns_buf *out);

#endif

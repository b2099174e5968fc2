/*
 * The CSV of `collect`: its columns (flow/record.h has the table), one row per record, and the file it grows in.
 *
 * File: UTF-8, comma, LF, RFC 4180 quoting; text cells that a spreadsheet would run get a leading apostrophe. Times as
 * 2026-11-23T22:40:01.123Z. A missing value is an empty field. All rows of one tick go out in one write() on a file
 * opened for appending, so that readers never see half a tick unless the disk is full.
 */
#ifndef NS_TELEMETRY_CSV_ROWS_H
#define NS_TELEMETRY_CSV_ROWS_H

#include "flow/record.h"

/* The header line, with its LF. Static. */
ns_text ns_csv_header(void);

/* Appends one row with its LF; look at out->failed. */
void ns_csv_row(ns_buf *out, const ns_record *record);

/* The first of the seed's eight columns that is missing in this record; NULL when all are filled. */
const char *ns_csv_seed_missing(const ns_record *record);

typedef struct ns_csv_file ns_csv_file;

typedef struct ns_csv_file_options {
    const char *path;     /* "-": standard output */
    bool sync;            /* wait until each tick's rows are on the disk */
    int64_t rotate_bytes; /* a file that would grow above this is renamed to path.1 (path.1 to path.2 ...); 0 never */
    int keep;             /* how many renamed files stay, 1..1000; used with rotate_bytes */
} ns_csv_file_options;

/*
 * Opens for appending, or creates the file (mode 0644) with the header. *mended (may be NULL) tells that the last line
 * had no LF, as after a crash, and got one.
 * NS_BAD_INPUT: the file has another header; it is left as it is. NS_IO, NS_NO_MEMORY.
 */
NS_MUST_USE ns_status ns_csv_file_open(const ns_csv_file_options *options, ns_csv_file **out, bool *mended,
                                       ns_error *err);

/* Appends the rows of one tick. NS_IO: none of them was written (a part was taken back where that is possible); the
 * file stays open, try again with the next tick. A file that was moved away is begun anew under its name. */
NS_MUST_USE ns_status ns_csv_file_put(ns_csv_file *file, const ns_record *records, size_t count, ns_error *err);

void ns_csv_file_close(ns_csv_file *file);

#endif

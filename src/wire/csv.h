/*
 * CSV as RFC 4180 writes it, LF or CRLF read, CRLF never written (one line per record, LF), safe against formula
 * injection: a text cell that a spreadsheet would run (starts with = + - @ tab or CR) gets a leading apostrophe.
 */
#ifndef NS_WIRE_CSV_H
#define NS_WIRE_CSV_H

#include "base/text.h"

/* Appends one cell; first tells whether a comma goes before it. Empty text = missing. */
void ns_csv_text(ns_buf *row, bool first, ns_text value);
void ns_csv_real(ns_buf *row, bool first, double value); /* NAN: missing; shortest form that reads back the same */
void ns_csv_int(ns_buf *row, bool first, int64_t value);
void ns_csv_end(ns_buf *row);

/* Takes one record off *rest: visit is called per cell (unquoted, in a scratch buffer). Returns false at the end.
 * NS_BAD_INPUT in *status: an unclosed quote or a quote inside an unquoted cell; the record is skipped. */
typedef void ns_csv_cell(void *owner, size_t column, ns_text cell);
bool ns_csv_record(ns_text *rest, ns_buf *scratch, ns_csv_cell *visit, void *owner, ns_status *status);

#endif

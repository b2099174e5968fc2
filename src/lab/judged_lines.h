/*
 * The lines that people judged, as templates of the table: labels that are not weak.
 */
#ifndef NS_LAB_JUDGED_LINES_H
#define NS_LAB_JUDGED_LINES_H

#include "lab/line_table.h"

/* told(owner, form, telling) for each judged line of log i that training sees. NS_IO, NS_BAD_INPUT (the log cannot be
 * read), NS_NO_MEMORY. */
typedef void ns_judged_told(void *owner, uint32_t form, bool telling);
NS_MUST_USE ns_status ns_judged_lines(const ns_line_table *table, size_t i, ns_judged_told *told, void *owner,
                                      ns_error *err);

#endif

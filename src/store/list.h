/*
 * Reading rows back in pages, through the loop's read-only connection.
 */
#ifndef NS_STORE_LIST_H
#define NS_STORE_LIST_H

#include "flow/store.h"

#include <sqlite3.h>

/* See ns_store.list. Every call has a statement of its own, so that a visitor may ask the store again. */
NS_MUST_USE ns_status ns_list_rows(sqlite3 *reader, const ns_row_query *query, ns_row_visit *visit, void *owner,
                                   ns_error *err);

/* See ns_store.log_offsets. */
NS_MUST_USE ns_status ns_list_growing_logs(sqlite3 *reader, ns_row_visit *visit, void *owner, ns_error *err);

#endif

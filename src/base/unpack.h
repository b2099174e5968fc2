/*
 * Log files, packed or not: plain, gzip (any number of members) and Zstandard (any number of frames).
 *
 * Which it is is told by the first bytes, never by the name: the same bytes give the same text whatever the file is
 * called.
 */
#ifndef NS_BASE_UNPACK_H
#define NS_BASE_UNPACK_H

#include "base/text.h"

#define NS_LOG_FILE_MAX ((size_t)512 << 20) /* a sensible ceiling of the unpacked text */

/* The unpacked text of a file; "-" is standard input. On failure out stays as it was. NS_IO (cannot be read),
 * NS_TOO_LARGE (the text is above the ceiling, packed bombs included), NS_BAD_INPUT (damaged or cut short),
 * NS_NO_MEMORY; messages begin with the path. */
NS_MUST_USE ns_status ns_log_file_read(const char *path, size_t ceiling, ns_buf *out, ns_error *err);

/* The same for bytes in memory (below 4 GiB); name is for messages. */
NS_MUST_USE ns_status ns_unpack(const char *name, ns_text packed, size_t ceiling, ns_buf *out, ns_error *err);

#endif

/* Server-sent events (WHATWG HTML, section 9.2): one event as bytes. data may hold line ends; event and id may not. */
#ifndef NS_WIRE_SSE_H
#define NS_WIRE_SSE_H

#include "base/text.h"

void ns_sse_event(ns_buf *out, uint64_t id, const char *event, ns_text data);
/* A comment line that keeps proxies from closing an idle stream. */
void ns_sse_comment(ns_buf *out, const char *text);

#endif

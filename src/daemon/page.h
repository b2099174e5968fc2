/*
 * The read-only page: plain HTML, one style sheet, one script, built into the program from src/daemon/page/.
 */
#ifndef NS_DAEMON_PAGE_H
#define NS_DAEMON_PAGE_H

#include "wire/http_server.h"

/* Answers "/", "/page.css" and "/page.js"; false (not answered) for every other path. */
bool ns_page_answer(ns_exchange *exchange, ns_text path);

#endif

#include "daemon/page.h"

#include "page_files.h" /* made by tools/embed.py from page/ */

static const struct {
    const char *path;
    const char *type;
    ns_text content;
} files[] = {
    {"/", "text/html; charset=utf-8", {index_html, sizeof index_html - 1}},
    {"/page.css", "text/css; charset=utf-8", {page_css, sizeof page_css - 1}},
    {"/page.js", "text/javascript; charset=utf-8", {page_js, sizeof page_js - 1}},
};

bool ns_page_answer(ns_exchange *exchange, ns_text path)
{
    for (size_t i = 0; i < NS_COUNT_OF(files); i++) {
        if (ns_text_is(path, files[i].path)) {
            ns_exchange_answer(exchange, 200, files[i].type, files[i].content);
            return true;
        }
    }
    return false;
}

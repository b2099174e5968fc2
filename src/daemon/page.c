#include "daemon/page.h"

#include "page_files.h" /* made by tools/embed.py from page/: index.html, page.css, page.js, build.js */

/* In the order in which src/daemon/meson.build names the files. */
static const struct {
    const char *path;
    const char *type;
} routes[] = {
    {"/", "text/html; charset=utf-8"},
    {"/page.css", "text/css; charset=utf-8"},
    {"/page.js", "text/javascript; charset=utf-8"},
    {"/build.js", "text/javascript; charset=utf-8"},
};
_Static_assert(NS_COUNT_OF(routes) == NS_COUNT_OF(page_files), "one route per embedded file");

bool ns_page_answer(ns_exchange *exchange, ns_text path)
{
    for (size_t i = 0; i < NS_COUNT_OF(routes); i++) {
        if (ns_text_is(path, routes[i].path)) {
            ns_exchange_answer(exchange, 200, routes[i].type,
                               (ns_text){(const char *)page_files[i].bytes, page_files[i].len});
            return true;
        }
    }
    return false;
}

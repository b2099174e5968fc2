#include "daemon/greens.h"

#include "prediction/shelf.h"

enum { BUILDS_LOOKED_AT = 30, LOG_BYTES = 4 << 20 };

typedef struct found_greens {
    int64_t build[NS_SHELF_GREENS];
    size_t count;
} found_greens;

static bool take_green(void *owner, const ns_row *row, int64_t cursor)
{
    (void)cursor;
    found_greens *found = owner;
    const ns_build *build = &row->of.build->build;
    if (!build->running && build->result == NS_BUILD_SUCCESS)
        found->build[found->count++] = build->number;
    return found->count < NS_SHELF_GREENS;
}

void ns_greens_restore(ns_house *house, const ns_pipeline_view *view, ns_track *track)
{
    if (track->greens_restored)
        return;
    track->greens_restored = true;
    ns_row_query query = {.kind = NS_ROW_build, .jenkins_job = view->jenkins_job, .limit = BUILDS_LOOKED_AT};
    found_greens found = {.count = 0};
    ns_buf text[NS_SHELF_GREENS];
    ns_text logs[NS_SHELF_GREENS];
    size_t n = 0;
    ns_error err;
    if (house->store.list(house->store.self, &query, take_green, &found, &err) != NS_OK)
        return; /* as if there were none; the store's trouble is told elsewhere */
    for (size_t i = 0; i < found.count; i++) {
        int64_t total = 0;
        ns_buf_init(&text[n], LOG_BYTES + 4);
        if (house->store.log_text(house->store.self, view->jenkins_job, found.build[i], 0, LOG_BYTES, &text[n], &total,
                                  &err) != NS_OK) {
            ns_buf_clear(&text[n]);
            continue;
        }
        logs[n] = ns_buf_view(&text[n]);
        n++;
    }
    if (n > 0)
        ns_scorer_references(house->scorer, view->jenkins_job, logs, n);
    while (n > 0)
        ns_buf_clear(&text[--n]);
}

void ns_greens_note(ns_house *house, const ns_pipeline_view *view, ns_track *track)
{
    for (ns_build_entry *entry = track->builds; entry != NULL; entry = entry->next) {
        if (entry->green_told || !entry->final || entry->finished_ms < 0)
            continue;
        const ns_build *build = ns_pipeline_build(view, entry->number);
        if (build == NULL || build->running)
            continue;
        entry->green_told = true;
        if (build->result == NS_BUILD_SUCCESS)
            ns_scorer_green(house->scorer, view->jenkins_job, entry->number);
    }
}

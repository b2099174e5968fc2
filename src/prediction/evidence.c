#include "prediction/evidence.h"

#include <string.h>

static void copy_text(char out[NS_EVIDENCE_TEXT_MAX], ns_text line)
{
    size_t n = 0;
    for (size_t i = 0; i < line.len;) {
        size_t length = ns_utf8_sequence((ns_text){line.at + i, line.len - i});
        size_t step = length == 0 ? 1 : length;
        if (n + step >= NS_EVIDENCE_TEXT_MAX)
            break;
        if (length == 0)
            out[n] = '?';
        else
            memcpy(&out[n], line.at + i, length);
        n += step;
        i += step;
    }
    out[n] = '\0';
}

void ns_evidence_keep(ns_evidence_list *list, ns_text line, int64_t number, double weight, bool is_new)
{
    size_t at = list->count;
    while (at > 0 && list->at[at - 1].weight < weight)
        at--;
    if (at == NS_EVIDENCE_MAX)
        return;
    size_t kept = list->count < NS_EVIDENCE_MAX ? list->count : NS_EVIDENCE_MAX - 1;
    memmove(&list->at[at + 1], &list->at[at], (kept - at) * sizeof list->at[0]);
    list->count = kept + 1;
    ns_evidence *one = &list->at[at];
    *one = (ns_evidence){.line = number, .weight = weight, .is_new = is_new};
    copy_text(one->text, line);
}

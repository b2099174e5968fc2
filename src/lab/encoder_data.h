/*
 * From a table of lines to what an encoder learns from: running text for the masked-language task, and labelled
 * windows.
 *
 * Text: the templates of each log in the order in which they were first met, each template once in the whole corpus,
 * `[CLS] line [SEP] line [SEP] ...` up to the longest sequence. Windows: one line with its neighbours
 * (window_tokens.h); neighbours are the templates met before it in that log.
 */
#ifndef NS_LAB_ENCODER_DATA_H
#define NS_LAB_ENCODER_DATA_H

#include "lab/line_table.h"
#include "lab/sequences.h"
#include "prediction/line_scorer.h"
#include "prediction/window_tokens.h"

/* Adds the logs that `use` (logs of the table; NULL all) names. */
NS_MUST_USE ns_status ns_masked_text(const ns_line_table *table, const bool *use, const ns_wordpiece *wordpiece,
                                     size_t longest, ns_sequences *out, ns_error *err);

typedef struct ns_window_mix {
    size_t per_failing; /* windows of one failing log at most */
    double top_share;   /* of them, the lines that a rule or the line scorer suspects most; the others by chance */
    double against;     /* windows that speak against failing, as a multiple of those that speak for it */
    double hard_share;  /* of them, the most suspicious lines of green logs */
    uint64_t seed;
} ns_window_mix;

/* Windows, and beside each how suspicious its line was without an encoder. */
typedef struct ns_window_list {
    ns_sequences windows;
    float *suspicion; /* (windows.count) */
    size_t room, speak_for;
} ns_window_list;

void ns_window_list_init(ns_window_list *list, size_t ceiling);
void ns_window_list_clear(ns_window_list *list);

/*
 * Labelled windows of the logs in use, added to *out. For: templates of failing logs that no green log of their project
 * has, weight 1/sqrt(windows of the log), with the log's cause where it is known; the line where the fault became
 * visible counts several times, and the cause is learnt from it before all. Against: templates of green logs.
 * scores: the line scorer's, (forms, heads), to find what is hard; NULL: by rules alone. NS_BAD_INPUT: no window speaks
 * for, or none against failing.
 */
NS_MUST_USE ns_status ns_labelled_windows(const ns_line_table *table, const bool *use, const float *scores,
                                          const ns_wordpiece *wordpiece, const ns_window_mix *mix, ns_window_list *out,
                                          ns_error *err);

#endif

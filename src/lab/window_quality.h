/*
 * How well an encoder tells windows apart, beside what was known without it.
 */
#ifndef NS_LAB_WINDOW_QUALITY_H
#define NS_LAB_WINDOW_QUALITY_H

#include "lab/encoder_data.h"

typedef struct ns_window_quality {
    size_t windows, speak_for;
    double auc;           /* of the encoder's log-odds: chance that one that speaks for failing is above one that does
                             not; NAN: not measured */
    double suspicion_auc; /* of the suspicion beside the windows */
    double together_auc;  /* of both, standardised and added */
    double cause_right;   /* share of windows with a known cause whose most likely cause it is; NAN */
} ns_window_quality;

ns_window_quality ns_window_quality_none(void);

/* params: all parts. An empty list is no measurement. NS_NO_MEMORY, NS_IO. */
NS_MUST_USE ns_status ns_window_quality_of(const ns_encoder_params *params, const ns_window_list *list, size_t threads,
                                           ns_window_quality *out, ns_error *err);

#endif

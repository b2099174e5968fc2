#include "prediction/window_encoder.h"

#include "base/mem.h"
#include "prediction/window_tokens.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ROUND = 16, LABELS = 1 + NS_CAUSE_COUNT }; /* windows read at once */
#define LOGIT_MOST 30.0F                          /* beyond it nothing is left to tell apart */

typedef struct window_encoder {
    ns_encoder *encoder;
    ns_wordpiece *wordpiece;
    ns_window_marks marks;
    int32_t ids[ROUND * NS_WINDOW_TOKENS];
    size_t starts[ROUND + 1];
    float logits[ROUND * LABELS];
} window_encoder;

bool ns_window_encoder_is_in(const char *folder)
{
    char path[4200];
    return snprintf(path, sizeof path, "%s/config.json", folder) < (int)sizeof path && access(path, F_OK) == 0;
}

/* Weights are finite, what comes of them need not be: then the window says nothing. */
static float within(float logit)
{
    return isfinite(logit) ? fmaxf(-LOGIT_MOST, fminf(LOGIT_MOST, logit)) : 0.0F;
}

static void answer(window_encoder *w, size_t i, ns_window_answer *out)
{
    float *logits = w->logits + i * LABELS;
    float most = -LOGIT_MOST, sum = 0;
    for (size_t k = 0; k < LABELS; k++)
        logits[k] = within(logits[k]);
    out->logit = logits[0];
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
        most = fmaxf(most, logits[1 + c]);
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++) {
        out->cause[c] = expf(logits[1 + c] - most);
        sum += out->cause[c];
    }
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
        out->cause[c] /= sum;
}

static void prepare(void *self, const ns_window *window, ns_window_ids *out)
{
    const window_encoder *w = self;
    const size_t room = ns_encoder_shape(w->encoder)->positions;
    out->count = ns_window_tokens(w->wordpiece, &w->marks, window, out->at, room);
}

static void read_windows(void *self, const ns_window_ids *const *windows, size_t n, ns_window_answer *out)
{
    window_encoder *w = self;
    for (size_t done = 0; done < n;) {
        const size_t now = n - done < ROUND ? n - done : ROUND;
        size_t used = 0;
        for (size_t i = 0; i < now; i++) {
            const ns_window_ids *window = windows[done + i];
            w->starts[i] = used;
            memcpy(w->ids + used, window->at, window->count * sizeof *w->ids);
            used += window->count;
        }
        w->starts[now] = used;
        const ns_windows tokens = {w->ids, NULL, w->starts, now};
        /* Cannot fail: the vocabulary was checked against the embedding, and a window always has its marks. */
        NS_CHECK(ns_encoder_run(w->encoder, &tokens, &(ns_encoded){.logits = w->logits}, NULL) == NS_OK);
        for (size_t i = 0; i < now; i++)
            answer(w, i, &out[done + i]);
        done += now;
    }
}

static void free_all(void *self)
{
    window_encoder *w = self;
    if (w == NULL)
        return;
    ns_encoder_free(w->encoder);
    ns_wordpiece_free(w->wordpiece);
    ns_free(w);
}

/* The parts fit each other. */
static ns_status check(const window_encoder *w, const char *folder, ns_error *err)
{
    const ns_encoder_config *shape = ns_encoder_shape(w->encoder);
    if (!ns_encoder_has_head(w->encoder) || shape->labels != LABELS)
        return ns_fail(err, NS_BAD_INPUT,
                       "%s: the encoder has %zu labels, a reader of log lines has %d (one for evidence"
                       " and one for each cause)",
                       folder, ns_encoder_has_head(w->encoder) ? shape->labels : 0, (int)LABELS);
    if (ns_wordpiece_size(w->wordpiece) != shape->vocabulary)
        return ns_fail(err, NS_BAD_INPUT, "%s: the vocabulary has %zu pieces, the encoder knows %zu", folder,
                       ns_wordpiece_size(w->wordpiece), shape->vocabulary);
    if (shape->positions < 8)
        return ns_fail(err, NS_BAD_INPUT, "%s: an encoder of %zu positions; windows need at least 8", folder,
                       shape->positions);
    return NS_OK;
}

ns_status ns_window_encoder_open(const char *folder, ns_code_path path, size_t threads, ns_window_reader *out,
                                 ns_error *err)
{
    window_encoder *w = NS_NEW(window_encoder);
    if (w == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for a reader", folder);
    ns_status status = ns_encoder_open(folder, &(ns_encoder_options){path, threads, 0}, &w->encoder, err);
    if (status == NS_OK)
        status = ns_wordpiece_load(folder, &w->wordpiece, err);
    if (status == NS_OK)
        status = ns_window_marks_of(w->wordpiece, &w->marks, err);
    if (status == NS_OK)
        status = check(w, folder, err);
    if (status != NS_OK) {
        free_all(w);
        return status;
    }
    *out = (ns_window_reader){w, path, prepare, read_windows, free_all};
    return NS_OK;
}

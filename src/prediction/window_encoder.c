#include "prediction/window_encoder.h"

#include "base/mem.h"
#include "prediction/window_tokens.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ROUND = 16, LABELS = 1 + NS_CAUSE_COUNT }; /* windows read at once */

typedef struct window_encoder {
    ns_encoder *encoder;
    ns_wordpiece *wordpiece;
    ns_window_marks marks;
    size_t channels;
    int32_t ids[ROUND * NS_WINDOW_TOKENS];
    size_t starts[ROUND + 1];
    float logits[ROUND * LABELS];
    float *first; /* (ROUND, channels) */
} window_encoder;

bool ns_window_encoder_is_in(const char *folder)
{
    char path[4200];
    return snprintf(path, sizeof path, "%s/config.json", folder) < (int)sizeof path && access(path, F_OK) == 0;
}

static void answer(const window_encoder *w, size_t i, ns_window_answer *out)
{
    const float *logits = w->logits + i * LABELS;
    float most = logits[1], sum = 0;
    out->logit = logits[0];
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
        most = fmaxf(most, logits[1 + c]);
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++) {
        out->cause[c] = expf(logits[1 + c] - most);
        sum += out->cause[c];
    }
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
        out->cause[c] /= sum;
    memcpy(out->vector, w->first + i * w->channels, w->channels * sizeof *out->vector);
}

static void read_windows(void *self, const ns_window *windows, size_t n, ns_window_answer *out)
{
    window_encoder *w = self;
    const size_t room = ns_encoder_shape(w->encoder)->positions;
    for (size_t done = 0; done < n;) {
        const size_t now = n - done < ROUND ? n - done : ROUND;
        size_t used = 0;
        for (size_t i = 0; i < now; i++) {
            const ns_window *window = &windows[done + i];
            w->starts[i] = used;
            used += ns_window_tokens(w->wordpiece, &w->marks, window->lines, window->count, window->centre,
                                     w->ids + used, room < NS_WINDOW_TOKENS ? room : NS_WINDOW_TOKENS);
        }
        w->starts[now] = used;
        const ns_windows tokens = {w->ids, NULL, w->starts, now};
        /* Cannot fail: the vocabulary was checked against the embedding, and a window always has its marks. */
        NS_CHECK(ns_encoder_run(w->encoder, &tokens, &(ns_encoded){.first = w->first, .logits = w->logits}, NULL) ==
                 NS_OK);
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
    ns_free(w->first);
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
    if (ns_wordpiece_size(w->wordpiece) > shape->vocabulary)
        return ns_fail(err, NS_BAD_INPUT, "%s: the vocabulary has %zu pieces, the encoder knows %zu", folder,
                       ns_wordpiece_size(w->wordpiece), shape->vocabulary);
    if (shape->channels > NS_WINDOW_VECTOR_MAX || shape->positions < 8)
        return ns_fail(err, NS_BAD_INPUT, "%s: an encoder of %zu channels and %zu positions; at most %d and at least 8",
                       folder, shape->channels, shape->positions, (int)NS_WINDOW_VECTOR_MAX);
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
    if (status == NS_OK) {
        w->channels = ns_encoder_shape(w->encoder)->channels;
        w->first = NS_NEW_ARRAY(float, ROUND * w->channels);
        if (w->first == NULL)
            status = ns_fail(err, NS_NO_MEMORY, "%s: no memory for a reader", folder);
    }
    if (status != NS_OK) {
        free_all(w);
        return status;
    }
    *out = (ns_window_reader){w, path, w->channels, read_windows, free_all};
    return NS_OK;
}

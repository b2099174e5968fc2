#include "prediction/word_watch.h"

#include "base/mem.h"

typedef struct watch {
    ns_predictor inner;
    ns_known_words words;
} watch;

struct ns_reading {
    ns_reading *inner;
    ns_word_count count;
};

static void watch_end(void *self, ns_reading *reading)
{
    watch *w = self;
    if (reading == NULL)
        return;
    w->inner.end(w->inner.self, reading->inner);
    ns_free(reading);
}

static ns_reading *watch_begin(void *self, const ns_sketch *const *references, size_t reference_count)
{
    watch *w = self;
    ns_reading *reading = NS_NEW(ns_reading);
    if (reading == NULL)
        return NULL;
    reading->inner = w->inner.begin(w->inner.self, references, reference_count);
    if (reading->inner == NULL) {
        ns_free(reading);
        return NULL;
    }
    return reading;
}

static ns_status watch_feed(void *self, ns_reading *reading, ns_text text)
{
    watch *w = self;
    ns_known_words_count(&w->words, &reading->count, text);
    return w->inner.feed(w->inner.self, reading->inner, text);
}

static void watch_score(void *self, const ns_reading *reading, ns_prediction *out)
{
    watch *w = self;
    w->inner.score(w->inner.self, reading->inner, out);
    out->words = reading->count.words;
    out->unknown_words = reading->count.unknown;
}

static void watch_free(void *self)
{
    watch *w = self;
    if (w == NULL)
        return;
    w->inner.free(w->inner.self);
    ns_known_words_clear(&w->words);
    ns_free(w);
}

ns_status ns_word_watch_around(ns_predictor *predictor, ns_known_words *words, ns_error *err)
{
    watch *w = NS_NEW(watch);
    if (w == NULL) {
        predictor->free(predictor->self);
        ns_known_words_clear(words);
        return ns_fail(err, NS_NO_MEMORY, "no memory to count unknown words");
    }
    *w = (watch){.inner = *predictor, .words = *words};
    words->bits = NULL;
    predictor->self = w;
    predictor->begin = watch_begin;
    predictor->feed = watch_feed;
    predictor->score = watch_score;
    predictor->end = watch_end;
    predictor->free = watch_free;
    return NS_OK;
}

#include "daemon/feed.h"

#include "base/mem.h"
#include "wire/sse.h"

enum { EVENT_CEILING = 256 * 1024, KEPT_BYTES_CEILING = 8 * 1024 * 1024 };

typedef struct subscriber {
    struct subscriber *next;
    ns_feed *feed;
    ns_exchange *exchange;
} subscriber;

struct ns_feed {
    char *kept[NS_FEED_KEPT]; /* formatted event of id i at i % NS_FEED_KEPT; NULL: dropped */
    size_t kept_len[NS_FEED_KEPT];
    size_t kept_bytes;
    uint64_t last_id;   /* 0: none yet */
    uint64_t oldest_id; /* the oldest that may still be kept */
    subscriber *first;
    size_t subscribers;
};

static const char *const kind_names[] = {
#define EVENT_NAME(name) #name,
    NS_FEED_MAP(EVENT_NAME)
#undef EVENT_NAME
};

ns_feed *ns_feed_new(void)
{
    ns_feed *feed = NS_NEW(ns_feed);
    if (feed != NULL)
        feed->oldest_id = 1;
    return feed;
}

static void forget_oldest(ns_feed *feed)
{
    size_t slot = feed->oldest_id % NS_FEED_KEPT;
    ns_free(feed->kept[slot]);
    feed->kept[slot] = NULL;
    feed->kept_bytes -= feed->kept_len[slot];
    feed->kept_len[slot] = 0;
    feed->oldest_id++;
}

static void unlink_subscriber(subscriber *gone)
{
    ns_feed *feed = gone->feed;
    for (subscriber **at = &feed->first; *at != NULL; at = &(*at)->next) {
        if (*at == gone) {
            *at = gone->next;
            feed->subscribers--;
            break;
        }
    }
    ns_free(gone);
}

static void client_gone(void *owner, ns_exchange *exchange)
{
    (void)exchange;
    unlink_subscriber(owner);
}

void ns_feed_free(ns_feed *feed)
{
    if (feed == NULL)
        return;
    while (feed->first != NULL) {
        ns_exchange *exchange = feed->first->exchange;
        unlink_subscriber(feed->first);
        ns_exchange_end(exchange);
    }
    while (feed->oldest_id <= feed->last_id)
        forget_oldest(feed);
    ns_free(feed);
}

/* Sends to all; a client that does not read is ended rather than waited for. */
static void send_to_all(ns_feed *feed, ns_text bytes)
{
    for (subscriber *s = feed->first; s != NULL;) {
        subscriber *next = s->next;
        if (ns_exchange_chunk(s->exchange, bytes) != NS_OK) {
            ns_exchange *exchange = s->exchange;
            unlink_subscriber(s);
            ns_exchange_end(exchange);
        }
        s = next;
    }
}

void ns_feed_publish(ns_feed *feed, ns_feed_kind kind, ns_text data)
{
    uint64_t id = ++feed->last_id;
    while (id - feed->oldest_id >= NS_FEED_KEPT || (feed->kept_bytes > KEPT_BYTES_CEILING && feed->oldest_id < id))
        forget_oldest(feed);
    ns_buf bytes;
    ns_buf_init(&bytes, EVENT_CEILING);
    ns_sse_event(&bytes, id, kind_names[kind], data);
    if (bytes.failed) {
        ns_buf_clear(&bytes);
        return;
    }
    send_to_all(feed, ns_buf_view(&bytes));
    size_t slot = id % NS_FEED_KEPT;
    feed->kept[slot] = bytes.at; /* ownership moves */
    feed->kept_len[slot] = bytes.len;
    feed->kept_bytes += bytes.len;
}

void ns_feed_subscribe(ns_feed *feed, ns_exchange *exchange, int64_t last_id)
{
    subscriber *s = NS_NEW(subscriber);
    if (s == NULL) {
        ns_exchange_answer(exchange, 503, "text/plain", NS_TEXT("no memory for one more stream\n"));
        return;
    }
    *s = (subscriber){.next = feed->first, .feed = feed, .exchange = exchange};
    if (ns_exchange_begin(exchange, 200, "text/event-stream", true, client_gone, s) != NS_OK) {
        ns_free(s);
        ns_exchange_answer(exchange, 503, "text/plain", NS_TEXT("too many event streams are open\n"));
        return;
    }
    feed->first = s;
    feed->subscribers++;
    uint64_t from = last_id < 0 ? feed->last_id + 1 : (uint64_t)last_id + 1;
    if (from < feed->oldest_id)
        from = feed->oldest_id;
    ns_status status = ns_exchange_chunk(exchange, NS_TEXT(": NeuroShield events\n\n"));
    for (uint64_t id = from; id <= feed->last_id && status == NS_OK; id++) {
        size_t slot = id % NS_FEED_KEPT;
        if (feed->kept[slot] != NULL)
            status = ns_exchange_chunk(exchange, (ns_text){feed->kept[slot], feed->kept_len[slot]});
    }
    if (status != NS_OK) {
        unlink_subscriber(s);
        ns_exchange_end(exchange);
    }
}

void ns_feed_keep_alive(ns_feed *feed)
{
    send_to_all(feed, NS_TEXT(": still here\n\n"));
}

size_t ns_feed_subscribers(const ns_feed *feed)
{
    return feed->subscribers;
}

uint64_t ns_feed_last_id(const ns_feed *feed)
{
    return feed->last_id;
}

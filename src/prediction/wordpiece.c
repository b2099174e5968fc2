#include "prediction/wordpiece.h"

#include "base/mem.h"
#include "prediction/trie.h"
#include "prediction/wordpiece_inside.h"

#include <stdlib.h>
#include <string.h>

struct ns_wordpiece {
    ns_bert_rules rules;
    ns_trie trie;
    int32_t inner; /* the node behind "##"; -1 when no piece begins so */
    int32_t unknown;
    size_t size;
    ns_text *pieces; /* (size) views into bytes */
    char *bytes;
};

void ns_wordpiece_free(ns_wordpiece *wordpiece)
{
    if (wordpiece == NULL)
        return;
    ns_trie_clear(&wordpiece->trie);
    ns_free(wordpiece->pieces);
    ns_free(wordpiece->bytes);
    ns_free(wordpiece);
}

/* ---- making ---- */

static int compare(ns_text a, ns_text b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.at, b.at, common);
    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

static int by_piece(const void *a, const void *b, void *pieces)
{
    const ns_text *all = pieces;
    return compare(all[*(const int32_t *)a], all[*(const int32_t *)b]);
}

static bool well_formed(ns_text text)
{
    for (size_t at = 0, n; at < text.len; at += n)
        if ((n = ns_utf8_sequence((ns_text){text.at + at, text.len - at})) == 0)
            return false;
    return true;
}

/* Own copies of all pieces, in one block. */
static ns_status copy_pieces(const char *name, ns_wordpiece *to, const ns_text *pieces, ns_error *err)
{
    size_t total = 1;
    for (size_t i = 0; i < to->size; i++)
        total += pieces[i].len;
    to->bytes = ns_alloc(1, total);
    to->pieces = NS_NEW_ARRAY(ns_text, to->size);
    if (to->bytes == NULL || to->pieces == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for %zu pieces", name, to->size);
    size_t at = 0;
    for (size_t i = 0; i < to->size; i++) {
        if (!well_formed(pieces[i]))
            return ns_fail(err, NS_BAD_INPUT, "%s: piece %zu is not UTF-8", name, i);
        if (pieces[i].len > 0)
            memcpy(to->bytes + at, pieces[i].at, pieces[i].len);
        to->pieces[i] = (ns_text){to->bytes + at, pieces[i].len};
        at += pieces[i].len;
    }
    return NS_OK;
}

/* Sorted, checked for twins, and into the trie. An empty piece has a number but matches nothing. */
static ns_status index_pieces(const char *name, ns_wordpiece *to, int32_t *order, ns_text *keys, ns_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < to->size; i++)
        if (to->pieces[i].len > 0)
            order[n++] = (int32_t)i;
    qsort_r(order, n, sizeof order[0], by_piece, to->pieces);
    for (size_t i = 0; i < n; i++) {
        keys[i] = to->pieces[order[i]];
        if (i > 0 && ns_text_same(keys[i - 1], keys[i]))
            return ns_fail(err, NS_BAD_INPUT, "%s: pieces %d and %d are both \"%.*s\"", name, (int)order[i - 1],
                           (int)order[i], (int)(keys[i].len < 100 ? keys[i].len : 100), keys[i].at);
    }
    ns_status status = ns_trie_build(keys, order, n, &to->trie);
    return status == NS_OK ? NS_OK : ns_fail(err, status, "%s: no room for an index of %zu pieces", name, n);
}

static int32_t walk(const ns_trie *trie, ns_text text)
{
    int32_t node = 0;
    for (size_t i = 0; i < text.len && node >= 0; i++)
        node = ns_trie_step(trie, node, (unsigned char)text.at[i]);
    return node;
}

static ns_status fill(const char *name, ns_wordpiece *to, const ns_text *pieces, const char *unknown, ns_error *err)
{
    ns_status status = copy_pieces(name, to, pieces, err);
    if (status != NS_OK)
        return status;
    int32_t *order = NS_NEW_ARRAY(int32_t, to->size);
    ns_text *keys = NS_NEW_ARRAY(ns_text, to->size);
    status = order == NULL || keys == NULL ? ns_fail(err, NS_NO_MEMORY, "%s: no memory for its index", name)
                                           : index_pieces(name, to, order, keys, err);
    ns_free(order);
    ns_free(keys);
    if (status != NS_OK)
        return status;
    to->inner = walk(&to->trie, NS_TEXT("##"));
    to->unknown = ns_wordpiece_id(to, unknown);
    return to->unknown >= 0 ? NS_OK : ns_fail(err, NS_BAD_INPUT, "%s: the vocabulary has no %s", name, unknown);
}

ns_status ns_wordpiece_make(const char *name, const ns_text *pieces, size_t count, const char *unknown,
                            const ns_bert_rules *rules, ns_wordpiece **out, ns_error *err)
{
    if (count == 0)
        return ns_fail(err, NS_BAD_INPUT, "%s: the vocabulary is empty", name);
    if (count > NS_VOCABULARY_MAX)
        return ns_fail(err, NS_TOO_LARGE, "%s: more than %d pieces", name, NS_VOCABULARY_MAX);
    ns_wordpiece *made = NS_NEW(ns_wordpiece);
    if (made == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for the vocabulary", name);
    made->rules = *rules;
    made->size = count;
    ns_status status = fill(name, made, pieces, unknown, err);
    if (status != NS_OK) {
        ns_wordpiece_free(made);
        return status;
    }
    *out = made;
    return NS_OK;
}

/* ---- using ---- */

/* The longest piece at the word's start, from a node on: its number and length; -1 none. */
static int32_t longest(const ns_trie *trie, int32_t node, ns_text word, size_t *len)
{
    int32_t best = -1;
    for (size_t i = 0; i < word.len; i++) {
        node = ns_trie_step(trie, node, (unsigned char)word.at[i]);
        if (node < 0)
            break;
        if (trie->node[node].value >= 0) {
            best = trie->node[node].value;
            *len = i + 1;
        }
    }
    return best;
}

/* A word's pieces; 0: it cannot be cut. No word has more pieces than characters. */
static size_t cut(const ns_wordpiece *wordpiece, ns_text word, int32_t pieces[NS_WORD_CHARS])
{
    size_t n = 0, len = 0;
    int32_t node = 0;
    while (word.len > 0) {
        int32_t id = node < 0 ? -1 : longest(&wordpiece->trie, node, word, &len);
        if (id < 0)
            return 0;
        pieces[n++] = id;
        word = (ns_text){word.at + len, word.len - len};
        node = wordpiece->inner;
    }
    return n;
}

size_t ns_wordpiece_encode(const ns_wordpiece *wordpiece, ns_text text, int32_t *ids, size_t room)
{
    ns_bert_words words;
    ns_text word;
    size_t count = 0;
    int32_t pieces[NS_WORD_CHARS];
    ns_bert_words_init(&words, &wordpiece->rules, text);
    while (count < room && ns_bert_words_next(&words, &word)) {
        size_t n = words.chars > NS_WORD_CHARS ? 0 : cut(wordpiece, word, pieces);
        if (n == 0)
            pieces[n++] = wordpiece->unknown;
        for (size_t i = 0; i < n && count < room; i++)
            ids[count++] = pieces[i];
    }
    return count;
}

size_t ns_wordpiece_size(const ns_wordpiece *wordpiece)
{
    return wordpiece->size;
}

int32_t ns_wordpiece_id(const ns_wordpiece *wordpiece, const char *piece)
{
    int32_t node = piece[0] == '\0' ? -1 : walk(&wordpiece->trie, ns_text_of(piece));
    return node < 0 ? -1 : wordpiece->trie.node[node].value;
}

ns_text ns_wordpiece_piece(const ns_wordpiece *wordpiece, int32_t id)
{
    NS_CHECK(id >= 0 && (size_t)id < wordpiece->size);
    return wordpiece->pieces[id];
}

int32_t ns_wordpiece_unknown(const ns_wordpiece *wordpiece)
{
    return wordpiece->unknown;
}

const ns_bert_rules *ns_wordpiece_rules(const ns_wordpiece *wordpiece)
{
    return &wordpiece->rules;
}

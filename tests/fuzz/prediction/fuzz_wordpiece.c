/*
 * The bytes up to the first NUL are a vocabulary (a tokenizer.json when they begin with "{"), the rest is text. What
 * can be read gives ids in range, the same for a text in two halves as for the whole, and no more than there is room
 * for.
 */
#include "base/mem.h"
#include "prediction/wordpiece.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

enum { IDS_MAX = 4096 };

static void check_text(const ns_wordpiece *wordpiece, ns_text text)
{
    static int32_t whole[IDS_MAX], parts[IDS_MAX], few[8];
    size_t n = ns_wordpiece_encode(wordpiece, text, whole, IDS_MAX);
    for (size_t i = 0; i < n; i++)
        must(whole[i] >= 0 && (size_t)whole[i] < ns_wordpiece_size(wordpiece));
    size_t some = ns_wordpiece_encode(wordpiece, text, few, 8);
    must(some == (n < 8 ? n : 8) && memcmp(few, whole, some * sizeof few[0]) == 0);
    const char *blank = memchr(text.at, ' ', text.len);
    if (blank == NULL || n == IDS_MAX)
        return;
    size_t cut = (size_t)(blank - text.at);
    size_t first = ns_wordpiece_encode(wordpiece, (ns_text){text.at, cut}, parts, IDS_MAX);
    first += ns_wordpiece_encode(wordpiece, (ns_text){blank, text.len - cut}, parts + first, IDS_MAX - first);
    must(first == n && memcmp(parts, whole, n * sizeof whole[0]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *all = (const char *)data;
    const char *nul = size == 0 ? NULL : memchr(all, '\0', size);
    size_t cut = nul == NULL ? size : (size_t)(nul - all);
    ns_text vocabulary = {all, cut};
    ns_wordpiece *wordpiece = NULL;
    ns_error err;
    size_t before = ns_mem_live();
    bool json = cut > 0 && all[0] == '{';
    ns_bert_rules rules = ns_bert_rules_of(cut % 2 == 0);
    ns_status status = json ? ns_wordpiece_of_json("j", vocabulary, &wordpiece, &err)
                            : ns_wordpiece_of_vocabulary("v", vocabulary, &rules, &wordpiece, &err);
    must((status == NS_OK) == (wordpiece != NULL));
    if (status == NS_OK && cut < size)
        check_text(wordpiece, (ns_text){all + cut + 1, size - cut - 1});
    ns_wordpiece_free(wordpiece);
    must(ns_mem_live() == before);
    return 0;
}

#include "prediction/literals.h"

#include "base/mem.h"

#include <string.h>

struct ns_literals {
    uint8_t class_of[256]; /* byte to letter of the small alphabet; 0: occurs in no word */
    size_t classes;
    size_t states;
    uint16_t *next;      /* (states, classes): complete, failure links already folded in */
    ns_literal_set *out; /* (states): words that end here, suffixes included */
    bool *any;           /* (states): out is not empty */
};

static void map_alphabet(ns_literals *literals, const char *const *words, size_t count)
{
    literals->classes = 1;
    for (size_t w = 0; w < count; w++) {
        for (const char *c = words[w]; *c != '\0'; c++) {
            NS_CHECK(*c < 'A' || *c > 'Z');
            uint8_t *at = &literals->class_of[(unsigned char)*c];
            if (*at == 0)
                *at = (uint8_t)literals->classes++;
        }
    }
    for (int c = 'A'; c <= 'Z'; c++)
        literals->class_of[c] = literals->class_of[c + 'a' - 'A'];
}

/* The tree of words; 0 stands for "no such child" as nothing leads back to the root. */
static void plant(ns_literals *literals, const char *const *words, size_t count)
{
    literals->states = 1;
    for (size_t w = 0; w < count; w++) {
        size_t state = 0;
        for (const char *c = words[w]; *c != '\0'; c++) {
            uint16_t *next = &literals->next[state * literals->classes + literals->class_of[(unsigned char)*c]];
            if (*next == 0)
                *next = (uint16_t)literals->states++;
            state = *next;
        }
        literals->out[state].bits[w / 64] |= UINT64_C(1) << (w % 64);
        literals->any[state] = true;
    }
}

static void inherit(ns_literals *literals, size_t state, size_t fail)
{
    for (size_t i = 0; i < NS_LITERALS_MAX / 64; i++)
        literals->out[state].bits[i] |= literals->out[fail].bits[i];
    literals->any[state] = literals->any[state] || literals->any[fail];
}

/* Breadth first: a state's failure link is shallower, so its row is complete already. */
static void link_failures(ns_literals *literals, uint16_t *queue, uint16_t *fail)
{
    size_t head = 0, tail = 0, classes = literals->classes;
    for (size_t c = 1; c < classes; c++)
        if (literals->next[c] != 0)
            queue[tail++] = literals->next[c];
    while (head < tail) {
        size_t state = queue[head++];
        for (size_t c = 1; c < classes; c++) {
            uint16_t *next = &literals->next[state * classes + c];
            uint16_t elsewhere = literals->next[fail[state] * classes + c];
            if (*next == 0) {
                *next = elsewhere;
                continue;
            }
            fail[*next] = elsewhere;
            inherit(literals, *next, elsewhere);
            queue[tail++] = *next;
        }
    }
}

ns_literals *ns_literals_new(const char *const *words, size_t count)
{
    size_t room = 1;
    NS_CHECK(count <= NS_LITERALS_MAX);
    for (size_t i = 0; i < count; i++) {
        NS_CHECK(words[i][0] != '\0');
        room += strlen(words[i]);
    }
    NS_CHECK(room <= UINT16_MAX);
    ns_literals *literals = NS_NEW(ns_literals);
    if (literals == NULL)
        return NULL;
    map_alphabet(literals, words, count);
    literals->next = NS_NEW_ARRAY(uint16_t, room * literals->classes);
    literals->out = NS_NEW_ARRAY(ns_literal_set, room);
    literals->any = NS_NEW_ARRAY(bool, room);
    uint16_t *work = NS_NEW_ARRAY(uint16_t, 2 * room);
    if (literals->next == NULL || literals->out == NULL || literals->any == NULL || work == NULL) {
        ns_free(work);
        ns_literals_free(literals);
        return NULL;
    }
    plant(literals, words, count);
    link_failures(literals, work, work + room);
    ns_free(work);
    return literals;
}

void ns_literals_free(ns_literals *literals)
{
    if (literals == NULL)
        return;
    ns_free(literals->next);
    ns_free(literals->out);
    ns_free(literals->any);
    ns_free(literals);
}

bool ns_literals_scan(const ns_literals *literals, ns_text text, ns_literal_set *found)
{
    bool any = false;
    size_t state = 0;
    memset(found, 0, sizeof *found);
    for (size_t i = 0; i < text.len; i++) {
        state = literals->next[state * literals->classes + literals->class_of[(unsigned char)text.at[i]]];
        if (!literals->any[state])
            continue;
        any = true;
        for (size_t w = 0; w < NS_LITERALS_MAX / 64; w++)
            found->bits[w] |= literals->out[state].bits[w];
    }
    return any;
}

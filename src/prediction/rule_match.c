#include "prediction/rule_match.h"

#include "base/mem.h"
#include "prediction/literals.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <math.h>
#include <string.h>

struct ns_rules {
    ns_literals *literals;
    pcre2_general_context *memory;
    pcre2_match_context *limits;
    pcre2_match_data *match;
    size_t count;
    pcre2_code *code[NS_LITERALS_MAX]; /* NULL: the literal alone decides */
};

static void *gate_alloc(size_t size, void *owner)
{
    (void)owner;
    return ns_alloc(1, size);
}

static void gate_free(void *block, void *owner)
{
    (void)owner;
    ns_free(block);
}

static bool rule_matches(const ns_rules *rules, size_t i, ns_text line)
{
    if (rules->code[i] == NULL)
        return true;
    return pcre2_match(rules->code[i], (PCRE2_SPTR)line.at, line.len, 0, 0, rules->match, rules->limits) >= 0;
}

static void apply(const ns_keyword_rule *rule, ns_rule_verdict *out, double hint[NS_CAUSE_COUNT])
{
    switch (rule->kind) {
    case NS_RULE_evidence:
        out->any = true;
        out->weight = fmax(out->weight, rule->weight);
        out->cause[rule->cause] = fmax(out->cause[rule->cause], rule->weight);
        break;
    case NS_RULE_hint:
        out->any = true;
        hint[rule->cause] = fmax(hint[rule->cause], rule->weight);
        break;
    case NS_RULE_damper:
        out->damp = fmin(out->damp, rule->weight);
        break;
    case NS_RULE_verdict:
        out->ended = true;
        break;
    }
}

void ns_rules_look(const ns_rules *rules, ns_text line, ns_rule_verdict *out)
{
    ns_literal_set found;
    double hint[NS_CAUSE_COUNT] = {0.0};
    memset(out, 0, sizeof *out);
    out->damp = 1.0;
    if (line.len == 0 || !ns_literals_scan(rules->literals, line, &found))
        return;
    for (size_t i = 0; i < rules->count; i++) {
        if (!ns_literal_in(&found, i) || !rule_matches(rules, i, line))
            continue;
        apply(&ns_keyword_rules[i], out, hint);
        if (out->hits < NS_RULE_HITS_MAX)
            out->hit[out->hits++] = (uint16_t)i;
    }
    out->weight = out->ended ? 0.0 : out->weight * out->damp;
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
        out->cause[c] = fmax(hint[c], out->ended ? 0.0 : out->cause[c] * out->damp);
}

void ns_rules_free(ns_rules *rules)
{
    if (rules == NULL)
        return;
    for (size_t i = 0; i < rules->count; i++)
        pcre2_code_free(rules->code[i]);
    pcre2_match_data_free(rules->match);
    pcre2_match_context_free(rules->limits);
    pcre2_general_context_free(rules->memory);
    ns_literals_free(rules->literals);
    ns_free(rules);
}

/* A pattern that does not compile is a bug of ours; that there is no memory for it is not. */
static bool compile_rule(ns_rules *rules, size_t i, pcre2_compile_context *context)
{
    const char *pattern = ns_keyword_rules[i].pattern;
    int error;
    PCRE2_SIZE where;
    if (pattern[0] == '\0')
        return true;
    rules->code[i] =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_NO_AUTO_CAPTURE, &error, &where, context);
    NS_CHECK(rules->code[i] != NULL || error == PCRE2_ERROR_HEAP_FAILED);
    if (rules->code[i] == NULL)
        return false;
    (void)pcre2_jit_compile(rules->code[i], PCRE2_JIT_COMPLETE); /* where there is no JIT the interpreter matches */
    return true;
}

static bool compile_rules(ns_rules *rules)
{
    const char *words[NS_LITERALS_MAX];
    NS_CHECK(ns_keyword_rule_count <= NS_LITERALS_MAX);
    for (size_t i = 0; i < ns_keyword_rule_count; i++)
        words[i] = ns_keyword_rules[i].literal;
    rules->count = ns_keyword_rule_count;
    rules->literals = ns_literals_new(words, ns_keyword_rule_count);
    rules->memory = pcre2_general_context_create(gate_alloc, gate_free, NULL);
    if (rules->literals == NULL || rules->memory == NULL)
        return false;
    rules->limits = pcre2_match_context_create(rules->memory);
    rules->match = pcre2_match_data_create(1, rules->memory);
    pcre2_compile_context *context = pcre2_compile_context_create(rules->memory);
    bool good = rules->limits != NULL && rules->match != NULL && context != NULL;
    /* A line of 4 KiB that makes a pattern think for too long does not match. */
    if (good)
        (void)pcre2_set_match_limit(rules->limits, 200000);
    for (size_t i = 0; good && i < ns_keyword_rule_count; i++)
        good = compile_rule(rules, i, context);
    pcre2_compile_context_free(context);
    return good;
}

ns_rules *ns_rules_new(void)
{
    ns_rules *rules = NS_NEW(ns_rules);
    if (rules != NULL && !compile_rules(rules)) {
        ns_rules_free(rules);
        return NULL;
    }
    return rules;
}

uint64_t ns_rules_version(void)
{
    uint64_t version = ns_keyword_rule_count;
    for (size_t i = 0; i < ns_keyword_rule_count; i++) {
        const ns_keyword_rule *rule = &ns_keyword_rules[i];
        uint64_t text = ns_hash(ns_text_of(rule->literal)) * 31 + ns_hash(ns_text_of(rule->pattern));
        uint64_t numbers = (uint64_t)rule->kind * 64 + (uint64_t)rule->cause * 8192 + (uint64_t)(rule->weight * 1000.0);
        version = (version ^ text ^ numbers) * UINT64_C(0x100000001b3);
    }
    return version;
}

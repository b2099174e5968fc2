/* Any bytes as lines.bin: refused with a message, or a scorer that scores. Small seeds could not hold all weights, so
 * after the head the bytes are repeated up to the file's length; "RULE" as the version of the phrases and "HASH" as
 * hash stand for the right ones. */
#include "prediction/line_scorer.h"
#include "prediction/rule_match.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 40, RULES_AT = 24, HASH_AT = 32, BODY = NS_LINE_HEADS * (2 * sizeof(float) + NS_LINE_BUCKETS) };

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void put_right(char *at, const char *mark, uint64_t right)
{
    if (memcmp(at, mark, 4) != 0)
        return;
    for (size_t i = 0; i < 8; i++)
        at[i] = (char)(right >> (8 * i) & 0xff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char file[HEAD + BODY];
    static ns_line_features line;
    ns_line_scorer scorer = {.weight = NULL};
    ns_error err = {.text = ""};
    size_t len = size > HEAD ? sizeof file : size;
    for (size_t i = 0; i < len; i++)
        file[i] = (char)data[i < HEAD ? i : HEAD + (i - HEAD) % (size - HEAD)];
    if (size > HEAD) {
        put_right(&file[RULES_AT], "RULE", ns_rules_version());
        put_right(&file[HASH_AT], "HASH", ns_hash((ns_text){&file[HEAD], BODY}));
    }
    ns_status status = ns_line_scorer_parse("lines.bin", (ns_text){file, len}, &scorer, &err);
    must(status == NS_OK || (err.text[0] != '\0' && scorer.weight == NULL));
    if (status == NS_OK) {
        float score[NS_LINE_HEADS];
        ns_line_features_of((ns_text){(const char *)data, size}, NULL, 0, &line);
        ns_line_score(&scorer, &line, score);
        must(!isnan(scorer.bias[0]));
    }
    ns_line_scorer_clear(&scorer);
    return 0;
}

/* Any bytes as words.bin: refused with a message, or words that can be asked for. Small seeds could not hold all bits,
 * so after the head the bytes are repeated up to the file's length; with "HASH" as hash the right one is put in. */
#include "prediction/known_words.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 16, BYTES = NS_WORD_BITS / 8 };

static void must(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char file[HEAD + BYTES];
    ns_known_words words;
    ns_error err = {.text = ""};
    size_t len = size > HEAD ? sizeof file : size;
    for (size_t i = 0; i < len; i++)
        file[i] = (char)data[i < HEAD ? i : HEAD + (i - HEAD) % (size - HEAD)];
    if (size > HEAD && memcmp(&file[8], "HASH", 4) == 0) {
        uint64_t hash = ns_hash((ns_text){&file[HEAD], BYTES});
        for (size_t i = 0; i < 8; i++)
            file[8 + i] = (char)(hash >> (8 * i) & 0xff);
    }
    ns_status status = ns_known_words_parse("words.bin", (ns_text){file, len}, &words, &err);
    must(status == NS_OK || (err.text[0] != '\0' && words.bits == NULL));
    if (status == NS_OK) {
        ns_word_count count = {.length = 0};
        ns_known_words_count(&words, &count, (ns_text){(const char *)data, size});
        must(count.unknown <= count.words && (size_t)count.words <= size);
    }
    ns_known_words_clear(&words);
    return 0;
}

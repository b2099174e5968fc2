/*
 * What our encoder makes of windows, for comparison with `transformers` (compare_folder.py): folder_logits FOLDER PATH.
 * Standard input: one window a line, token ids between blanks. Standard output: its logits, one window a line.
 */
#include "prediction/encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDS_MAX = 1024, LINE_MAX_BYTES = 16384 };

static size_t read_ids(char *line, int32_t *ids)
{
    size_t count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(line, " \n", &rest); word != NULL && count < IDS_MAX;
         word = strtok_r(NULL, " \n", &rest))
        ids[count++] = (int32_t)strtol(word, NULL, 10);
    return count;
}

int main(int argc, char **argv)
{
    ns_error err;
    ns_encoder *encoder = NULL;
    ns_encoder_options options = {.threads = 1};
    if (argc != 3 || ns_code_path_choose(argv[2], &options.path, &err) != NS_OK ||
        ns_encoder_open(argv[1], &options, &encoder, &err) != NS_OK) {
        (void)fprintf(stderr, "folder_logits: %s\n", argc != 3 ? "FOLDER and code path are needed" : err.text);
        return 1;
    }
    static char line[LINE_MAX_BYTES];
    static int32_t ids[IDS_MAX];
    float logits[NS_ENCODER_LABELS_MAX];
    while (fgets(line, sizeof line, stdin) != NULL) {
        const size_t starts[] = {0, read_ids(line, ids)};
        if (ns_encoder_run(encoder, &(ns_windows){.ids = ids, .starts = starts, .count = 1},
                           &(ns_encoded){.logits = logits}, &err) != NS_OK) {
            (void)fprintf(stderr, "folder_logits: %s\n", err.text);
            return 1;
        }
        for (size_t k = 0; k < ns_encoder_shape(encoder)->labels; k++)
            (void)printf("%.9g ", (double)logits[k]);
        (void)printf("\n");
    }
    ns_encoder_free(encoder);
    return 0;
}

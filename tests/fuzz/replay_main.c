/* Replays a folder of inputs through a fuzz target, for builds without libFuzzer. */
#include "base/text.h"

#include <dirent.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    static const uint8_t nothing[1];
    (void)LLVMFuzzerTestOneInput(nothing, 0);
    int replayed = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (folder == NULL) {
            fprintf(stderr, "%s: no such folder; every fuzz target has a seed corpus\n", argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
            if (entry->d_name[0] == '.')
                continue;
            char path[4096];
            (void)snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            ns_buf content;
            ns_error err;
            ns_buf_init(&content, 64u << 20);
            if (ns_file_read(path, 64u << 20, &content, &err) != NS_OK) {
                fprintf(stderr, "%s\n", err.text);
                return 1;
            }
            (void)LLVMFuzzerTestOneInput((const uint8_t *)(content.at == NULL ? "" : content.at), content.len);
            ns_buf_clear(&content);
            replayed++;
        }
        (void)closedir(folder);
    }
    printf("replayed %d inputs\n", replayed);
    return replayed > 0 ? 0 : 1;
}

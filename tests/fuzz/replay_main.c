/* Runs a fuzz target over the files and folders named, and over nothing at all. Fails by crashing,
 * as the target does, and when a folder is empty or missing. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;

    if (!f || fstat(fileno(f), &st) != 0)
        return false;
    uint8_t *data = malloc((size_t)st.st_size ? (size_t)st.st_size : 1);
    size_t n = data ? fread(data, 1, (size_t)st.st_size, f) : 0;

    fclose(f);
    if (!data || n != (size_t)st.st_size) {
        free(data);
        return false;
    }
    LLVMFuzzerTestOneInput(data, n);
    free(data);
    return true;
}

static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[4096];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (!replay_file(path)) {
            fprintf(stderr, "cannot read %s\n", path);
            count = 0;
            break;
        }
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    uint8_t nothing = 0;

    LLVMFuzzerTestOneInput(&nothing, 0);
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        int count = folder ? replay_folder(argv[i]) : replay_file(argv[i]);

        if (count == 0) {
            fprintf(stderr, "%s: nothing to replay\n", argv[i]);
            return 1;
        }
        printf("%s: %d inputs\n", argv[i], count);
    }
    return 0;
}

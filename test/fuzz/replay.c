/*
 * Gives each file of a target's corpus to it, once. Every build's tests do so: what was found stays found.
 *
 * usage: replay_NAME DIRECTORY. A directory without files is a failure, since it would test nothing.
 */
#include "base/own.h"
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static bool replay(int directory, const char *name)
{
    autoclose int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    autofree uint8_t *bytes = NULL;
    struct stat file;
    size_t size;

    if (fd < 0 || fstat(fd, &file) < 0)
        return false;
    size = (size_t)file.st_size;
    bytes = malloc(size ? size : 1);
    if (!bytes || read(fd, bytes, size) != file.st_size)
        return false;
    (void)LLVMFuzzerTestOneInput(bytes, size);
    return true;
}

int main(int argc, char **argv)
{
    DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
    unsigned count = 0, failed = 0;

    if (!directory) {
        fprintf(stderr, "usage: %s DIRECTORY, which must exist\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.')
            continue;
        /* Before it is tried: after an abort this is the line to look at. */
        printf("%s\n", entry->d_name);
        fflush(stdout);
        count++;
        if (!replay(dirfd(directory), entry->d_name)) {
            fprintf(stderr, "cannot read '%s/%s'\n", argv[1], entry->d_name);
            failed++;
        }
    }
    closedir(directory);
    printf("%u inputs\n", count);
    return count > 0 && failed == 0 ? 0 : 1;
}

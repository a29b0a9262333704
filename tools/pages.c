/*
 * Keeps what a page prints of the program's tables true: `pages docs/failover.md` writes it anew, `pages --check docs/failover.md` fails when it is not up to date.
 *
 * A part of a page is what stands between `<!-- table: NAME -->` and `<!-- end -->`.
 */
#include "base/must.h"
#include "failover/phases.h"
#include "replication/replica.h"
#include "store/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_MAX = 1 << 20 };

static const struct {
    const char *name;
    void (*document)(struct buf *out);
} tables[] = {
    {"commands", command_document},
    {"failover", failover_document},
    {"replica", replica_document},
};

#define BEGIN "<!-- table: "
#define BEGIN_END " -->\n"
#define END "<!-- end -->"

static bool read_page(const char *path, struct buf *page)
{
    FILE *file = fopen(path, "r");
    char part[4096];
    size_t len;

    if (!file)
        return false;
    while ((len = fread(part, 1, sizeof part, file)) > 0)
        buf_add(page, bytes_of(part, len));
    fclose(file);
    buf_add_byte(page, '\0');
    return !page->full;
}

/* The part called `name`; false: there is no such table. */
static bool print_table(const char *name, size_t len, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        if (strlen(tables[i].name) == len && memcmp(tables[i].name, name, len) == 0) {
            tables[i].document(out);
            return true;
        }
    return false;
}

/* How many parts; -1: one has no end, or no table. */
static int renew(const char *page, struct buf *out)
{
    const char *at, *name, *end;
    int count = 0;

    while ((at = strstr(page, BEGIN))) {
        name = at + strlen(BEGIN);
        at = strstr(name, BEGIN_END);
        end = at ? strstr(at, END) : NULL;
        if (!end)
            return -1;
        buf_add(out, bytes_of(page, (size_t)(at - page) + strlen(BEGIN_END)));
        if (!print_table(name, (size_t)(at - name), out))
            return -1;
        page = end;
        count++;
    }
    buf_add_string(out, page);
    return count;
}

static bool write_page(const char *path, const struct buf *page)
{
    FILE *file = fopen(path, "w");
    bool good = file && fwrite(page->at, 1, page->len, file) == page->len;

    return file && fclose(file) == 0 && good;
}

int main(int argc, char **argv)
{
    bool check = argc == 3 && strcmp(argv[1], "--check") == 0;
    const char *path = argc > 1 ? argv[argc - 1] : "";
    struct buf before, after;
    bool same;

    if (argc != 2 && !check) {
        fprintf(stderr, "usage: pages [--check] PAGE\n");
        return 2;
    }
    buf_init(&before, PAGE_MAX);
    buf_init(&after, PAGE_MAX);
    if (!read_page(path, &before) || renew((const char *)before.at, &after) < 1 || after.full) {
        fprintf(stderr, "%s: there is no table in it, or one that is not known\n", path);
        return 1;
    }
    same = after.len == before.len - 1 && memcmp(after.at, before.at, after.len) == 0;
    if (check && !same)
        fprintf(stderr, "%s is not up to date: build/pages %s\n", path, path);
    if (!check && !same && !write_page(path, &after)) {
        fprintf(stderr, "%s: cannot write it\n", path);
        return 1;
    }
    buf_fini(&before);
    buf_fini(&after);
    return check && !same;
}

/*
 * Which options changed that take effect only at a start: a reload says them instead of keeping quiet.
 */
#include "role/config.h"

#include <string.h>

struct comparison {
    struct image started, now;
    struct buf *warnings;
};

/* 0: not a scalar of a fixed size. */
static size_t size_of(enum option_type type)
{
    static const size_t sizes[] = {
        [OPTION_BOOL] = sizeof(bool),        [OPTION_NUMBER] = sizeof(int64_t),
        [OPTION_DURATION] = sizeof(int64_t), [OPTION_SIZE] = sizeof(int64_t),
        [OPTION_PERCENT] = sizeof(int64_t),  [OPTION_CHOICE] = sizeof(int32_t),
    };

    return type < ARRAY_LEN(sizes) ? sizes[type] : 0;
}

static bool is_text(const struct option *row)
{
    return row->type == OPTION_TEXT || row->type == OPTION_ENDPOINT;
}

static struct bytes text_at(struct image image, size_t offset)
{
    struct ref ref;

    memcpy(&ref, image.at + offset, sizeof ref);
    return image_text(image, ref);
}

static bool is_same(const struct comparison *c, const struct option *row, size_t base)
{
    size_t at = base + row->offset;

    if (is_text(row))
        return bytes_equal(text_at(c->started, at), text_at(c->now, at));
    return memcmp(c->started.at + at, c->now.at + at, size_of(row->type)) == 0;
}

static void compare(const struct comparison *c, const struct option *rows, size_t base,
                    const char *section, const char *point)
{
    for (const struct option *row = rows; row->key; row++)
        if (row->when == AT_START && (is_text(row) || size_of(row->type) > 0) &&
            !is_same(c, row, base))
            buf_print(c->warnings,
                      "%swarning: '%s%s%s' is not what nines was started with: a change takes "
                      "effect at the next start\n",
                      c->warnings->len ? "\n" : "", section, point, row->key);
}

void config_compare_at_start(struct image started, struct image now, struct buf *warnings)
{
    const struct comparison c = {started, now, warnings};

    compare(&c, config_options, 0, "", "");
    for (const struct option *row = config_options; row->key; row++)
        if (row->type == OPTION_SECTION)
            compare(&c, row->rows, row->offset, row->key, ".");
}

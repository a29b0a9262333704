/*
 * Writes an image as YAML. What would say nothing is left out: sections without a written key, texts that are absent.
 */
#include "schema/rows.h"
#include "schema/scalar.h"

enum { LEVELS_MAX = 2 * TOUR_DEPTH_MAX };

/* A mapping being written: a section, or an item of `items`. */
struct level {
    struct tour tour;
    size_t base;
    /* Of a container whose items follow each other here; NULL: a section. */
    const struct option *items;
    struct ref ref;
    uint32_t next;
    unsigned indent;
    bool dash; /* a list's item of which nothing is written yet: its first line begins with `- ` */
    size_t body;   /* where its lines begin in the output; still there at its end: it is empty */
    bool optional; /* then it leaves no trace: back to where its announcement began */
    size_t header;
    bool header_dash;
};

struct show {
    struct image image;
    struct buf *out;
    bool defaults;
    struct level levels[LEVELS_MAX];
    unsigned depth;
};

static struct level *top(struct show *show)
{
    return &show->levels[show->depth - 1];
}

static void spaces(struct show *show, unsigned indent)
{
    for (unsigned i = 0; i < 2 * indent; i++)
        buf_add_byte(show->out, ' ');
}

/* The margin of a line of this level. */
static void begin_line(struct show *show, struct level *level)
{
    if (level->dash) {
        spaces(show, level->indent - 1);
        buf_add_string(show->out, "- ");
        level->dash = false;
        return;
    }
    spaces(show, level->indent);
}

static struct level *push(struct show *show, unsigned indent)
{
    must(show->depth < LEVELS_MAX);
    show->levels[show->depth].items = NULL;
    show->levels[show->depth].base = 0;
    show->levels[show->depth].indent = indent;
    show->levels[show->depth].body = show->out->len;
    show->levels[show->depth].dash = false;
    show->levels[show->depth].optional = false;
    return &show->levels[show->depth++];
}

static struct ref load_ref(struct image image, size_t at)
{
    struct ref ref;

    must(at + sizeof ref <= image.len);
    memcpy(&ref, image.at + at, sizeof ref);
    return ref;
}

static const struct item *item_at(struct image image, const struct option *row, struct ref ref,
                                  uint32_t index)
{
    const uint8_t *items = image_items(image, ref, row->item_size);

    return (const struct item *)(const void *)(items + index * row->item_size);
}

/* ---- scalars ---- */

static bool is_default(const struct option *row, const struct value *value)
{
    struct value normal;

    return row->normal && scalar_parse(row, bytes_of_string(row->normal), false, &normal) &&
           normal.number == value->number && bytes_equal(normal.text, value->text);
}

/* What a row without a default holds when nobody wrote it; a zero that could not have been written. */
static bool is_unsaid(const struct option *row, const struct value *value)
{
    int64_t low, high;

    scalar_bounds(row, &low, &high);
    return !row->normal && row->type != OPTION_TEXT && row->type != OPTION_ENDPOINT &&
           value->number == 0 && low > 0;
}

static void end_line(struct show *show, bool is_normal)
{
    buf_add_string(show->out, show->defaults && is_normal ? "  # default\n" : "\n");
}

static void show_scalar(struct show *show, struct level *level, const struct option *row, size_t at)
{
    struct value value;

    if (!scalar_load(row, show->image, at, &value) || is_unsaid(row, &value))
        return;
    begin_line(show, level);
    buf_print(show->out, "%s: ", row->key);
    scalar_print(row, &value, show->out);
    end_line(show, is_default(row, &value));
}

/* ---- containers ---- */

static bool is_default_list(struct show *show, const struct option *row, struct ref ref,
                            const struct option *scalar)
{
    struct bytes rest = bytes_of_string(row->normal ? row->normal : "");

    for (uint32_t i = 0; i < ref.count; i++) {
        size_t at = ref.at + i * row->item_size + scalar->offset, comma = bytes_find(rest, ',');
        struct value value, normal;

        if (!scalar_load(scalar, show->image, at, &value) ||
            !scalar_parse(scalar, bytes_trim(bytes_take(rest, comma)), false, &normal) ||
            normal.number != value.number || !bytes_equal(normal.text, value.text))
            return false;
        rest = bytes_skip(rest, comma < rest.len ? comma + 1 : comma);
    }
    return rest.len == 0 && row->normal;
}

static void show_scalar_list(struct show *show, struct level *level, const struct option *row,
                             struct ref ref)
{
    const struct option *scalar = rows_scalar(row->rows);

    begin_line(show, level);
    buf_print(show->out, "%s: [", row->key);
    for (uint32_t i = 0; i < ref.count; i++) {
        struct value value;

        if (!scalar_load(scalar, show->image, ref.at + i * row->item_size + scalar->offset, &value))
            continue;
        buf_add_string(show->out, i ? ", " : "");
        scalar_print(scalar, &value, show->out);
    }
    buf_add_byte(show->out, ']');
    end_line(show, is_default_list(show, row, ref, scalar));
}

static void show_items(struct show *show, struct level *level, const struct option *row, size_t at)
{
    struct ref ref = load_ref(show->image, at);
    struct level *items;

    if (ref.at == 0)
        return;
    if (row->type == OPTION_LIST && (ref.count == 0 || rows_scalar(row->rows))) {
        show_scalar_list(show, level, row, ref);
        return;
    }
    begin_line(show, level);
    buf_print(show->out, ref.count ? "%s:\n" : "%s: {}\n", row->key);
    if (ref.count == 0)
        return;
    items = push(show, level->indent + 1);
    items->items = row;
    items->ref = ref;
    items->next = 0;
}

static void show_section(struct show *show, struct level *level, const struct option *row,
                         size_t base)
{
    size_t header = show->out->len;
    bool dash = level->dash;
    struct level *section;

    begin_line(show, level);
    buf_print(show->out, "%s:\n", row->key);
    section = push(show, level->indent + 1);
    section->header = header;
    section->header_dash = dash;
    section->optional = !(row->flags & OPTION_PRESENCE);
    section->base = base;
    tour_begin(&section->tour, row->rows);
}

static bool is_present(struct show *show, const struct option *row, size_t at)
{
    bool present = true;

    if (row->flags & OPTION_PRESENCE) {
        must(at - row->offset + row->present < show->image.len);
        memcpy(&present, show->image.at + at - row->offset + row->present, sizeof present);
    }
    return present;
}

static void show_row(struct show *show, struct level *level, const struct option *row)
{
    size_t at = level->base + level->tour.offset;

    if (!is_present(show, row, at))
        return;
    if (row->type == OPTION_SECTION)
        show_section(show, level, row, at);
    else if (row->type == OPTION_MAP || row->type == OPTION_LIST)
        show_items(show, level, row, at);
    else
        show_scalar(show, level, row, at);
}

/* ---- items ---- */

static void show_named_scalar(struct show *show, const struct option *scalar, size_t at)
{
    struct value value;

    if (scalar_load(scalar, show->image, at + scalar->offset, &value))
        scalar_print(scalar, &value, show->out);
    buf_add_byte(show->out, '\n');
}

static void next_item(struct show *show, struct level *items)
{
    const struct option *row = items->items, *scalar = rows_scalar(row->rows);
    size_t base = items->ref.at + items->next * row->item_size;
    const struct item *item = item_at(show->image, row, items->ref, items->next++);
    struct level *level;

    if (row->type == OPTION_MAP) {
        spaces(show, items->indent);
        scalar_print_text(image_text(show->image, item->name), show->out);
        buf_add_string(show->out, scalar ? ": " : ":\n");
    }
    if (scalar) {
        show_named_scalar(show, scalar, base);
        return;
    }
    level = push(show, items->indent + 1);
    level->dash = row->type == OPTION_LIST;
    level->base = base;
    tour_begin(&level->tour, row->rows);
}

/* A mapping has ended: one that stayed empty is `{}`, or was never there. */
static void end_mapping(struct show *show)
{
    struct level *level = top(show);
    struct buf *out = show->out;

    show->depth--;
    if (out->len != level->body || show->depth == 0)
        return;
    if (level->optional) {
        out->len = level->header;
        top(show)->dash = level->header_dash;
    } else if (level->dash) {
        begin_line(show, level);
        buf_add_string(out, "{}\n");
    } else {
        out->len = level->body - 1;
        buf_add_string(out, " {}\n");
    }
}

void schema_show(const struct option *rows, struct image image, bool defaults, struct buf *out)
{
    struct show show = {.image = image, .out = out, .defaults = defaults};

    tour_begin(&push(&show, 0)->tour, rows);
    while (show.depth) {
        struct level *level = top(&show);
        const struct option *row = level->items ? NULL : tour_next(&level->tour);

        if (row)
            show_row(&show, level, row);
        else if (!level->items)
            end_mapping(&show);
        else if (level->next < level->ref.count)
            next_item(&show, level);
        else
            show.depth--;
    }
}

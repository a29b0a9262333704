/*
 * Collects what is wrong with a file and prints it for the person who wrote it.
 *
 * It never prints a byte that could move the reader's terminal, and never more than a line's width of a line.
 */
#include "schema/findings.h"

#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

enum { SENTENCE_MAX = 1024, VIEW_MAX = 100, VIEW_BEFORE = 60 };

static bool ends_line(struct bytes text, uint32_t at)
{
    bool before_newline = at + 1 < text.len && text.at[at + 1] == '\n';

    return text.at[at] == '\n' || (text.at[at] == '\r' && !before_newline);
}

struct findings *findings_new(const char *file, struct bytes text)
{
    struct findings *findings = calloc(1, sizeof *findings);
    uint32_t lines = 1;

    must(findings != NULL);
    findings->file = file;
    findings->text = bytes_take(text, SCHEMA_FILE_MAX + 1);
    for (uint32_t i = 0; i < findings->text.len; i++)
        lines += ends_line(text, i);
    findings->lines = calloc(lines, sizeof *findings->lines);
    must(findings->lines != NULL);
    findings->line_count = 1;
    for (uint32_t i = 0; i < findings->text.len; i++)
        if (ends_line(text, i))
            findings->lines[findings->line_count++] = i + 1;
    return findings;
}

static uint32_t kept(const struct findings *findings)
{
    return findings->count < FINDINGS_MAX ? findings->count : FINDINGS_MAX;
}

void findings_free(struct findings *findings)
{
    if (!findings)
        return;
    for (uint32_t i = 0; i < kept(findings); i++) {
        free(findings->kept[i].text);
        free(findings->kept[i].fix);
    }
    tree_fini(&findings->tree);
    free(findings->origins);
    free(findings->lines);
    free(findings);
}

uint32_t findings_count(const struct findings *findings)
{
    return findings->count;
}

/* ---- places ---- */

/* A line, from 1, without its end. */
static struct bytes line_text(const struct findings *findings, uint32_t line)
{
    uint32_t begin = findings->lines[line - 1];
    struct bytes text = bytes_skip(findings->text, begin);

    if (line < findings->line_count)
        text.len = findings->lines[line] - begin;
    while (text.len && (text.at[text.len - 1] == '\n' || text.at[text.len - 1] == '\r'))
        text.len--;
    return text;
}

static uint32_t take_character(struct bytes *text)
{
    uint32_t character = 0xfffd;
    unsigned len = utf8_step(*text, &character);

    *text = bytes_skip(*text, len ? len : 1);
    return character;
}

static uint32_t characters(struct bytes text)
{
    uint32_t count = 0;

    while (text.len) {
        take_character(&text);
        count++;
    }
    return count;
}

static uint32_t line_of(const struct findings *findings, uint32_t at)
{
    uint32_t low = 0, high = findings->line_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (findings->lines[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return low + 1;
}

/* Of a byte of a line, which begins at `first`. */
static uint32_t column_of(struct findings *findings, uint32_t first, uint32_t at)
{
    uint32_t from = first, column = 1;

    if (findings->last.at > first && findings->last.at <= at) {
        from = findings->last.at;
        column = findings->last.column;
    }
    column += characters(bytes_take(bytes_skip(findings->text, from), at - from));
    findings->last.at = at;
    findings->last.column = column;
    return column;
}

struct place findings_place_of(struct findings *findings, uint32_t begin, uint32_t end)
{
    uint32_t line = line_of(findings, begin);
    uint32_t first = findings->lines[line - 1];
    struct bytes text = line_text(findings, line);
    size_t from = begin - first < text.len ? begin - first : text.len;
    size_t to = end - first < text.len ? end - first : text.len;
    struct bytes meant = bytes_trim(bytes_take(bytes_skip(text, from), to > from ? to - from : 0));

    return (struct place){line, column_of(findings, first, first + (uint32_t)from),
                          characters(meant)};
}

void findings_remember(struct findings *findings, uint32_t line, uint32_t column, uint32_t node)
{
    if (findings->origin_count == findings->origin_cap) {
        findings->origin_cap = findings->origin_cap ? 2 * findings->origin_cap : 64;
        findings->origins =
            realloc(findings->origins, findings->origin_cap * sizeof *findings->origins);
        must(findings->origins != NULL);
    }
    findings->origins[findings->origin_count++] = (struct origin){line, column, node};
}

static uint32_t origin_of(const struct findings *findings, const struct item *item)
{
    for (uint32_t i = 0; i < findings->origin_count; i++)
        if (findings->origins[i].line == item->line && findings->origins[i].column == item->column)
            return findings->origins[i].node;
    return 0;
}

bool findings_place(struct findings *findings, const struct item *item, const char *key,
                    uint32_t *line, uint32_t *column, uint32_t *length)
{
    const struct tree *tree = &findings->tree;
    uint32_t node = origin_of(findings, item);
    struct bytes rest = bytes_of_string(key);
    struct place place;

    while (node && rest.len) {
        size_t dot = bytes_find(rest, '.');

        node = tree_find(tree, tree_resolve(tree, node), bytes_take(rest, dot));
        rest = bytes_skip(rest, dot < rest.len ? dot + 1 : dot);
    }
    if (!node)
        return false;
    place = findings_place_of(findings, tree->nodes[node].begin, tree->nodes[node].end);
    *line = place.line;
    *column = place.column;
    *length = place.length;
    return true;
}

/* ---- collecting ---- */

/* A heap string in which nothing is left that a terminal would act upon. */
static char *harmless(struct bytes text)
{
    struct buf out;

    buf_init(&out, 16 * SENTENCE_MAX);
    while (text.len) {
        struct bytes rest = text;
        uint32_t character = take_character(&rest);

        if (utf8_visible(character) && character != 0xfffd)
            buf_add(&out, bytes_take(text, text.len - rest.len));
        else if (character == '\n' || character == '\r' || character == '\t')
            buf_print(&out, "\\%c", character == '\n' ? 'n' : character == '\r' ? 'r' : 't');
        else if (character < 0x100)
            buf_print(&out, "\\x%02x", character);
        else
            buf_print(&out, "\\u%04x", character);
        text = rest;
    }
    buf_add_byte(&out, '\0');
    must(!out.full);
    return (char *)out.at;
}

static bool same(const struct finding *a, const struct finding *b)
{
    return a->place.line == b->place.line && a->place.column == b->place.column &&
           strcmp(a->text, b->text) == 0;
}

/* What an alias repeats is said once. */
static bool known(const struct findings *findings, const struct finding *finding)
{
    for (uint32_t i = 0; i < kept(findings); i++)
        if (same(&findings->kept[i], finding))
            return true;
    return false;
}

static void PRINTF(4, 0) add(struct findings *findings, struct place place, const char *fix,
                             const char *format, va_list args)
{
    char sentence[SENTENCE_MAX];
    struct finding finding = {.place = place, .sequence = findings->count};

    if (findings->count >= FINDINGS_MAX) {
        findings->count += findings->count < UINT32_MAX;
        return;
    }
    vsnprintf(sentence, sizeof sentence, format, args);
    finding.text = harmless(bytes_of_string(sentence));
    if (known(findings, &finding)) {
        free(finding.text);
        return;
    }
    finding.fix = fix ? harmless(bytes_take(bytes_of_string(fix), SENTENCE_MAX)) : NULL;
    findings->kept[findings->count++] = finding;
}

void findings_add(struct findings *findings, uint32_t line, uint32_t column, uint32_t length,
                  const char *fix, const char *format, ...)
{
    va_list args;

    must(line <= findings->line_count);
    va_start(args, format);
    add(findings, (struct place){line, column, length}, fix, format, args);
    va_end(args);
}

void findings_add_at(struct findings *findings, uint32_t begin, uint32_t end, const char *fix,
                     const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(findings, findings_place_of(findings, begin, end), fix, format, args);
    va_end(args);
}

char *findings_quote(struct bytes text, char *into)
{
    enum { ROOM = QUOTE_MAX - 8 };
    struct bytes rest = text;
    size_t fits = 0;

    while (rest.len) {
        take_character(&rest);
        if (text.len - rest.len > ROOM)
            break;
        fits = text.len - rest.len;
    }
    snprintf(into, QUOTE_MAX, "'%.*s%s'", (int)fits, (const char *)text.at,
             fits < text.len ? "\xe2\x80\xa6" : "");
    return into;
}

/* ---- printing ---- */

struct colours {
    const char *error, *dim, *fix, *off;
};

static int compare(const void *a, const void *b)
{
    const struct finding *x = *(const struct finding *const *)a;
    const struct finding *y = *(const struct finding *const *)b;

    if (x->place.line != y->place.line)
        return x->place.line < y->place.line ? -1 : 1;
    if (x->place.column != y->place.column)
        return x->place.column < y->place.column ? -1 : 1;
    return x->sequence < y->sequence ? -1 : 1;
}

/* One column for each character of the source, so that the caret stands where it should. */
static void print_view(struct bytes text, uint32_t skip, struct buf *out)
{
    uint32_t at = 0;

    if (skip)
        buf_add_string(out, "\xe2\x80\xa6");
    for (; text.len && at < skip + VIEW_MAX; at++) {
        struct bytes rest = text;
        uint32_t character = take_character(&rest);

        if (at >= skip && character == '\t')
            buf_add_byte(out, ' ');
        else if (at >= skip && utf8_visible(character) && character != 0xfffd)
            buf_add(out, bytes_take(text, text.len - rest.len));
        else if (at >= skip)
            buf_add_string(out, "\xef\xbf\xbd");
        text = rest;
    }
    if (text.len)
        buf_add_string(out, "\xe2\x80\xa6");
}

static void print_source(const struct findings *findings, const struct place *place,
                         const struct colours *c, struct buf *out)
{
    struct bytes text = line_text(findings, place->line);
    uint32_t column = place->column > text.len + 1 ? (uint32_t)text.len + 1 : place->column;
    uint32_t skip = 0, length = place->length ? place->length : 1;

    if (characters(text) > VIEW_MAX && column > VIEW_BEFORE)
        skip = column - VIEW_BEFORE;
    if (length > skip + VIEW_MAX - (column - 1))
        length = skip + VIEW_MAX - (column - 1);
    buf_print(out, "%s%5u |%s ", c->dim, place->line, c->off);
    print_view(text, skip, out);
    buf_print(out, "\n%s      |%s %s", c->dim, c->off, skip ? " " : "");
    for (uint32_t i = 1 + skip; i < column; i++)
        buf_add_byte(out, ' ');
    buf_add_string(out, c->error);
    for (uint32_t i = 0; i < length; i++)
        buf_add_byte(out, '^');
    buf_print(out, "%s\n", c->off);
}

static void print_finding(const struct findings *findings, const struct finding *finding,
                          const struct colours *c, struct buf *out)
{
    const struct place *place = &finding->place;

    buf_print(out, "%serror:%s ", c->error, c->off);
    buf_add_string(out, finding->text);
    buf_add_string(out, "\n  ");
    buf_add_string(out, findings->file);
    if (place->line) {
        buf_print(out, ":%u:%u\n", place->line, place->column);
        print_source(findings, place, c, out);
    } else {
        buf_add_byte(out, '\n');
    }
    if (finding->fix) {
        buf_print(out, "  %sfix:%s ", c->fix, c->off);
        buf_add_string(out, finding->fix);
        buf_add_byte(out, '\n');
    }
}

static uint32_t sort(const struct findings *findings, const struct finding *sorted[FINDINGS_MAX])
{
    uint32_t count = kept(findings);

    for (uint32_t i = 0; i < count; i++)
        sorted[i] = &findings->kept[i];
    qsort(sorted, count, sizeof *sorted, compare);
    return count;
}

void findings_print(const struct findings *findings, struct buf *out, bool colour)
{
    static const struct colours plain = {"", "", "", ""};
    static const struct colours bright = {"\033[1;31m", "\033[34m", "\033[32m", "\033[0m"};
    const struct finding *sorted[FINDINGS_MAX];
    uint32_t count = sort(findings, sorted);

    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buf_add_byte(out, '\n');
        print_finding(findings, sorted[i], colour ? &bright : &plain, out);
    }
    if (findings->count > count)
        buf_print(out, "\nand %u more\n", findings->count - count);
}

static void add_place(struct json *json, const char *key, uint32_t number)
{
    json_key(json, key);
    if (number)
        json_add_unsigned(json, number);
    else
        json_add_null(json);
}

static void add_finding(const struct finding *finding, struct json *json)
{
    const struct place *place = &finding->place;

    json_begin_object(json);
    json_key(json, "severity");
    json_add_string(json, "error");
    add_place(json, "line", place->line);
    add_place(json, "column", place->line ? place->column : 0);
    add_place(json, "length", place->line ? place->length : 0);
    json_key(json, "sentence");
    json_add_string(json, finding->text);
    json_key(json, "fix");
    json_add_string(json, finding->fix);
    json_end(json);
}

void findings_json(const struct findings *findings, struct json *json)
{
    const struct finding *sorted[FINDINGS_MAX];
    uint32_t count = sort(findings, sorted);
    char more[32];

    for (uint32_t i = 0; i < count; i++)
        add_finding(sorted[i], json);
    if (findings->count > count) {
        snprintf(more, sizeof more, "and %u more", findings->count - count);
        add_finding(&(struct finding){.text = more}, json);
    }
}

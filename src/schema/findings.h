/*
 * Inside the room: what a file's mistakes are made of, and the tree of the file that later questions are answered from.
 */
#pragma once

#include "schema/schema.h"
#include "schema/tree.h"

struct place {
    uint32_t line, column, length; /* line and column from 1; characters */
};

struct finding {
    struct place place;
    uint32_t sequence; /* in the order of finding, among those of one place */
    char *text, *fix;
};

/* Where an item that was read comes from. */
struct origin {
    uint32_t line, column, node;
};

struct findings {
    const char *file;
    struct bytes text;
    uint32_t *lines; /* where each line begins */
    uint32_t line_count;
    struct finding kept[FINDINGS_MAX];
    uint32_t count; /* all */
    struct tree tree;
    /* The last place asked for: on one long line, the next is counted from there. */
    struct {
        uint32_t at, column;
    } last;
    struct origin *origins;
    uint32_t origin_count, origin_cap;
};

/* Of the bytes from begin to end; on several lines, to the end of the first. */
struct place findings_place_of(struct findings *findings, uint32_t begin, uint32_t end);
/* About the bytes from begin to end. */
void findings_add_at(struct findings *findings, uint32_t begin, uint32_t end, const char *fix,
                     const char *format, ...) PRINTF(5, 6);
void findings_remember(struct findings *findings, uint32_t line, uint32_t column, uint32_t node);

/* A value in a sentence: quoted, cut where it is long. Returns `into`. */
enum { QUOTE_MAX = 64 };
char *findings_quote(struct bytes text, char *into);

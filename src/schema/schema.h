/*
 * schema: what can be enumerated is a table, and here is what reads the tables.
 *
 * Options: rows say key, type, unit, bounds, default, when a change takes effect and one sentence of help. The YAML reader
 * fills an *image* from them: one position-independent block (offsets, no pointers), so that a checked configuration can be
 * sealed in a memfd and mapped by every process. The same rows print, explain and document the file.
 * Commands and metrics: rows too; the command line, the API, the manual and the exposition read them.
 *
 * A file's mistakes are all reported, each with its place, the line and a caret; nothing here stops at the first.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"

/* ---- the image ---- */

/* A place in an image: `count` items (bytes, for a text) that begin at offset `at`. {0, 0}: absent. */
struct ref {
    uint32_t at, count;
};

struct image {
    const uint8_t *at;
    size_t len;
};

/* Bounds are checked: a ref outside the image is a bug. A text is also NUL-terminated in the image. */
struct bytes image_text(struct image image, struct ref ref);
const char *image_string(struct image image, struct ref ref); /* "" when absent */
const void *image_items(struct image image, struct ref ref, size_t item_size);

/* ---- options ---- */

enum option_type {
    OPTION_BOOL,   /* bool */
    OPTION_NUMBER, /* int64_t */
    OPTION_DURATION, /* int64_t milliseconds; written 250ms, 5s, 10m, 2h, 90d; `never` where maximum is INT64_MAX */
    OPTION_SIZE,    /* int64_t bytes; written 512, 16KiB, 64MiB, 2GiB */
    OPTION_PERCENT, /* int64_t hundredths of a percent; written 20% or 99.99% */
    OPTION_CHOICE,  /* int32_t: the index in choices */
    OPTION_TEXT, /* struct ref; minimum and maximum bound its length in bytes; never holds a control character */
    OPTION_ENDPOINT, /* struct ref to the text `host:port`; checked for form, not resolved; bounds as a text's */
    OPTION_SECTION, /* a mapping with fixed keys: its rows' fields lie at `offset` + theirs; absent: all defaults */
    OPTION_MAP, /* struct ref to items; a mapping with the user's own names; items begin with struct item */
    OPTION_LIST, /* struct ref to items; a sequence; items begin with struct item; bounds are the count's */
    OPTION_INCLUDE, /* no key of its own (key ""): another table's rows, their fields at `offset` + theirs */
};
/*
 * Items of maps and lists are sections with `rows`; or scalars, when the only row has the key "": it says what scalar, and
 * where in the item it goes. Tables must not contain themselves.
 */

enum option_when { AT_RELOAD, AT_START };

enum option_flag {
    OPTION_REQUIRED = 1,    /* of a section that is there: at least this must be said */
    OPTION_ONE_OR_MORE = 2, /* a list that may also be written as a single item */
    OPTION_PRESENCE = 4, /* the bool at offset `present` becomes true when the option is written */
    OPTION_HOST =
        8, /* an endpoint whose host may not be left out (`:80` alone is this node's own address) */
};

struct option {
    const char *key; /* snake_case, one spelling */
    enum option_type type;
    size_t offset;            /* into the struct that the rows fill */
    int64_t minimum, maximum; /* both 0: only the type's own bounds */
    const char
        *normal; /* the default as one would write it (a list's: `a, b`); NULL: absent or zero */
    enum option_when when;
    uint32_t flags;
    const char *help;           /* one sentence */
    const char *const *choices; /* NULL-terminated */
    const struct option
        *rows;        /* of a section, an include, a map's or a list's items; ends with {0} */
    size_t item_size; /* of maps and lists */
    /* Lists and maps whose items may be written short, as a scalar (`- 10.0.1.1:8080`): the key that the scalar is for. */
    const char *short_key;
    size_t present; /* with OPTION_PRESENCE: into the same struct as `offset` */
};

/* Every item of a map or list of sections, and every struct at the root, begins with this. */
struct item {
    struct ref name; /* the user's name, of a map's item */
    uint32_t line,
        column; /* where it begins in the file (a map's item: its name), from 1; 0: in no file */
};

/* ---- reading ---- */

enum {
    SCHEMA_FILE_MAX = 1 << 20,   /* bytes of a file */
    SCHEMA_DEPTH_MAX = 24,       /* mappings and sequences inside one another */
    SCHEMA_TEXT_MAX = 4096,      /* bytes of a text, where a row says no less */
    SCHEMA_IMAGE_MAX = 64 << 20, /* bytes of an image: what aliases may expand to */
    FINDINGS_MAX = 100,          /* kept; what comes after is only counted */
};

/* What is wrong with one file's text. Both are borrowed and outlive it. */
struct findings;

struct findings *findings_new(const char *file, struct bytes text);
void findings_free(struct findings *findings); /* NULL is fine */
uint32_t findings_count(const struct findings *findings);
/*
 * `line` and `column` count from 1, in characters; line 0: the file as a whole. `length` is how many characters the caret underlines.
 * `fix` may be NULL. Control characters in the sentence, which may quote the file, are escaped.
 */
void findings_add(struct findings *findings, uint32_t line, uint32_t column, uint32_t length,
                  const char *fix, const char *format, ...) PRINTF(6, 7);
/*
 * The place of what was written for a key of an item (or of the root) that schema_read has read, for sense checks. `key` may
 * go through sections: `timeout.connect`. False when it was not written.
 */
MUST_USE bool findings_place(struct findings *findings, const struct item *item, const char *key,
                             uint32_t *line, uint32_t *column, uint32_t *length);
/* All of them in the order of the file: the sentence, file:line:column, the line, a caret under what is meant, the fix. */
void findings_print(const struct findings *findings, struct buf *out, bool colour);
/* The same for programs: an object for each, into the array that is open. What has no place has none (null). */
void findings_json(const struct findings *findings, struct json *json);

/*
 * Reads YAML 1.2 by the root's rows into a new image, whose first bytes are the root struct (`root_size`, begins with struct item).
 * Anchors, aliases and merge keys (`<<`) work; tags do not. Plain `~`, `null` or nothing is an empty section, map or list.
 * False when there were findings. `image` is initialised here either way and the caller's to buf_fini.
 */
MUST_USE bool schema_read(const struct option *rows, size_t root_size, struct findings *findings,
                          struct buf *image);
/* Fills a struct of an image, zeroed and at `at`, with what its rows say where nothing is written. The image may grow, and move. */
void schema_defaults(const struct option *rows, struct buf *image, size_t at);
/* Writes the effective configuration as YAML that reads back to the same values, defaults included (`defaults`: marked as such). */
void schema_show(const struct option *rows, struct image image, bool defaults, struct buf *out);
/* Explains one key (`pools.health_check.interval`; the users' own names may be left out or not), or lists all when key is "".
 * False: unknown; *nearest is then the nearest known key in that place, or NULL. */
MUST_USE bool schema_explain(const struct option *rows, const char *key, struct buf *out,
                             const char **nearest);
/* JSON Schema (draft 2020-12) of the file, for editors. */
void schema_json(const struct option *rows, struct buf *out);
/* The rows as a reference page in Markdown. */
void schema_document(const struct option *rows, struct buf *out);

/* The nearest of `names` (NULL-terminated) by edit distance, or NULL when none is near. */
const char *schema_nearest(const char *word, const char *const *names);

/* ---- metrics ---- */

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
    const char *name; /* nines_…, base units */
    enum metric_kind kind;
    const char *help;
};

/* ---- commands ---- */

/* A row of the command line. `run` gets its own words only: argv[0] is the command's name, options and operands follow;
 * `--help` was answered before. It returns the process's exit code: 0 ok, 1 failed, 2 usage, 78 configuration. */
struct command {
    const char *name;  /* one word, or two: `config show` */
    const char *usage; /* what follows the name, as the help prints it */
    int (*run)(int argc, char **argv);
    const char *help; /* one sentence; NULL: hidden */
};

/*
 * libfyaml's events into the tree, and its complaints into findings.
 *
 * Bytes that YAML does not allow are found before the library sees any; it prints nothing by itself.
 */
#include "schema/findings.h"
#include "schema/tree.h"

#include "base/utf8.h"

#include <libfyaml.h>
#include <stdio.h>

enum { NODES_MAX = 1 << 18, ANCHORS_MAX = 1024 };

struct anchor {
    struct bytes name; /* in the source */
    uint32_t node;
};

struct yaml {
    struct findings *findings;
    struct tree *tree;
    uint32_t open[SCHEMA_DEPTH_MAX]; /* containers that have begun, outermost first */
    uint32_t depth;
    uint32_t at; /* where the last event ended */
    struct anchor anchors[ANCHORS_MAX];
    uint32_t anchor_count;
    bool documented;           /* a document has begun */
    char complaint[QUOTE_MAX]; /* what the library said without a place */
};

/* ---- what YAML does not allow at all ---- */

static bool allowed(uint32_t character)
{
    return character == '\n' || character == '\r' || character == '\t' || utf8_printable(character);
}

static bool bytes_are_text(struct findings *findings)
{
    struct bytes rest = findings->text;
    uint32_t before = findings->count;

    if (bytes_starts_with(rest, BYTES("\xef\xbb\xbf")))
        rest = bytes_skip(rest, 3);
    while (rest.len && findings->count < before + 10) {
        uint32_t at = (uint32_t)(findings->text.len - rest.len), character = 0;
        unsigned len = utf8_step(rest, &character);

        if (!len)
            findings_add_at(findings, at, at + 1, "save the file as UTF-8",
                            "byte 0x%02x is not UTF-8", rest.at[0]);
        else if (!allowed(character))
            findings_add_at(findings, at, at + len, "remove it",
                            "the character U+%04X has no place in a configuration", character);
        rest = bytes_skip(rest, len ? len : 1);
    }
    return findings->count == before;
}

/* ---- nodes ---- */

static uint32_t parent_of_next(const struct yaml *yaml)
{
    return yaml->depth ? yaml->open[yaml->depth - 1] : 0;
}

/* Hangs a node below the innermost open container, as an item, a key or the value of the last key. */
static uint32_t hang(struct yaml *yaml, struct node *node)
{
    struct tree *tree = yaml->tree;
    uint32_t parent = parent_of_next(yaml), index;

    if (parent && tree->nodes[parent].kind == NODE_MAP) {
        uint32_t last = tree->nodes[parent].last;

        if (last && !tree->nodes[last].key)
            node->key = last;
        tree->nodes[parent].count += !node->key;
    } else if (parent) {
        tree->nodes[parent].count++;
    }
    index = tree_add(tree, parent, node);
    if (!parent)
        tree->root = index;
    return index;
}

static struct bytes source_of(const struct yaml *yaml, struct fy_token *token)
{
    const struct fy_mark *begin = fy_token_start_mark(token), *end = fy_token_end_mark(token);
    struct bytes all = yaml->findings->text;

    if (!begin || !end || begin->input_pos > end->input_pos || end->input_pos > all.len)
        return bytes_take(all, 0);
    return bytes_of(all.at + begin->input_pos, end->input_pos - begin->input_pos);
}

static uint32_t offset_of(const struct yaml *yaml, struct bytes source)
{
    return (uint32_t)(source.at - yaml->findings->text.at);
}

static bool add_anchor(struct yaml *yaml, struct fy_token *token, uint32_t node)
{
    struct bytes name;

    if (!token)
        return true;
    name = source_of(yaml, token);
    if (yaml->anchor_count == ANCHORS_MAX) {
        uint32_t at = offset_of(yaml, name);

        findings_add_at(yaml->findings, at, at + (uint32_t)name.len, NULL,
                        "more than %d anchors in one file", ANCHORS_MAX);
        return false;
    }
    yaml->anchors[yaml->anchor_count++] = (struct anchor){name, node};
    return true;
}

static void refuse_tag(struct yaml *yaml, struct fy_token *token)
{
    struct bytes tag;
    char quoted[QUOTE_MAX];

    if (!token)
        return;
    tag = source_of(yaml, token);
    findings_add_at(yaml->findings, offset_of(yaml, tag), offset_of(yaml, tag) + (uint32_t)tag.len,
                    "leave it out", "the tag %s has no meaning here", findings_quote(tag, quoted));
}

static bool open_container(struct yaml *yaml, enum node_kind kind, struct fy_event *event)
{
    struct node node = {.kind = kind, .begin = yaml->at, .end = yaml->at};
    struct fy_token *token = kind == NODE_MAP ? event->mapping_start.mapping_start
                                              : event->sequence_start.sequence_start;
    struct bytes source = source_of(yaml, token);
    uint32_t index;

    if (source.at) {
        node.begin = offset_of(yaml, source);
        node.end = node.begin + (uint32_t)source.len;
        node.flow = source.len > 0;
    }
    if (yaml->depth == SCHEMA_DEPTH_MAX) {
        findings_add_at(yaml->findings, node.begin, node.end, NULL, "nested deeper than %d levels",
                        SCHEMA_DEPTH_MAX);
        return false;
    }
    refuse_tag(yaml, kind == NODE_MAP ? event->mapping_start.tag : event->sequence_start.tag);
    index = hang(yaml, &node);
    yaml->open[yaml->depth++] = index;
    return add_anchor(
        yaml, kind == NODE_MAP ? event->mapping_start.anchor : event->sequence_start.anchor, index);
}

/* A block ends where its last child does; the library's mark for its end is further on. */
static void close_container(struct yaml *yaml, struct fy_token *token)
{
    struct tree *tree = yaml->tree;
    uint32_t index = yaml->open[--yaml->depth];
    struct node *node = &tree->nodes[index];
    struct bytes source = token ? source_of(yaml, token) : (struct bytes){0};

    if (source.at && source.len)
        node->end = offset_of(yaml, source) + (uint32_t)source.len;
    else if (node->last)
        node->end = tree->nodes[node->last].end;
    if (node->first && tree->nodes[node->first].begin < node->begin)
        node->begin = tree->nodes[node->first].begin;
    if (node->end < node->begin)
        node->end = node->begin;
    if (node->kind == NODE_MAP)
        tree_merge(yaml->findings, index);
}

/* The library's marks stand inside the quotes. */
static void include_quotes(const struct yaml *yaml, struct node *node)
{
    struct bytes all = yaml->findings->text;

    if (node->begin > 0 && (all.at[node->begin - 1] == '"' || all.at[node->begin - 1] == '\''))
        node->begin--;
    if (node->end < all.len && (all.at[node->end] == '"' || all.at[node->end] == '\''))
        node->end++;
}

static bool add_scalar(struct yaml *yaml, struct fy_event *event)
{
    struct fy_token *token = event->scalar.value;
    struct node node = {.kind = NODE_NOTHING, .begin = yaml->at, .end = yaml->at};
    enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
    struct bytes source = token ? source_of(yaml, token) : (struct bytes){0};
    size_t len = 0;
    const char *text = token ? fy_token_get_text(token, &len) : NULL;

    refuse_tag(yaml, event->scalar.tag);
    if (source.at) {
        node.begin = offset_of(yaml, source);
        node.end = node.begin + (uint32_t)source.len;
    }
    if (text) {
        node.quoted = style != FYSS_PLAIN;
        node.kind = node.quoted || len ? NODE_SCALAR : NODE_NOTHING;
        node.text = (struct ref){(uint32_t)yaml->tree->texts.len, (uint32_t)len};
        buf_add(&yaml->tree->texts, bytes_of(text, len));
        must(!yaml->tree->texts.full);
    }
    if (style == FYSS_DOUBLE_QUOTED || style == FYSS_SINGLE_QUOTED)
        include_quotes(yaml, &node);
    return add_anchor(yaml, event->scalar.anchor, hang(yaml, &node));
}

static uint32_t anchored(const struct yaml *yaml, struct bytes name)
{
    for (uint32_t i = yaml->anchor_count; i-- > 0;)
        if (bytes_equal(yaml->anchors[i].name, name))
            return yaml->anchors[i].node;
    return 0;
}

static bool is_open(const struct yaml *yaml, uint32_t node)
{
    for (uint32_t i = 0; i < yaml->depth; i++)
        if (yaml->open[i] == node)
            return true;
    return false;
}

static bool add_alias(struct yaml *yaml, struct fy_event *event)
{
    struct bytes name = source_of(yaml, event->alias.anchor);
    uint32_t begin = offset_of(yaml, name), end = begin + (uint32_t)name.len;
    struct node node = {.kind = NODE_ALIAS, .begin = begin ? begin - 1 : 0, .end = end};
    char quoted[QUOTE_MAX];

    node.target = anchored(yaml, name);
    findings_quote(name, quoted);
    if (!node.target)
        findings_add_at(yaml->findings, node.begin, end, "an anchor `&name` stands before its uses",
                        "no anchor %s stands above", quoted);
    else if (is_open(yaml, node.target))
        findings_add_at(yaml->findings, node.begin, end, NULL, "%s would contain itself", quoted);
    if (!node.target || is_open(yaml, node.target))
        node = (struct node){.kind = NODE_ALIAS, .begin = node.begin, .end = end};
    hang(yaml, &node);
    return true;
}

static bool begin_document(struct yaml *yaml)
{
    if (yaml->documented)
        findings_add_at(yaml->findings, yaml->at, yaml->at, "keep one; `---` begins another",
                        "a second document begins after this; a configuration is one document");
    else
        yaml->documented = true;
    return yaml->findings->tree.root == 0;
}

/* False: no further event is wanted. */
static bool take(struct yaml *yaml, struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        return begin_document(yaml);
    case FYET_MAPPING_START:
        return open_container(yaml, NODE_MAP, event);
    case FYET_SEQUENCE_START:
        return open_container(yaml, NODE_LIST, event);
    case FYET_MAPPING_END:
        close_container(yaml, event->mapping_end.mapping_end);
        return true;
    case FYET_SEQUENCE_END:
        close_container(yaml, event->sequence_end.sequence_end);
        return true;
    case FYET_SCALAR:
        return add_scalar(yaml, event);
    case FYET_ALIAS:
        return add_alias(yaml, event);
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_DOCUMENT_END:
        return true;
    case FYET_STREAM_END:
        return false;
    }
    return false;
}

/* ---- what the library complains of ---- */

/* By how it begins; the first that fits. */
static const struct complaint {
    const char *said, *text, *fix;
} complaints[] = {
    {"flow sequence without", "this '[' is never closed", "add the ']'"},
    {"flow mapping without", "this '{' is never closed", "add the '}'"},
    {"double-quoted scalar without", "this text's closing '\"' is missing", NULL},
    {"single-quoted scalar without", "this text's closing \"'\" is missing", NULL},
    {"wrongly indented double-quoted scalar", "this text goes on in a line that is not indented",
     "is its closing quote missing?"},
    {"wrongly indented single-quoted scalar", "this text goes on in a line that is not indented",
     "is its closing quote missing?"},
    {"wrongly indented", "wrongly indented", "indent it deeper than the key that it belongs to"},
    {"invalid nested block mapping", "a second key on the line of the first",
     "begin a new line below and indent it, or write {key: value}; a value that holds ': ' stands "
     "in quotes"},
    {"invalid block mapping key on same line", "a second key on the line of the first",
     "begin a new line"},
    {"invalid multiline plain key",
     "the lines below are indented as if they belonged to this value",
     "indent a key like its siblings, and write no value before keys that are indented deeper"},
    {"tab character may not", "a tab indents this line", "indent with spaces"},
    {"invalid tab", "a tab indents this line", "indent with spaces"},
    {"cannot use tab", "a tab indents this line", "indent with spaces"},
    {"did not find expected key", "expected a key here, as in `key: value`",
     "a list's `-` and a mapping's keys do not mix at one level"},
    {"could not find expected ':'", "expected ':' after this key", NULL},
    {"block sequence on the same line", "a list cannot begin on its key's line",
     "begin a new line before `-`, or write [a, b]"},
    {"missing comma in flow mapping", "expected ',' or '}' here", NULL},
    {"missing comma in flow sequence", "expected ',' or ']' here", NULL},
    {"missing document start", "nothing may follow the end of the document", NULL},
    {"invalid scalar at the end of block", "expected another `-` of the list here", NULL},
    {"plain scalar cannot start", "a text cannot begin like this", "put it in quotes"},
    {"double-quoted scalar has invalid", "an escape in this text is wrong",
     "write \\\\ for a backslash, or use single quotes"},
    {"invalid escape", "an escape in this text is wrong",
     "write \\\\ for a backslash, or use single quotes"},
    {"unsupport version", "this is not YAML 1.2", NULL},
};

static const struct complaint *complaint_of(const char *said)
{
    for (size_t i = 0; i < ARRAY_LEN(complaints); i++)
        if (strncmp(said, complaints[i].said, strlen(complaints[i].said)) == 0)
            return &complaints[i];
    return NULL;
}

/* Where a complaint about a place that is the file's end belongs: to what was not closed. */
static uint32_t innermost_bracket(const struct yaml *yaml)
{
    for (uint32_t i = yaml->depth; i-- > 0;)
        if (yaml->tree->nodes[yaml->open[i]].flow)
            return yaml->open[i];
    return 0;
}

static const char *bracket_fix(const struct yaml *yaml, uint32_t bracket, char *into, size_t size)
{
    const struct node *node = &yaml->tree->nodes[bracket];
    struct place place = findings_place_of(yaml->findings, node->begin, node->end);

    snprintf(into, size, "is the '%c' of %u:%u closed?", node->kind == NODE_MAP ? '{' : '[',
             place.line, place.column);
    return into;
}

static void report(struct yaml *yaml, const struct fy_diag_error *error)
{
    struct findings *findings = yaml->findings;
    const struct complaint *known = complaint_of(error->msg);
    uint32_t bracket = innermost_bracket(yaml), line = error->line > 0 ? (uint32_t)error->line : 0;
    const char *fix, *text;
    char storage[64];

    text = known ? known->text : error->msg;
    fix = known ? known->fix : NULL;
    if (bracket && strstr(error->msg, " without a closing b")) {
        const struct node *node = &yaml->tree->nodes[bracket];

        findings_add_at(findings, node->begin, node->begin + 1, fix, "%s", text);
        return;
    }
    if (bracket && !fix)
        fix = bracket_fix(yaml, bracket, storage, sizeof storage);
    if (line > findings->line_count)
        line = findings->line_count;
    findings_add(findings, line, error->column > 0 ? (uint32_t)error->column : 1, 1, fix, "%s",
                 text);
}

/* The library's text without a place: `[ERR]: unsupport version number 1.9\n`. */
static void overhear(struct fy_diag *diag, void *context, const char *text, size_t len)
{
    struct yaml *yaml = context;
    struct bytes said = bytes_of(text, len);
    size_t from = bytes_starts_with(said, BYTES("[ERR]: ")) ? 7 : 0;

    (void)diag;
    if (!yaml->complaint[0])
        bytes_to_string(bytes_take(bytes_skip(said, from), bytes_find(said, '\n') - from),
                        yaml->complaint, sizeof yaml->complaint);
}

static void report_all(struct yaml *yaml, struct fy_diag *diag)
{
    uint32_t before = yaml->findings->count;
    void *previous = NULL;

    for (struct fy_diag_error *error = fy_diag_errors_iterate(diag, &previous); error;
         error = fy_diag_errors_iterate(diag, &previous))
        if (error->type >= FYET_ERROR)
            report(yaml, error);
    if (yaml->findings->count == before) {
        const struct complaint *known = complaint_of(yaml->complaint);

        findings_add_at(yaml->findings, yaml->at, yaml->at, known ? known->fix : NULL, "%s",
                        known                ? known->text
                        : yaml->complaint[0] ? yaml->complaint
                                             : "from here on, this is not YAML");
    }
}

/* ---- reading ---- */

/* True when the document was taken to its end. */
static bool pump(struct yaml *yaml, struct fy_parser *parser)
{
    for (;;) {
        struct fy_event *event = fy_parser_parse(parser);
        const struct fy_mark *end = event ? fy_event_end_mark(event) : NULL;
        bool last, more;

        if (!event)
            return false;
        last = event->type == FYET_STREAM_END;
        more = take(yaml, event);
        if (end && end->input_pos <= yaml->findings->text.len && end->input_pos > yaml->at)
            yaml->at = (uint32_t)end->input_pos;
        fy_parser_event_free(parser, event);
        if (yaml->tree->count > NODES_MAX) {
            findings_add_at(yaml->findings, yaml->at, yaml->at, NULL, "more than %d values",
                            NODES_MAX);
            more = false;
        }
        if (!more) {
            yaml->tree->broken = !last;
            return true;
        }
    }
}

static void parse(struct yaml *yaml)
{
    struct fy_diag_cfg diag_options;
    struct fy_parse_cfg options = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
                                            FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE};
    struct fy_parser *parser;

    fy_diag_cfg_default(&diag_options);
    diag_options.fp = NULL;
    diag_options.output_fn = overhear;
    diag_options.user = yaml;
    diag_options.level = FYET_ERROR;
    options.diag = fy_diag_create(&diag_options);
    must(options.diag != NULL);
    fy_diag_set_collect_errors(options.diag, true);
    parser = fy_parser_create(&options);
    must(parser != NULL);
    must(fy_parser_set_string(parser, (const char *)yaml->findings->text.at,
                              yaml->findings->text.len) == 0);
    if (!pump(yaml, parser)) {
        yaml->tree->broken = true;
        report_all(yaml, options.diag);
    }
    while (yaml->depth)
        close_container(yaml, NULL);
    fy_parser_destroy(parser);
    fy_diag_destroy(options.diag);
}

void tree_read(struct findings *findings)
{
    static const struct node none = {.kind = NODE_NOTHING};
    struct yaml yaml = {.findings = findings, .tree = &findings->tree};

    must(findings->tree.count == 0);
    buf_init(&findings->tree.texts, 4 * SCHEMA_FILE_MAX);
    tree_add(&findings->tree, 0, &none);
    findings->tree.broken = true;
    if (findings->text.len > SCHEMA_FILE_MAX)
        findings_add(findings, 0, 0, 0, NULL, "larger than the %d MiB that a file may have",
                     SCHEMA_FILE_MAX >> 20);
    else if (bytes_are_text(findings)) {
        findings->tree.broken = false;
        if (findings->text.len)
            parse(&yaml);
    }
}

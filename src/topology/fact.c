#include "topology/fact.h"

#include "base/pack.h"
#include "base/utf8.h"

#include <stdio.h>

/* ---- making one ---- */

/* Copies what is printable, cut between characters. */
static void copy_text(char *to, size_t cap, struct bytes from)
{
    size_t len = 0;

    while (from.len) {
        uint32_t character;
        unsigned step = utf8_step(from, &character);
        bool good = step > 0 && utf8_printable(character);
        size_t need = good ? step : 1;

        if (len + need >= cap)
            break;
        memcpy(to + len, good ? from.at : (const uint8_t *)"?", need);
        len += need;
        from = bytes_skip(from, step ? step : 1);
    }
    to[len] = '\0';
}

void fact_init(struct fact *fact, enum fact_code code, enum subject_kind kind, const char *subject)
{
    *fact = (struct fact){.code = (uint16_t)code, .subject_kind = (uint8_t)kind};
    copy_text(fact->subject, sizeof fact->subject, bytes_of_string(subject ? subject : ""));
}

void fact_add(struct fact *fact, enum number_kind kind, int64_t value)
{
    must(fact->number_count < FACT_NUMBERS_MAX);
    must(kind > NUMBER_NONE && kind < NUMBER_KINDS);
    fact->numbers[fact->number_count++] =
        (struct fact_number){.kind = (uint8_t)kind, .value = value};
}

void fact_say(struct fact *fact, const char *format, ...)
{
    char text[2 * FACT_TEXT_MAX];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    must(len >= 0);
    copy_text(fact->text, sizeof fact->text, bytes_of_string(text));
}

/* ---- order and identity ---- */

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a == b ? 0 : a < b ? -1 : 1;
}

int fact_compare(const struct fact *a, const struct fact *b)
{
    int order = moment_compare(a->at, b->at);

    if (order == 0)
        order = strcmp(a->node, b->node);
    if (order == 0)
        order = compare_numbers(a->origin, b->origin);
    return order ? order : compare_numbers(a->sequence, b->sequence);
}

bool fact_same(const struct fact *a, const struct fact *b)
{
    return a->sequence == b->sequence && a->origin == b->origin && strcmp(a->node, b->node) == 0;
}

/* ---- encoding: u16 length of what follows, u8 version, then fields of u8 tag, u8 length, value ---- */

enum { VERSION = 1, LENGTH_BYTES = 2, FIELD_BYTES = 2 };

enum tag {
    TAG_CODE = 1,    /* u16 */
    TAG_MOMENT,      /* i64 wall ms, u32 counter */
    TAG_NODE,        /* text */
    TAG_MEMBER,      /* u32 */
    TAG_INCARNATION, /* u64 */
    TAG_ORIGIN,      /* u64 */
    TAG_SEQUENCE,    /* u64 */
    TAG_SUBJECT,     /* u8 kind, text */
    TAG_EPOCH,       /* u64 */
    TAG_NUMBER,      /* u8 kind, i64; may come more than once */
    TAG_TEXT,        /* text */
};

/* As long as the longest of each, with the length and the version. */
_Static_assert(LENGTH_BYTES + 1 + (FIELD_BYTES + 2) + (FIELD_BYTES + 12) +
                       (FIELD_BYTES + FACT_NODE_MAX - 1) + (FIELD_BYTES + 4) +
                       4 * (FIELD_BYTES + 8) + (FIELD_BYTES + 1 + FACT_SUBJECT_MAX - 1) +
                       FACT_NUMBERS_MAX * (FIELD_BYTES + 9) + (FIELD_BYTES + FACT_TEXT_MAX - 1) <=
                   FACT_BYTES_MAX,
               "a fact fits FACT_BYTES_MAX");
_Static_assert(FACT_TEXT_MAX - 1 <= UINT8_MAX && FACT_SUBJECT_MAX <= UINT8_MAX,
               "a field's length is one byte");

static void add_tag(struct buf *out, enum tag tag, size_t len)
{
    pack_u8(out, (uint8_t)tag);
    pack_u8(out, (uint8_t)len);
}

static void add_u32(struct buf *out, enum tag tag, uint32_t value)
{
    add_tag(out, tag, 4);
    pack_u32(out, value);
}

static void add_u64(struct buf *out, enum tag tag, uint64_t value)
{
    add_tag(out, tag, 8);
    pack_u64(out, value);
}

static void add_text(struct buf *out, enum tag tag, const char *text)
{
    pack_u8(out, (uint8_t)tag);
    pack_bytes8(out, bytes_of_string(text));
}

static void add_subject(struct buf *out, const struct fact *fact)
{
    struct bytes name = bytes_of_string(fact->subject);

    add_tag(out, TAG_SUBJECT, 1 + name.len);
    pack_u8(out, fact->subject_kind);
    buf_add(out, name);
}

static void add_fields(const struct fact *fact, struct buf *out)
{
    add_tag(out, TAG_CODE, 2);
    pack_u16(out, fact->code);
    add_tag(out, TAG_MOMENT, 12);
    pack_u64(out, (uint64_t)fact->at.wall_ms);
    pack_u32(out, fact->at.counter);
    add_text(out, TAG_NODE, fact->node);
    add_u32(out, TAG_MEMBER, fact->member);
    add_u64(out, TAG_INCARNATION, fact->incarnation);
    add_u64(out, TAG_ORIGIN, fact->origin);
    add_u64(out, TAG_SEQUENCE, fact->sequence);
    add_subject(out, fact);
    add_u64(out, TAG_EPOCH, fact->epoch);
    for (uint32_t i = 0; i < fact->number_count; i++) {
        add_tag(out, TAG_NUMBER, 9);
        pack_u8(out, fact->numbers[i].kind);
        pack_u64(out, (uint64_t)fact->numbers[i].value);
    }
    add_text(out, TAG_TEXT, fact->text);
}

void fact_encode(const struct fact *fact, struct buf *out)
{
    uint8_t storage[FACT_BYTES_MAX - LENGTH_BYTES];
    struct buf fields;

    must(fact->code != 0);
    must(fact->number_count <= FACT_NUMBERS_MAX);
    buf_over(&fields, storage, sizeof storage);
    pack_u8(&fields, VERSION);
    add_fields(fact, &fields);
    must(!fields.full);
    if (buf_space(out, LENGTH_BYTES + fields.len))
        pack_bytes16(out, buf_bytes(&fields));
}

/* ---- decoding ---- */

static bool read_text(struct bytes value, char *text, size_t cap)
{
    copy_text(text, cap, value);
    return bytes_equal(bytes_of_string(text), value);
}

static bool read_code(struct unpack *in, struct fact *fact)
{
    fact->code = unpack_u16(in);
    return fact->code != 0;
}

static bool read_moment(struct unpack *in, struct fact *fact)
{
    fact->at.wall_ms = (int64_t)unpack_u64(in);
    fact->at.counter = unpack_u32(in);
    return fact->at.wall_ms >= 0;
}

static bool read_node(struct unpack *in, struct fact *fact)
{
    return read_text(in->left, fact->node, sizeof fact->node);
}

static bool read_member(struct unpack *in, struct fact *fact)
{
    fact->member = unpack_u32(in);
    return true;
}

static bool read_incarnation(struct unpack *in, struct fact *fact)
{
    fact->incarnation = unpack_u64(in);
    return true;
}

static bool read_origin(struct unpack *in, struct fact *fact)
{
    fact->origin = unpack_u64(in);
    return true;
}

static bool read_sequence(struct unpack *in, struct fact *fact)
{
    fact->sequence = unpack_u64(in);
    return fact->sequence <= INT64_MAX;
}

static bool read_subject(struct unpack *in, struct fact *fact)
{
    fact->subject_kind = unpack_u8(in);
    return read_text(in->left, fact->subject, sizeof fact->subject);
}

static bool read_epoch(struct unpack *in, struct fact *fact)
{
    fact->epoch = unpack_u64(in);
    return true;
}

/* More of them than we hold were added by a newer version. */
static bool read_number(struct unpack *in, struct fact *fact)
{
    uint8_t kind = unpack_u8(in);

    if (fact->number_count < FACT_NUMBERS_MAX)
        fact->numbers[fact->number_count++] =
            (struct fact_number){.kind = kind, .value = (int64_t)unpack_u64(in)};
    return true;
}

static bool read_sentence(struct unpack *in, struct fact *fact)
{
    return read_text(in->left, fact->text, sizeof fact->text);
}

static const struct field {
    uint8_t least, most; /* bytes of the value */
    bool (*read)(struct unpack *in, struct fact *fact);
    const char *wrong;
} fields[] = {
    [TAG_CODE] = {2, 2, read_code, "the code is wrong"},
    [TAG_MOMENT] = {12, 12, read_moment, "the moment is wrong"},
    [TAG_NODE] = {0, FACT_NODE_MAX - 1, read_node, "the node's name is wrong"},
    [TAG_MEMBER] = {4, 4, read_member, "the member is wrong"},
    [TAG_INCARNATION] = {8, 8, read_incarnation, "the incarnation is wrong"},
    [TAG_ORIGIN] = {8, 8, read_origin, "the origin is wrong"},
    [TAG_SEQUENCE] = {8, 8, read_sequence, "the sequence is wrong"},
    [TAG_SUBJECT] = {1, FACT_SUBJECT_MAX, read_subject, "the subject is wrong"},
    [TAG_EPOCH] = {8, 8, read_epoch, "the epoch is wrong"},
    [TAG_NUMBER] = {9, 9, read_number, "a number is wrong"},
    [TAG_TEXT] = {0, FACT_TEXT_MAX - 1, read_sentence, "the sentence is wrong"},
};

/* NULL: it was read, or is of a newer version. */
static const char *read_field(uint8_t tag, struct bytes value, struct fact *fact)
{
    const struct field *field = tag < ARRAY_LEN(fields) ? &fields[tag] : NULL;
    struct unpack in = unpack_of(value);

    if (tag == 0)
        return "a field has no tag";
    if (!field)
        return NULL;
    if (value.len < field->least || value.len > field->most || !field->read(&in, fact))
        return field->wrong;
    return NULL;
}

static const char *read_fields(struct bytes bytes, struct fact *fact)
{
    struct unpack in = unpack_of(bytes);
    uint8_t before = 0;

    while (in.left.len) {
        uint8_t tag = unpack_u8(&in);
        struct bytes value = unpack_bytes8(&in);
        const char *why;

        if (in.bad)
            return "a field is longer than the fact";
        if (tag < before || (tag == before && tag != TAG_NUMBER))
            return "the fields are not in order";
        why = read_field(tag, value, fact);
        if (why)
            return why;
        before = tag;
    }
    return fact->code ? NULL : "the fact has no code";
}

static enum fact_outcome wrong(const char **why, const char *what)
{
    *why = what;
    return FACT_WRONG;
}

enum fact_outcome fact_decode(struct bytes bytes, struct fact *fact, size_t *used, const char **why)
{
    struct unpack in = unpack_of(bytes);
    struct fact read = {0};
    const char *what;
    size_t len;

    if (bytes.len < LENGTH_BYTES)
        return FACT_MORE;
    len = unpack_u16(&in);
    if (len < 1 || len > FACT_FOREIGN_MAX - LENGTH_BYTES)
        return wrong(why, "the length is impossible");
    if (bytes.len > LENGTH_BYTES && bytes.at[LENGTH_BYTES] != VERSION)
        return wrong(why, "the version is unknown");
    if (bytes.len - LENGTH_BYTES < len)
        return FACT_MORE;
    what = read_fields(bytes_of(bytes.at + LENGTH_BYTES + 1, len - 1), &read);
    if (what)
        return wrong(why, what);
    *fact = read;
    *used = LENGTH_BYTES + len;
    return FACT_READ;
}

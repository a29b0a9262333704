#include "topology/fact.h"

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
    TAG_INCARNATION, /* u32 */
    TAG_ORIGIN,      /* u64 */
    TAG_SEQUENCE,    /* u64 */
    TAG_SUBJECT,     /* u8 kind, text */
    TAG_EPOCH,       /* u64 */
    TAG_NUMBER,      /* u8 kind, i64; may come more than once */
    TAG_TEXT,        /* text */
};

/* As long as the longest of each, with the length and the version. */
_Static_assert(LENGTH_BYTES + 1 + (FIELD_BYTES + 2) + (FIELD_BYTES + 12) +
                       (FIELD_BYTES + FACT_NODE_MAX - 1) + 2 * (FIELD_BYTES + 4) +
                       3 * (FIELD_BYTES + 8) + (FIELD_BYTES + 1 + FACT_SUBJECT_MAX - 1) +
                       FACT_NUMBERS_MAX * (FIELD_BYTES + 9) + (FIELD_BYTES + FACT_TEXT_MAX - 1) <=
                   FACT_BYTES_MAX,
               "a fact fits FACT_BYTES_MAX");
_Static_assert(FACT_TEXT_MAX - 1 <= UINT8_MAX && FACT_SUBJECT_MAX <= UINT8_MAX,
               "a field's length is one byte");

static void add_integer(struct buf *out, uint64_t value, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        buf_add_byte(out, (uint8_t)(value >> 8 * i));
}

static void add_field(struct buf *out, enum tag tag, uint64_t value, uint32_t size)
{
    buf_add_byte(out, (uint8_t)tag);
    buf_add_byte(out, (uint8_t)size);
    add_integer(out, value, size);
}

static void add_text(struct buf *out, enum tag tag, const char *text)
{
    struct bytes bytes = bytes_of_string(text);

    buf_add_byte(out, (uint8_t)tag);
    buf_add_byte(out, (uint8_t)bytes.len);
    buf_add(out, bytes);
}

static void add_fields(const struct fact *fact, struct buf *out)
{
    struct bytes subject = bytes_of_string(fact->subject);

    add_field(out, TAG_CODE, fact->code, 2);
    buf_add_byte(out, TAG_MOMENT);
    buf_add_byte(out, 12);
    add_integer(out, (uint64_t)fact->at.wall_ms, 8);
    add_integer(out, fact->at.counter, 4);
    add_text(out, TAG_NODE, fact->node);
    add_field(out, TAG_MEMBER, fact->member, 4);
    add_field(out, TAG_INCARNATION, fact->incarnation, 4);
    add_field(out, TAG_ORIGIN, fact->origin, 8);
    add_field(out, TAG_SEQUENCE, fact->sequence, 8);
    buf_add_byte(out, TAG_SUBJECT);
    buf_add_byte(out, (uint8_t)(1 + subject.len));
    buf_add_byte(out, fact->subject_kind);
    buf_add(out, subject);
    add_field(out, TAG_EPOCH, fact->epoch, 8);
    for (uint32_t i = 0; i < fact->number_count; i++) {
        buf_add_byte(out, TAG_NUMBER);
        buf_add_byte(out, 9);
        buf_add_byte(out, fact->numbers[i].kind);
        add_integer(out, (uint64_t)fact->numbers[i].value, 8);
    }
    add_text(out, TAG_TEXT, fact->text);
}

void fact_encode(const struct fact *fact, struct buf *out)
{
    uint8_t storage[FACT_BYTES_MAX];
    struct buf fields;

    must(fact->code != 0);
    must(fact->number_count <= FACT_NUMBERS_MAX);
    buf_over(&fields, storage, sizeof storage - LENGTH_BYTES);
    buf_add_byte(&fields, VERSION);
    add_fields(fact, &fields);
    must(!fields.full);
    if (!buf_space(out, LENGTH_BYTES + fields.len))
        return;
    add_integer(out, fields.len, LENGTH_BYTES);
    buf_add(out, buf_bytes(&fields));
}

/* ---- decoding ---- */

static uint64_t read_integer(struct bytes value)
{
    uint64_t number = 0;

    for (size_t i = 0; i < value.len; i++)
        number |= (uint64_t)value.at[i] << 8 * i;
    return number;
}

static bool read_text(struct bytes value, char *text, size_t cap)
{
    copy_text(text, cap, value);
    return bytes_equal(bytes_of_string(text), value);
}

static bool read_code(struct bytes value, struct fact *fact)
{
    fact->code = (uint16_t)read_integer(value);
    return fact->code != 0;
}

static bool read_moment(struct bytes value, struct fact *fact)
{
    fact->at.wall_ms = (int64_t)read_integer(bytes_take(value, 8));
    fact->at.counter = (uint32_t)read_integer(bytes_skip(value, 8));
    return fact->at.wall_ms >= 0;
}

static bool read_node(struct bytes value, struct fact *fact)
{
    return read_text(value, fact->node, sizeof fact->node);
}

static bool read_member(struct bytes value, struct fact *fact)
{
    fact->member = (uint32_t)read_integer(value);
    return true;
}

static bool read_incarnation(struct bytes value, struct fact *fact)
{
    fact->incarnation = (uint32_t)read_integer(value);
    return true;
}

static bool read_origin(struct bytes value, struct fact *fact)
{
    fact->origin = read_integer(value);
    return true;
}

static bool read_sequence(struct bytes value, struct fact *fact)
{
    fact->sequence = read_integer(value);
    return true;
}

static bool read_subject(struct bytes value, struct fact *fact)
{
    fact->subject_kind = value.at[0];
    return read_text(bytes_skip(value, 1), fact->subject, sizeof fact->subject);
}

static bool read_epoch(struct bytes value, struct fact *fact)
{
    fact->epoch = read_integer(value);
    return true;
}

/* More of them than we hold were added by a newer version. */
static bool read_number(struct bytes value, struct fact *fact)
{
    if (fact->number_count < FACT_NUMBERS_MAX)
        fact->numbers[fact->number_count++] = (struct fact_number){
            .kind = value.at[0], .value = (int64_t)read_integer(bytes_skip(value, 1))};
    return true;
}

static bool read_sentence(struct bytes value, struct fact *fact)
{
    return read_text(value, fact->text, sizeof fact->text);
}

static const struct field {
    uint8_t least, most; /* bytes of the value */
    bool (*read)(struct bytes value, struct fact *fact);
    const char *wrong;
} fields[] = {
    [TAG_CODE] = {2, 2, read_code, "the code is wrong"},
    [TAG_MOMENT] = {12, 12, read_moment, "the moment is wrong"},
    [TAG_NODE] = {0, FACT_NODE_MAX - 1, read_node, "the node's name is wrong"},
    [TAG_MEMBER] = {4, 4, read_member, "the member is wrong"},
    [TAG_INCARNATION] = {4, 4, read_incarnation, "the incarnation is wrong"},
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

    if (tag == 0)
        return "a field has no tag";
    if (!field)
        return NULL;
    if (value.len < field->least || value.len > field->most || !field->read(value, fact))
        return field->wrong;
    return NULL;
}

static const char *read_fields(struct bytes bytes, struct fact *fact)
{
    uint8_t before = 0;

    while (bytes.len) {
        uint8_t tag = bytes.at[0];
        const char *why;
        size_t len;

        if (bytes.len < FIELD_BYTES || bytes.len - FIELD_BYTES < bytes.at[1])
            return "a field is longer than the fact";
        if (tag < before || (tag == before && tag != TAG_NUMBER))
            return "the fields are not in order";
        len = bytes.at[1];
        why = read_field(tag, bytes_of(bytes.at + FIELD_BYTES, len), fact);
        if (why)
            return why;
        before = tag;
        bytes = bytes_skip(bytes, FIELD_BYTES + len);
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
    struct fact read = {0};
    const char *what;
    size_t len;

    if (bytes.len < LENGTH_BYTES)
        return FACT_MORE;
    len = read_integer(bytes_take(bytes, LENGTH_BYTES));
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

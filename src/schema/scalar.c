#include "schema/scalar.h"

#include "base/address.h"
#include "base/text.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>

static bool is_text(const struct option *row)
{
    return row->type == OPTION_TEXT || row->type == OPTION_ENDPOINT;
}

void scalar_bounds(const struct option *row, int64_t *low, int64_t *high)
{
    bool stated = row->minimum != 0 || row->maximum != 0;

    *low = stated ? row->minimum : row->type == OPTION_NUMBER ? INT64_MIN : 0;
    *high = stated ? row->maximum : is_text(row) ? SCHEMA_TEXT_MAX : INT64_MAX;
}

/* ---- from text ---- */

static bool parse_bool(struct bytes text, int64_t *number)
{
    *number = bytes_equal(text, BYTES("true"));
    return *number || bytes_equal(text, BYTES("false"));
}

static bool parse_choice(const struct option *row, struct bytes text, int64_t *number)
{
    for (int64_t i = 0; row->choices[i]; i++)
        if (bytes_equal(text, bytes_of_string(row->choices[i]))) {
            *number = i;
            return true;
        }
    return false;
}

static bool parse_duration(const struct option *row, struct bytes text, int64_t *number)
{
    if (row->maximum == INT64_MAX && bytes_equal(text, BYTES("never"))) {
        *number = INT64_MAX;
        return true;
    }
    return text_parse_duration(text, number);
}

static bool is_printable(struct bytes text)
{
    uint32_t character;

    while (text.len) {
        unsigned len = utf8_step(text, &character);

        if (!len || !utf8_printable(character))
            return false;
        text = bytes_skip(text, len);
    }
    return true;
}

static bool is_host(struct bytes host)
{
    struct address address;

    if (address_parse_ip(&address, host))
        return true;
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.at[i], letter = c | 0x20;
        bool inner = c == '.' || c == '-' || c == '_';

        if ((letter < 'a' || letter > 'z') && (c < '0' || c > '9') && (!inner || i == 0))
            return false;
    }
    return host.len <= 253;
}

static bool is_endpoint(const struct option *row, struct bytes text)
{
    struct bytes host;
    uint16_t port;

    return address_split(text, &host, &port) && port > 0 && is_host(host) &&
           (host.len > 0 || !(row->flags & OPTION_HOST));
}

static bool parse_number(const struct option *row, struct bytes text, bool quoted, int64_t *number)
{
    switch (row->type) {
    case OPTION_BOOL:
        return !quoted && parse_bool(text, number);
    case OPTION_NUMBER:
        return !quoted && text_parse_number(text, number);
    case OPTION_DURATION:
        return parse_duration(row, text, number);
    case OPTION_SIZE:
        return text_parse_size(text, number);
    case OPTION_PERCENT:
        return text_parse_percent(text, number);
    case OPTION_CHOICE:
        return parse_choice(row, text, number);
    case OPTION_TEXT:
    case OPTION_ENDPOINT:
    case OPTION_SECTION:
    case OPTION_MAP:
    case OPTION_LIST:
    case OPTION_INCLUDE:
        break;
    }
    return false;
}

bool scalar_parse(const struct option *row, struct bytes text, bool quoted, struct value *value)
{
    int64_t low, high, number = (int64_t)text.len;
    bool right = row->type == OPTION_TEXT       ? is_printable(text)
                 : row->type == OPTION_ENDPOINT ? is_endpoint(row, text)
                                                : parse_number(row, text, quoted, &number);

    scalar_bounds(row, &low, &high);
    if (!right || number < low || number > high)
        return false;
    *value = is_text(row) ? (struct value){.text = text} : (struct value){.number = number};
    return true;
}

/* ---- to text ---- */

static bool is_plain(struct bytes text)
{
    static const char inner[] = "_./:-";

    if (text.len == 0 || text.at[0] == '-' || text.at[0] == '.' || text.at[0] == ':' ||
        text.at[text.len - 1] == ':' || bytes_equal(text, BYTES("null")))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i], letter = c | 0x20;

        if ((letter < 'a' || letter > 'z') && (c < '0' || c > '9') && (c == 0 || !strchr(inner, c)))
            return false;
    }
    return true;
}

void scalar_print_text(struct bytes text, struct buf *out)
{
    if (is_plain(text)) {
        buf_add(out, text);
        return;
    }
    buf_add_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '"' || text.at[i] == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, text.at[i]);
    }
    buf_add_byte(out, '"');
}

static void print_amount(const struct option *row, int64_t number, struct buf *out)
{
    char text[TEXT_QUANTITY_MAX];

    if (row->type == OPTION_DURATION && number == INT64_MAX)
        buf_add_string(out, "never");
    else if (row->type == OPTION_DURATION)
        buf_add_string(out, text_print_duration(number, text));
    else if (row->type == OPTION_SIZE)
        buf_add_string(out, text_print_size(number, text));
    else if (row->type == OPTION_PERCENT)
        buf_add_string(out, text_print_percent(number, text));
    else
        buf_print(out, "%" PRId64, number);
}

void scalar_print(const struct option *row, const struct value *value, struct buf *out)
{
    if (is_text(row))
        scalar_print_text(value->text, out);
    else if (row->type == OPTION_BOOL)
        buf_add_string(out, value->number ? "true" : "false");
    else if (row->type == OPTION_CHOICE)
        buf_add_string(out, row->choices[value->number]);
    else
        print_amount(row, value->number, out);
}

/* ---- for people ---- */

static void describe_range(const struct option *row, const char *what, const char *unit,
                           struct buf *out)
{
    int64_t low, high;
    bool low_counts, high_counts;

    scalar_bounds(row, &low, &high);
    low_counts = low > (row->type == OPTION_NUMBER ? INT64_MIN : 0);
    high_counts = high < INT64_MAX;
    buf_add_string(out, what);
    if (high_counts && (low_counts || !is_text(row))) {
        buf_add_string(out, is_text(row) ? " of " : " from ");
        print_amount(row, low, out);
        buf_add_string(out, " to ");
        print_amount(row, high, out);
    } else if (low_counts || high_counts) {
        buf_add_string(out, low_counts ? " of at least " : " of at most ");
        print_amount(row, low_counts ? low : high, out);
    }
    buf_add_string(out, low_counts || high_counts ? unit : "");
    if (row->type == OPTION_DURATION && row->maximum == INT64_MAX)
        buf_add_string(out, ", or never");
}

static void describe_choices(const struct option *row, struct buf *out)
{
    if (row->choices[0] && row->choices[1])
        buf_add_string(out, "one of ");
    for (size_t i = 0; row->choices[i]; i++)
        buf_print(out, "%s%s", i ? ", " : "", row->choices[i]);
}

void scalar_describe(const struct option *row, struct buf *out)
{
    switch (row->type) {
    case OPTION_BOOL:
        buf_add_string(out, "true or false");
        break;
    case OPTION_NUMBER:
        describe_range(row, "a number", "", out);
        break;
    case OPTION_DURATION:
        describe_range(row, "a duration", "", out);
        break;
    case OPTION_SIZE:
        describe_range(row, "a size", "", out);
        break;
    case OPTION_PERCENT:
        describe_range(row, "a percentage", "", out);
        break;
    case OPTION_TEXT:
        describe_range(row, "a text", " bytes", out);
        break;
    case OPTION_ENDPOINT:
        buf_add_string(out, row->flags & OPTION_HOST ? "host:port" : "host:port or :port");
        break;
    case OPTION_CHOICE:
        describe_choices(row, out);
        break;
    case OPTION_SECTION:
    case OPTION_MAP:
    case OPTION_LIST:
    case OPTION_INCLUDE:
        never("a container is no scalar");
    }
}

static const char *fix_bool(struct bytes text)
{
    static const char *const yes[] = {"yes", "on", "y", "true", "1"};
    static const char *const no[] = {"no", "off", "n", "false", "0"};

    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (bytes_equal_nocase(text, bytes_of_string(yes[i])))
            return "write true, without quotes";
        if (bytes_equal_nocase(text, bytes_of_string(no[i])))
            return "write false, without quotes";
    }
    return NULL;
}

static const char *fix_choice(const struct option *row, struct bytes text, char *into, size_t size)
{
    char word[64];
    const char *nearest;

    if (text.len >= sizeof word || bytes_find(text, 0) < text.len)
        return NULL;
    nearest = schema_nearest(bytes_to_string(text, word, sizeof word), row->choices);
    if (!nearest)
        return NULL;
    snprintf(into, size, "did you mean '%s'?", nearest);
    return into;
}

static const char *fix_text(struct bytes text)
{
    return is_printable(text) ? NULL : "a text is one line, without control characters";
}

static const char *fix_endpoint(struct bytes text)
{
    struct bytes host;
    uint16_t port;

    if (!address_split(text, &host, &port))
        return bytes_find(text, ':') < text.len
                   ? "a port is a number from 1 to 65535; an IPv6 address stands in brackets: "
                     "\"[::1]:80\""
                   : "add a port, as in 10.0.0.1:80";
    if (port == 0)
        return "a port is a number from 1 to 65535";
    return host.len == 0 ? "say which host" : NULL;
}

const char *scalar_fix(const struct option *row, struct bytes text, bool quoted, char *into,
                       size_t size)
{
    int64_t number;

    switch (row->type) {
    case OPTION_BOOL:
        return fix_bool(text);
    case OPTION_NUMBER:
        return quoted && text_parse_number(text, &number) ? "leave out the quotes" : NULL;
    case OPTION_DURATION:
        return text_parse_duration(text, &number)
                   ? NULL
                   : "a whole number and its unit: 250ms, 5s, 10m, 2h or 90d";
    case OPTION_SIZE:
        return text_parse_size(text, &number)
                   ? NULL
                   : "bytes, or a whole number and its unit: 512, 16KiB, 64MiB or 2GiB";
    case OPTION_PERCENT:
        return text_parse_percent(text, &number)
                   ? NULL
                   : "a percentage with at most two decimals: 20% or 99.99%";
    case OPTION_CHOICE:
        return fix_choice(row, text, into, size);
    case OPTION_TEXT:
        return fix_text(text);
    case OPTION_ENDPOINT:
        return fix_endpoint(text);
    case OPTION_SECTION:
    case OPTION_MAP:
    case OPTION_LIST:
    case OPTION_INCLUDE:
        break;
    }
    return NULL;
}

/* ---- in an image ---- */

static void put(struct buf *image, size_t at, const void *from, size_t size)
{
    must(at + size <= image->len);
    memcpy(image->at + at, from, size);
}

void scalar_store(const struct option *row, const struct value *value, struct buf *image, size_t at)
{
    struct ref ref = {(uint32_t)image->len, (uint32_t)value->text.len};
    bool truth = value->number != 0;
    int32_t choice = (int32_t)value->number;

    if (is_text(row)) {
        buf_add(image, value->text);
        buf_add_byte(image, '\0');
        put(image, at, &ref, sizeof ref);
    } else if (row->type == OPTION_BOOL) {
        put(image, at, &truth, sizeof truth);
    } else if (row->type == OPTION_CHOICE) {
        put(image, at, &choice, sizeof choice);
    } else {
        put(image, at, &value->number, sizeof value->number);
    }
}

static void get(struct image image, size_t at, void *into, size_t size)
{
    must(at + size <= image.len);
    memcpy(into, image.at + at, size);
}

bool scalar_load(const struct option *row, struct image image, size_t at, struct value *value)
{
    struct ref ref;
    bool truth;
    int32_t choice;

    *value = (struct value){0};
    if (is_text(row)) {
        get(image, at, &ref, sizeof ref);
        value->text = image_text(image, ref);
        return ref.at != 0;
    }
    if (row->type == OPTION_BOOL) {
        get(image, at, &truth, sizeof truth);
        value->number = truth;
    } else if (row->type == OPTION_CHOICE) {
        get(image, at, &choice, sizeof choice);
        value->number = choice;
    } else {
        get(image, at, &value->number, sizeof value->number);
    }
    return true;
}

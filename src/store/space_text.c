/*
 * Strings and the numbers in them.
 */
#include "base/must.h"
#include "store/call.h"
#include "store/space_parts.h"

struct bytes entry_text(const struct entry *entry, char *digits)
{
    const struct text *text;

    must(entry->type == VALUE_STRING);
    switch ((enum text_form)entry->form) {
    case TEXT_NUMBER:
        return bytes_of(digits, number_to_text((int64_t)*entry_word(entry), digits));
    case TEXT_SHORT:
    case TEXT_RAW:
        return bytes_of(entry_name_at(entry) + entry->name_len, entry->text_len);
    case TEXT_LONG:
        text = entry_value(entry);
        return bytes_of(text->at, text->len);
    }
    never("no such form of a string");
}

bool entry_number(const struct entry *entry, int64_t *number)
{
    if (entry->form == TEXT_NUMBER) {
        *number = (int64_t)*entry_word(entry);
        return true;
    }
    return text_to_number(entry_text(entry, NULL), number);
}

#include "store/notice.h"

static uint32_t class_of(uint8_t letter)
{
    switch (letter) {
    case 'A':
        return NOTICE_ALL;
    case 'g':
        return NOTICE_GENERIC;
    case '$':
        return NOTICE_STRING;
    case 'l':
        return NOTICE_LIST;
    case 's':
        return NOTICE_SET;
    case 'h':
        return NOTICE_HASH;
    case 'z':
        return NOTICE_SORTED;
    case 'x':
        return NOTICE_EXPIRED;
    case 'e':
        return NOTICE_EVICTED;
    case 'n':
        return NOTICE_NEW;
    case 'K':
        return NOTICE_KEYSPACE;
    case 'E':
        return NOTICE_KEYEVENT;
    case 't':
    case 'd':
    case 'm':
        return NOTICE_OTHERS;
    default:
        return 0;
    }
}

bool notice_parse(struct bytes letters, uint32_t *classes)
{
    uint32_t all = 0;

    for (size_t i = 0; i < letters.len; i++) {
        uint32_t class = class_of(letters.at[i]);

        if (class == 0)
            return false;
        all |= class;
    }
    *classes = all;
    return true;
}

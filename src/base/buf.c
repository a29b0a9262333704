#include "base/buf.h"

#include <stdlib.h>

enum { FIRST_CAP = 256 };

void buf_init(struct buf *buf, size_t limit)
{
    *buf = (struct buf){.limit = limit};
}

void buf_over(struct buf *buf, void *storage, size_t size)
{
    *buf = (struct buf){.at = storage, .cap = size, .limit = size, .borrowed = true};
}

void buf_fini(struct buf *buf)
{
    if (!buf->borrowed)
        free(buf->at);
    *buf = (struct buf){0};
}

static bool grow(struct buf *buf, size_t need)
{
    size_t cap = buf->cap ? buf->cap : FIRST_CAP;
    uint8_t *at;

    if (buf->borrowed || need > buf->limit)
        return false;
    while (cap < need)
        cap *= 2;
    if (cap > buf->limit)
        cap = buf->limit;
    at = realloc(buf->at, cap);
    if (!at)
        return false;
    buf->at = at;
    buf->cap = cap;
    return true;
}

uint8_t *buf_space(struct buf *buf, size_t len)
{
    if (buf->full)
        return NULL;
    if (len > buf->cap - buf->len && (len > buf->limit - buf->len || !grow(buf, buf->len + len))) {
        buf->full = true;
        return NULL;
    }
    return buf->at + buf->len;
}

void buf_grew(struct buf *buf, size_t len)
{
    must(len <= buf->cap - buf->len);
    buf->len += len;
}

void buf_add(struct buf *buf, struct bytes bytes)
{
    uint8_t *space = bytes.len ? buf_space(buf, bytes.len) : NULL;

    if (!space)
        return;
    memcpy(space, bytes.at, bytes.len);
    buf->len += bytes.len;
}

void buf_add_byte(struct buf *buf, uint8_t byte)
{
    buf_add(buf, bytes_of(&byte, 1));
}

void buf_add_string(struct buf *buf, const char *text)
{
    buf_add(buf, bytes_of_string(text));
}

void buf_add_number(struct buf *buf, uint64_t number)
{
    uint8_t digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number);
    buf_add(buf, bytes_of(digits + at, sizeof digits - at));
}

void buf_print(struct buf *buf, const char *format, ...)
{
    va_list args;
    char small[256];
    int len;
    uint8_t *space;

    va_start(args, format);
    len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    must(len >= 0);
    if ((size_t)len < sizeof small) {
        buf_add(buf, bytes_of(small, (size_t)len));
        return;
    }
    space = buf_space(buf, (size_t)len + 1);
    if (!space)
        return;
    va_start(args, format);
    vsnprintf((char *)space, (size_t)len + 1, format, args);
    va_end(args);
    buf->len += (size_t)len;
}

void buf_drop(struct buf *buf, size_t count)
{
    must(count <= buf->len);
    if (count == 0)
        return;
    memmove(buf->at, buf->at + count, buf->len - count);
    buf->len -= count;
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->full = false;
}

bool buf_write(const struct buf *buf, FILE *file)
{
    return buf->len == 0 || fwrite(buf->at, 1, buf->len, file) == buf->len;
}

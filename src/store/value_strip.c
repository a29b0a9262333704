/* A length in one byte below 128, else in four, the first with its top bit set. */
#include "base/must.h"
#include "store/value.h"

#include <string.h>

enum { SHORT_MAX = 127, LONG_BYTES = 4 };

static uint32_t head_of(size_t len)
{
    return len <= SHORT_MAX ? 1 : LONG_BYTES;
}

uint32_t strip_cost(struct bytes item)
{
    return head_of(item.len) + (uint32_t)item.len;
}

uint32_t strip_item(const struct strip *strip, uint32_t offset, struct bytes *item)
{
    const uint8_t *at = strip->at + offset;
    uint32_t len = at[0], head = 1;

    if (len > SHORT_MAX) {
        len = (uint32_t)(at[0] & SHORT_MAX) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
              at[3];
        head = LONG_BYTES;
    }
    *item = bytes_of(at + head, len);
    return offset + head + len;
}

uint32_t strip_offset(const struct strip *strip, uint32_t index)
{
    struct bytes item;
    uint32_t offset = 0;

    while (index-- > 0)
        offset = strip_item(strip, offset, &item);
    return offset;
}

static void write_item(uint8_t *at, struct bytes item)
{
    uint32_t len = (uint32_t)item.len, head = head_of(len);

    if (head == 1) {
        at[0] = (uint8_t)len;
    } else {
        at[0] = (uint8_t)(0x80 | len >> 24);
        at[1] = (uint8_t)(len >> 16);
        at[2] = (uint8_t)(len >> 8);
        at[3] = (uint8_t)len;
    }
    if (len)
        memcpy(at + head, item.at, len);
}

/* Makes place for `add` bytes where `gone` bytes stand. */
static void replace_bytes(struct strip *strip, struct heap *heap, uint32_t offset, uint32_t gone,
                          uint32_t add)
{
    uint32_t len = strip->len - gone + add, cap = strip->cap, behind = strip->len - offset - gone;

    must(offset + gone <= strip->len);
    if (len > cap)
        cap = len < 256 ? (len + 23) / 16 * 16 + 8 : len + len / 4;
    else if (len < cap / 4)
        cap = len + len / 4 + 8;
    if (cap > strip->cap) {
        strip->at = heap_resize(heap, strip->at, strip->cap, cap);
        strip->cap = cap;
    }
    if (behind)
        memmove(strip->at + offset + add, strip->at + offset + gone, behind);
    strip->len = len;
    if (cap < strip->cap) {
        strip->at = heap_resize(heap, strip->at, strip->cap, cap);
        strip->cap = cap;
    }
}

void strip_insert(struct strip *strip, struct heap *heap, uint32_t offset, struct bytes item)
{
    replace_bytes(strip, heap, offset, 0, strip_cost(item));
    write_item(strip->at + offset, item);
    strip->count++;
}

void strip_remove(struct strip *strip, struct heap *heap, uint32_t offset)
{
    struct bytes item;
    uint32_t next = strip_item(strip, offset, &item);

    replace_bytes(strip, heap, offset, next - offset, 0);
    strip->count--;
}

void strip_replace(struct strip *strip, struct heap *heap, uint32_t offset, struct bytes item)
{
    struct bytes before;
    uint32_t next = strip_item(strip, offset, &before);

    replace_bytes(strip, heap, offset, next - offset, strip_cost(item));
    write_item(strip->at + offset, item);
}

void strip_fini(struct strip *strip, struct heap *heap)
{
    if (strip->at)
        heap_give(heap, strip->at, strip->cap);
    *strip = (struct strip){0};
}

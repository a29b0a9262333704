/*
 * What the version of a key is that is not there: something that is another one after a key of this name was made and deleted again, so that WATCH of nothing sees that too. It is kept for
 * all names with the same digest together, as the greatest version that one of them had when it was deleted. A key that has expired counts as deleted, whether it has been or not.
 *
 * It follows from the records alone, as keys do, and belongs to the state as they do.
 */
#include "base/hash.h"
#include "store/space_parts.h"

#define GONE (1ULL << 63) /* no key's version is so great */

static uint64_t *place_of(struct space *space, struct bytes name)
{
    return &space->gone[hash_bytes(0, name) % SPACE_GONE];
}

static void raise(uint64_t *place, uint64_t version)
{
    if (version > *place)
        *place = version;
}

uint64_t space_version(struct space *space, struct bytes name, int64_t now_ms)
{
    const struct spot spot = space_spot(space, name);
    uint64_t gone;

    if (spot.entry && !entry_expired(spot.entry, now_ms))
        return spot.entry->version;
    gone = *place_of(space, name);
    if (spot.entry)
        raise(&gone, spot.entry->version);
    return gone | GONE;
}

void gone_note(struct space *space, struct bytes name, uint64_t version)
{
    raise(place_of(space, name), version);
}

void space_note_clear(struct space *space, uint64_t position)
{
    for (uint32_t i = 0; i < SPACE_GONE; i++)
        raise(&space->gone[i], position);
}

void space_gone_write(struct buf *out, const struct space *space)
{
    for (uint32_t i = 0; i < SPACE_GONE; i++)
        pack_u64(out, space->gone[i]);
}

void space_gone_read(struct space *space, struct unpack *in)
{
    for (uint32_t i = 0; i < SPACE_GONE; i++)
        space->gone[i] = unpack_u64(in);
}

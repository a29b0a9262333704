/*
 * Encodes and decodes charters.
 */
#include "cluster/charter.h"

enum { CHARTER_FORMAT = 1 };

void charter_encode(struct buf *out, const struct charter *charter)
{
    must(charter->count > 0);
    must(charter->count <= CLUSTER_NODES_MAX);
    pack_u16(out, CHARTER_FORMAT);
    pack_u64(out, charter->cluster);
    pack_u8(out, charter->welcome);
    pack_u8(out, (uint8_t)charter->count);
    for (uint32_t i = 0; i < charter->count; i++)
        member_encode(out, &charter->members[i]);
}

/* The member at `place` comes after those before it and differs from them. */
static bool fits(const struct charter *charter, uint32_t place)
{
    const struct member *member = &charter->members[place];

    for (uint32_t i = 0; i < place; i++) {
        const struct member *other = &charter->members[i];

        if (other->id >= member->id || other->disk == member->disk ||
            strcmp(other->name, member->name) == 0)
            return false;
    }
    return true;
}

bool charter_decode(struct bytes bytes, struct charter *charter)
{
    struct unpack in = unpack_of(bytes);
    uint32_t voters = 0;

    *charter = (struct charter){0};
    if (unpack_u16(&in) != CHARTER_FORMAT)
        return false;
    charter->cluster = unpack_u64(&in);
    charter->welcome = unpack_u8(&in) != 0;
    charter->count = unpack_u8(&in);
    if (charter->cluster == 0 || charter->count == 0 || charter->count > CLUSTER_NODES_MAX)
        return false;
    for (uint32_t i = 0; i < charter->count; i++) {
        if (!member_decode(&in, &charter->members[i]) || !fits(charter, i))
            return false;
        voters += member_votes(&charter->members[i]);
    }
    return unpack_ended(&in) && voters > 0 && voters <= CLUSTER_VOTERS_MAX;
}

const struct member *charter_find_disk(const struct charter *charter, uint64_t disk)
{
    for (uint32_t i = 0; i < charter->count; i++)
        if (charter->members[i].disk == disk)
            return &charter->members[i];
    return NULL;
}

const struct member *charter_find_name(const struct charter *charter, const char *name)
{
    for (uint32_t i = 0; i < charter->count; i++)
        if (strcmp(charter->members[i].name, name) == 0)
            return &charter->members[i];
    return NULL;
}

/*
 * Writes the document as a snapshot, and reads one.
 *
 * Every section is a count and as many records with their lengths, so that a newer minor may put more at the end of a record. The reader
 * checks counts before it reads and everything else before it says yes.
 */
#include "cluster/document_parts.h"

enum { SNAPSHOT_MAGIC = 0x31444f4e, SNAPSHOT_FORMAT = 1 }; /* "NOD1" */

/* ---- writing ---- */

static void encode_group(struct buf *out, const struct document_group *group)
{
    text_encode(out, group->name);
    pack_u64(out, group->epoch);
    pack_u64(out, group->version);
    group_body_encode(out, &group->body);
}

static void encode_lease(struct buf *out, const struct document_lease *lease, uint32_t slot)
{
    pack_u8(out, (uint8_t)slot);
    text_encode(out, lease->name);
    pack_u8(out, lease->of_group);
    pack_u32(out, lease->holder.member);
    pack_u64(out, lease->holder.incarnation);
    pack_u64(out, lease->epoch);
    pack_u64(out, lease->version);
}

static void encode_marks(struct buf *out, const struct document_marks *marks)
{
    pack_u16(out, (uint16_t)marks->count);
    for (uint32_t i = 0; i < marks->count; i++) {
        const struct document_mark *mark = &marks->marks[i];
        size_t opened = pack_open(out);

        text_encode(out, mark->name);
        pack_bytes16(out, bytes_of_string(mark->reason));
        pack_u64(out, mark->until_ms);
        pack_u64(out, mark->version);
        pack_close(out, opened);
    }
}

static void encode_leases(struct buf *out, const struct document *document)
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++)
        count += document->leases[slot].name[0] != 0;
    pack_u16(out, (uint16_t)count);
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++) {
        size_t opened;

        if (document->leases[slot].name[0] == 0)
            continue;
        opened = pack_open(out);
        encode_lease(out, &document->leases[slot], slot);
        pack_close(out, opened);
    }
}

static void encode_head(struct buf *out, const struct document *document)
{
    pack_u32(out, SNAPSHOT_MAGIC);
    pack_u16(out, SNAPSHOT_FORMAT);
    pack_u16(out, document->level);
    pack_u64(out, document->cluster);
    pack_u64(out, document->index);
    pack_u64(out, document->hash);
    pack_u64(out, document->changes);
    pack_u64(out, document->epochs);
    pack_u32(out, document->next_member);
}

void document_encode(const struct document *document, struct buf *out)
{
    document_check(document);
    encode_head(out, document);
    pack_u16(out, (uint16_t)document->member_count);
    for (uint32_t i = 0; i < document->member_count; i++)
        member_encode(out, &document->members[i]);
    pack_u16(out, (uint16_t)document->group_count);
    for (uint32_t i = 0; i < document->group_count; i++) {
        size_t opened = pack_open(out);

        encode_group(out, &document->groups[i]);
        pack_close(out, opened);
    }
    encode_leases(out, document);
    encode_marks(out, &document->drains);
    encode_marks(out, &document->maintenances);
    pack_u16(out, (uint16_t)document->override_count);
    for (uint32_t i = 0; i < document->override_count; i++) {
        size_t opened = pack_open(out);

        text_encode(out, document->overrides[i].key);
        pack_bytes16(out, bytes_of_string(document->overrides[i].value));
        pack_u64(out, document->overrides[i].version);
        pack_close(out, opened);
    }
}

/* ---- reading ---- */

static bool decode_head(struct unpack *in, struct document *document, struct err *err)
{
    uint16_t format;

    if (unpack_u32(in) != SNAPSHOT_MAGIC)
        return err_set(err, ERR_PEER, "it is no snapshot of a document");
    format = unpack_u16(in);
    if (format != SNAPSHOT_FORMAT)
        return err_set(err, ERR_PEER, "its format is %u, and this version reads %d", format,
                       SNAPSHOT_FORMAT);
    document->level = unpack_u16(in);
    document->cluster = unpack_u64(in);
    document->index = unpack_u64(in);
    document->hash = unpack_u64(in);
    document->changes = unpack_u64(in);
    document->epochs = unpack_u64(in);
    document->next_member = unpack_u32(in);
    if (!in->bad && document->level > COMMAND_LEVEL)
        return err_set(err, ERR_VERSION,
                       "the document is at level %u, and this version understands level %d: this "
                       "node must be upgraded before it can go on",
                       document->level, COMMAND_LEVEL);
    return true;
}

static bool decode_count(struct unpack *in, uint32_t *count, uint32_t most)
{
    *count = unpack_u16(in);
    return !in->bad && *count <= most;
}

static bool decode_members(struct unpack *in, struct document *document)
{
    if (!decode_count(in, &document->member_count, CLUSTER_NODES_MAX))
        return false;
    for (uint32_t i = 0; i < document->member_count; i++)
        if (!member_decode(in, &document->members[i]))
            return false;
    return true;
}

static bool decode_groups(struct unpack *in, struct document *document)
{
    if (!decode_count(in, &document->group_count, CLUSTER_GROUPS_MAX))
        return false;
    for (uint32_t i = 0; i < document->group_count; i++) {
        struct document_group *group = &document->groups[i];
        struct unpack record = unpack_of(unpack_bytes16(in));

        if (!text_decode(&record, group->name, sizeof group->name))
            return false;
        group->epoch = unpack_u64(&record);
        group->version = unpack_u64(&record);
        if (!group_body_decode(&record, &group->body))
            return false;
    }
    return true;
}

static bool decode_leases(struct unpack *in, struct document *document)
{
    uint32_t count;

    if (!decode_count(in, &count, CLUSTER_LEASES_MAX))
        return false;
    for (uint32_t i = 0, least = 0; i < count; i++) {
        struct unpack record = unpack_of(unpack_bytes16(in));
        uint32_t slot = unpack_u8(&record);
        struct document_lease *lease;

        if (slot < least || slot >= CLUSTER_LEASES_MAX)
            return false;
        lease = &document->leases[slot];
        if (!text_decode(&record, lease->name, sizeof lease->name) || lease->name[0] == 0)
            return false;
        lease->of_group = unpack_u8(&record);
        lease->holder.member = unpack_u32(&record);
        lease->holder.incarnation = unpack_u64(&record);
        lease->epoch = unpack_u64(&record);
        lease->version = unpack_u64(&record);
        if (record.bad)
            return false;
        least = slot + 1;
    }
    return true;
}

static bool decode_marks(struct unpack *in, struct document_marks *marks)
{
    if (!decode_count(in, &marks->count, CLUSTER_MARKS_MAX))
        return false;
    for (uint32_t i = 0; i < marks->count; i++) {
        struct document_mark *mark = &marks->marks[i];
        struct unpack record = unpack_of(unpack_bytes16(in));

        if (!text_decode(&record, mark->name, sizeof mark->name) ||
            !text16_decode(&record, mark->reason, sizeof mark->reason))
            return false;
        mark->until_ms = unpack_u64(&record);
        mark->version = unpack_u64(&record);
        if (record.bad)
            return false;
    }
    return true;
}

static bool decode_overrides(struct unpack *in, struct document *document)
{
    if (!decode_count(in, &document->override_count, CLUSTER_OVERRIDES_MAX))
        return false;
    for (uint32_t i = 0; i < document->override_count; i++) {
        struct document_override *override = &document->overrides[i];
        struct unpack record = unpack_of(unpack_bytes16(in));

        if (!text_decode(&record, override->key, sizeof override->key) ||
            !text16_decode(&record, override->value, sizeof override->value))
            return false;
        override->version = unpack_u64(&record);
        if (record.bad)
            return false;
    }
    return true;
}

bool document_decode(struct bytes bytes, struct document *document, struct err *err)
{
    struct unpack in = unpack_of(bytes);
    const char *fault;

    memset(document, 0, sizeof *document);
    if (bytes.len > CLUSTER_SNAPSHOT_MAX)
        return err_set(err, ERR_LIMIT, "it has %zu bytes, and may have %d", bytes.len,
                       CLUSTER_SNAPSHOT_MAX);
    if (!decode_head(&in, document, err))
        return false;
    if (!decode_members(&in, document) || !decode_groups(&in, document) ||
        !decode_leases(&in, document) || !decode_marks(&in, &document->drains) ||
        !decode_marks(&in, &document->maintenances) || !decode_overrides(&in, document) ||
        !unpack_ended(&in))
        return err_set(err, ERR_PEER, "it is malformed at byte %zu of %zu", bytes.len - in.left.len,
                       bytes.len);
    fault = document_fault(document);
    if (fault)
        return err_set(err, ERR_PEER, "%s", fault);
    document->trail[document->index % DOCUMENT_TRAIL].index = document->index;
    document->trail[document->index % DOCUMENT_TRAIL].hash = document->hash;
    return true;
}

#include "cluster/snapshot.h"

#include "base/pack.h"
#include "consensus/encoding.h"

enum { SNAPSHOT_FORMAT = 0x314e534e }; /* "NSN1" */

void snapshot_encode(struct buf *out, const struct snapshot *snapshot,
                     const struct document *document)
{
    must(snapshot->index == document->index);
    pack_u32(out, SNAPSHOT_FORMAT);
    pack_u64(out, snapshot->index);
    pack_u64(out, snapshot->term);
    raft_encode_config(out, &snapshot->config);
    document_encode(document, out);
}

/* Consensus and the document count the same members. */
static bool members_agree(const struct raft_config *config, const struct document *document)
{
    if (config->count != document->member_count)
        return false;
    for (uint32_t i = 0; i < config->count; i++) {
        const struct member *member = document_member(document, config->members[i].id);

        if (!member || member->role != config->members[i].role)
            return false;
    }
    return true;
}

bool snapshot_decode(struct bytes bytes, struct snapshot *snapshot, struct document *document,
                     struct err *err)
{
    struct unpack in = unpack_of(bytes);

    if (unpack_u32(&in) != SNAPSHOT_FORMAT)
        return err_set(err, ERR_PEER, "this is no snapshot, or one of another version");
    snapshot->index = unpack_u64(&in);
    snapshot->term = unpack_u64(&in);
    if (in.bad)
        return err_set(err, ERR_PEER, "a snapshot is cut short");
    if (!raft_decode_config(&in.left, &snapshot->config, err))
        return err_during(err, "the members of a snapshot");
    if (!document_decode(in.left, document, err))
        return err_during(err, "the document of a snapshot");
    if (document->index != snapshot->index || snapshot->index == 0)
        return err_set(err, ERR_PEER, "a snapshot of index %llu holds the document of %llu",
                       (unsigned long long)snapshot->index, (unsigned long long)document->index);
    if (!members_agree(&snapshot->config, document))
        return err_set(err, ERR_PEER, "the members of a snapshot are not those of its document");
    return true;
}

/*
 * Decides when a blank node founds a cluster, which charter it takes, and to whom a member gives the charter again.
 *
 * It never founds beside a node that is not blank, never takes a second charter, and never gives one to a disk that it does not name.
 */
#include "cluster/found.h"

#include "base/hash.h"

static uint32_t everybody(const struct found *found)
{
    return (uint32_t)((1ULL << found->options.count) - 1);
}

static void check(const struct found *found)
{
    must(found->options.count > 0);
    must(found->options.count <= CLUSTER_NODES_MAX);
    must(found->options.self < found->options.count);
    must(found->options.disk != 0);
    must(found->options.cluster != 0);
    must(found->phase <= FOUND_MEMBER);
    must((found->phase == FOUND_BLANK) == (found->charter.count == 0));
    must(!found->founder || found->options.self == 0);
    if (found->phase == FOUND_WRITING)
        must(charter_find_disk(&found->charter, found->options.disk) != NULL);
}

uint64_t found_list_hash(const struct member *nodes, uint32_t count)
{
    uint64_t hash = hash_number(0, count);

    for (uint32_t i = 0; i < count; i++) {
        hash = hash_bytes(hash, bytes_of_string(nodes[i].name));
        hash = hash_bytes(hash, bytes_of_string(nodes[i].zone));
        hash = hash_number(hash, nodes[i].role);
        hash = hash_number(hash, nodes[i].address_count);
        for (uint32_t j = 0; j < nodes[i].address_count; j++) {
            const struct address *address = &nodes[i].addresses[j];

            hash = hash_number(hash, (uint64_t)address->family << 16 | address->port);
            hash = hash_bytes(hash, bytes_of(address->ip, sizeof address->ip));
        }
    }
    return hash;
}

void found_init(struct found *found, const struct found_options *options, const struct charter *had)
{
    memset(found, 0, sizeof *found);
    found->options = *options;
    if (had) {
        found->phase = FOUND_MEMBER;
        found->charter = *had;
    }
    check(found);
}

static bool blank_and_alike(const struct found *found, uint32_t i)
{
    const struct found_peer *peer = &found->peers[i];

    return i == found->options.self ||
           (peer->heard && peer->word.blank && peer->word.list_hash == found->options.list_hash);
}

void found_say(const struct found *found, struct found_word *word)
{
    check(found);
    *word = (struct found_word){
        .blank = found->phase != FOUND_MEMBER,
        .disk = found->options.disk,
        .list_hash = found->options.list_hash,
    };
    if (!word->blank)
        word->cluster = found->charter.cluster;
    for (uint32_t i = 0; i < found->options.count; i++)
        if (blank_and_alike(found, i))
            word->hears |= 1u << i;
}

void found_heard(struct found *found, uint32_t peer, const struct found_word *word)
{
    check(found);
    if (peer >= found->options.count || peer == found->options.self)
        return;
    if (found->peers[peer].word.disk != word->disk)
        found->peers[peer].sent = (struct instant){0};
    found->peers[peer].heard = true;
    found->peers[peer].word = *word;
}

void found_lost(struct found *found, uint32_t peer)
{
    check(found);
    if (peer < found->options.count)
        found->peers[peer].heard = false;
}

/* ---- the first by name founds ---- */

static uint64_t disk_of(const struct found *found, uint32_t i)
{
    return i == found->options.self ? found->options.disk : found->peers[i].word.disk;
}

/* Two nodes whose directories were copied from one. -1: there are none among those heard. */
static int same_disk(const struct found *found, uint32_t i)
{
    for (uint32_t j = 0; j < found->options.count; j++)
        if (j != i && (j == found->options.self || found->peers[j].heard) &&
            disk_of(found, j) == disk_of(found, i))
            return (int)j;
    return -1;
}

static uint32_t voters(const struct found *found)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < found->options.count; i++)
        count += member_votes(&found->options.nodes[i]);
    return count;
}

static bool may_found(const struct found *found)
{
    uint32_t all = everybody(found);

    if (found->options.self != 0 || voters(found) == 0 || voters(found) > CLUSTER_VOTERS_MAX)
        return false;
    for (uint32_t i = 0; i < found->options.count; i++) {
        if (!blank_and_alike(found, i) || same_disk(found, i) >= 0)
            return false;
        if (i != found->options.self && found->peers[i].word.hears != all)
            return false;
    }
    return true;
}

static void write_charter(struct found *found)
{
    found->charter =
        (struct charter){.cluster = found->options.cluster, .count = found->options.count};
    for (uint32_t i = 0; i < found->options.count; i++) {
        struct member *member = &found->charter.members[i];

        *member = found->options.nodes[i];
        member->id = i + 1;
        member->disk = disk_of(found, i);
        member->incarnation = member->version = 0;
    }
    found->founder = true;
    found->phase = FOUND_WRITING;
    found->ordered = false;
}

/* ---- charters ---- */

/* The sender is in it under its name, with the disk that it has now: else it speaks of a past that it lost. */
static bool by_a_member(const struct found *found, uint32_t peer, const struct charter *charter)
{
    const struct member *sender = charter_find_name(charter, found->options.nodes[peer].name);

    return found->peers[peer].heard && sender && sender->disk == found->peers[peer].word.disk;
}

enum found_outcome found_charter(struct found *found, uint32_t peer, const struct charter *charter)
{
    const struct member *self;

    check(found);
    if (found->phase != FOUND_BLANK)
        return charter->cluster == found->charter.cluster ? FOUND_HAD : FOUND_OTHER_CLUSTER;
    if (peer >= found->options.count || !by_a_member(found, peer, charter))
        return FOUND_STRANGER;
    self = charter_find_disk(charter, found->options.disk);
    if (!self || strcmp(self->name, found->options.nodes[found->options.self].name) != 0)
        return FOUND_NOT_ME;
    found->charter = *charter;
    found->phase = FOUND_WRITING;
    found->ordered = false;
    check(found);
    return FOUND_TAKEN;
}

void found_written(struct found *found)
{
    check(found);
    must(found->phase == FOUND_WRITING);
    found->phase = FOUND_MEMBER;
    check(found);
}

static bool is_owed_the_charter(const struct found *found, uint32_t i, struct instant now)
{
    const struct found_peer *peer = &found->peers[i];
    const struct member *member = charter_find_disk(&found->charter, peer->word.disk);

    if (!peer->heard || !peer->word.blank || !member ||
        strcmp(member->name, found->options.nodes[i].name) != 0)
        return false;
    return peer->sent.ns == 0 || passed(after_ns(peer->sent, found->options.resend_ns), now);
}

void found_step(struct found *found, struct instant now, struct found_orders *out)
{
    check(found);
    *out = (struct found_orders){0};
    if (found->phase == FOUND_BLANK && may_found(found))
        write_charter(found);
    if (found->phase == FOUND_WRITING && !found->ordered)
        out->write = found->ordered = true;
    for (uint32_t i = 0; i < found->options.count; i++) {
        if (found->phase != FOUND_MEMBER || found->charter.welcome || i == found->options.self ||
            !is_owed_the_charter(found, i, now))
            continue;
        found->peers[i].sent = now;
        out->send[out->send_count++] = i;
    }
    check(found);
}

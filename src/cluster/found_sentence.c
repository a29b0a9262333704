/*
 * Says what a node waits for before there is a cluster, or why there will be none without an operator.
 */
#include "cluster/found.h"

#include <inttypes.h>

struct tally {
    uint32_t blank, members, unheard; /* the node itself counts among the first two */
    uint32_t member;                  /* place of a node that is one; only when members > 0 */
    uint64_t cluster;
};

static struct tally count(const struct found *found)
{
    struct tally tally = {0};

    for (uint32_t i = 0; i < found->options.count; i++) {
        bool self = i == found->options.self;
        bool blank = self ? found->phase != FOUND_MEMBER : found->peers[i].word.blank;

        if (!self && !found->peers[i].heard) {
            tally.unheard++;
        } else if (blank) {
            tally.blank++;
        } else {
            tally.members++;
            tally.member = i;
            tally.cluster = self ? found->charter.cluster : found->peers[i].word.cluster;
        }
    }
    return tally;
}

static const char *name_of(const struct found *found, uint32_t i)
{
    return found->options.nodes[i].name;
}

/* `b, c` of those for which `belongs` says so. */
static void list(const struct found *found, struct buf *out,
                 bool (*belongs)(const struct found *found, uint32_t i))
{
    const char *comma = "";

    for (uint32_t i = 0; i < found->options.count; i++) {
        if (i == found->options.self || !belongs(found, i))
            continue;
        buf_print(out, "%s%s", comma, name_of(found, i));
        comma = ", ";
    }
}

static bool any(const struct found *found, bool (*belongs)(const struct found *found, uint32_t i))
{
    for (uint32_t i = 0; i < found->options.count; i++)
        if (i != found->options.self && belongs(found, i))
            return true;
    return false;
}

static bool unheard(const struct found *found, uint32_t i)
{
    return !found->peers[i].heard;
}

static bool differs(const struct found *found, uint32_t i)
{
    return found->peers[i].heard && found->peers[i].word.list_hash != found->options.list_hash;
}

static bool copied(const struct found *found, uint32_t i)
{
    if (!found->peers[i].heard)
        return false;
    for (uint32_t j = 0; j < found->options.count; j++) {
        uint64_t disk = j == found->options.self ? found->options.disk : found->peers[j].word.disk;

        if (j != i && (j == found->options.self || found->peers[j].heard) &&
            disk == found->peers[i].word.disk)
            return true;
    }
    return false;
}

static bool hears_too_few(const struct found *found, uint32_t i)
{
    uint32_t all = (uint32_t)((1ULL << found->options.count) - 1);

    return found->peers[i].heard && found->peers[i].word.hears != all;
}

/* Blank, and no charter that this node has names its disk. */
static bool is_new(const struct found *found, uint32_t i)
{
    return found->peers[i].heard && found->peers[i].word.blank &&
           !charter_find_disk(&found->charter, found->peers[i].word.disk);
}

static bool owed(const struct found *found, uint32_t i)
{
    return found->peers[i].heard && found->peers[i].word.blank && !is_new(found, i);
}

static void beside_a_member(const struct found *found, const struct tally *tally, struct buf *out)
{
    const char *who = name_of(found, tally->member);

    if (tally->members * 2 <= found->options.count)
        buf_print(out,
                  "%u of %u nodes have empty disks and %s has the data of cluster %016" PRIx64
                  ": run `nines node recover` on %s to go on with it, or start the nodes that "
                  "have the rest",
                  tally->blank, found->options.count, who, tally->cluster, who);
    else
        buf_print(out,
                  "waiting to be let in: the disk is empty and %s has the data of cluster "
                  "%016" PRIx64,
                  who, tally->cluster);
}

static void among_blanks(const struct found *found, const struct tally *tally, struct buf *out)
{
    if (any(found, copied)) {
        buf_add_string(out, "nodes have one disk id, so a directory was copied: empty that of ");
        list(found, out, copied);
    } else if (tally->unheard) {
        buf_add_string(out, "waiting for ");
        list(found, out, unheard);
        buf_print(out, " (not heard) to found the cluster together; %u of %u nodes are blank",
                  tally->blank, found->options.count);
    } else if (any(found, differs)) {
        buf_add_string(out, "the list of nodes in the file differs from that of ");
        list(found, out, differs);
    } else if (any(found, hears_too_few)) {
        buf_add_string(out, "waiting until all nodes hear each other: not yet ");
        list(found, out, hears_too_few);
    } else {
        buf_print(out, "waiting for %s (blank) to found the cluster", name_of(found, 0));
    }
}

static void as_a_member(const struct found *found, const struct tally *tally, struct buf *out)
{
    if (any(found, is_new)) {
        if (tally->blank * 2 >= found->options.count) {
            beside_a_member(found, tally, out);
            return;
        }
        buf_add_string(out, "an empty disk that was no member's: ");
        list(found, out, is_new);
    } else if (any(found, owed)) {
        buf_add_string(out, "giving the charter to ");
        list(found, out, owed);
        buf_add_string(out, " (blank)");
    }
}

void found_sentence(const struct found *found, struct buf *out)
{
    struct tally tally = count(found);

    if (found->phase == FOUND_MEMBER)
        as_a_member(found, &tally, out);
    else if (found->phase == FOUND_WRITING)
        buf_add_string(out, found->founder ? "founding the cluster: the charter is being written"
                                           : "joining: the charter is being written");
    else if (tally.members)
        beside_a_member(found, &tally, out);
    else
        among_blanks(found, &tally, out);
}

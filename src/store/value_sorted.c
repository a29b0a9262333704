/*
 * ZSET: a strip in the order of scores while there are at most 128 members and none is longer than 64 bytes; then, for good, a table beside a skip list with widths (Pugh 1990), so that a rank
 * is found, and is told, in the logarithm of the count. How high a node is follows from a counter: nothing that is seen depends on it.
 */
#include "base/must.h"
#include "base/pack.h"
#include "store/value.h"

enum {
    STRIP_MEMBERS_MAX = 128,
    STRIP_MEMBER_MAX = 64,
    SCORE_BYTES = 8,
    HEIGHT_MAX = 24, /* a quarter of the nodes of each height is higher */
};

struct node;

struct link {
    struct node *next;
    uint64_t width; /* how many places further it is */
};

struct node {
    double score;
    uint32_t len, height;
    struct node *before;
    struct link links[]; /* then the member */
};

struct ladder {
    struct table table;
    struct node *head,
        *tail; /* the head is before all, of HEIGHT_MAX; the tail is NULL or the last */
    uint64_t chance;
    uint32_t height;
};

struct sorted {
    struct strip strip;
    struct ladder *ladder; /* NULL: they are in the strip */
    uint64_t seed;
    struct tally tally;
};

static struct bytes member_of(const struct node *node)
{
    return bytes_of(node->links + node->height, node->len);
}

static struct bytes name_of_node(const void *entry)
{
    return member_of(entry);
}

static const struct table_kind nodes = {name_of_node};

static size_t size_of_node(uint32_t height, size_t len)
{
    return sizeof(struct node) + height * sizeof(struct link) + len;
}

static struct node *node_new(struct heap *heap, uint32_t height, struct bytes member, double score)
{
    struct node *node = heap_take(heap, size_of_node(height, member.len));

    *node = (struct node){.score = score, .len = (uint32_t)member.len, .height = height};
    memset(node->links, 0, height * sizeof(struct link));
    if (member.len)
        memcpy(node->links + height, member.at, member.len);
    return node;
}

static void node_free(struct heap *heap, struct node *node)
{
    heap_give(heap, node, size_of_node(node->height, node->len));
}

static int compare_members(struct bytes a, struct bytes b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int differ = len ? memcmp(a.at, b.at, len) : 0;

    return differ ? differ : (a.len > b.len) - (a.len < b.len);
}

/* Whether (score, member) stands before the other one. */
static bool stands_before(double score, struct bytes member, struct scored than)
{
    return score < than.score || (score == than.score && compare_members(member, than.member) < 0);
}

/* ---- ladder ---- */

static uint32_t some_height(struct ladder *ladder)
{
    uint32_t height = 1;
    uint64_t bits;

    ladder->chance = ladder->chance * 6364136223846793005 + 1442695040888963407;
    bits = ladder->chance ^ ladder->chance >> 32;
    for (; height < HEIGHT_MAX && (bits & 3) == 0; bits >>= 2)
        height++;
    return height;
}

/* At each height the last node before `scored`, and how many places it is from the head. */
struct path {
    struct node *at[HEIGHT_MAX];
    uint64_t place[HEIGHT_MAX];
};

static void find_path(const struct ladder *ladder, struct scored scored, struct path *path)
{
    struct node *node = ladder->head, *next;
    uint64_t place = 0;

    for (uint32_t level = ladder->height; level-- > 0;) {
        while ((next = node->links[level].next) &&
               stands_before(next->score, member_of(next), scored)) {
            place += node->links[level].width;
            node = next;
        }
        path->at[level] = node;
        path->place[level] = place;
    }
}

static void ladder_add(struct ladder *ladder, struct node *node)
{
    struct path path = {0};
    uint32_t level;

    must(node->height <= HEIGHT_MAX);
    for (; ladder->height < node->height; ladder->height++)
        ladder->head->links[ladder->height] = (struct link){.width = ladder->table.count + 1};
    find_path(ladder, (struct scored){member_of(node), node->score}, &path);
    for (level = 0; level < node->height; level++) {
        struct node *before = path.at[level];
        uint64_t skipped = path.place[0] - path.place[level];
        struct link *from;

        must(before);
        from = &before->links[level];

        node->links[level] = (struct link){from->next, from->width - skipped};
        *from = (struct link){node, skipped + 1};
    }
    for (; level < ladder->height; level++) {
        must(path.at[level]);
        path.at[level]->links[level].width++;
    }
    node->before = path.at[0];
    if (node->links[0].next)
        node->links[0].next->before = node;
    else
        ladder->tail = node;
}

static void ladder_take(struct ladder *ladder, struct node *node)
{
    struct path path;

    find_path(ladder, (struct scored){member_of(node), node->score}, &path);
    for (uint32_t level = 0; level < ladder->height; level++) {
        struct link *from = &path.at[level]->links[level];

        if (from->next == node)
            *from =
                (struct link){node->links[level].next, from->width + node->links[level].width - 1};
        else
            from->width--;
    }
    if (node->links[0].next)
        node->links[0].next->before = node->before;
    else
        ladder->tail = node->before == ladder->head ? NULL : node->before;
    while (ladder->height > 1 && !ladder->head->links[ladder->height - 1].next)
        ladder->height--;
}

static struct node *ladder_at(const struct ladder *ladder, uint64_t rank)
{
    struct node *node = ladder->head;
    uint64_t left = rank + 1;

    for (uint32_t level = ladder->height; level-- > 0;)
        while (node->links[level].next && node->links[level].width <= left) {
            left -= node->links[level].width;
            node = node->links[level].next;
        }
    must(left == 0);
    return node;
}

static void ladder_insert(struct sorted *sorted, struct heap *heap, struct bytes member,
                          double score)
{
    struct ladder *ladder = sorted->ladder;
    struct node *node = node_new(heap, some_height(ladder), member, score);

    ladder_add(ladder, node); /* its widths count on the table without it */
    table_add(&ladder->table, heap, table_hash(&ladder->table, member), node);
}

/* ---- strip ---- */

static double score_of(struct bytes item)
{
    double score;

    memcpy(&score, item.at, sizeof score);
    return score;
}

static uint32_t scored_at(const struct strip *strip, uint32_t offset, struct scored *scored)
{
    struct bytes item;
    uint32_t next = strip_item(strip, offset, &item);

    *scored = (struct scored){bytes_skip(item, SCORE_BYTES), score_of(item)};
    return next;
}

static uint32_t find(const struct strip *strip, struct bytes member, struct scored *scored)
{
    uint32_t next;

    for (uint32_t at = 0; at < strip->len; at = next) {
        next = scored_at(strip, at, scored);
        if (bytes_equal(scored->member, member))
            return at;
    }
    return strip->len;
}

static void insert_in_strip(struct strip *strip, struct heap *heap, struct bytes member,
                            double score)
{
    uint8_t item[SCORE_BYTES + STRIP_MEMBER_MAX];
    struct scored here;
    uint32_t at = 0, next;

    for (; at < strip->len; at = next) {
        next = scored_at(strip, at, &here);
        if (stands_before(score, member, here))
            break;
    }
    score += 0.0; /* -0 becomes 0 here, as with Redis, and only here */
    memcpy(item, &score, sizeof score);
    if (member.len)
        memcpy(item + SCORE_BYTES, member.at, member.len);
    strip_insert(strip, heap, at, bytes_of(item, SCORE_BYTES + member.len));
}

/* ---- sorted ---- */

static void count_in(struct sorted *sorted, struct bytes member, double score)
{
    tally_in(&sorted->tally, digest_scored(member, score),
             sizeof score + sizeof(uint32_t) + member.len);
}

static void count_out(struct sorted *sorted, struct bytes member, double score)
{
    tally_out(&sorted->tally, digest_scored(member, score),
              sizeof score + sizeof(uint32_t) + member.len);
}

struct sorted *sorted_new(struct heap *heap, uint64_t seed)
{
    struct sorted *sorted = heap_take(heap, sizeof *sorted);

    *sorted = (struct sorted){.seed = seed};
    return sorted;
}

uint64_t sorted_count(const struct sorted *sorted)
{
    return sorted->ladder ? sorted->ladder->table.count : sorted->strip.count;
}

struct tally sorted_tally(const struct sorted *sorted)
{
    return sorted->tally;
}

bool sorted_is_small(const struct sorted *sorted)
{
    return !sorted->ladder;
}

static void spread(struct sorted *sorted, struct heap *heap)
{
    struct strip strip = sorted->strip;
    struct ladder *ladder = heap_take_zeroed(heap, sizeof *ladder);
    struct scored scored;

    table_init(&ladder->table, &nodes, sorted->seed);
    ladder->head = node_new(heap, HEIGHT_MAX, BYTES(""), 0);
    ladder->height = 1;
    ladder->head->links[0].width = 1;
    ladder->chance = sorted->seed;
    sorted->ladder = ladder;
    sorted->strip = (struct strip){0};
    for (uint32_t at = 0; at < strip.len;) {
        at = scored_at(&strip, at, &scored);
        ladder_insert(sorted, heap, scored.member, scored.score);
    }
    strip_fini(&strip, heap);
}

static struct node *find_node(const struct ladder *ladder, struct bytes member)
{
    return table_find(&ladder->table, table_hash(&ladder->table, member), member);
}

bool sorted_score(const struct sorted *sorted, struct bytes member, double *score)
{
    const struct node *node;
    struct scored scored;

    if (!sorted->ladder) {
        if (find(&sorted->strip, member, &scored) == sorted->strip.len)
            return false;
        *score = scored.score;
        return true;
    }
    node = find_node(sorted->ladder, member);
    if (node)
        *score = node->score;
    return node != NULL;
}

static bool set_in_ladder(struct sorted *sorted, struct heap *heap, struct bytes member,
                          double score)
{
    struct ladder *ladder = sorted->ladder;
    struct node *node = find_node(ladder, member);

    count_in(sorted, member, score);
    if (!node) {
        ladder_insert(sorted, heap, member, score);
        return true;
    }
    count_out(sorted, member, node->score);
    if (node->score != score) {
        ladder_take(ladder, node);
        ladder->table.count--; /* what ladder_add counts on */
        node->score = score;
        ladder_add(ladder, node);
        ladder->table.count++;
    }
    return false;
}

bool sorted_set(struct sorted *sorted, struct heap *heap, struct bytes member, double score)
{
    struct strip *strip = &sorted->strip;
    struct scored scored;
    uint32_t at;
    bool found;

    if (!sorted->ladder && member.len > STRIP_MEMBER_MAX)
        spread(sorted, heap);
    if (sorted->ladder)
        return set_in_ladder(sorted, heap, member, score);
    at = find(strip, member, &scored);
    found = at < strip->len;
    if (!found && strip->count == STRIP_MEMBERS_MAX) {
        spread(sorted, heap);
        return set_in_ladder(sorted, heap, member, score);
    }
    count_in(sorted, member, score);
    if (found) {
        count_out(sorted, member, scored.score);
        strip_remove(strip, heap, at);
    }
    insert_in_strip(strip, heap, member, score);
    return !found;
}

static void remove_node(struct sorted *sorted, struct heap *heap, struct node *node)
{
    struct ladder *ladder = sorted->ladder;

    count_out(sorted, member_of(node), node->score);
    ladder_take(ladder, node);
    table_remove(&ladder->table, heap, table_hash(&ladder->table, member_of(node)), node);
    node_free(heap, node);
}

bool sorted_remove(struct sorted *sorted, struct heap *heap, struct bytes member)
{
    struct node *node;
    struct scored scored;
    uint32_t at;

    if (!sorted->ladder) {
        at = find(&sorted->strip, member, &scored);
        if (at == sorted->strip.len)
            return false;
        count_out(sorted, member, scored.score);
        strip_remove(&sorted->strip, heap, at);
        return true;
    }
    node = find_node(sorted->ladder, member);
    if (node)
        remove_node(sorted, heap, node);
    return node != NULL;
}

/* ---- ranks ---- */

/* How many stand before it. */
static uint64_t count_before(const struct sorted *sorted, struct scored scored)
{
    const struct strip *strip = &sorted->strip;
    struct scored here;
    struct path path;
    uint64_t count = 0;

    if (sorted->ladder) {
        find_path(sorted->ladder, scored, &path);
        return path.place[0];
    }
    for (uint32_t at = 0; at < strip->len; count++) {
        at = scored_at(strip, at, &here);
        if (!stands_before(here.score, here.member, scored))
            break;
    }
    return count;
}

uint64_t sorted_rank(const struct sorted *sorted, struct bytes member)
{
    struct scored scored = {.member = member};

    must(sorted_score(sorted, member, &scored.score));
    return count_before(sorted, scored);
}

/* The first rank at which `above` holds; once it does, it does for all that follow. */
static uint64_t first_above(const struct sorted *sorted,
                            bool (*above)(const struct scored *, const struct scored *, bool),
                            const struct scored *than, bool or_equal)
{
    const struct strip *strip = &sorted->strip;
    const struct node *node, *next;
    struct scored here;
    uint64_t count = 0;

    if (!sorted->ladder) {
        for (uint32_t at = 0; at < strip->len; count++) {
            at = scored_at(strip, at, &here);
            if (above(&here, than, or_equal))
                break;
        }
        return count;
    }
    node = sorted->ladder->head;
    for (uint32_t level = sorted->ladder->height; level-- > 0;)
        while ((next = node->links[level].next)) {
            here = (struct scored){member_of(next), next->score};
            if (above(&here, than, or_equal))
                break;
            count += node->links[level].width;
            node = next;
        }
    return count;
}

static bool score_above(const struct scored *here, const struct scored *than, bool or_equal)
{
    return or_equal ? here->score > than->score : here->score >= than->score;
}

static bool member_above(const struct scored *here, const struct scored *than, bool or_equal)
{
    int order = compare_members(here->member, than->member);

    return or_equal ? order > 0 : order >= 0;
}

uint64_t sorted_below(const struct sorted *sorted, double score, bool or_equal)
{
    return first_above(sorted, score_above, &(struct scored){.score = score}, or_equal);
}

uint64_t sorted_below_member(const struct sorted *sorted, struct bytes member, bool or_equal)
{
    return first_above(sorted, member_above, &(struct scored){.member = member}, or_equal);
}

/* ---- going over it ---- */

void sorted_begin(struct sorted_walk *walk, const struct sorted *sorted, uint64_t rank, bool down)
{
    *walk = (struct sorted_walk){.sorted = sorted, .down = down, .left = 0};
    if (rank >= sorted_count(sorted))
        return;
    walk->left = down ? rank + 1 : sorted_count(sorted) - rank;
    if (sorted->ladder) {
        walk->node = ladder_at(sorted->ladder, rank);
    } else {
        walk->index = (uint32_t)rank;
        walk->offset = strip_offset(&sorted->strip, walk->index);
    }
}

bool sorted_next(struct sorted_walk *walk, struct scored *scored)
{
    const struct strip *strip = &walk->sorted->strip;
    const struct node *node = walk->node;
    uint32_t next;

    if (walk->left == 0)
        return false;
    walk->left--;
    if (node) {
        *scored = (struct scored){member_of(node), node->score};
        walk->node = walk->down ? node->before : node->links[0].next;
        return true;
    }
    next = scored_at(strip, walk->offset, scored);
    if (!walk->down)
        walk->offset = next;
    else if (walk->left > 0)
        walk->offset = strip_offset(strip, --walk->index);
    return true;
}

struct scan {
    sorted_visit *visit;
    void *context;
};

static void scan_node(void *context, void *entry)
{
    const struct scan *scan = context;
    const struct node *node = entry;

    scan->visit(scan->context, member_of(node), node->score);
}

uint64_t sorted_scan(const struct sorted *sorted, uint64_t cursor, sorted_visit *visit,
                     void *context)
{
    struct scan scan = {visit, context};
    struct scored scored;

    if (sorted->ladder)
        return table_scan(&sorted->ladder->table, cursor, scan_node, &scan);
    for (uint32_t at = 0; at < sorted->strip.len;) {
        at = scored_at(&sorted->strip, at, &scored);
        visit(context, scored.member, scored.score);
    }
    return 0;
}

void sorted_remove_range(struct sorted *sorted, struct heap *heap, uint64_t from, uint64_t count)
{
    must(from + count <= sorted_count(sorted));
    if (!sorted->ladder) {
        uint32_t at = strip_offset(&sorted->strip, (uint32_t)from);

        for (struct scored scored; count > 0; count--) {
            scored_at(&sorted->strip, at, &scored);
            count_out(sorted, scored.member, scored.score);
            strip_remove(&sorted->strip, heap, at);
        }
        return;
    }
    if (count == 0)
        return;
    for (struct node *node = ladder_at(sorted->ladder, from), *next; count > 0; count--) {
        next = node->links[0].next;
        remove_node(sorted, heap, node);
        node = next;
    }
}

/* ---- whole ones ---- */

struct sorted *sorted_copy(const struct sorted *sorted, struct heap *heap)
{
    struct sorted *copy = sorted_new(heap, sorted->seed);
    struct sorted_walk walk;
    struct scored scored;

    if (sorted->ladder)
        spread(copy, heap);
    sorted_begin(&walk, sorted, 0, false);
    while (sorted_next(&walk, &scored))
        sorted_set(copy, heap, scored.member, scored.score);
    return copy;
}

/* Small 1, count 8; for each, upwards: score 8 (its bits), length 4, member. */
void sorted_write(struct buf *out, const struct sorted *sorted)
{
    struct sorted_walk walk;
    struct scored scored;
    uint64_t bits;

    pack_u8(out, sorted_is_small(sorted));
    pack_u64(out, sorted_count(sorted));
    sorted_begin(&walk, sorted, 0, false);
    while (sorted_next(&walk, &scored)) {
        memcpy(&bits, &scored.score, sizeof bits);
        pack_u64(out, bits);
        pack_u32(out, (uint32_t)scored.member.len);
        buf_add(out, scored.member);
    }
}

struct sorted *sorted_read(struct unpack *in, struct heap *heap, uint64_t seed)
{
    uint8_t small = unpack_u8(in);
    uint64_t count = unpack_u64(in);
    struct sorted *sorted = sorted_new(heap, seed);

    if (!small)
        spread(sorted, heap);
    for (uint64_t i = 0; i < count && !in->bad; i++) {
        uint64_t bits = unpack_u64(in);
        struct bytes member = unpack_take(in, unpack_u32(in));
        double score;

        memcpy(&score, &bits, sizeof score);
        if (!in->bad && (score != score || !sorted_set(sorted, heap, member, score)))
            in->bad = true;
    }
    if (!in->bad && count > 0 && sorted_is_small(sorted) == (small == 1))
        return sorted;
    while (!sorted_drop_some(sorted, heap))
        ;
    return NULL;
}

static void drop_node(void *context, void *entry)
{
    node_free(context, entry);
}

bool sorted_drop_some(struct sorted *sorted, struct heap *heap)
{
    struct ladder *ladder = sorted->ladder;

    if (ladder) {
        if (!table_drop_some(&ladder->table, heap, drop_node, heap))
            return false;
        node_free(heap, ladder->head);
        heap_give(heap, ladder, sizeof *ladder);
    }
    strip_fini(&sorted->strip, heap);
    heap_give(heap, sorted, sizeof *sorted);
    return true;
}

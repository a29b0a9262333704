/*
 * Values of a group and their encodings. It decides nothing and trusts nothing that it decodes.
 */
#include "topology/group.h"

#include "base/must.h"

#include <string.h>

int life_set_find(const struct life_set *set, uint32_t member)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->lives[i].member == member)
            return (int)i;
    return -1;
}

bool life_set_has(const struct life_set *set, struct life life)
{
    int place = life_set_find(set, life.member);

    return place >= 0 && life_equal(set->lives[place], life);
}

bool life_set_equal(const struct life_set *a, const struct life_set *b)
{
    for (uint32_t i = 0; i < a->count && i < b->count; i++)
        if (!life_equal(a->lives[i], b->lives[i]))
            return false;
    return a->count == b->count;
}

void life_set_put(struct life_set *set, struct life life)
{
    uint32_t place = 0;

    must(life.member != 0);
    must(life.incarnation != 0);
    while (place < set->count && set->lives[place].member < life.member)
        place++;
    if (place < set->count && set->lives[place].member == life.member) {
        set->lives[place] = life;
        return;
    }
    must(set->count < GROUP_MEMBERS_MAX);
    memmove(&set->lives[place + 1], &set->lives[place], sizeof life * (set->count - place));
    set->lives[place] = life;
    set->count++;
}

void life_set_drop(struct life_set *set, uint32_t member)
{
    int place = life_set_find(set, member);

    if (place < 0)
        return;
    set->count--;
    memmove(&set->lives[place], &set->lives[place + 1],
            sizeof set->lives[0] * (set->count - (uint32_t)place));
    set->lives[set->count] = (struct life){0};
}

void life_encode(struct buf *out, struct life life)
{
    pack_u32(out, life.member);
    pack_u64(out, life.incarnation);
}

struct life life_decode(struct unpack *in)
{
    struct life life = {.member = unpack_u32(in)};

    life.incarnation = unpack_u64(in);
    return life;
}

void life_set_encode(struct buf *out, const struct life_set *set)
{
    must(set->count <= GROUP_MEMBERS_MAX);
    pack_u8(out, (uint8_t)set->count);
    for (uint32_t i = 0; i < set->count; i++)
        life_encode(out, set->lives[i]);
}

bool life_set_decode(struct unpack *in, struct life_set *set)
{
    uint32_t before = 0;

    set->count = unpack_u8(in);
    if (set->count > GROUP_MEMBERS_MAX)
        return false;
    for (uint32_t i = 0; i < set->count; i++) {
        struct life life = life_decode(in);

        if (life.member <= before || life.incarnation == 0)
            return false;
        before = life.member;
        set->lives[i] = life;
    }
    return !in->bad;
}

struct life group_primary(const struct group_body *body)
{
    int place = body->primary ? life_set_find(&body->in_sync, body->primary) : -1;

    return place < 0 ? (struct life){0} : body->in_sync.lives[place];
}

enum { DEGRADED = 1, SERVING = 2, UNCLEAN = 4, BODY_FLAGS = 7 };

void group_forget(struct group_body *body, uint32_t member)
{
    bool counted = body->mode == GROUP_SEMI_SYNC && life_set_find(&body->in_sync, member) >= 0;
    bool primary_left = body->primary != 0 && body->primary != member;

    life_set_drop(&body->in_sync, member);
    life_set_drop(&body->eligible, member);
    if (!counted)
        return;
    if (!primary_left && (body->degraded || body->acks == 0))
        body->in_sync = (struct life_set){0};
    body->degraded = true;
}

void group_body_encode(struct buf *out, const struct group_body *body)
{
    pack_u32(out, body->primary);
    pack_u8(out, body->mode);
    pack_u8(out, body->min_in_sync);
    pack_u8(out, body->acks);
    pack_u8(out, (uint8_t)((body->degraded ? DEGRADED : 0) | (body->serving ? SERVING : 0) |
                           (body->unclean ? UNCLEAN : 0)));
    pack_u32(out, body->target);
    life_set_encode(out, &body->in_sync);
    life_set_encode(out, &body->eligible);
}

bool group_body_decode(struct unpack *in, struct group_body *body)
{
    uint8_t flags;

    *body = (struct group_body){.primary = unpack_u32(in), .mode = unpack_u8(in)};
    body->min_in_sync = unpack_u8(in);
    body->acks = unpack_u8(in);
    flags = unpack_u8(in);
    body->degraded = flags & DEGRADED;
    body->serving = flags & SERVING;
    body->unclean = flags & UNCLEAN;
    body->target = unpack_u32(in);
    return life_set_decode(in, &body->in_sync) && life_set_decode(in, &body->eligible) &&
           body->mode < GROUP_MODES && flags <= BODY_FLAGS;
}

enum group_phase group_phase_of(const struct group_body *body)
{
    if (body->primary == 0)
        return GROUP_RECOVERING;
    if (!body->serving)
        return GROUP_PROMOTING;
    return body->target ? GROUP_SWITCHING : GROUP_SERVING;
}

/* ---- names ---- */

const char *group_mode_name(enum group_mode mode)
{
    static const char *const names[GROUP_MODES] = {"sync", "semi-sync", "async"};

    must(mode < GROUP_MODES);
    return names[mode];
}

const char *group_phase_name(enum group_phase phase)
{
    static const char *const names[GROUP_PHASES] = {"unknown", "recovering", "promoting",
                                                    "switching", "serving"};

    must(phase < GROUP_PHASES);
    return names[phase];
}

const char *engine_state_name(enum engine_state state)
{
    static const char *const names[ENGINE_STATES] = {"unknown", "stopped", "starting",
                                                     "running", "stuck",   "failed"};

    must(state < ENGINE_STATES);
    return names[state];
}

const char *engine_role_name(enum engine_role role)
{
    static const char *const names[ENGINE_ROLES] = {"none", "primary", "secondary"};

    must(role < ENGINE_ROLES);
    return names[role];
}

/* ---- reports ---- */

enum { LINKED = 1, LOADING = 2, REFUSED = 4, FLAGS = 7 };

void group_report_encode(struct buf *out, const struct group_report *report)
{
    life_encode(out, report->life);
    pack_u64(out, report->epoch);
    pack_u64(out, report->version);
    pack_u8(out, report->state);
    pack_u8(out, report->role);
    pack_u8(out, (uint8_t)((report->linked ? LINKED : 0) | (report->loading ? LOADING : 0) |
                           (report->refused ? REFUSED : 0)));
    pack_u64(out, report->promised);
    pack_u64(out, report->position.epoch);
    pack_u64(out, report->position.offset);
    pack_u64(out, report->lag_bytes);
    pack_u64(out, report->held);
    pack_u64(out, report->expired);
    pack_bytes8(out, bytes_of_string(report->sentence));
}

bool group_report_decode(struct unpack *in, struct group_report *report)
{
    struct bytes sentence;
    uint8_t flags;

    *report = (struct group_report){.life = life_decode(in)};
    report->epoch = unpack_u64(in);
    report->version = unpack_u64(in);
    report->state = unpack_u8(in);
    report->role = unpack_u8(in);
    flags = unpack_u8(in);
    report->linked = flags & LINKED;
    report->loading = flags & LOADING;
    report->refused = flags & REFUSED;
    report->promised = unpack_u64(in);
    report->position.epoch = unpack_u64(in);
    report->position.offset = unpack_u64(in);
    report->lag_bytes = unpack_u64(in);
    report->held = unpack_u64(in);
    report->expired = unpack_u64(in);
    sentence = unpack_bytes8(in);
    if (in->bad || sentence.len >= sizeof report->sentence || flags > FLAGS ||
        report->state >= ENGINE_STATES || report->role >= ENGINE_ROLES ||
        report->life.member == 0 || report->life.incarnation == 0)
        return false;
    bytes_to_string(sentence, report->sentence, sizeof report->sentence);
    return true;
}

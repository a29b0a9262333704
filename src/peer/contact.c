#include "peer/contact.h"

enum { PINGS_PER_SILENCE = 4, DOUBLINGS_MAX = 16 };

static void check(const struct contact *contact)
{
    must(contact->paths <= PEER_PATHS_MAX);
    must(contact->path < PEER_PATHS_MAX);
    must(contact->paths == 0 || contact->path < contact->paths);
    must(!(contact->up && contact->knocks));
    must(!(contact->calls && contact->knocks));
    must(contact->up || !(contact->moving || contact->handing));
    must(!contact->busy || contact->next.ns == NEVER.ns);
}

void contact_init(struct contact *contact, const struct contact_timing *timing, bool calls)
{
    must(timing->silence_ms > 0 && timing->retry_ms > 0);
    must(timing->retry_max_ms >= timing->retry_ms);
    *contact = (struct contact){.timing = *timing,
                                .calls = calls,
                                .next = NEVER,
                                .came_up = NEVER,
                                .heard = NEVER,
                                .ping = NEVER};
    check(contact);
}

/* Is there anything that a try would be good for? */
static bool wants(const struct contact *contact)
{
    if (contact->paths == 0 || contact->busy || contact->handing)
        return false;
    return contact->knocks || (contact->calls && (!contact->up || contact->moving));
}

static void plan(struct contact *contact, struct instant at)
{
    contact->next = wants(contact) ? at : NEVER;
}

void contact_place(struct contact *contact, uint32_t paths, struct instant now)
{
    must(paths <= PEER_PATHS_MAX);
    contact->paths = paths;
    if (contact->path >= paths)
        contact->path = 0;
    plan(contact, now);
    check(contact);
}

static struct instant silent_at(const struct contact *contact)
{
    return contact->up ? after_ms(contact->heard, contact->timing.silence_ms) : NEVER;
}

/* One who looks late was stopped himself, and what the other end sent or would have sent meanwhile proves nothing: it gets a ping's time, once. */
static bool spare(struct contact *contact, struct instant now)
{
    const int64_t ping_ms = contact->timing.silence_ms / PINGS_PER_SILENCE;

    if (contact->spared || !passed(after_ms(silent_at(contact), ping_ms), now))
        return false;
    contact->spared = true;
    contact->heard.ns = now.ns - (contact->timing.silence_ms - ping_ms) * NS_PER_MS;
    return true;
}

void contact_tick(struct contact *contact, struct instant now, struct contact_orders *out)
{
    check(contact);
    *out = (struct contact_orders){0};
    if (passed(silent_at(contact), now) && !spare(contact, now)) {
        out->silent = true;
        return;
    }
    if (contact->up && passed(contact->ping, now)) {
        out->ping = true;
        contact->ping = after_ms(now, contact->timing.silence_ms / PINGS_PER_SILENCE);
    }
    if (passed(contact->next, now)) {
        out->call = !contact->knocks;
        out->knock = contact->knocks;
        contact->busy = true;
        contact->next = NEVER;
    }
    check(contact);
}

struct instant contact_next_deadline(const struct contact *contact)
{
    return earlier(contact->next, earlier(contact->ping, silent_at(contact)));
}

/* Doubles with each round over all addresses, between half of it and all of it, so that nodes that lost each other at once do
 * not go on in step. */
static int64_t pause_ns(const struct contact *contact, struct rng *rng)
{
    uint32_t rounds = contact->failures / (contact->paths ? contact->paths : 1);
    int64_t ms = contact->timing.retry_ms;

    for (uint32_t i = 1; i < rounds && i < DOUBLINGS_MAX && ms < contact->timing.retry_max_ms; i++)
        ms *= 2;
    if (ms > contact->timing.retry_max_ms)
        ms = contact->timing.retry_max_ms;
    return rng_between(rng, ms * NS_PER_MS / 2, ms * NS_PER_MS);
}

static void next_path(struct contact *contact)
{
    if (contact->paths > 0)
        contact->path = (contact->path + 1) % contact->paths;
}

void contact_failed(struct contact *contact, struct instant now, struct rng *rng)
{
    bool round;

    must(contact->busy);
    contact->busy = false;
    contact->failures++;
    next_path(contact);
    round = contact->paths == 0 || contact->failures % contact->paths == 0;
    plan(contact, round ? after_ns(now, pause_ns(contact, rng)) : now);
    check(contact);
}

void contact_gave_up(struct contact *contact)
{
    must(contact->busy);
    contact->busy = false;
}

void contact_knocked(struct contact *contact, struct instant now, struct rng *rng)
{
    must(contact->busy);
    contact->busy = false;
    contact->failures++;
    plan(contact, after_ns(now, pause_ns(contact, rng)));
    check(contact);
}

enum contact_verdict contact_greeted(struct contact *contact, bool called, bool continues)
{
    must(!called || contact->busy);
    if (called)
        contact->busy = false;
    contact->next = NEVER;
    if (!contact->up)
        return CONTACT_COMES_UP;
    if (!continues)
        return CONTACT_REPLACES;
    must(!contact->handing);
    contact->handing = true;
    check(contact);
    return CONTACT_HANDS_OVER;
}

void contact_came_up(struct contact *contact, struct instant now)
{
    must(!contact->up);
    contact->up = true;
    contact->knocks = false;
    contact->failures = 0;
    contact->next = NEVER;
    contact->came_up = now;
    contact->heard = now;
    contact->spared = false;
    contact->ping = after_ms(now, contact->timing.silence_ms / PINGS_PER_SILENCE);
    check(contact);
}

void contact_moved(struct contact *contact, struct instant now)
{
    must(contact->handing);
    contact->moving = false;
    contact->handing = false;
    contact->heard = now;
    check(contact);
}

void contact_heard(struct contact *contact, struct instant now)
{
    contact->heard = now;
    contact->spared = false;
}

void contact_lost(struct contact *contact, enum peer_why why, struct instant now, struct rng *rng)
{
    bool lasted = passed(after_ms(contact->came_up, contact->timing.retry_max_ms), now);

    must(contact->up);
    contact->up = false;
    contact->moving = false;
    contact->handing = false;
    contact->came_up = contact->heard = contact->ping = NEVER;
    contact->knocks = !contact->calls && (why == PEER_RESET || why == PEER_CUT);
    contact->flaps = lasted ? 0 : contact->flaps + 1;
    if (contact->flaps > 1)
        contact->failures = (contact->flaps - 1) * contact->paths;
    if (why == PEER_SILENT)
        next_path(contact);
    /* One that says goodbye needs a moment to come back, and one that comes and goes is not called in a loop. Any other is
     * asked at once: whether it is refused now says much. */
    if (contact->failures == 0 && why != PEER_CLOSED)
        plan(contact, now);
    else
        plan(contact, after_ns(now, pause_ns(contact, rng)));
    check(contact);
}

void contact_move(struct contact *contact, struct instant now)
{
    if (!contact->up || contact->handing)
        return;
    contact->moving = true;
    plan(contact, now);
    check(contact);
}

/*
 * Virtual addresses: this process alone may put them on interfaces, and it does so by nothing but the leases in the scoreboard. It looks when the agent says that
 * something changed and when its own timer rings, so an agent that is frozen or dead keeps no address beyond its lease. Should this process die too, the
 * kernel takes the addresses away: they are added for seconds that end before the lease, and renewed while it runs.
 *
 * It never touches an address that it did not put there, and adds none that the configuration in force does not name.
 */
#include "role/supervisor.h"

#include "base/clock.h"
#include "base/own.h"
#include "role/log.h"
#include "role/role.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    MARGIN_MS = 20,     /* an address goes so long before its lease ends */
    FUZZ_MS = 300,      /* so much later than told may the kernel take one away */
    RENEW_MS = 150,     /* between two renewals of what the kernel was told */
    RETRY_MS = 1000,    /* after it could not be added */
    REFRESH_MS = 30000, /* what is held is announced, whatever happens */
    ANNOUNCEMENTS = 5,
};

#define RESOURCE "address/"

void addresses_init(struct supervisor *supervisor)
{
    interfaces_init(&supervisor->addresses.interfaces);
    supervisor->addresses.timer_fd = -1;
}

/* ---- what the scoreboard says ---- */

/* Until when this node may have the address, on the boot clock; 0: not now. */
static struct instant lease_of(const struct supervisor *supervisor, const char *name)
{
    char resource[BOARD_RESOURCE_MAX], found[BOARD_RESOURCE_MAX];

    snprintf(resource, sizeof resource, RESOURCE "%s", name);
    for (uint32_t i = 0; i < BOARD_LEASES_MAX; i++) {
        const struct lease_record *record = &supervisor->board->leases[i];
        uint64_t guard = counted(&record->guard);
        uint64_t until = atomic_load_explicit(&record->until, memory_order_acquire);

        /* Read between two equal guards, the end is that of this name. */
        if (until != 0 && until < (uint64_t)NEVER.ns &&
            board_read(&record->guard, found, record->resource, sizeof found) &&
            counted(&record->guard) == guard && strcmp(found, resource) == 0)
            return (struct instant){(int64_t)until};
    }
    return (struct instant){0};
}

static void show(struct supervisor *supervisor)
{
    static struct address_board board;
    const struct virtual_addresses *addresses = &supervisor->addresses;
    struct address_record *record = &supervisor->board->addresses;

    memset(&board, 0, sizeof board);
    board.count = addresses->count;
    board.stopping = addresses->stopping;
    for (uint32_t i = 0; i < addresses->count; i++) {
        const struct virtual_address *from = &addresses->at[i];
        struct board_address *to = &board.at[i];

        snprintf(to->name, sizeof to->name, "%s", from->name);
        address_print_ip(&from->address, to->address);
        snprintf(to->interface, sizeof to->interface, "%s", from->place.name);
        snprintf(to->why, sizeof to->why, "%s", from->why);
        to->held = from->held;
        to->taken = from->taken;
        to->withdrawn = from->withdrawn;
        to->since_ms = from->since_ms;
    }
    board_publish(&record->guard, &record->board, &board, sizeof board);
}

static void tell_agent(struct supervisor *supervisor, uint64_t number)
{
    static struct frame frame;

    if (supervisor->children[ROLE_AGENT].channel < 0)
        return;
    frame = (struct frame){.type = MESSAGE_LOOKED, .number = number};
    children_tell(supervisor, ROLE_AGENT, &frame);
}

/* ---- one address ---- */

static void changed(struct supervisor *supervisor, struct virtual_address *v, bool held)
{
    *(held ? &v->taken : &v->withdrawn) += 1;
    v->held = held;
    v->since_ms = clock_wall_ms();
    supervisor->addresses.changed = true;
}

static void say(const char *what, const struct virtual_address *v)
{
    char text[ADDRESS_TEXT_MAX];

    log_info(what, log_text("nines.address", v->name),
             log_text("server.address", address_print_ip(&v->address, text)),
             log_text("nines.interface", v->place.name));
}

/* Once per reason, or a log would say nothing else. */
static void fail(struct supervisor *supervisor, struct virtual_address *v, const struct err *err,
                 struct instant now)
{
    char why[sizeof v->why];

    v->retry = after_ms(now, RETRY_MS);
    snprintf(why, sizeof why, "%.*s", (int)sizeof why - 1, err->text);
    if (strcmp(why, v->why) == 0)
        return;
    memcpy(v->why, why, sizeof why);
    supervisor->addresses.changed = true;
    log_error("a virtual address cannot be had", log_text("nines.address", v->name),
              log_text("error.message", why));
}

static void withdraw(struct supervisor *supervisor, struct virtual_address *v, struct instant now)
{
    struct err err;

    if (!v->held)
        return;
    if (!interfaces_remove(&supervisor->addresses.interfaces, &v->place, &v->address, &err)) {
        fail(supervisor, v, &err, now);
        return;
    }
    changed(supervisor, v, false);
    say("a virtual address was withdrawn", v);
}

/* For how long the kernel is to keep it, in seconds, so that it is gone before the lease's end; 0: not for long enough to be said. */
static uint32_t seconds_for(const struct virtual_addresses *addresses, struct instant end,
                            struct instant now)
{
    int64_t ns = ns_between(now, end) - FUZZ_MS * NS_PER_MS;

    if (!addresses->exact)
        return 1;
    return ns < NS_PER_S ? 0 : (uint32_t)(ns / NS_PER_S);
}

static bool put(struct supervisor *supervisor, struct virtual_address *v, uint32_t seconds,
                struct instant now, struct err *err)
{
    struct virtual_addresses *addresses = &supervisor->addresses;
    struct instant kept = after_ms(now, seconds * 1000LL + FUZZ_MS);
    bool renew = v->held || v->place.presence == INTERFACE_OURS;

    if (!interfaces_add(&addresses->interfaces, &v->place, &v->address, seconds, renew, err))
        return false;
    v->renewed = now;
    addresses->kept = kept.ns > addresses->kept.ns ? kept : addresses->kept;
    return true;
}

static void take(struct supervisor *supervisor, struct virtual_address *v, uint32_t seconds,
                 struct instant now)
{
    struct interfaces *interfaces = &supervisor->addresses.interfaces;
    struct err err;

    if (seconds == 0 || !passed(v->retry, now))
        return;
    if (!interfaces_find(interfaces, &v->address, v->prefix, v->interface, &v->place, &err) ||
        (v->place.presence == INTERFACE_FOREIGN &&
         !err_set(&err, ERR_CONFIG, "it is on '%s' already, and nines did not put it there",
                  v->place.name)) ||
        !put(supervisor, v, seconds, now, &err)) {
        fail(supervisor, v, &err, now);
        return;
    }
    v->why[0] = '\0';
    v->announcements = 0;
    v->announce = now;
    changed(supervisor, v, true);
    say("a virtual address is here", v);
}

static void keep(struct supervisor *supervisor, struct virtual_address *v, uint32_t seconds,
                 struct instant now)
{
    struct err err;

    if (seconds == 0 || !passed(after_ms(v->renewed, RENEW_MS), now) ||
        put(supervisor, v, seconds, now, &err))
        return;
    /* The interface went, for example. */
    fail(supervisor, v, &err, now);
    changed(supervisor, v, false);
}

/* Five times, with growing gaps; then once in a while, for networks that were apart without a node noticing. */
static void announce(struct supervisor *supervisor, struct virtual_address *v, struct instant now)
{
    static const int32_t gaps_ms[ANNOUNCEMENTS] = {100, 300, 1000, 3000, REFRESH_MS};
    struct err err;

    if (!v->held || !passed(v->announce, now))
        return;
    if (!interfaces_announce(&supervisor->addresses.interfaces, &v->place, &v->address, &err) &&
        v->announcements == 0)
        log_warning("a virtual address could not be announced", log_text("nines.address", v->name),
                    log_text("error.message", err.text));
    v->announce = after_ms(now, gaps_ms[v->announcements]);
    if (v->announcements + 1 < ANNOUNCEMENTS)
        v->announcements++;
}

/* Why it could not be added is of that lease: in the next one it may be the same again, and is said again. */
static void forget_why(struct supervisor *supervisor, struct virtual_address *v)
{
    if (v->held || !v->why[0])
        return;
    v->why[0] = '\0';
    v->retry = (struct instant){0};
    supervisor->addresses.changed = true;
}

static struct instant margin_before(struct instant end)
{
    return (struct instant){end.ns - MARGIN_MS * NS_PER_MS};
}

static void look_at(struct supervisor *supervisor, struct virtual_address *v, struct instant now)
{
    struct virtual_addresses *addresses = &supervisor->addresses;
    struct instant end = lease_of(supervisor, v->name);
    uint32_t seconds = seconds_for(addresses, end, now);

    if (addresses->stopping || passed(margin_before(end), now))
        withdraw(supervisor, v, now);
    else if (v->held)
        keep(supervisor, v, seconds, now);
    else
        take(supervisor, v, seconds, now);
    if (end.ns == 0)
        forget_why(supervisor, v);
    announce(supervisor, v, now);
}

/* ---- all of them ---- */

/* A lease is extended without a word, so what has one is looked at all the time. */
static struct instant next_look(const struct supervisor *supervisor, struct instant now)
{
    const struct virtual_addresses *addresses = &supervisor->addresses;
    struct instant next = NEVER;

    for (uint32_t i = 0; i < addresses->count; i++) {
        const struct virtual_address *v = &addresses->at[i];
        struct instant end = lease_of(supervisor, v->name);

        if (v->held || end.ns != 0)
            next = earlier(next, after_ms(now, RENEW_MS));
        if (v->held && !passed(margin_before(end), now))
            next = earlier(next, margin_before(end));
        if (v->held)
            next = earlier(next, v->announce);
    }
    return next;
}

static void set_timer(struct supervisor *supervisor)
{
    struct instant next = next_look(supervisor, clock_boot());
    struct itimerspec when = {0};

    /* A time that has passed rings at once, and none at all stops the timer: both are what is wanted. */
    if (next.ns != NEVER.ns) {
        when.it_value.tv_sec = next.ns > 0 ? next.ns / NS_PER_S : 0;
        when.it_value.tv_nsec = next.ns > 0 ? next.ns % NS_PER_S : 1;
    }
    must(timerfd_settime(supervisor->addresses.timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
}

void addresses_look(struct supervisor *supervisor)
{
    struct virtual_addresses *addresses = &supervisor->addresses;
    struct address_record *record = &supervisor->board->addresses;
    bool told;

    if (!addresses->open)
        return;
    for (uint32_t i = 0; i < addresses->count; i++)
        look_at(supervisor, &addresses->at[i], clock_boot());
    told = addresses->changed;
    addresses->changed = false;
    atomic_store_explicit(&record->kept, (uint64_t)addresses->kept.ns, memory_order_relaxed);
    if (told)
        show(supervisor);
    atomic_store_explicit(&record->at, (uint64_t)clock_now().ns, memory_order_release);
    if (told)
        tell_agent(supervisor, 0);
    set_timer(supervisor);
}

void addresses_answer(struct supervisor *supervisor, uint64_t number)
{
    addresses_look(supervisor);
    tell_agent(supervisor, number);
}

void addresses_announce(struct supervisor *supervisor)
{
    struct virtual_addresses *addresses = &supervisor->addresses;
    struct instant now = clock_boot();

    if (!addresses->open || !passed(after_ms(addresses->announced, 1000), now))
        return;
    addresses->announced = now;
    for (uint32_t i = 0; i < addresses->count; i++) {
        addresses->at[i].announcements = 0;
        addresses->at[i].announce = now;
    }
    addresses_look(supervisor);
}

void addresses_news(struct supervisor *supervisor)
{
    if (interfaces_news(&supervisor->addresses.interfaces))
        addresses_announce(supervisor);
}

void addresses_stop(struct supervisor *supervisor)
{
    struct virtual_addresses *addresses = &supervisor->addresses;

    if (!addresses->open || addresses->stopping)
        return;
    addresses->stopping = addresses->changed = true;
    addresses_look(supervisor);
}

/* ---- generations ---- */

static bool open_all(struct virtual_addresses *addresses, struct err *err)
{
    if (addresses->open)
        return true;
    if (!interfaces_allowed(err) || !interfaces_open(&addresses->interfaces, err))
        return false;
    addresses->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (addresses->timer_fd < 0) {
        (void)err_system(err, "make a timer");
        interfaces_close(&addresses->interfaces);
        return false;
    }
    addresses->open = true;
    return true;
}

static bool is_held(const struct virtual_addresses *addresses, const struct address *address)
{
    for (uint32_t i = 0; i < addresses->count; i++)
        if (addresses->at[i].held && address_equal(&addresses->at[i].address, address))
            return true;
    return false;
}

/* One that cannot be placed now may have its interface later: that is said when it is needed. */
static bool is_free(struct supervisor *supervisor, const struct config_address *wanted,
                    struct buf *findings)
{
    struct virtual_addresses *addresses = &supervisor->addresses;
    struct image image = supervisor->next.image;
    struct interface_place place;
    char text[ADDRESS_TEXT_MAX];
    struct err err;

    if (is_held(addresses, &wanted->address))
        return true;
    if (!interfaces_find(&addresses->interfaces, &wanted->address, wanted->prefix,
                         image_string(image, wanted->interface), &place, &err)) {
        log_warning("a virtual address has no place yet",
                    log_text("nines.address", image_string(image, wanted->item.name)),
                    log_text("error.message", err.text));
        return true;
    }
    if (place.presence != INTERFACE_FOREIGN)
        return true;
    buf_print(findings,
              "error: the virtual address `%s` (%s) is on '%s' already, and nines did not put it "
              "there: take it from the system's network configuration, or from another program "
              "that moves addresses\n",
              image_string(image, wanted->item.name), address_print_ip(&wanted->address, text),
              place.name);
    return false;
}

bool addresses_prepare(struct supervisor *supervisor, struct buf *findings)
{
    const struct generation *next = &supervisor->next;
    const struct config_address *wanted =
        image_items(next->image, next->config->addresses, sizeof *wanted);
    bool good = true;
    struct err err;

    for (uint32_t i = 0; i < next->config->addresses.count; i++) {
        if (!config_may_hold(next->config, &wanted[i]))
            continue;
        if (!open_all(&supervisor->addresses, &err)) {
            buf_print(findings, "error: virtual addresses: %s\n", err.text);
            return false;
        }
        good = is_free(supervisor, &wanted[i], findings) && good;
    }
    return good;
}

static bool is_same(const struct virtual_address *a, const struct virtual_address *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->interface, b->interface) == 0 &&
           a->prefix == b->prefix && address_equal(&a->address, &b->address);
}

static struct virtual_address *find_same(struct virtual_addresses *addresses,
                                         const struct virtual_address *wanted)
{
    for (uint32_t i = 0; i < addresses->count; i++)
        if (is_same(&addresses->at[i], wanted))
            return &addresses->at[i];
    return NULL;
}

static void collect(const struct supervisor *supervisor, struct virtual_addresses *into)
{
    const struct generation *current = &supervisor->current;
    const struct config_address *from =
        image_items(current->image, current->config->addresses, sizeof *from);

    for (uint32_t i = 0; i < current->config->addresses.count; i++) {
        struct virtual_address *v = &into->at[into->count];

        if (!config_may_hold(current->config, &from[i]))
            continue;
        *v = (struct virtual_address){.address = from[i].address, .prefix = from[i].prefix};
        snprintf(v->name, sizeof v->name, "%s", image_string(current->image, from[i].item.name));
        snprintf(v->interface, sizeof v->interface, "%s",
                 image_string(current->image, from[i].interface));
        into->count++;
    }
}

/* What a run before this one left: the kernel would take it away in a moment, and nobody may meet it until then. */
static void remove_stale(struct supervisor *supervisor, struct virtual_address *v)
{
    struct interfaces *interfaces = &supervisor->addresses.interfaces;
    struct err err;

    if (!interfaces_find(interfaces, &v->address, v->prefix, v->interface, &v->place, &err) ||
        v->place.presence != INTERFACE_OURS)
        return;
    if (interfaces_remove(interfaces, &v->place, &v->address, &err))
        say("a virtual address that an earlier run left was removed", v);
    else
        log_error("a virtual address that an earlier run left is still there",
                  log_text("error.message", err.text));
}

void addresses_follow(struct supervisor *supervisor)
{
    static struct virtual_addresses next;
    struct virtual_addresses *addresses = &supervisor->addresses;
    const struct config_failover *failover = &supervisor->current.config->failover;
    int64_t lease_ms = failover->lease_ms - failover->lease_ms * failover->drift / 10000;

    if (!addresses->open)
        return;
    next.count = 0;
    collect(supervisor, &next);
    for (uint32_t i = 0; i < addresses->count; i++)
        if (!find_same(&next, &addresses->at[i]))
            withdraw(supervisor, &addresses->at[i], clock_boot());
    for (uint32_t i = 0; i < next.count; i++) {
        const struct virtual_address *before = find_same(addresses, &next.at[i]);

        if (before)
            next.at[i] = *before;
        else if (supervisor->current.number == 1)
            remove_stale(supervisor, &next.at[i]);
    }
    memcpy(addresses->at, next.at, sizeof addresses->at);
    addresses->count = next.count;
    if (supervisor->current.number == 1)
        addresses->exact = lease_ms >= 1000 + FUZZ_MS;
    addresses->changed = true;
    addresses_look(supervisor);
}

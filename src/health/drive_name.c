/*
 * Keeps the addresses of named backends true: resolves again when the answer's time is over, and publishes what changed.
 *
 * It never takes an address away: a name that stops resolving keeps its last one.
 */
#include "health/drive.h"
#include "health/name.h"

static struct loop *loop_of(const struct watched *watched)
{
    return watched->health->options.loop;
}

static bool named(const struct watched *watched)
{
    return watched->wanted && watched->target.named;
}

static void ask(struct watched *watched)
{
    char host[HEALTH_NAME_MAX];
    struct bytes part;

    if (!address_split(bytes_of_string(watched->name), &part, &watched->port))
        never("an endpoint that the configuration let pass is malformed");
    watched->resolving = true;
    watched->renamed = false;
    resolver_ask(watched->health->resolver, &watched->resolution,
                 bytes_to_string(part, host, sizeof host));
}

static void ask_again(struct watched *watched, int64_t ttl_s)
{
    struct loop *loop = loop_of(watched);

    timer_arm(loop, &watched->again,
              after_ms(loop_now(loop), name_again_ms(ttl_s, &watched->health->rng)));
}

static void on_resolved(struct resolution *resolution, const struct err *err)
{
    struct watched *watched = container_of(resolution, struct watched, resolution);
    bool answered = !err && resolution->count > 0;
    struct address chosen;

    watched->resolving = false;
    if (!named(watched))
        return;
    if (watched->renamed) {
        ask(watched);
        return;
    }
    ask_again(watched, answered ? resolution->ttl_s : 0);
    if (!answered)
        return;
    chosen =
        name_choose(&watched->address, resolution->addresses, resolution->count, watched->port);
    if (!address_equal(&chosen, &watched->address) || counted(&watched->record->address) == 0) {
        watched->address = chosen;
        verdict_publish_address(watched->record, &chosen);
    }
}

static void on_again(struct timer *timer)
{
    ask(container_of(timer, struct watched, again));
}

void name_init(struct watched *watched)
{
    timer_init(&watched->again, on_again);
    watched->resolution.resolved = on_resolved;
}

void name_configure(struct watched *watched)
{
    struct address published;

    if (!watched->target.named) {
        watched->address = watched->target.address;
        name_forget(watched);
        return;
    }
    if (timer_armed(&watched->again) || (watched->resolving && !watched->renamed))
        return;
    watched->address = watched->target.address;
    if (verdict_read_address(watched->record, &published))
        watched->address = published;
    if (!watched->resolving)
        ask(watched);
}

void name_forget(struct watched *watched)
{
    watched->renamed = true;
    timer_cancel(loop_of(watched), &watched->again);
}

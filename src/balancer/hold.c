/*
 * Decides who goes and who waits. It knows no connection, keeps no list, reads no clock and cannot fail.
 */
#include "balancer/hold.h"

uint32_t hold_primary(const struct hold_view *view, uint32_t members, bool probe)
{
    bool serves = view->phase == BOARD_GROUP_SERVING;

    if (view->primary == 0 || view->primary > members || !view->leased)
        return 0;
    if (!serves && !(probe && view->phase == BOARD_GROUP_PROMOTING))
        return 0;
    return (uint32_t)view->primary;
}

bool hold_deposed(const struct hold_view *view, uint64_t epoch, uint64_t primary)
{
    if (view->phase == BOARD_GROUP_UNKNOWN)
        return !view->leased;
    return view->epoch != epoch || view->primary != primary || !view->leased;
}

uint32_t hold_readable(const struct hold_view *view, const counter lag_ms[], uint32_t members,
                       uint64_t lag_max_ms)
{
    uint64_t lag[GROUP_BACKENDS_MAX], least = UINT64_MAX;
    uint32_t bits = 0;

    if (view->phase == BOARD_GROUP_UNKNOWN)
        return 0;
    if (members > GROUP_BACKENDS_MAX)
        members = GROUP_BACKENDS_MAX;
    for (uint32_t i = 0; i < members; i++) {
        lag[i] = i + 1 == view->primary ? UINT64_MAX : counted(&lag_ms[i]);
        if (lag[i] < least)
            least = lag[i];
    }
    if (least > lag_max_ms)
        return 0;
    for (uint32_t i = 0; i < members; i++) {
        if (lag[i] <= lag_max_ms && lag[i] - least <= lag_max_ms / 4)
            bits |= UINT32_C(1) << i;
    }
    return bits;
}

bool hold_room(const struct hold_limits *limits, const struct hold_load *load, uint64_t bytes)
{
    return limits->time_ms > 0 && load->count < limits->count && load->bytes <= limits->bytes &&
           bytes <= limits->bytes - load->bytes;
}

/* ---- the slope ---- */

void hold_begin(struct hold_slope *slope)
{
    *slope = (struct hold_slope){0};
}

uint32_t hold_due(struct hold_slope *slope, struct instant now)
{
    if (!passed(slope->next, now))
        return 0;
    if (slope->step == 0)
        slope->step = 1;
    else if (slope->proven && slope->step < HOLD_STEP_MAX)
        slope->step *= 2;
    slope->proven = false;
    slope->next = after_ms(now, HOLD_STEP_MS);
    return slope->step;
}

void hold_succeeded(struct hold_slope *slope)
{
    slope->proven = true;
    slope->again_ms = 0;
}

/* Those that went together fail together: it counts once. */
void hold_failed(struct hold_slope *slope, struct instant now)
{
    if (slope->again_ms && slope->step == 0)
        return;
    slope->again_ms = slope->again_ms ? 2 * slope->again_ms : HOLD_AGAIN_MIN_MS;
    if (slope->again_ms > HOLD_AGAIN_MAX_MS)
        slope->again_ms = HOLD_AGAIN_MAX_MS;
    slope->step = 0;
    slope->proven = false;
    slope->next = after_ms(now, slope->again_ms);
}

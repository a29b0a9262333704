/*
 * A node of a shop as admin sees it: two workers, a service `web` with the pools `api` (three backends, of which one
 * is down) and `static` (one, unchecked). Time: the monotonic clock shows 1000 s.
 */
#pragma once

#include "admin/scene.h"
#include "base/instant.h"
#include "base/must.h"
#include "unit.h"

#include <stdlib.h>

enum { SHOP_BACKENDS = 4, SHOP_NOW_S = 1000 };

struct shop {
    struct admin_backend backends[SHOP_BACKENDS];
    struct admin_pool pools[2];
    struct admin_service services[1];
    struct admin_view view;
    struct scoreboard *board;
    struct rates *rates;
    struct admin_usage usage[ROLES_MAX];
    struct admin_scene scene;
};

static inline void shop_set(counter *cell, uint64_t value)
{
    atomic_store(cell, value);
}

static inline void shop_start_role(struct shop *shop, uint32_t slot, uint64_t pid)
{
    shop_set(&shop->board->roles[slot].pid, pid);
    shop_set(&shop->board->roles[slot].state, ROLE_READY);
    shop_set(&shop->board->roles[slot].started_ms, 1700000000000);
    shop_set(&shop->board->beats[slot].at, (SHOP_NOW_S - 1) * NS_PER_S);
    shop_set(&shop->board->beats[slot].generation, 3);
    shop_set(&shop->board->beats[slot].loop, 1);
}

static inline void shop_describe(struct shop *shop)
{
    static const char *const listens[] = {"0.0.0.0:80"};
    static const char *const outcomes[] = {"ok", "refused"};

    shop->backends[0] = (struct admin_backend){
        .endpoint = "10.0.1.1:8080", .zone = "east", .slot = 0, .weight = 1, .checked = true};
    shop->backends[1] = (struct admin_backend){
        .endpoint = "10.0.1.2:8080", .zone = "", .slot = 1, .weight = 2, .checked = true};
    shop->backends[2] = (struct admin_backend){.endpoint = "[::1]:8080",
                                               .zone = "",
                                               .slot = 5,
                                               .weight = 1,
                                               .backup = true,
                                               .checked = true};
    shop->backends[3] =
        (struct admin_backend){.endpoint = "files:80", .zone = "", .slot = 6, .weight = 1};
    shop->pools[0] = (struct admin_pool){"api", "round-robin", 0, 3};
    shop->pools[1] = (struct admin_pool){"static", "ip-hash", 3, 1};
    shop->services[0] = (struct admin_service){"web", "http", 0, 0, 1, "api"};
    shop->view = (struct admin_view){.node = "a",
                                     .cluster = "shop",
                                     .generation = 3,
                                     .services = shop->services,
                                     .service_count = 1,
                                     .listens = listens,
                                     .listen_count = 1,
                                     .pools = shop->pools,
                                     .pool_count = 2,
                                     .backends = shop->backends,
                                     .backend_count = SHOP_BACKENDS,
                                     .outcomes = outcomes,
                                     .outcome_count = 2};
}

static inline void shop_run(struct shop *shop)
{
    shop_set(&shop->board->workers, 2);
    shop_set(&shop->board->generation, 3);
    shop_set(&shop->board->reloads, 2);
    shop_set(&shop->board->started_ms, 1700000000500);
    for (uint32_t slot = 0; slot < 4; slot++)
        shop_start_role(shop, slot, 100 + slot);
    for (uint32_t i = 0; i < 3; i++) {
        struct verdict_record *verdict = &shop->board->verdicts[shop->backends[i].slot];

        shop_set(&verdict->at, (SHOP_NOW_S - 2) * NS_PER_S);
        shop_set(&verdict->state, i == 1 ? VERDICT_DOWN : VERDICT_UP);
        shop_set(&verdict->changed_ms, 1700000100000);
        shop_set(&verdict->changes, i == 1 ? 2 : 1);
        shop_set(&verdict->checks, 10);
        shop_set(&verdict->failures, i == 1 ? 3 : 0);
        shop_set(&verdict->latency_ns, 1500000);
        shop_set(&verdict->code, i == 1 ? 0 : 200);
        shop_set(&verdict->outcome, i == 1);
    }
}

static inline void shop_open(struct shop *shop)
{
    *shop = (struct shop){.board = calloc(1, sizeof(struct scoreboard)),
                          .rates = calloc(1, sizeof(struct rates))};
    must(shop->board && shop->rates);
    shop_describe(shop);
    shop_run(shop);
    shop->scene = (struct admin_scene){.view = &shop->view,
                                       .board = shop->board,
                                       .rates = shop->rates,
                                       .usage = shop->usage,
                                       .now = {SHOP_NOW_S * NS_PER_S},
                                       .wall_ms = 1700000200000};
}

static inline void shop_close(struct shop *shop)
{
    free(shop->board);
    free(shop->rates);
}

static inline void assert_summary(struct shop *shop, enum admin_serving serving, bool survives,
                                  const char *why)
{
    struct admin_summary summary;

    scene_summarize(&shop->scene, &summary);
    assert_int_equal(summary.serving, serving);
    assert_int_equal(summary.survives, survives);
    assert_string_equal(summary.why, why);
}

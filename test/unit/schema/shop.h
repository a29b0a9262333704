/*
 * A table with one of everything, for the tests of the room.
 */
#pragma once

#include "schema/schema.h"

#include <stddef.h>

struct shop_word {
    struct item item;
    struct ref text;
};

struct shop_condition {
    struct item item;
    int32_t condition;
};

struct shop_backend {
    struct item item;
    struct ref address;
    int64_t weight;
    bool backup;
};

struct shop_check {
    struct ref path;
    int64_t interval_ms;
    int64_t low, high;
};

struct shop_pool {
    struct item item;
    int32_t algorithm;
    struct ref backends;
    int64_t timeout_connect_ms, timeout_idle_ms;
    int64_t budget;
    struct ref on;
    bool checked;
    struct shop_check check;
};

struct shop_service {
    struct item item;
    struct ref listen;
    struct ref headers;
    int64_t body_max;
    struct ref pool;
};

struct shop {
    struct item item;
    struct ref cluster;
    struct ref directory;
    int64_t workers;
    struct ref services;
    struct ref pools;
};

#define IN(type, member) offsetof(struct type, member)

static const struct option shop_listen_rows[] = {
    {"", OPTION_ENDPOINT, IN(shop_word, text), 1, 255, NULL, AT_RELOAD, 0, "Where to listen."},
    {0},
};

static const struct option shop_header_rows[] = {
    {"value", OPTION_TEXT, IN(shop_word, text), 0, 64, NULL, AT_RELOAD, 0, "Its value."},
    {0},
};

static const char *const shop_conditions[] = {"connect-failure", "reset", "503", NULL};

static const struct option shop_condition_rows[] = {
    {"", OPTION_CHOICE, IN(shop_condition, condition), 0, 0, NULL, AT_RELOAD, 0, "What failed.",
     shop_conditions},
    {0},
};

static const struct option shop_backend_rows[] = {
    {"address", OPTION_ENDPOINT, IN(shop_backend, address), 1, 255, NULL, AT_RELOAD,
     OPTION_REQUIRED | OPTION_HOST, "Where the backend listens."},
    {"weight", OPTION_NUMBER, IN(shop_backend, weight), 0, 256, "1", AT_RELOAD, 0,
     "Its share of the work."},
    {"backup", OPTION_BOOL, IN(shop_backend, backup), 0, 0, "false", AT_RELOAD, 0,
     "Only when no other is left."},
    {0},
};

static const struct option shop_expect_rows[] = {
    {"from", OPTION_NUMBER, IN(shop_check, low), 200, 599, "200", AT_RELOAD, 0, "Lowest status."},
    {"to", OPTION_NUMBER, IN(shop_check, high), 200, 599, "399", AT_RELOAD, 0, "Highest status."},
    {0},
};

static const struct option shop_check_rows[] = {
    {"path", OPTION_TEXT, IN(shop_check, path), 1, 1024, NULL, AT_RELOAD, 0, "What to ask for."},
    {"interval", OPTION_DURATION, IN(shop_check, interval_ms), 10, 3600000, "1s", AT_RELOAD, 0,
     "How often to ask."},
    {"expect", OPTION_SECTION, 0, 0, 0, NULL, AT_RELOAD, 0, "Healthy statuses.",
     .rows = shop_expect_rows},
    {0},
};

static const struct option shop_timeout_rows[] = {
    {"connect", OPTION_DURATION, IN(shop_pool, timeout_connect_ms), 1, 60000, "1s", AT_RELOAD, 0,
     "A connection is made by then."},
    {"idle", OPTION_DURATION, IN(shop_pool, timeout_idle_ms), 10, INT64_MAX, "never", AT_RELOAD, 0,
     "An idle connection is closed after this."},
    {0},
};

static const char *const shop_algorithms[] = {"round-robin", "least-connections", "ip-hash", NULL};

static const struct option shop_balancing_rows[] = {
    {"algorithm", OPTION_CHOICE, IN(shop_pool, algorithm), 0, 0, "round-robin", AT_RELOAD, 0,
     "How a backend is chosen.", shop_algorithms},
    {"backends", OPTION_LIST, IN(shop_pool, backends), 1, 4096, NULL, AT_RELOAD,
     OPTION_REQUIRED | OPTION_ONE_OR_MORE, "The servers that answer.", NULL, shop_backend_rows,
     sizeof(struct shop_backend), "address"},
    {"timeout", OPTION_SECTION, 0, 0, 0, NULL, AT_RELOAD, 0, "How long to wait.", NULL,
     shop_timeout_rows},
    {"budget", OPTION_PERCENT, IN(shop_pool, budget), 0, 10000, "20%", AT_RELOAD, 0,
     "How many retries."},
    {"on", OPTION_LIST, IN(shop_pool, on), 0, 16, "connect-failure, reset", AT_RELOAD,
     OPTION_ONE_OR_MORE, "What is tried again.", NULL, shop_condition_rows,
     sizeof(struct shop_condition)},
    {0},
};

static const struct option shop_pool_rows[] = {
    {"", OPTION_INCLUDE, 0, .rows = shop_balancing_rows},
    {"health_check", OPTION_SECTION, IN(shop_pool, check), 0, 0, NULL, AT_RELOAD, OPTION_PRESENCE,
     "How to ask backends for their health.", .rows = shop_check_rows,
     .present = IN(shop_pool, checked)},
    {0},
};

static const struct option shop_service_rows[] = {
    {"listen", OPTION_LIST, IN(shop_service, listen), 1, 64, NULL, AT_RELOAD,
     OPTION_REQUIRED | OPTION_ONE_OR_MORE, "Where clients connect to.", NULL, shop_listen_rows,
     sizeof(struct shop_word)},
    {"headers", OPTION_MAP, IN(shop_service, headers), 0, 16, NULL, AT_RELOAD, 0,
     "Headers that must match.", NULL, shop_header_rows, sizeof(struct shop_word), "value"},
    {"max_body", OPTION_SIZE, IN(shop_service, body_max), 0, INT64_MAX, "1GiB", AT_RELOAD, 0,
     "A larger body gets 413."},
    {"pool", OPTION_TEXT, IN(shop_service, pool), 1, 64, NULL, AT_RELOAD, 0, "Who answers."},
    {0},
};

static const struct option shop_rows[] = {
    {"cluster", OPTION_TEXT, IN(shop, cluster), 1, 64, NULL, AT_START, OPTION_REQUIRED,
     "A name for all of it."},
    {"directory", OPTION_TEXT, IN(shop, directory), 1, 1024, "/var/lib/nines", AT_START, 0,
     "Where state is kept."},
    {"workers", OPTION_NUMBER, IN(shop, workers), 0, 1024, "0", AT_START, 0,
     "How many workers; 0: one per core."},
    {"services", OPTION_MAP, IN(shop, services), 0, 64, NULL, AT_RELOAD, 0,
     "What clients connect to.", .rows = shop_service_rows,
     .item_size = sizeof(struct shop_service)},
    {"pools", OPTION_MAP, IN(shop, pools), 0, 64, NULL, AT_RELOAD, 0, "Interchangeable servers.",
     .rows = shop_pool_rows, .item_size = sizeof(struct shop_pool)},
    {0},
};

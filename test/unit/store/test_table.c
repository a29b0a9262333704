/*
 * The hash table: what is put in is found, whatever was put in and taken out meanwhile, and a scan passes over nothing that stays.
 */
#include "store/table.h"
#include "unit.h"

#include <stdlib.h>

enum { ENTRIES = 20000, STEPS = 200000 };

struct item {
    uint64_t number;
    bool in, stays, seen;
};

static struct bytes name_of(const void *entry)
{
    const struct item *item = entry;

    return bytes_of(&item->number, sizeof item->number);
}

static const struct table_kind kind = {name_of};
static struct item items[ENTRIES];
static struct table table;
static struct heap heap;
static struct rng rng;

static int init(void **state)
{
    (void)state;
    rng_seed(&rng, 5);
    table_init(&table, &kind, 12345);
    for (uint64_t i = 0; i < ENTRIES; i++)
        items[i] = (struct item){.number = i};
    return 0;
}

static void drop_none(void *context, void *entry)
{
    (void)context;
    (void)entry;
}

static int fini(void **state)
{
    (void)state;
    while (!table_drop_some(&table, &heap, drop_none, NULL))
        ;
    assert_int_equal(heap.used, 0);
    return 0;
}

static uint64_t hash_of(const struct item *item)
{
    return table_hash(&table, name_of(item));
}

static void put(struct item *item)
{
    table_add(&table, &heap, hash_of(item), item);
    item->in = true;
}

static void take(struct item *item)
{
    table_remove(&table, &heap, hash_of(item), item);
    item->in = false;
}

static void assert_found(void)
{
    uint64_t count = 0;

    for (int i = 0; i < ENTRIES; i++) {
        void *found = table_find(&table, hash_of(&items[i]), name_of(&items[i]));

        assert_ptr_equal(found, items[i].in ? &items[i] : NULL);
        count += items[i].in;
    }
    assert_int_equal(table.count, count);
}

static void what_is_in_is_found(void **state)
{
    (void)state;
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < STEPS; i++) {
            struct item *item = &items[rng_below(&rng, ENTRIES)];
            bool more = rng_chance(&rng, round % 2 ? 0.1 : 0.9);

            if (item->in && !more)
                take(item);
            else if (!item->in && more)
                put(item);
        }
        assert_found();
    }
}

static void memory_follows_the_count(void **state)
{
    (void)state;
    for (int i = 0; i < ENTRIES; i++)
        put(&items[i]);
    assert_true(heap.used < ENTRIES * 16);
    for (int i = 0; i < ENTRIES - 10; i++)
        take(&items[i]);
    assert_true(heap.used < 32768);
    assert_found();
}

static void see(void *context, void *entry)
{
    struct item *item = entry;

    (void)context;
    assert_true(item->in);
    item->seen = true;
}

/* While it grows and shrinks by others, what stays is seen. */
static void a_scan_returns_all_that_stays(void **state)
{
    uint64_t cursor = 0;
    int turns = 0;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        items[i].stays = true;
        put(&items[i]);
    }
    for (int round = 0; round < 20; round++) {
        bool grow = round % 2 == 0;

        for (int i = 0; i < 3000; i++)
            items[i].seen = false;
        cursor = 0;
        do {
            cursor = table_scan(&table, cursor, see, NULL);
            for (int i = 0; i < 30; i++) {
                struct item *item = &items[3000 + rng_below(&rng, ENTRIES - 3000)];

                if (item->in && !grow)
                    take(item);
                else if (!item->in && grow)
                    put(item);
            }
            turns++;
        } while (cursor);
        for (int i = 0; i < 3000; i++)
            assert_true(items[i].seen);
    }
    assert_true(turns > 1000);
}

static void a_scan_of_a_table_at_rest_returns_each_once(void **state)
{
    uint64_t cursor = 0, seen = 0;
    struct table_walk walk;
    struct item *item;

    (void)state;
    for (int i = 0; i < 7001; i++)
        put(&items[i]);
    table_begin(&walk, &table);
    while ((item = table_next(&walk)))
        seen += !item->seen, item->seen = true;
    assert_int_equal(seen, 7001);
    for (int i = 0; i < ENTRIES; i++)
        items[i].seen = false;
    do {
        for (int i = 0; i < 7001; i++)
            assert_true(!items[i].seen || table_passed(cursor, hash_of(&items[i])));
        cursor = table_scan(&table, cursor, see, NULL);
    } while (cursor > 0 && cursor < (1ULL << 60) && seen++ < 7100);
    while (cursor)
        cursor = table_scan(&table, cursor, see, NULL);
    for (int i = 0; i < 7001; i++)
        assert_true(items[i].seen);
}

static void one_at_random_is_any_of_them(void **state)
{
    uint32_t hits[100] = {0};

    (void)state;
    assert_null(table_random(&table, &rng));
    for (int i = 0; i < 100; i++)
        put(&items[i]);
    for (int i = 0; i < 20000; i++)
        hits[((struct item *)table_random(&table, &rng))->number]++;
    for (int i = 0; i < 100; i++)
        assert_true(hits[i] > 20);
}

static void name_that_is_asked_for(void *context, void *entry)
{
    *(void **)context = entry;
}

static void entries_of_a_hash_are_told(void **state)
{
    void *found = NULL;

    (void)state;
    for (int i = 0; i < 500; i++)
        put(&items[i]);
    table_each_of(&table, hash_of(&items[77]), name_that_is_asked_for, &found);
    assert_ptr_equal(found, &items[77]);
    found = NULL;
    table_each_of(&table, hash_of(&items[600]), name_that_is_asked_for, &found);
    assert_null(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_in_is_found, init, fini),
        cmocka_unit_test_setup_teardown(memory_follows_the_count, init, fini),
        cmocka_unit_test_setup_teardown(a_scan_returns_all_that_stays, init, fini),
        cmocka_unit_test_setup_teardown(a_scan_of_a_table_at_rest_returns_each_once, init, fini),
        cmocka_unit_test_setup_teardown(one_at_random_is_any_of_them, init, fini),
        cmocka_unit_test_setup_teardown(entries_of_a_hash_are_told, init, fini),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Addresses on the interfaces of a network namespace of this test's own (root and `ip` are needed, else they are skipped), and the bytes of
 * announcements, which need nothing.
 */
#include "base/must.h"
#include "process/interfaces.h"
#include "unit.h"

#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool apart;
static struct interfaces interfaces;

static int run(const char *command)
{
    return system(command); /* a test's own words */
}

static int enter(void **state)
{
    struct err err;

    (void)state;
    interfaces_init(&interfaces);
    apart = unshare(CLONE_NEWNET) == 0 &&
            run("ip link add east type veth peer name west && ip link set east up && ip link set "
                "west up && ip addr add 10.9.0.1/24 dev east && ip addr add fd09::1/64 dev east "
                "nodad") == 0;
    return apart && !interfaces_open(&interfaces, &err) ? -1 : 0;
}

static int leave(void **state)
{
    (void)state;
    interfaces_close(&interfaces);
    return 0;
}

static struct address ip(const char *text)
{
    struct address address;

    assert_true(address_parse_ip(&address, bytes_of_string(text)));
    return address;
}

static bool shows(const char *what)
{
    char command[256];

    snprintf(command, sizeof command, "ip -d addr show dev east | grep -q '%s'", what);
    return run(command) == 0;
}

static void add_and_remove(const char *text, uint32_t prefix, const char *shown)
{
    struct address address = ip(text);
    struct interface_place place;
    struct err err;

    assert_true(interfaces_find(&interfaces, &address, prefix, "", &place, &err));
    assert_int_equal(place.presence, INTERFACE_ABSENT);
    assert_string_equal(place.name, "east");
    assert_true(interfaces_add(&interfaces, &place, &address, 20, false, &err));
    assert_true(shows(shown));
    assert_true(shows("deprecated"));
    assert_false(shows("9[:.].*tentative"));
    assert_true(interfaces_find(&interfaces, &address, prefix, "", &place, &err));
    assert_int_equal(place.presence, INTERFACE_OURS);
    assert_false(interfaces_add(&interfaces, &place, &address, 20, false, &err));
    assert_true(interfaces_add(&interfaces, &place, &address, 90, true, &err));
    assert_true(shows("valid_lft [89][0-9]sec"));
    assert_true(interfaces_announce(&interfaces, &place, &address, &err));
    assert_true(interfaces_remove(&interfaces, &place, &address, &err));
    assert_false(shows(shown));
    assert_true(interfaces_remove(&interfaces, &place, &address, &err));
}

static void an_address_comes_with_a_lifetime_and_goes(void **state)
{
    (void)state;
    if (!apart)
        skip();
    add_and_remove("10.9.0.100", 24, "10.9.0.100/32");
    add_and_remove("fd09::100", 64, "fd09::100/128");
}

static void the_kernel_takes_it_away_when_nobody_renews(void **state)
{
    struct address address = ip("10.9.0.101");
    struct interface_place place;
    struct err err;

    (void)state;
    if (!apart)
        skip();
    assert_true(interfaces_find(&interfaces, &address, 24, "", &place, &err));
    assert_true(interfaces_add(&interfaces, &place, &address, 1, false, &err));
    assert_true(shows("10.9.0.101/32"));
    while (shows("10.9.0.101/32"))
        ;
}

static void an_address_of_somebody_else_is_known_as_such(void **state)
{
    struct address address = ip("10.9.0.102");
    struct interface_place place;
    struct err err;

    (void)state;
    if (!apart)
        skip();
    assert_int_equal(run("ip addr add 10.9.0.102/24 dev east"), 0);
    assert_true(interfaces_find(&interfaces, &address, 24, "", &place, &err));
    assert_int_equal(place.presence, INTERFACE_FOREIGN);
}

static void a_network_that_is_nowhere_needs_a_name(void **state)
{
    struct address address = ip("10.8.0.1");
    struct interface_place place;
    struct err err;

    (void)state;
    if (!apart)
        skip();
    assert_false(interfaces_find(&interfaces, &address, 24, "", &place, &err));
    assert_non_null(strstr(err.text, "say which one with `interface`"));
    assert_false(interfaces_find(&interfaces, &address, 24, "north", &place, &err));
    assert_non_null(strstr(err.text, "no interface 'north'"));
    assert_true(interfaces_find(&interfaces, &address, 24, "west", &place, &err));
    assert_string_equal(place.name, "west");
    assert_int_equal(place.length, 24);
}

static void an_interface_that_comes_up_is_news(void **state)
{
    (void)state;
    if (!apart)
        skip();
    while (interfaces_news(&interfaces))
        ;
    assert_int_equal(run("ip link set west down"), 0);
    while (interfaces_news(&interfaces))
        ;
    assert_int_equal(run("ip link set west up"), 0);
    while (!interfaces_news(&interfaces))
        ;
}

static void this_process_is_told_what_it_may_not(void **state)
{
    struct err err;

    (void)state;
    if (!apart)
        skip();
    assert_true(interfaces_allowed(&err));
}

/* ---- bytes ---- */

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};

static void gratuitous_arp_names_itself_twice(void **state)
{
    static const uint8_t request[42] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0, 0, 0, 9, 8, 6, 0, 1, 8, 0,  6, 4, 0,
        1,    2,    0,    0,    0,    0,    9, 10, 9, 0, 1, 0, 0, 0, 0, 0, 0, 10, 9, 0, 1};
    uint8_t frame[ANNOUNCEMENT_MAX];
    struct address address = ip("10.9.0.1");

    (void)state;
    assert_int_equal(announcement_make(&address, mac, false, frame), sizeof request);
    assert_memory_equal(frame, request, sizeof request);
    assert_int_equal(announcement_make(&address, mac, true, frame), sizeof request);
    assert_int_equal(frame[21], 2);
    assert_memory_equal(frame + 32, mac, 6);
}

static void an_advertisement_overrides_and_its_checksum_is_right(void **state)
{
    uint8_t frame[ANNOUNCEMENT_MAX];
    struct address address = ip("fd09::1");
    uint32_t sum = 58 + 32;

    (void)state;
    assert_int_equal(announcement_make(&address, mac, false, frame), 14 + 40 + 32);
    assert_int_equal(frame[54], 136);
    assert_int_equal(frame[58], 0x20);
    assert_memory_equal(frame + 62, address.ip, 16);
    assert_memory_equal(frame + 80, mac, 6);
    for (int i = 22; i < 14 + 40 + 32; i += 2)
        sum += (uint32_t)frame[i] << 8 | frame[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    assert_int_equal(sum, 0xffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_comes_with_a_lifetime_and_goes),
        cmocka_unit_test(the_kernel_takes_it_away_when_nobody_renews),
        cmocka_unit_test(an_address_of_somebody_else_is_known_as_such),
        cmocka_unit_test(a_network_that_is_nowhere_needs_a_name),
        cmocka_unit_test(an_interface_that_comes_up_is_news),
        cmocka_unit_test(this_process_is_told_what_it_may_not),
        cmocka_unit_test(gratuitous_arp_names_itself_twice),
        cmocka_unit_test(an_advertisement_overrides_and_its_checksum_is_right),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}

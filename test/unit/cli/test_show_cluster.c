/*
 * The cluster's part of `nines status`.
 */
#include "cli/show.h"
#include "json_text.h"
#include "unit.h"

static const char well_text[] =
    "{'state':'member','sentence':'','leader':'b','quorum':true,'voters':3,'voters_alive':3,"
    "'term':4,'applied':17,'nodes':["
    "{'name':'a','role':'voter','state':'alive','self':true,'in_file':true,'member':1,"
    "'incarnation':2,'heard_ms':null,'zone':'east'},"
    "{'name':'b','role':'voter','state':'alive','leads':true,'linked':true,'in_file':true,"
    "'member':2,'incarnation':1,'heard_ms':150,'phi':0.1},"
    "{'name':'c','role':'witness','state':'alive','linked':true,'in_file':true,'member':3,"
    "'incarnation':7,'heard_ms':1900,'phi':0.4,'configuration_differs':true}],"
    "'links':[{'from':'a','to':'b','heard_ms':20,'suspected':false}],"
    "'leases':[{'lease':'backup','holder':'a','here':true,'remaining_ms':1500}]}";

static const char lost_text[] =
    "{'state':'member','sentence':'no quorum: 1 of 3 voters are heard','leader':null,"
    "'quorum':false,'nodes':["
    "{'name':'a','role':'voter','state':'alive','self':true,'in_file':true,'member':1},"
    "{'name':'b','role':'voter','state':'dead','in_file':true,'member':2,'heard_ms':61000,"
    "'phi':4806.3,'sentence':'refused'}],"
    "'links':[{'from':'b','to':'a','heard_ms':61000,'suspected':true}],'leases':[]}";

static void assert_page(const char *text, bool links, const char *expected)
{
    json_t *membership = parse(text);
    struct buf out;
    struct canvas canvas = {.out = &out};

    buf_init(&out, 1 << 16);
    show_cluster(&canvas, membership, false, links);
    buf_add_byte(&out, 0);
    assert_string_equal((const char *)out.at, expected);
    buf_fini(&out);
    json_decref(membership);
}

static void names_the_leader_and_what_is_odd(void **state)
{
    (void)state;
    assert_page(well_text, false,
                "cluster: 3 of 3 voters are heard, b leads in term 4, entry 17\n"
                "NODE (* leads)   ROLE     STATE       HEARD    PHI   RUN\n"
                "a (here)         voter    alive           -      -     2 east\n"
                "b *              voter    alive          0s    0.1     1\n"
                "c                witness  alive          1s    0.4     7 another configuration\n"
                "leases: backup on a\n");
}

static const char mixed_text[] =
    "{'state':'member','sentence':'','leader':'b','quorum':true,'voters':3,'voters_alive':2,"
    "'term':4,'applied':17,'level':1,'level_next':2,'nodes':["
    "{'name':'a','role':'voter','state':'alive','self':true,'in_file':true,'member':1,'level':2},"
    "{'name':'b','role':'voter','state':'alive','leads':true,'linked':true,'in_file':true,"
    "'member':2,'level':1},"
    "{'name':'c','role':'voter','state':'dead','in_file':true,'member':3,'level':2},"
    "{'name':'d','role':'none','state':'unheard','in_file':true,'member':0,'level':0}],"
    "'links':[],'leases':[]}";

static void names_who_holds_the_level_back(void **state)
{
    json_t *membership = parse(mixed_text);
    struct buf out;
    struct canvas canvas = {.out = &out};

    (void)state;
    buf_init(&out, 1 << 16);
    show_cluster(&canvas, membership, false, false);
    buf_add_byte(&out, 0);
    assert_non_null(
        strstr((const char *)out.at, "\nlevel: 1, and 2 waits for b's upgrade, c to be heard\n"));
    buf_fini(&out);
    json_decref(membership);
}

static const char addresses_text[] =
    "{'state':'member','sentence':'','leader':'b','quorum':true,'voters':1,'voters_alive':1,"
    "'term':4,'applied':17,'node':'a','nodes':[],'links':[],"
    "'leases':[{'lease':'address/front','holder':'a'},{'lease':'backup','holder':'b'}],"
    "'addresses':["
    "{'name':'front','address':'10.0.0.100/24','holder':'a','here':true,'interface':'eth0',"
    "'well_here':true,'why_not':'','error':''},"
    "{'name':'back','address':'10.0.0.101/24','holder':null,'here':false,'well_here':false,"
    "'why_not':'no backend of the pool \\u0027p\\u0027 is up','error':''}]}";

static void says_who_has_each_address_and_its_lease_but_once(void **state)
{
    json_t *parsed = parse(addresses_text);
    struct buf out;
    struct canvas canvas = {.out = &out};

    (void)state;
    assert_page(addresses_text, false,
                "cluster: 1 of 1 voters are heard, b leads in term 4, entry 17\n"
                "addresses: front on a, back on nobody\n"
                "leases: backup on b\n");
    buf_init(&out, 1 << 16);
    show_addresses(&canvas, parsed, true);
    buf_add_byte(&out, 0);
    assert_string_equal(
        (const char *)out.at,
        "front            10.0.0.100/24            a                here, on eth0\n"
        "back             10.0.0.101/24            nobody           not well here: no backend of "
        "the pool 'p' is up\n");
    buf_fini(&out);
    json_decref(parsed);
}

static void says_what_is_missing_first(void **state)
{
    (void)state;
    assert_page(lost_text, false,
                "cluster: no quorum: 1 of 3 voters are heard\n"
                "NODE (* leads)   ROLE     STATE       HEARD    PHI   RUN\n"
                "a (here)         voter    alive           -      -     0\n"
                "b                voter    dead           1m    >99     0 refused\n"
                "link: b was heard at a 1m ago, and is suspected there\n");
}

static void lists_links_that_are_well_when_asked(void **state)
{
    json_t *membership = parse(well_text);
    struct buf out;
    struct canvas canvas = {.out = &out};

    (void)state;
    buf_init(&out, 1 << 16);
    show_links(&canvas, membership, false);
    assert_int_equal(out.len, 0);
    show_links(&canvas, membership, true);
    buf_add_byte(&out, 0);
    assert_string_equal((const char *)out.at, "link: a was heard at b 0s ago\n");
    buf_fini(&out);
    json_decref(membership);
}

static void says_nothing_where_there_is_no_cluster(void **state)
{
    (void)state;
    assert_page("{'state':'none'}", true, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_leader_and_what_is_odd),
        cmocka_unit_test(names_who_holds_the_level_back),
        cmocka_unit_test(says_who_has_each_address_and_its_lease_but_once),
        cmocka_unit_test(says_what_is_missing_first),
        cmocka_unit_test(lists_links_that_are_well_when_asked),
        cmocka_unit_test(says_nothing_where_there_is_no_cluster),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Groups as `nines status`, `nines group list` and `nines failovers` print them, in 80 columns.
 */
#include "cli/show.h"
#include "json_text.h"
#include "unit.h"

static const char groups_text[] =
    "[{'name':'db','engine':'redis','mode':'semi-sync','phase':'serving','primary':'a','target':"
    "null,'epoch':7,'next':{'primary':'b','why_nobody':''},'clients':{'waiting':0},'members':["
    "{'node':'a','role':'primary','state':'running','in_sync':true,'lag_ms':0,'why_not':''},"
    "{'node':'b','role':'secondary','state':'running','in_sync':true,'lag_ms':40,'next':true,"
    "'why_not':''},"
    "{'node':'c','role':'secondary','state':'stuck','eligible':true,'lag_ms':null,'why_not':'does "
    "not answer'}]},"
    "{'name':'cache','engine':'script','mode':'async','phase':'recovering','primary':null,'target':"
    "null,'epoch':3,'paused':true,'degraded':true,'unclean':true,'next':{'primary':null,"
    "'why_nobody':'a is not heard'},'clients':{'waiting':12},'members':["
    "{'node':'a','role':'unheard','state':'unknown','lag_ms':null,'why_not':'is not heard'}]},"
    "{'name':'new','engine':'redis','mode':'sync','phase':'unknown','epoch':0,'sentence':'the "
    "agent "
    "has not begun'}]";

static void assert_page(const char *text, bool all, const char *expected)
{
    json_t *groups = parse(text);
    struct buf out;
    struct canvas canvas = {.out = &out};

    buf_init(&out, 1 << 16);
    show_groups(&canvas, groups, all);
    buf_add_byte(&out, 0);
    assert_string_equal((const char *)out.at, expected);
    buf_fini(&out);
    json_decref(groups);
}

static void says_who_is_primary_who_is_next_and_why_others_are_not(void **state)
{
    (void)state;
    assert_page(groups_text, true,
                "db, redis, semi-sync: a is the primary, epoch 7\n"
                "  a                primary   running   in sync\n"
                "  b                secondary running   in sync        0s next\n"
                "  c                secondary stuck     eligible        - does not answer\n"
                "cache, script, async: recovering, no primary, epoch 3\n"
                "  failover is paused: `nines resume` takes that back\n"
                "  degraded: acknowledged by fewer than asked for\n"
                "  an unclean election may have lost writes\n"
                "  nobody could follow: a is not heard\n"
                "  12 clients wait\n"
                "  a                unheard   unknown   -               - is not heard\n"
                "new, redis, sync: unknown, no primary, epoch 0\n"
                "  the agent has not begun\n");
}

static void a_hostile_name_is_printed_harmlessly(void **state)
{
    (void)state;
    assert_page(
        "[{'name':'d\\u001b[31mb','engine':'e\\nf','mode':'sync','phase':'serving',"
        "'primary':'a\\u202eb','epoch':1,'next':{'why_nobody':'x\\ry'},'members':["
        "{'node':'\\u001b]0;t\\u0007','role':'primary','state':'running','in_sync':true}]}]",
        true,
        "d?[31mb, e?f, sync: a?b is the primary, epoch 1\n"
        "  nobody could follow: x?y\n"
        "  ?]0;t?           primary   running   in sync\n");
}

static void assert_failovers(const char *text, const char *expected)
{
    json_t *events = parse(text);
    struct buf out;
    struct canvas canvas = {.out = &out};

    buf_init(&out, 1 << 16);
    show_failovers(&canvas, events);
    buf_add_byte(&out, 0);
    assert_string_equal((const char *)out.at, expected);
    buf_fini(&out);
    json_decref(events);
}

static void failovers_have_a_column_for_each_phase(void **state)
{
    (void)state;
    assert_failovers(
        "[{'time':'2026-12-01T12:00:00.123Z','text':'b is primary','numbers':["
        "{'kind':'detect_ms','value':5},{'kind':'decide_ms','value':1},{'kind':'fence_ms','value':"
        "2000},{'kind':'promise_ms','value':12},{'kind':'promote_ms','value':30},{'kind':'verify_ms"
        "','value':8},{'kind':'elapsed_ms','value':2056},{'kind':'waited','value':3},{'kind':"
        "'failed','value':0}]}]",
        "   DETECT DECIDE  FENCE PROMISE PROMOTE VERIFY  TOTAL WAITED FAILED   LOST\n"
        "2026-12-01T12:00:00.123Z b is primary\n"
        "        5      1   2000      12      30      8   2056      3      0      -\n");
    assert_failovers("[]",
                     "   DETECT DECIDE  FENCE PROMISE PROMOTE VERIFY  TOTAL WAITED FAILED   LOST\n"
                     "none yet\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_who_is_primary_who_is_next_and_why_others_are_not),
        cmocka_unit_test(a_hostile_name_is_printed_harmlessly),
        cmocka_unit_test(failovers_have_a_column_for_each_phase),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

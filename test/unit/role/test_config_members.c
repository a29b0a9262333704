/*
 * Who is in a group, and what a group's section may not say: each with its place and its sentence.
 */
#include "role/config.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NODES                                                                                      \
    "nodes: {a: 127.0.0.1, b: 127.0.0.2, c: 127.0.0.3, w: {address: 127.0.0.4, witness: true}}\n"

static struct buf image, findings;

static bool compile(const char *text)
{
    struct config_request request = {.file = "f.yaml", .node = "a", .resolve = true};
    bool good;

    request.fd = memfd_create("f.yaml", MFD_CLOEXEC);
    assert_true(request.fd >= 0);
    assert_int_equal(write(request.fd, text, strlen(text)), strlen(text));
    assert_int_equal(lseek(request.fd, 0, SEEK_SET), 0);
    buf_init(&image, 1 << 24);
    buf_init(&findings, 1 << 20);
    good = config_compile(&request, &image, &findings);
    close(request.fd);
    buf_add_byte(&findings, 0);
    return good;
}

static void forget(void)
{
    buf_fini(&image);
    buf_fini(&findings);
}

static const struct config_group *group_at(uint32_t at)
{
    struct image view = {image.at, image.len};
    const struct config_group *groups = image_items(view, config_of(view)->groups, sizeof *groups);

    assert_true(at < config_of(view)->groups.count);
    return &groups[at];
}

static void members_left_out_are_all_nodes_that_hold_data(void **state)
{
    (void)state;
    assert_true(compile(NODES "groups: {g: {command: /bin/true, port: 7000}}\n"));
    assert_int_equal(group_at(0)->member_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(group_at(0)->members[i].node, i);
        assert_int_equal(group_at(0)->members[i].priority, 100);
        assert_int_equal(group_at(0)->members[i].address.port, 7000);
    }
    forget();
}

static void members_that_are_named_come_as_written(void **state)
{
    (void)state;
    assert_true(compile(NODES
                        "groups: {g: {command: /bin/true, port: 7000, members: {c: {priority: "
                        "7}, a: {endpoint: 127.0.0.9:99}}}}\n"));
    assert_int_equal(group_at(0)->member_count, 2);
    assert_int_equal(group_at(0)->members[0].node, 2);
    assert_int_equal(group_at(0)->members[0].priority, 7);
    assert_int_equal(group_at(0)->members[1].node, 0);
    assert_int_equal(group_at(0)->members[1].address.port, 99);
    forget();
}

static void one_member_is_good_with_a_warning(void **state)
{
    (void)state;
    assert_true(compile(NODES "groups: {g: {command: /bin/true, port: 7000, members: {a: {}}}}\n"));
    assert_non_null(
        strstr((char *)findings.at, "group `g` has one member: nothing can take its place"));
    forget();
}

static void every_contradiction_has_its_place_and_sentence(void **state)
{
    static const struct {
        const char *group, *sentence, *place;
    } rows[] = {
        {"g: {command: /bin/true, port: 7000, members: {a: {},\n  z: {}}}",
         "there is no node named `z`", "f.yaml:3:"},
        {"g: {command: /bin/true, port: 7000, members: {a: {},\n  w: {}}}",
         "node `w` is a witness, which holds no data", "f.yaml:3:"},
        {"g: {command: /bin/true}",
         "where member `a` of group `g` has its data service is not said", "f.yaml:2:"},
        {"g: {command: /bin/true, port: 7000, mode: semi-sync,\n  acks: 3}",
         "a write of group `g` would wait for 3 secondaries, and there are 2", "f.yaml:3:"},
        {"g: {command: /bin/true, port: 7000,\n  min_in_sync: 4}",
         "group `g` needs 4 members in sync, and there are 3", "f.yaml:3:"},
        {"g: {command: /bin/true, members: {a: {endpoint: 127.0.0.9:99}, b: {endpoint: "
         "127.0.0.9:99}}}",
         "two members of group `g` have the same address", "f.yaml:2:"},
        {"g g: {command: /bin/true, port: 7000}",
         "a group's name is at most 63 letters, digits, `-`, `_` and `.`, found `g g`",
         "f.yaml:2:"},
        {".g: {command: /bin/true, port: 7000}", "found `.g`", "f.yaml:2:"},
        {"g: {command: /bin/true, port: 7000}}\nfailover: {lease: 5s, timeout: 5s",
         "a failover would be given up before the old primary's lease has run out: lease 5000 ms, "
         "timeout 5000 ms",
         "f.yaml:"},
        {"g: {engine: store, port: 7000,\n  tls: {certificate: a.pem, key: /b}}",
         "`a.pem` is not an absolute path", "f.yaml:3:"},
        {"g: {engine: store, port: 7000,\n  tls: {certificate: /a, key: /b, authority: c}}",
         "`c` is not an absolute path", "f.yaml:3:"},
        {"g: {engine: store, port: 7000,\n  tls: {certificate: /a}}", "key", "f.yaml:3:"},
        {"g: {engine: store, port: 7000,\n  tls: {certificate: /a, key: /b, port: 7000}}",
         "port 7000 is taken: there the store speaks in the clear", "f.yaml:3:"},
        {"g: {engine: store, port: 7000,\n  tls: {certificate: /a, key: /b, port: 17000}}",
         "port 17000 is taken: there the store is spoken to by other members", "f.yaml:3:"},
        {"g: {command: /bin/true, port: 7000,\n  tls: {certificate: /a, key: /b}}",
         "nines speaks TLS for the embedded store alone", "f.yaml:3:"},
        {"g: {engine: store, port: 7000,\n  users: {a: {rules: '+get'}}}",
         "user `a` has no password, so nobody can be it", "f.yaml:3:"},
        {"g: {engine: store, port: 7000,\n  users: {a: {password: x, rules: +@nothing}}}",
         "modifier '+@nothing': Unknown command or category name in ACL", "f.yaml:3:"},
        {"g: {engine: store, port: 7000,\n  users: {a: {rules: 'nopass ~k\tl'}}}", "rules",
         "f.yaml:3:"},
        {"g: {engine: store, port: 7000,\n  users: {a: {password_hash: 12}}}", "password_hash",
         "f.yaml:3:"},
        {"g: {engine: store, port: 7000,\n  users: {a: {password_hash: "
         "Xbb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b}}}",
         "The password hash must be exactly 64 characters", "f.yaml:3:"},
        {"g: {engine: store, port: 7000,\n  users: {a: {password: x, password_hash: "
         "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b}}}",
         "a user has a password or its hash, not both", "f.yaml:3:"},
        {"g: {engine: store, port: 7000,\n  users: {a: {rules: '>x +get'}}}",
         "rules say what user `a` may do, and nothing about passwords", "f.yaml:3:"},
        {"g: {engine: store, port: 7000,\n  users: {a b: {password: x}}}",
         "Usernames can't contain spaces or null characters", "f.yaml:3:"},
        {"g: {command: /bin/true, port: 7000,\n  users: {a: {password: x}}}",
         "the embedded store alone has users in the file", "f.yaml:3:"},
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(text, sizeof text, NODES "groups: {%s}\n", rows[i].group);
        assert_false(compile(text));
        if (!strstr((char *)findings.at, rows[i].sentence) ||
            !strstr((char *)findings.at, rows[i].place))
            fail_msg("wanted '%s' at %s, found:\n%s", rows[i].sentence, rows[i].place,
                     (char *)findings.at);
        forget();
    }
}

static void passwords_are_nowhere_but_their_hashes(void **state)
{
    static const char hash[] = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    const struct config_group *group;
    const struct store_user *users;

    (void)state;
    assert_true(compile(NODES "groups: {g: {engine: store, port: 7000, users: {a: {password: &p "
                              "secret}, b: {password: *p, rules: +get}, c: {rules: nopass}}}}\n"));
    group = group_at(0);
    assert_int_equal(group->store.users.count, 3);
    users = image_items((struct image){image.at, image.len}, group->store.users, sizeof *users);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(users[i].password.count, 0);
        assert_string_equal(
            image_string((struct image){image.at, image.len}, users[i].password_hash), hash);
    }
    assert_null(memmem(image.at, image.len, "secret", 6));
    forget();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_left_out_are_all_nodes_that_hold_data),
        cmocka_unit_test(members_that_are_named_come_as_written),
        cmocka_unit_test(one_member_is_good_with_a_warning),
        cmocka_unit_test(passwords_are_nowhere_but_their_hashes),
        cmocka_unit_test(every_contradiction_has_its_place_and_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

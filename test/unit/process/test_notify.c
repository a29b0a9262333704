#include "base/own.h"
#include "process/process.h"
#include "unit.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static int listen_at(const char *path, struct sockaddr_un *address)
{
    size_t len = strlen(path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, len);
    if (path[0] == '@')
        address->sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
    return fd;
}

static void a_state_reaches_the_manager_at(const char *path)
{
    struct sockaddr_un address;
    autoclose int fd = listen_at(path, &address);
    char text[64] = {0};

    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    notify("READY=1");
    assert_int_equal(recv(fd, text, sizeof text - 1, 0), 7);
    assert_string_equal(text, "READY=1");
    unsetenv("NOTIFY_SOCKET");
}

static void a_state_reaches_the_manager_by_path_and_by_abstract_name(void **state)
{
    char directory[] = "/tmp/nines-notify-XXXXXX";
    char path[64];

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/s", directory);
    a_state_reaches_the_manager_at(path);
    unlink(path);
    rmdir(directory);
    snprintf(path, sizeof path, "@nines-notify-%d", getpid());
    a_state_reaches_the_manager_at(path);
}

static void without_a_manager_nothing_happens(void **state)
{
    static const char *const nowhere[] = {"", "@", "relative", "/nonexistent/socket"};

    (void)state;
    unsetenv("NOTIFY_SOCKET");
    notify("READY=1");
    for (size_t i = 0; i < ARRAY_LEN(nowhere); i++) {
        setenv("NOTIFY_SOCKET", nowhere[i], 1);
        notify("READY=1");
    }
    unsetenv("NOTIFY_SOCKET");
}

static void the_watchdog_is_petted_at_half_its_time_and_only_by_the_process_meant(void **state)
{
    char pid[16];

    (void)state;
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(notify_watchdog_ms(), 15000);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_ms(), 15000);
    setenv("WATCHDOG_USEC", "soon", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_reaches_the_manager_by_path_and_by_abstract_name),
        cmocka_unit_test(without_a_manager_nothing_happens),
        cmocka_unit_test(the_watchdog_is_petted_at_half_its_time_and_only_by_the_process_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

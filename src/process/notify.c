/*
 * Tells the service manager how this process is: the sd_notify protocol, a datagram to a Unix socket.
 * Never blocks and never fails the caller: a manager that does not listen is its own problem.
 */
#include "process/process.h"

#include "base/own.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    autoclose int fd = -1;

    if (len < 2 || len >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* an abstract name begins with NUL and ends with the length */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    len += offsetof(struct sockaddr_un, sun_path);
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, (socklen_t)len) < 0)
        return;
}

/* 0 when it is not a number. */
static long long number_of(const char *text)
{
    char *end;
    long long value = strtoll(text, &end, 10);

    return *end == '\0' ? value : 0;
}

int64_t notify_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    long long value = usec ? number_of(usec) : 0;

    if (value <= 0 || (pid && number_of(pid) != getpid()))
        return 0;
    return value / 2000;
}

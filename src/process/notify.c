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

int64_t notify_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    char *end;
    long long value;

    if (!usec || (pid && atoll(pid) != getpid()))
        return 0;
    value = strtoll(usec, &end, 10);
    return *end == '\0' && value > 0 ? value / 2000 : 0;
}

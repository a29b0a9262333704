#include "role/user.h"

#include <pwd.h>

const char *role_user(const char *configured)
{
    static const char *found;

    if (configured[0])
        return configured;
    /* Once: a directory service that hangs must not hold up a supervisor that has fences to keep. */
    if (!found)
        found = getpwnam("nines") ? "nines" : "nobody";
    return found;
}

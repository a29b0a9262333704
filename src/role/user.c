#include "role/user.h"

#include <pwd.h>

const char *role_user(const char *configured)
{
    if (configured[0])
        return configured;
    return getpwnam("nines") ? "nines" : "nobody";
}

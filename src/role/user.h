/*
 * user: whom the unprivileged processes become.
 */
#pragma once

/* The configured name, or, where it is empty, `nines` if there is such a user and else `nobody`. That is looked up once. */
const char *role_user(const char *configured);

/*
 * Who may ask what. Being able to connect to a loopback port proves little: every user of the machine can, and so can every web page
 * that a browser here has open. So orders over TCP need a header that a page cannot send to a foreign host without a preflight
 * (which nobody answers), and a Host that no name of an attacker can stand behind (DNS rebinding). The Unix socket's file mode says
 * who may open it, and that is enough.
 */
#pragma once

#include "admin/routes.h"

enum admin_access {
    ACCESS_PROBE, /* anybody who can connect: probes and scrapes */
    ACCESS_READ,  /* likewise, but not under a foreign name */
    ACCESS_ORDER, /* the Unix socket, or a guarded request from this machine to this machine */
};

/* NULL: it may. Else the sentence that says why not. */
const char *access_refusal(enum admin_access access, const struct admin_request *request,
                           const char *node);

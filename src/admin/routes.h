/*
 * What can be asked: a table of rows, and the step from a request to a reply. Pure: an order (reload, drain) is only named in
 * the reply; drive.c carries it out.
 */
#pragma once

#include "admin/scene.h"
#include "base/buf.h"
#include "wire/http1.h"

enum {
    ADMIN_PATH_MAX = 1024,  /* longer: 414 */
    ADMIN_QUERY_MAX = 4096, /* likewise: `next` of events names up to 16 nodes */
    ADMIN_HOST_MAX = 256,
    ADMIN_PARAMETERS_MAX = 2,
    ADMIN_PARAMETER_MAX = 256,
};

/* Copied out of a head, for the head's bytes are gone when the body has been read. */
struct admin_request {
    enum http1_method method;
    char path[ADMIN_PATH_MAX], query[ADMIN_QUERY_MAX], host[ADMIN_HOST_MAX];
    bool local;    /* came over the Unix socket */
    bool loopback; /* came over TCP from this machine */
    bool
        guarded; /* has a header that no web page can send to a foreign host without asking first */
};

enum admin_order { ORDER_NONE, ORDER_RELOAD, ORDER_DRAIN, ORDER_UNDRAIN, ORDER_ASK };

struct admin_reply {
    uint16_t status;
    const char *type;  /* of the content */
    const char *allow; /* with 405: the methods there are */
    struct buf *body;  /* the caller's, empty at first */
    enum admin_order order;
    uint32_t slot; /* the backend to drain or undrain */
    /* Of ORDER_ASK; the query is in `body` until the answer takes its place. */
    enum admin_verb verb;
};

/* Takes apart a request's head. False with *status: it cannot be asked. */
MUST_USE bool admin_read_request(struct admin_request *request, const struct http1_head *head,
                                 struct bytes bytes, uint16_t *status);
/* Answers everything, but for ORDER_RELOAD, which admin_reply_reloaded answers when it is known, and ORDER_ASK, which the agent answers. */
void admin_reply_to(const struct admin_scene *scene, const struct admin_request *request,
                    struct admin_reply *reply);
void admin_reply_reloaded(bool done, struct bytes text, uint64_t generation,
                          struct admin_reply *reply);
void admin_reply_asked(uint16_t status, struct bytes json, struct admin_reply *reply);
/* What an agent that went away leaves to be said: nobody knows whether it was done. */
void admin_reply_lost(struct admin_reply *reply);
void admin_reply_error(uint16_t status, const char *sentence, struct admin_reply *reply);

/*
 * A request to the HTTP interface, from its bytes to the answer: nothing that somebody sends makes an answer that is not one, and
 * nothing but a guarded request gives an order.
 */
#include "admin/routes.h"
#include "admin/shop.h"
#include "fuzz.h"

#include <jansson.h>

enum { HEAD_MAX = 8192, ANSWER_MAX = 1 << 20 };

static struct shop shop;

static void check_content(const struct admin_reply *reply)
{
    json_t *json;

    must(!reply->body->full);
    must(reply->body->len > 0 || reply->order == ORDER_RELOAD);
    if (reply->order == ORDER_RELOAD || strcmp(reply->type, "application/json") != 0)
        return;
    json =
        json_loadb((const char *)reply->body->at, reply->body->len, JSON_REJECT_DUPLICATES, NULL);
    must(json);
    json_decref(json);
}

static void check_reply(const struct admin_request *request, const struct admin_reply *reply)
{
    must(reply->status >= 200 && reply->status < 600);
    must((reply->status == 405) == (reply->allow != NULL));
    if (reply->order == ORDER_NONE)
        return;
    must(reply->status == 200);
    must(request->method == METHOD_POST);
    must(request->local || (request->loopback && request->guarded));
    must(reply->order == ORDER_RELOAD || reply->slot < BACKENDS_MAX);
}

static void ask(struct admin_request *request)
{
    struct buf body;
    struct admin_reply reply = {.body = &body};

    buf_init(&body, ANSWER_MAX);
    admin_reply_to(&shop.scene, request, &reply);
    check_reply(request, &reply);
    check_content(&reply);
    buf_fini(&body);
}

/* The first byte says from where it comes, the rest is the request. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http1_head head;
    struct http1_scan scan = {0};
    struct http1_fault fault;
    struct admin_request request;
    struct bytes bytes;
    uint16_t status;
    uint32_t used;

    if (!shop.board)
        shop_open(&shop);
    if (size == 0)
        return 0;
    bytes = bytes_of(data + 1, size - 1);
    if (http1_request(&scan, bytes, HEAD_MAX, &head, &used, &fault) != HTTP1_DONE)
        return 0;
    if (!admin_read_request(&request, &head, bytes, &status)) {
        must(status == 400 || status == 414);
        return 0;
    }
    request.local = data[0] % 3 == 1;
    request.loopback = data[0] % 3 == 2;
    ask(&request);
    return 0;
}

#include "cluster/drive.h"

enum { TICKET_PLACE_BITS = REQUEST_SPARE_BITS };

static void finish(struct requested *r, const char *sentence, struct bytes bytes)
{
    cluster_answered *answered = r->answered;
    void *context = r->context;

    timer_cancel(r->cluster->loop, &r->timer);
    r->used = false;
    answered(context, sentence, bytes);
}

static void on_timer(struct timer *timer)
{
    struct requested *r = container_of(timer, struct requested, timer);

    finish(r, r->place == PEERS_MAX ? r->why : "it has not answered in time", bytes_of(NULL, 0));
}

static void on_excess(struct timer *timer);

void request_open(struct cluster *c)
{
    timer_init(&c->exceeding, on_excess);
    for (uint32_t i = 0; i < CLUSTER_REQUESTS_MAX; i++) {
        c->requests[i].cluster = c;
        timer_init(&c->requests[i].timer, on_timer);
    }
}

/* One for which there was no place: answered from the loop all the same. */
struct excess {
    struct excess *next;
    cluster_answered *answered;
    void *context;
};

static void tell_excess(struct cluster *c)
{
    struct excess *excess;

    while ((excess = c->excess)) {
        c->excess = excess->next;
        excess->answered(excess->context, "too many requests are outstanding, or this node stops",
                         bytes_of(NULL, 0));
        free(excess);
    }
}

static void on_excess(struct timer *timer)
{
    tell_excess(container_of(timer, struct cluster, exceeding));
}

static void too_many(struct cluster *c, cluster_answered *answered, void *context)
{
    struct excess *excess = calloc(1, sizeof *excess);

    must(excess);
    *excess = (struct excess){.next = c->excess, .answered = answered, .context = context};
    c->excess = excess;
    timer_arm(c->loop, &c->exceeding, loop_now(c->loop));
}

bool cluster_linked(const struct cluster *c, const char *node)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++)
        if (c->places[i].linked && strcmp(c->places[i].name, node) == 0)
            return c->member;
    return false;
}

static const char *say(struct cluster *c, const struct requested *r, struct bytes bytes)
{
    const struct request request = {r->number, bytes};

    if (r->place == PEERS_MAX)
        return "there is no such node";
    if (bytes.len > CLUSTER_REQUEST_MAX)
        return "the request is too long";
    if (!c->member || !c->places[r->place].linked)
        return "there is no link to it";
    request_encode(peers_frame(c), &request);
    return peers_say(c, &c->places[r->place], FRAME_REQUEST, false) ? NULL
                                                                    : "the link to it is full";
}

void cluster_request(struct cluster *c, const char *node, struct bytes bytes, int64_t timeout_ms,
                     cluster_answered *answered, void *context)
{
    const struct place *place = peers_place_named(c, node);
    struct requested *r = NULL;

    for (uint32_t i = 0; i < CLUSTER_REQUESTS_MAX && !r && drive_living(c); i++)
        if (!c->requests[i].used)
            r = &c->requests[i];
    if (!r) {
        too_many(c, answered, context);
        return;
    }
    r->used = true;
    r->answered = answered;
    r->context = context;
    r->number = ++c->request_numbers * CLUSTER_REQUESTS_MAX + (uint64_t)(r - c->requests);
    r->place = place ? peers_number(c, place) : PEERS_MAX;
    r->why = say(c, r, bytes);
    if (r->why)
        r->place = PEERS_MAX;
    timer_arm(c->loop, &r->timer,
              r->why ? loop_now(c->loop) : after_ms(loop_now(c->loop), timeout_ms));
}

void request_asked(struct cluster *c, struct place *place, struct unpack *in)
{
    struct request request;

    if (!request_decode(in->left, &request) || !c->events.request)
        return;
    c->events.request(c->context, place->name,
                      request.number << TICKET_PLACE_BITS | peers_number(c, place), request.bytes);
}

void cluster_answer(struct cluster *c, uint64_t ticket, struct bytes bytes)
{
    uint32_t number = (uint32_t)(ticket & ((1 << TICKET_PLACE_BITS) - 1));
    const struct request answer = {ticket >> TICKET_PLACE_BITS, bytes};

    must(bytes.len <= CLUSTER_REQUEST_MAX);
    if (number >= PEERS_MAX || !drive_living(c))
        return;
    request_encode(peers_frame(c), &answer);
    (void)peers_say(c, &c->places[number], FRAME_ANSWER, false);
}

void request_answered(struct cluster *c, struct place *place, struct unpack *in)
{
    struct request answer;
    struct requested *r;

    if (!request_decode(in->left, &answer))
        return;
    r = &c->requests[answer.number % CLUSTER_REQUESTS_MAX];
    if (r->used && r->number == answer.number && r->place == peers_number(c, place))
        finish(r, NULL, answer.bytes);
}

void request_link_lost(struct cluster *c, const struct place *place)
{
    for (uint32_t i = 0; i < CLUSTER_REQUESTS_MAX; i++)
        if (c->requests[i].used && c->requests[i].place == peers_number(c, place))
            finish(&c->requests[i], "the link to it was lost", bytes_of(NULL, 0));
}

void request_peer_gone(struct cluster *c, const struct place *place)
{
    for (uint32_t i = 0; i < CLUSTER_REQUESTS_MAX; i++) {
        struct requested *r = &c->requests[i];

        if (!r->used || r->place != peers_number(c, place))
            continue;
        r->place = PEERS_MAX;
        r->why = "it is no node of this cluster any more";
        timer_arm(c->loop, &r->timer, loop_now(c->loop));
    }
}

void request_close(struct cluster *c)
{
    for (uint32_t i = 0; i < CLUSTER_REQUESTS_MAX; i++)
        if (c->requests[i].used)
            finish(&c->requests[i], "this node stops", bytes_of(NULL, 0));
    timer_cancel(c->loop, &c->exceeding);
    tell_excess(c);
}

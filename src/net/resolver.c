/*
 * Asks c-ares, which speaks DNS and reads /etc/hosts; watches and timers of the loop drive it. Allocates per question and
 * per socket, as c-ares does, so it is for processes that may: not for one that moves traffic.
 *
 * c-ares answers when it likes, also from inside resolver_ask. So an answer is noted in its question and told by a timer.
 */
#include "net/net.h"

#include <ares.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/time.h>

enum {
    TRIES = 2,
    TRY_MS_MIN = 50,
    SERVERS_MAX = 8,
    LITERAL_TTL_S = 86400,
};

struct resolver {
    struct loop *loop;
    ares_channel channel;
    int64_t timeout_ms;
    struct list sockets;  /* those of c-ares */
    struct list asking;   /* resolutions without an answer yet */
    struct list answered; /* resolutions whose answer is to be told */
    struct timer tick;    /* c-ares wants to look at its clock */
    struct timer tell;
};

struct resolver_socket {
    struct list node;
    struct resolver *resolver;
    struct watch watch;
};

struct question {
    struct resolver *resolver;
    struct resolution *resolution; /* NULL: nobody waits for the answer any more */
    struct timer deadline;
    bool c_ares;    /* c-ares will still call for it */
    struct err err; /* ERR_NONE: it was answered */
    char name[];
};

static void arm_tick(struct resolver *resolver)
{
    struct timeval longest = {.tv_sec = resolver->timeout_ms / 1000 + 1}, found;
    struct timeval *wait = ares_timeout(resolver->channel, &longest, &found);

    if (list_empty(&resolver->sockets))
        timer_cancel(resolver->loop, &resolver->tick);
    else
        timer_arm(resolver->loop, &resolver->tick,
                  after_ns(loop_now(resolver->loop),
                           wait->tv_sec * NS_PER_S + wait->tv_usec * NS_PER_US));
}

static void process(struct resolver *resolver, ares_socket_t readable, ares_socket_t writable)
{
    ares_process_fd(resolver->channel, readable, writable);
    arm_tick(resolver);
}

static void tick(struct timer *timer)
{
    process(container_of(timer, struct resolver, tick), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void socket_ready(struct watch *watch, bool readable, bool writable)
{
    struct resolver_socket *socket = container_of(watch, struct resolver_socket, watch);
    int fd = watch->fd;

    process(socket->resolver, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
}

static struct resolver_socket *find_socket(struct resolver *resolver, int fd)
{
    list_each (node, &resolver->sockets) {
        struct resolver_socket *socket = container_of(node, struct resolver_socket, node);

        if (socket->watch.fd == fd)
            return socket;
    }
    return NULL;
}

static void drop_socket(struct resolver_socket *socket)
{
    watch_stop(&socket->watch);
    list_remove(&socket->node);
    free(socket);
}

/* c-ares says what it waits for on one of its sockets; nothing: it is about to close it. */
static void socket_changed(void *data, ares_socket_t fd, int readable, int writable)
{
    struct resolver *resolver = data;
    struct resolver_socket *socket = find_socket(resolver, fd);

    if (socket && !readable && !writable) {
        drop_socket(socket);
    } else if (socket) {
        watch_change(&socket->watch, readable, writable);
    } else if (readable || writable) {
        socket = calloc(1, sizeof *socket);
        if (!socket)
            return; /* nobody reads it, and the question ends by its deadline */
        socket->resolver = resolver;
        socket->watch.ready = socket_ready;
        list_push_back(&resolver->sockets, &socket->node);
        watch_start(resolver->loop, &socket->watch, fd, readable, writable);
    }
}

/* ---- answers ---- */

static void forget(struct question *question)
{
    struct resolution *resolution = question->resolution;

    if (resolution) {
        list_remove(&resolution->node);
        resolution->question = NULL;
    }
    question->resolution = NULL;
    timer_cancel(question->resolver->loop, &question->deadline);
    if (!question->c_ares)
        free(question);
}

static void tell_one(struct resolution *resolution)
{
    struct question *question = resolution->question;
    struct err err = question->err;

    forget(question);
    resolution->resolved(resolution, err.kind == ERR_NONE ? NULL : &err);
}

/* One at a time and the callback last, since it may close the resolver. */
static void tell(struct timer *timer)
{
    struct resolver *resolver = container_of(timer, struct resolver, tell);
    struct list *node = list_pop_front(&resolver->answered);

    if (!list_empty(&resolver->answered))
        timer_arm(resolver->loop, &resolver->tell, loop_now(resolver->loop));
    if (node)
        tell_one(container_of(node, struct resolution, node));
}

static void answer_is_known(struct question *question)
{
    struct resolver *resolver = question->resolver;

    timer_cancel(resolver->loop, &question->deadline);
    list_remove(&question->resolution->node);
    list_push_back(&resolver->answered, &question->resolution->node);
    timer_arm(resolver->loop, &resolver->tell, loop_now(resolver->loop));
}

static void overdue(struct timer *timer)
{
    struct question *question = container_of(timer, struct question, deadline);

    (void)err_set(&question->err, ERR_TIMEOUT, "resolve '%s': no answer within %lld ms",
                  question->name, (long long)question->resolver->timeout_ms);
    tell_one(question->resolution);
}

static enum err_kind kind_of(int status)
{
    switch (status) {
    case ARES_ETIMEOUT:
        return ERR_TIMEOUT;
    case ARES_ENOMEM:
        return ERR_LIMIT;
    default:
        return ERR_PEER;
    }
}

static void add(struct resolution *resolution, const struct ares_addrinfo_node *node)
{
    struct address *address = &resolution->addresses[resolution->count];
    const void *from = node->ai_addr;

    if (resolution->count == RESOLVER_ADDRESSES_MAX)
        return;
    *address = (struct address){0};
    if (node->ai_family == AF_INET) {
        address->family = 4;
        memcpy(address->ip, &((const struct sockaddr_in *)from)->sin_addr, 4);
    } else if (node->ai_family == AF_INET6) {
        address->family = 6;
        memcpy(address->ip, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
    } else {
        return;
    }
    if (resolution->count == 0 || node->ai_ttl < resolution->ttl_s)
        resolution->ttl_s = node->ai_ttl;
    resolution->count++;
}

static void answered(void *data, int status, int timeouts, struct ares_addrinfo *info)
{
    struct question *question = data;
    struct resolution *resolution = question->resolution;

    (void)timeouts;
    question->c_ares = false;
    if (!resolution) {
        forget(question);
    } else {
        for (struct ares_addrinfo_node *node = info ? info->nodes : NULL; node;
             node = node->ai_next)
            add(resolution, node);
        if (status != ARES_SUCCESS)
            (void)err_set(&question->err, kind_of(status), "resolve '%s': %s", question->name,
                          ares_strerror(status));
        else if (resolution->count == 0)
            (void)err_set(&question->err, ERR_PEER, "resolve '%s': it has no address",
                          question->name);
        answer_is_known(question);
    }
    ares_freeaddrinfo(info);
}

/* ---- asking ---- */

bool resolver_open(struct resolver **out, struct loop *loop, int64_t timeout_ms, struct err *err)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    /* The second try waits twice as long as the first; our own deadline bounds them all. */
    int64_t try_ms = timeout_ms / 3 < TRY_MS_MIN ? TRY_MS_MIN : timeout_ms / 3;
    struct ares_options options = {
        .timeout = (int)(try_ms > INT32_MAX ? INT32_MAX : try_ms),
        .tries = TRIES,
        .sock_state_cb = socket_changed,
        .sock_state_cb_data = resolver,
    };
    int status = ARES_ENOMEM;

    must(timeout_ms > 0);
    if (resolver)
        status = ares_library_init(ARES_LIB_INIT_ALL);
    if (status == ARES_SUCCESS) {
        status = ares_init_options(&resolver->channel, &options,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
        if (status != ARES_SUCCESS)
            ares_library_cleanup();
    }
    if (status != ARES_SUCCESS) {
        free(resolver);
        return err_set(err, ERR_SYSTEM, "open a resolver: %s", ares_strerror(status));
    }
    resolver->loop = loop;
    resolver->timeout_ms = timeout_ms;
    list_init(&resolver->sockets);
    list_init(&resolver->asking);
    list_init(&resolver->answered);
    timer_init(&resolver->tick, tick);
    timer_init(&resolver->tell, tell);
    *out = resolver;
    return true;
}

static void forget_all(struct list *resolutions)
{
    list_each_safe (node, resolutions) {
        struct resolution *resolution = container_of(node, struct resolution, node);

        forget(resolution->question);
    }
}

void resolver_close(struct resolver *resolver)
{
    if (!resolver)
        return;
    forget_all(&resolver->asking);
    forget_all(&resolver->answered);
    ares_destroy(resolver->channel); /* calls for each question, and lets go of each socket */
    ares_library_cleanup();
    must(list_empty(&resolver->sockets));
    timer_cancel(resolver->loop, &resolver->tick);
    timer_cancel(resolver->loop, &resolver->tell);
    free(resolver);
}

bool resolver_use(struct resolver *resolver, const struct address servers[], size_t count,
                  struct err *err)
{
    struct ares_addr_port_node nodes[SERVERS_MAX] = {0};
    int status;

    must(count > 0 && count <= SERVERS_MAX);
    for (size_t i = 0; i < count; i++) {
        nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
        nodes[i].family = servers[i].family == 6 ? AF_INET6 : AF_INET;
        memcpy(&nodes[i].addr, servers[i].ip, servers[i].family == 6 ? 16 : 4);
        nodes[i].udp_port = nodes[i].tcp_port = servers[i].port;
    }
    status = ares_set_servers_ports(resolver->channel, nodes);
    if (status != ARES_SUCCESS)
        return err_set(err, ERR_SYSTEM, "set name servers: %s", ares_strerror(status));
    return true;
}

/* RFC 6761 6.3: such names are this machine, whatever a server or a missing /etc/hosts says. */
static bool is_localhost(const char *name)
{
    static const char word[] = "localhost";
    size_t len = strlen(name), word_len = sizeof word - 1;

    if (len > 0 && name[len - 1] == '.')
        len--;
    return len >= word_len && strncasecmp(name + len - word_len, word, word_len) == 0 &&
           (len == word_len || name[len - word_len - 1] == '.');
}

/* What needs no server: an address, or this machine. */
static uint32_t known_addresses(struct address *addresses, const char *name)
{
    if (address_parse_ip(&addresses[0], bytes_of_string(name)))
        return 1;
    if (!is_localhost(name))
        return 0;
    must(address_parse_ip(&addresses[0], BYTES("127.0.0.1")));
    must(address_parse_ip(&addresses[1], BYTES("::1")));
    return 2;
}

void resolver_ask(struct resolver *resolver, struct resolution *resolution, const char *name)
{
    const struct ares_addrinfo_hints hints = {
        .ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    size_t size = strlen(name) + 1;
    struct question *question = calloc(1, sizeof *question + size);

    must(question);
    question->resolver = resolver;
    question->resolution = resolution;
    memcpy(question->name, name, size);
    timer_init(&question->deadline, overdue);
    resolution->question = question;
    resolution->count = known_addresses(resolution->addresses, name);
    resolution->ttl_s = LITERAL_TTL_S;
    list_init(&resolution->node);
    list_push_back(&resolver->asking, &resolution->node);
    if (resolution->count > 0) {
        answer_is_known(question);
        return;
    }
    question->c_ares = true;
    timer_arm(resolver->loop, &question->deadline,
              after_ms(loop_now(resolver->loop), resolver->timeout_ms));
    ares_getaddrinfo(resolver->channel, question->name, NULL, &hints, answered, question);
    arm_tick(resolver);
}

void resolver_cancel(struct resolver *resolver, struct resolution *resolution)
{
    (void)resolver;
    if (resolution->question)
        forget(resolution->question);
}

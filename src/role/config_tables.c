/*
 * The root of the configuration: the rows that no room owns, and the places where the rooms' rows meet.
 */
#include "role/config.h"

#include "process/scoreboard.h"

#include <stddef.h>

#define ROOT(member) offsetof(struct config, member)
#define NODE(member) offsetof(struct config_node, member)
#define LIMIT(member) (ROOT(limits) + offsetof(struct config_limits, member))
#define PEER(member) (ROOT(peers) + offsetof(struct config_peers, member))
#define FAILOVER(member) (ROOT(failover) + offsetof(struct config_failover, member))
#define VIRTUAL(member) offsetof(struct config_address, member)
#define MINUTES_MS 60000LL
#define KIB 1024LL
#define MIB (1024 * KIB)

static const struct option path_rows[] = {
    {"", OPTION_TEXT, offsetof(struct config_path, address), 1, 64, NULL, AT_RELOAD, 0,
     "An IP address, with a port where it is not peers.port."},
    {0},
};

static const struct option node_rows[] = {
    {"address", OPTION_TEXT, NODE(address), 1, 64, NULL, AT_RELOAD, OPTION_REQUIRED,
     "The node's IP address, with a port where it is not peers.port; `nines run` without --node is "
     "the node whose address this machine has."},
    {"addresses", OPTION_LIST, NODE(addresses), 0, CONFIG_PATHS_MAX - 1, NULL, AT_RELOAD,
     OPTION_ONE_OR_MORE, "Its addresses in other networks: taken when the first one is silent.",
     .rows = path_rows, .item_size = sizeof(struct config_path)},
    {"zone", OPTION_TEXT, NODE(zone), 1, 64, NULL, AT_RELOAD, 0,
     "Where it stands: what fails together."},
    {"voter", OPTION_BOOL, NODE(voter), 0, 0, "true", AT_START, 0,
     "Whether it votes; at most 7 do. One that does not holds the cluster's document and never "
     "leads; takes effect when the cluster is founded or the node added."},
    {"witness", OPTION_BOOL, NODE(witness), 0, 0, "false", AT_START, 0,
     "It votes and holds no data; takes effect when the cluster is founded or the node added."},
    {0},
};

static const struct option peer_rows[] = {
    {"port", OPTION_NUMBER, PEER(port), 1, 65535, "7901", AT_RELOAD, 0,
     "Where nodes listen for each other, unless a node's address says another port."},
    {"authority", OPTION_TEXT, PEER(authority), 1, 1024, NULL, AT_RELOAD, 0,
     "PEM file of the authority that every node's certificate is from; left out: tls/ca.pem in "
     "`directory`."},
    {"certificate", OPTION_TEXT, PEER(certificate), 1, 1024, NULL, AT_RELOAD, 0,
     "PEM file of this node's certificate, whose subject is the node's name; left out: "
     "tls/NODE.pem in `directory`."},
    {"key", OPTION_TEXT, PEER(key), 1, 1024, NULL, AT_RELOAD, 0,
     "PEM file of the certificate's key, not encrypted; left out: tls/NODE.key in `directory`."},
    {0},
};

static const struct option failover_rows[] = {
    {"heartbeat", OPTION_DURATION, FAILOVER(heartbeat_ms), 20, 10000, "200ms", AT_START, 0,
     "How often each node tells every other that it lives."},
    {"detection_threshold", OPTION_NUMBER, FAILOVER(detection_threshold), 1, 16, "5", AT_START, 0,
     "How sure it must be that a silent node has failed: 5 is wrong once in 100,000 beats."},
    {"election_timeout", OPTION_DURATION, FAILOVER(election_timeout_ms), 40, 60000, "600ms",
     AT_START, 0, "A leader that is silent for this long is replaced."},
    {"lease", OPTION_DURATION, FAILOVER(lease_ms), 100, 60000, "2s", AT_START, 0,
     "How long a node may act alone, for example as a primary, without hearing from the leader."},
    {"drift", OPTION_PERCENT, FAILOVER(drift), 1, 2000, "1%", AT_START, 0,
     "How much faster or slower one node's clock may run than another's."},
    {.key = "", .type = OPTION_INCLUDE, .offset = FAILOVER(groups), .rows = failover_options},
    {0},
};

static const struct option admin_rows[] = {
    {"listen", OPTION_ENDPOINT, ROOT(admin_listen), 1, 255, "127.0.0.1:7900", AT_START, 0,
     "Where the HTTP API, /metrics and the probes answer; an address of this machine's loopback."},
    {0},
};

static const struct option limit_rows[] = {
    {"sessions", OPTION_NUMBER, LIMIT(sessions), 16, 1000000, "20000", AT_START, 0,
     "Client connections of one worker, over all services; more wait to be accepted."},
    {"buffer", OPTION_SIZE, LIMIT(buffer_bytes), 4 * KIB, 1 * MIB, "32KiB", AT_START, 0,
     "Bytes of one buffer; a request's or answer's head must fit in one."},
    {"buffers", OPTION_NUMBER, LIMIT(buffers), 64, 1000000, "4096", AT_START, 0,
     "Buffers of one worker; memory is used only as they are, and when all are, reading waits."},
    {"pipes", OPTION_NUMBER, LIMIT(pipes), 0, 10000, "256", AT_START, 0,
     "Pipes of one worker for moving bulk inside the kernel; none free: bytes are copied."},
    {0},
};

static const struct option pool_rows[] = {
    {.key = "",
     .type = OPTION_INCLUDE,
     .offset = offsetof(struct config_pool, pool),
     .rows = balancer_pool_options},
    {"health_check", OPTION_SECTION, offsetof(struct config_pool, check), 0, 0, NULL, AT_RELOAD,
     OPTION_PRESENCE,
     "How backends are asked for their health; left out, only the traffic itself tells.",
     .rows = health_check_options, .present = offsetof(struct config_pool, checked)},
    {0},
};

static const struct option word_rows[] = {
    {"", OPTION_TEXT, offsetof(struct config_word, text), 1, 64, NULL, AT_RELOAD, 0,
     "A node's name."},
    {0},
};

static const struct option required_rows[] = {
    {"", OPTION_TEXT, offsetof(struct config_required, name), 1, 64, NULL, AT_RELOAD, 0,
     "A service's or a pool's name."},
    {0},
};

static const struct option virtual_rows[] = {
    {"address", OPTION_TEXT, VIRTUAL(text), 1, 64, NULL, AT_RELOAD, OPTION_REQUIRED,
     "The IP address and the length of its network's prefix, like 10.0.0.100/24."},
    {"interface", OPTION_TEXT, VIRTUAL(interface), 1, 15, NULL, AT_RELOAD, 0,
     "The interface that gets it; left out: the one that has another address of the same network."},
    {"nodes", OPTION_LIST, VIRTUAL(nodes), 1, CONFIG_NODES_MAX, NULL, AT_RELOAD, OPTION_ONE_OR_MORE,
     "The nodes that may have it, most preferred first; left out: all but witnesses, and all such "
     "addresses are spread over them evenly.",
     .rows = word_rows, .item_size = sizeof(struct config_word)},
    {"preempt", OPTION_BOOL, VIRTUAL(preempt), 0, 0, "false", AT_RELOAD, 0,
     "Go back to a more preferred node once it has been well for five seconds."},
    {"require", OPTION_LIST, VIRTUAL(require), 1, CONFIG_REQUIRED_MAX, NULL, AT_RELOAD,
     OPTION_ONE_OR_MORE,
     "Services and pools that must be well on its node: a worker listens, a backend is up.",
     .rows = required_rows, .item_size = sizeof(struct config_required)},
    {0},
};

static const char *const loops[] = {"auto", "epoll", "uring", NULL};

static const struct option group_rows[] = {
    {"", OPTION_INCLUDE, offsetof(struct config_group, replication), 0, 0, NULL, AT_RELOAD, 0, "",
     .rows = replication_options},
    {"", OPTION_INCLUDE, offsetof(struct config_group, engine), 0, 0, NULL, AT_RELOAD, 0, "",
     .rows = engine_options},
    {"", OPTION_INCLUDE, offsetof(struct config_group, store), 0, 0, NULL, AT_RELOAD, 0, "",
     .rows = store_options},
    {0},
};

const struct option config_options[] = {
    {"cluster", OPTION_TEXT, ROOT(cluster), 1, CONFIG_NAME_MAX - 1, "nines", AT_START, 0,
     "The cluster's name."},
    {"directory", OPTION_TEXT, ROOT(directory), 1, 1024, "/var/lib/nines", AT_START, 0,
     "Where this node keeps its state and certificates; used when there are `nodes`."},
    {"runtime_directory", OPTION_TEXT, ROOT(runtime_directory), 1, 90, "/run/nines", AT_START, 0,
     "Where the socket is that the command line talks to."},
    {"user", OPTION_TEXT, ROOT(user), 1, 32, NULL, AT_START, 0,
     "Whom the processes become that read from a network, when started by root; left out: nines "
     "if there is such a user, else nobody."},
    {"workers", OPTION_NUMBER, ROOT(workers), 0, WORKERS_MAX, "0", AT_START, 0,
     "Processes that move bytes; 0 is one per core that this process may use."},
    {"loop", OPTION_CHOICE, ROOT(loop), 0, 0, "auto", AT_START, 0,
     "How the kernel is asked for input and output; auto takes what measured better.", loops},
    {"drain", OPTION_DURATION, ROOT(drain_ms), 0, 60 * MINUTES_MS, "30s", AT_RELOAD, 0,
     "At a stop, requests under way may take this long to end."},
    {"access_log", OPTION_TEXT, ROOT(access_log), 1, 1024, NULL, AT_START, 0,
     "The file that a line per request goes to, or `stdout`; left out: none."},
    {"admin", OPTION_SECTION, 0, 0, 0, NULL, AT_START, 0, "The HTTP API.", .rows = admin_rows},
    {"limits", OPTION_SECTION, 0, 0, 0, NULL, AT_START, 0, "What may be used at most.",
     .rows = limit_rows},
    {"peers", OPTION_SECTION, 0, 0, 0, NULL, AT_RELOAD, 0, "How nodes talk to each other.",
     .rows = peer_rows},
    {"failover", OPTION_SECTION, 0, 0, 0, NULL, AT_START, 0,
     "When silence is a failure; the same on every node.", .rows = failover_rows},
    {"nodes", OPTION_MAP, ROOT(nodes), 0, CONFIG_NODES_MAX, NULL, AT_RELOAD, 0,
     "The machines that run nines, by name; a cluster that exists changes by `nines node`.",
     .rows = node_rows, .item_size = sizeof(struct config_node), .short_key = "address"},
    {"services", OPTION_MAP, ROOT(services), 0, SERVICES_MAX, NULL, AT_RELOAD, 0,
     "What clients connect to, by name.", .rows = balancer_service_options,
     .item_size = sizeof(struct balancer_service)},
    {"pools", OPTION_MAP, ROOT(written_pools), 0, POOLS_MAX, NULL, AT_RELOAD, 0,
     "Interchangeable servers, by name.", .rows = pool_rows,
     .item_size = sizeof(struct config_pool)},
    {"addresses", OPTION_MAP, ROOT(addresses), 0, CONFIG_ADDRESSES_MAX, NULL, AT_RELOAD, 0,
     "Virtual addresses by name: each is on one node at a time, and moves when that one fails.",
     .rows = virtual_rows, .item_size = sizeof(struct config_address), .short_key = "address"},
    {"groups", OPTION_MAP, ROOT(groups), 0, GROUPS_MAX, NULL, AT_RELOAD, 0,
     "Replicated sets of data, each with one primary and its secondaries, by name.",
     .rows = group_rows, .item_size = sizeof(struct config_group)},
    {0},
};

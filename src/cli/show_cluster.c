/*
 * The nodes of a cluster as `nines status` prints them: what is missing first, then who is there, then leases and links.
 */
#include "cli/show.h"

#include <stdio.h>
#include <string.h>

/* Widths; with a blank between, the table has SHOW_COLUMNS. */
enum {
    COLUMN_NODE = 16,
    COLUMN_ROLE = 8,
    COLUMN_STATE = 10,
    COLUMN_HEARD = 6,
    COLUMN_PHI = 6,
    COLUMN_RUN = 5,
    COLUMN_NOTE = SHOW_COLUMNS - COLUMN_NODE - COLUMN_ROLE - COLUMN_STATE - COLUMN_HEARD -
                  COLUMN_PHI - COLUMN_RUN - 6,
    COLUMN_ADDRESS = 24,
    NODES_SHOWN = 7,
    SURE_PHI = 99, /* beyond, it says nothing more */
};

static bool is_alive(const json_t *node)
{
    return strcmp(show_string(node, "state"), "alive") == 0;
}

/* What a person should know of a node that lives; "" when there is nothing. */
static const char *note_of(const json_t *node)
{
    static const struct {
        const char *key, *note;
        bool when;
    } rows[] = {
        {"too_old", "too old a version", true},
        {"configuration_differs", "another configuration", true},
        {"disk_full", "its disk is full", true},
        {"tilted", "its clock is not trusted", true},
        {"linked", "not connected", false},
        {"in_file", "not in the file", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (show_truth(node, rows[i].key) == rows[i].when &&
            !(show_truth(node, "self") && strcmp(rows[i].key, "linked") == 0))
            return rows[i].note;
    return show_integer(node, "member") == 0 ? "not a member" : "";
}

static bool is_well(const json_t *node)
{
    return is_alive(node) && !note_of(node)[0];
}

static enum style state_style(const json_t *node)
{
    const char *state = show_string(node, "state");

    if (strcmp(state, "alive") == 0)
        return GOOD;
    return strcmp(state, "blank") == 0 ? WARN : BAD;
}

static void node_line(struct canvas *canvas, const json_t *node)
{
    char text[128], age[CANVAS_FIGURE_MAX];
    const char *sentence = show_string(node, "sentence");

    snprintf(text, sizeof text, "%.100s%s%s", show_string(node, "name"),
             show_truth(node, "leads") ? " *" : "", show_truth(node, "self") ? " (here)" : "");
    canvas_left(canvas, COLUMN_NODE, PLAIN, text);
    canvas_left(canvas, COLUMN_ROLE, PLAIN, show_string(node, "role"));
    canvas_left(canvas, COLUMN_STATE, state_style(node), show_string(node, "state"));
    canvas_right(canvas, COLUMN_HEARD, DIM,
                 json_is_integer(json_object_get(node, "heard_ms"))
                     ? canvas_age(show_integer(node, "heard_ms"), age)
                     : "-");
    if (show_number(node, "phi") < SURE_PHI)
        snprintf(text, sizeof text, "%.1f", show_number(node, "phi"));
    else
        snprintf(text, sizeof text, ">%d", SURE_PHI);
    canvas_right(canvas, COLUMN_PHI, DIM, show_truth(node, "self") ? "-" : text);
    snprintf(text, sizeof text, "%lld", (long long)show_integer(node, "incarnation"));
    canvas_right(canvas, COLUMN_RUN, DIM, text);
    if (is_alive(node) || !sentence[0])
        canvas_left(canvas, COLUMN_NOTE, note_of(node)[0] ? WARN : DIM,
                    note_of(node)[0] ? note_of(node) : show_string(node, "zone"));
    else
        canvas_left(canvas, COLUMN_NOTE, DIM, sentence);
    canvas_end(canvas);
}

static void head_line(struct canvas *canvas)
{
    canvas_left(canvas, COLUMN_NODE, STRONG, "NODE (* leads)");
    canvas_left(canvas, COLUMN_ROLE, STRONG, "ROLE");
    canvas_left(canvas, COLUMN_STATE, STRONG, "STATE");
    canvas_right(canvas, COLUMN_HEARD, STRONG, "HEARD");
    canvas_right(canvas, COLUMN_PHI, STRONG, "PHI");
    canvas_right(canvas, COLUMN_RUN, STRONG, "RUN");
    canvas_left(canvas, COLUMN_NOTE, STRONG, "");
    canvas_end(canvas);
}

void show_nodes(struct canvas *canvas, const json_t *membership, bool all)
{
    json_t *nodes = json_object_get(membership, "nodes"), *node;
    size_t i, shown = 0, folded = 0, well = 0;

    head_line(canvas);
    json_array_foreach (nodes, i, node)
        well += is_well(node);
    json_array_foreach (nodes, i, node) {
        /* Those that are not well are always there; the others as far as there is room. */
        if (!all && is_well(node) && shown + (json_array_size(nodes) - well) >= NODES_SHOWN) {
            folded++;
            continue;
        }
        shown += is_well(node);
        node_line(canvas, node);
    }
    if (folded) {
        canvas_print(canvas, DIM, "  and %zu more that are well", folded);
        canvas_end(canvas);
    }
}

/* Whom the document names; the node itself knows whether its lease is in force. */
static const char *holder_of(const json_t *lease, const char *node)
{
    json_t *holder = json_object_get(lease, "holder");

    if (!json_is_string(holder))
        return "nobody";
    if (strcmp(json_string_value(holder), node) == 0 && show_integer(lease, "remaining_ms") == 0)
        return "nobody any more: the lease of this node has ended";
    return json_string_value(holder);
}

/* In one line. Those of virtual addresses have been said. */
static void lease_line(struct canvas *canvas, const json_t *leases, const char *node)
{
    const char *before = "leases: ";
    const json_t *lease;
    size_t i;

    json_array_foreach (leases, i, lease) {
        if (strncmp(show_string(lease, "lease"), "address/", 8) == 0)
            continue;
        canvas_print(canvas, PLAIN, "%s%s on %s", before, show_string(lease, "lease"),
                     holder_of(lease, node));
        before = ", ";
    }
    if (before[0] == ',')
        canvas_end(canvas);
}

void show_leases(struct canvas *canvas, const json_t *membership, bool all)
{
    json_t *leases = json_object_get(membership, "leases"), *lease;
    const char *node = show_string(membership, "node");
    char left[CANVAS_FIGURE_MAX];
    size_t i;

    if (!all) {
        lease_line(canvas, leases, node);
        return;
    }
    json_array_foreach (leases, i, lease) {
        canvas_left(canvas, COLUMN_NODE * 2, PLAIN, show_string(lease, "lease"));
        canvas_left(canvas, COLUMN_NODE, PLAIN, holder_of(lease, node));
        if (json_is_integer(json_object_get(lease, "remaining_ms")))
            canvas_print(canvas, DIM, "for %s more, if it is not renewed",
                         canvas_latency((double)show_integer(lease, "remaining_ms"), left));
        canvas_end(canvas);
    }
}

static void address_line(struct canvas *canvas, const json_t *address)
{
    json_t *holder = json_object_get(address, "holder");
    const char *error = show_string(address, "error");

    canvas_left(canvas, COLUMN_NODE, PLAIN, show_string(address, "name"));
    canvas_left(canvas, COLUMN_ADDRESS, PLAIN, show_string(address, "address"));
    canvas_left(canvas, COLUMN_NODE, json_is_string(holder) ? PLAIN : BAD,
                json_is_string(holder) ? json_string_value(holder) : "nobody");
    if (show_truth(address, "here"))
        canvas_print(canvas, DIM, "here, on %s", show_string(address, "interface"));
    else if (error[0])
        canvas_text(canvas, BAD, error);
    else if (!show_truth(address, "well_here"))
        canvas_print(canvas, WARN, "not well here: %s", show_string(address, "why_not"));
    canvas_end(canvas);
}

void show_addresses(struct canvas *canvas, const json_t *membership, bool all)
{
    json_t *addresses = json_object_get(membership, "addresses"), *address;
    size_t i;

    if (!all && json_array_size(addresses) > 0) {
        canvas_text(canvas, PLAIN, "addresses: ");
        json_array_foreach (addresses, i, address) {
            json_t *holder = json_object_get(address, "holder");

            canvas_print(canvas, json_is_string(holder) ? PLAIN : BAD, "%s%s on %s", i ? ", " : "",
                         show_string(address, "name"),
                         json_is_string(holder) ? json_string_value(holder) : "nobody");
        }
        canvas_end(canvas);
        return;
    }
    json_array_foreach (addresses, i, address)
        address_line(canvas, address);
}

void show_links(struct canvas *canvas, const json_t *membership, bool all)
{
    json_t *links = json_object_get(membership, "links"), *link;
    char age[CANVAS_FIGURE_MAX];
    size_t i;

    json_array_foreach (links, i, link) {
        bool suspected = show_truth(link, "suspected");
        bool heard = json_is_integer(json_object_get(link, "heard_ms"));

        if (!all && !suspected)
            continue;
        canvas_text(canvas, suspected ? BAD : PLAIN, "link: ");
        if (heard)
            canvas_print(canvas, PLAIN, "%s was heard at %s %s ago", show_string(link, "from"),
                         show_string(link, "to"), canvas_age(show_integer(link, "heard_ms"), age));
        else
            canvas_print(canvas, PLAIN, "%s was never heard at %s", show_string(link, "from"),
                         show_string(link, "to"));
        if (suspected)
            canvas_text(canvas, BAD, ", and is suspected there");
        canvas_end(canvas);
    }
}

bool show_has_cluster(const json_t *membership)
{
    const char *state = show_string(membership, "state");

    return state[0] && strcmp(state, "none") != 0;
}

static void quorum_line(struct canvas *canvas, const json_t *membership)
{
    const char *leader = show_string(membership, "leader");
    const char *sentence = show_string(membership, "sentence");

    canvas_text(canvas, PLAIN, "cluster: ");
    if (sentence[0]) {
        canvas_text(canvas, BAD, sentence);
    } else {
        canvas_print(canvas, PLAIN, "%lld of %lld voters are heard, ",
                     (long long)show_integer(membership, "voters_alive"),
                     (long long)show_integer(membership, "voters"));
        canvas_print(canvas, leader[0] ? PLAIN : BAD, "%s%s", leader[0] ? leader : "nobody",
                     " leads");
        canvas_print(canvas, PLAIN, " in term %lld, entry %lld",
                     (long long)show_integer(membership, "term"),
                     (long long)show_integer(membership, "applied"));
    }
    canvas_end(canvas);
}

/* Who keeps the document from rising to what others understand. */
static void level_line(struct canvas *canvas, const json_t *membership)
{
    json_t *nodes = json_object_get(membership, "nodes"), *node;
    int64_t level = show_integer(membership, "level"),
            next = show_integer(membership, "level_next");
    const char *before = " waits for ";
    size_t i;

    if (next <= level)
        return;
    canvas_print(canvas, PLAIN, "level: %lld, and %lld", (long long)level, (long long)next);
    json_array_foreach (nodes, i, node) {
        bool older = show_integer(node, "level") < next;

        if (show_integer(node, "member") == 0 ||
            (!older && (show_truth(node, "linked") || show_truth(node, "self"))))
            continue;
        canvas_print(canvas, WARN, "%s%s%s", before, show_string(node, "name"),
                     older ? "'s upgrade" : " to be heard");
        before = ", ";
    }
    canvas_end(canvas);
}

void show_cluster(struct canvas *canvas, const json_t *membership, bool all, bool links)
{
    if (!show_has_cluster(membership))
        return;
    quorum_line(canvas, membership);
    if (json_array_size(json_object_get(membership, "nodes")) > 1)
        show_nodes(canvas, membership, all);
    level_line(canvas, membership);
    show_addresses(canvas, membership, all);
    show_leases(canvas, membership, all);
    show_links(canvas, membership, links);
}

/*
 * process/interfaces: adds one more address to an interface of this machine, takes it away again, and tells the network where it is.
 *
 * Through rtnetlink and packet sockets; nothing is executed. What is added carries a mark (IFA_PROTO, Linux 5.18) and a lifetime in seconds, so that the
 * kernel itself takes it away when nobody renews it. An address without the mark is somebody else's: it is never changed or removed.
 *
 * It waits for nobody but the kernel, which answers at once. For the supervisor, which has CAP_NET_ADMIN and CAP_NET_RAW.
 */
#pragma once

#include "base/address.h"
#include "base/err.h"

enum {
    INTERFACE_NAME_MAX = 16, /* NUL included */
    INTERFACE_MARK = 199,    /* IFA_PROTO of what nines added */
    ANNOUNCEMENT_MAX = 96,
};

struct interfaces {
    int ask_fd;    /* questions and orders */
    int news_fd;   /* readable when an interface changed */
    int packet_fd; /* announcements; nothing is received on it */
    uint32_t sequence;
};

void interfaces_init(struct interfaces *interfaces);
MUST_USE bool interfaces_open(struct interfaces *interfaces, struct err *err);
void interfaces_close(struct interfaces *interfaces);
/* Whether this process may do what is asked here; the error says what is missing. */
MUST_USE bool interfaces_allowed(struct err *err);

enum interface_presence { INTERFACE_ABSENT, INTERFACE_OURS, INTERFACE_FOREIGN };

struct interface_place {
    enum interface_presence presence; /* of the address, on any interface */
    uint32_t index;                   /* 0: none was found */
    char name[INTERFACE_NAME_MAX];
    uint8_t length; /* of the prefix that the address has, or is to get there */
};

/*
 * Looks where an address is, or should go: on the interface `wanted`, or when that is empty on the one that has another address of the same
 * network. There it gets the longest prefix (/32, /128), which changes no route and no other address; where no other is of its network, its own.
 */
MUST_USE bool interfaces_find(struct interfaces *interfaces, const struct address *address,
                              uint32_t prefix, const char *wanted, struct interface_place *place,
                              struct err *err);
/* Adds it for so many seconds, at least 1; `renew`: it is there already, by us. An IPv6 address answers at once (no detection of duplicates). */
MUST_USE bool interfaces_add(struct interfaces *interfaces, const struct interface_place *place,
                             const struct address *address, uint32_t seconds, bool renew,
                             struct err *err);
/* True also when it was not there. */
MUST_USE bool interfaces_remove(struct interfaces *interfaces, const struct interface_place *place,
                                const struct address *address, struct err *err);
/* Tells everybody on the link that this machine has it: gratuitous ARP, as a request and as a reply, or an unsolicited neighbour advertisement. */
MUST_USE bool interfaces_announce(struct interfaces *interfaces,
                                  const struct interface_place *place,
                                  const struct address *address, struct err *err);
/* Takes what the kernel told of interfaces; true when one may have come up. */
bool interfaces_news(struct interfaces *interfaces);

/* One Ethernet frame of an announcement, into ANNOUNCEMENT_MAX bytes; returns its length. `reply`: of ARP, the second form. Pure. */
uint32_t announcement_make(const struct address *address, const uint8_t mac[6], bool reply,
                           uint8_t *frame);

/*
 * Asks rtnetlink, one question at a time, and sends frames. Decides nothing but which interface has an address of the same network.
 */
#include "process/interfaces.h"

#include "base/own.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/if_addr.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ANSWER_BYTES = 32 << 10, PATIENCE_S = 2 };

/* ---- opening ---- */

void interfaces_init(struct interfaces *interfaces)
{
    *interfaces = (struct interfaces){.ask_fd = -1, .news_fd = -1, .packet_fd = -1};
}

static int open_netlink(unsigned groups, int flags)
{
    struct sockaddr_nl own = {.nl_family = AF_NETLINK, .nl_groups = groups};
    autoclose int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE);

    if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) < 0)
        return -1;
    return take_fd(&fd);
}

bool interfaces_open(struct interfaces *interfaces, struct err *err)
{
    /* The kernel answers in the call that asks; the patience is for a bug there. */
    const struct timeval patience = {.tv_sec = PATIENCE_S};

    interfaces->ask_fd = open_netlink(0, 0);
    interfaces->news_fd = open_netlink(RTMGRP_LINK, SOCK_NONBLOCK);
    /* Protocol 0: it receives nothing. */
    interfaces->packet_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (interfaces->ask_fd >= 0 && interfaces->news_fd >= 0 && interfaces->packet_fd >= 0 &&
        setsockopt(interfaces->ask_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0)
        return true;
    (void)err_system(err, "reach the interfaces of this machine");
    interfaces_close(interfaces);
    return false;
}

void interfaces_close(struct interfaces *interfaces)
{
    own_close(&interfaces->ask_fd);
    own_close(&interfaces->news_fd);
    own_close(&interfaces->packet_fd);
    interfaces_init(interfaces);
}

bool interfaces_allowed(struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    const uint32_t needed = 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW;

    if (syscall(SYS_capget, &header, data) < 0)
        return err_system(err, "ask for this process's capabilities");
    if ((data[0].effective & needed) == needed)
        return true;
    return err_set(err, ERR_CONFIG,
                   "this process may not put addresses on interfaces: start nines as root, or give "
                   "it CAP_NET_ADMIN and CAP_NET_RAW (in a systemd unit: AmbientCapabilities=)");
}

/* ---- asking ---- */

struct question {
    struct nlmsghdr head;
    struct ifaddrmsg body;
    uint8_t attributes[128];
};

static void add_attribute(struct question *question, uint16_t type, const void *value, size_t len)
{
    struct rtattr *attribute =
        (struct rtattr *)(void *)((uint8_t *)question + NLMSG_ALIGN(question->head.nlmsg_len));

    must(NLMSG_ALIGN(question->head.nlmsg_len) + RTA_SPACE(len) <= sizeof *question);
    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(len);
    memcpy(RTA_DATA(attribute), value, len);
    question->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(question->head.nlmsg_len) + RTA_SPACE(len));
}

static void begin(struct interfaces *interfaces, struct question *question, uint16_t type,
                  uint16_t flags)
{
    *question = (struct question){
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof question->body),
                 .nlmsg_type = type,
                 .nlmsg_flags = NLM_F_REQUEST | flags,
                 .nlmsg_seq = ++interfaces->sequence},
    };
}

typedef void on_answer(void *context, struct nlmsghdr *head);

/* One datagram of the answer. False: it was the last one, and *number is 0 or why not. */
static bool take(const struct interfaces *interfaces, uint8_t *bytes, size_t len, on_answer *answer,
                 void *context, int *number)
{
    struct nlmsghdr *head = (struct nlmsghdr *)(void *)bytes;

    for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
        if (head->nlmsg_seq != interfaces->sequence)
            continue;
        if (head->nlmsg_type == NLMSG_ERROR) {
            *number = -((const struct nlmsgerr *)NLMSG_DATA(head))->error;
            return false;
        }
        if (head->nlmsg_type == NLMSG_DONE)
            return false;
        if (answer)
            answer(context, head);
    }
    return true;
}

/* 0, or the errno that the kernel answered with. */
static int ask(struct interfaces *interfaces, const struct question *question, on_answer *answer,
               void *context)
{
    static union {
        struct nlmsghdr aligned;
        uint8_t bytes[ANSWER_BYTES];
    } space;
    int number = 0;
    ssize_t got;

    if (send(interfaces->ask_fd, question, question->head.nlmsg_len, 0) < 0)
        return errno;
    for (;;) {
        got = recv(interfaces->ask_fd, &space, sizeof space, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? errno : EPROTO;
        if (!take(interfaces, space.bytes, (size_t)got, answer, context, &number))
            return number;
    }
}

static size_t ip_bytes(const struct address *address)
{
    return address->family == 6 ? 16 : 4;
}

static uint8_t longest(const struct address *address)
{
    return address->family == 6 ? 128 : 32;
}

static uint8_t family_of(const struct address *address)
{
    return address->family == 6 ? AF_INET6 : AF_INET;
}

/* ---- finding ---- */

struct search {
    const struct address *address;
    uint32_t prefix;
    uint32_t only; /* this interface; 0: any */
    struct interface_place *place;
    uint32_t neighbour; /* an interface with another address of the same network; 0: none */
};

struct present {
    uint32_t index;
    uint8_t length, mark;
    const uint8_t *ip;
};

static bool read_present(struct nlmsghdr *head, struct present *present)
{
    struct ifaddrmsg *body = NLMSG_DATA(head);
    struct rtattr *attribute = IFA_RTA(body);
    uint32_t left = (uint32_t)IFA_PAYLOAD(head);

    *present = (struct present){.index = body->ifa_index, .length = body->ifa_prefixlen};
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type == IFA_LOCAL ||
            (attribute->rta_type == IFA_ADDRESS && !present->ip))
            present->ip = RTA_DATA(attribute);
        else if (attribute->rta_type == IFA_PROTO)
            present->mark = *(const uint8_t *)RTA_DATA(attribute);
    }
    return present->ip != NULL;
}

static bool same_network(const uint8_t *a, const uint8_t *b, uint32_t prefix)
{
    uint32_t whole = prefix / 8, rest = prefix % 8;

    return memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

static void on_present(void *context, struct nlmsghdr *head)
{
    struct search *search = context;
    const struct ifaddrmsg *body = NLMSG_DATA(head);
    struct present present;

    if (head->nlmsg_type != RTM_NEWADDR || body->ifa_family != family_of(search->address) ||
        !read_present(head, &present))
        return;
    if (memcmp(present.ip, search->address->ip, ip_bytes(search->address)) == 0) {
        search->place->presence =
            present.mark == INTERFACE_MARK ? INTERFACE_OURS : INTERFACE_FOREIGN;
        search->place->index = present.index;
        search->place->length = present.length;
    } else if (present.mark != INTERFACE_MARK && search->neighbour == 0 &&
               (search->only == 0 || search->only == present.index) &&
               same_network(present.ip, search->address->ip, search->prefix)) {
        search->neighbour = present.index;
    }
}

static bool settle(struct search *search, const char *wanted, struct err *err)
{
    struct interface_place *place = search->place;
    char text[ADDRESS_TEXT_MAX];

    if (place->presence == INTERFACE_ABSENT) {
        place->index = search->neighbour ? search->neighbour : search->only;
        place->length = search->neighbour ? longest(search->address) : (uint8_t)search->prefix;
    }
    if (place->index == 0)
        return err_set(err, ERR_CONFIG,
                       wanted[0] ? "this machine has no interface '%s'"
                                 : "no interface has another address of %s's network: say which "
                                   "one with `interface`",
                       wanted[0] ? wanted : address_print_ip(search->address, text));
    if (!if_indextoname(place->index, place->name))
        return err_system(err, "ask for an interface's name");
    return true;
}

bool interfaces_find(struct interfaces *interfaces, const struct address *address, uint32_t prefix,
                     const char *wanted, struct interface_place *place, struct err *err)
{
    struct interface_place found = {0};
    struct search search = {.address = address, .prefix = prefix, .place = &found};
    struct question question;
    int number;

    if (wanted[0])
        search.only = if_nametoindex(wanted);
    begin(interfaces, &question, RTM_GETADDR, NLM_F_DUMP);
    question.body.ifa_family = family_of(address);
    number = ask(interfaces, &question, on_present, &search);
    if (number != 0) {
        errno = number;
        return err_system(err, "list the addresses of this machine");
    }
    /* Another interface than the one that is wanted is not looked for; where it is already, it is. */
    if (wanted[0] && search.only == 0 && found.presence == INTERFACE_ABSENT)
        search.neighbour = 0;
    if (!settle(&search, wanted, err))
        return false;
    *place = found;
    return true;
}

/* ---- adding and removing ---- */

static void add_address(struct question *question, const struct interface_place *place,
                        const struct address *address)
{
    question->body.ifa_family = family_of(address);
    question->body.ifa_prefixlen = place->length;
    question->body.ifa_index = place->index;
    add_attribute(question, IFA_LOCAL, address->ip, ip_bytes(address));
    add_attribute(question, IFA_ADDRESS, address->ip, ip_bytes(address));
}

bool interfaces_add(struct interfaces *interfaces, const struct interface_place *place,
                    const struct address *address, uint32_t seconds, bool renew, struct err *err)
{
    /* Deprecated from the beginning: it is nobody's choice for connections that this machine makes. */
    const struct ifa_cacheinfo lifetime = {.ifa_prefered = 0, .ifa_valid = seconds};
    const uint32_t flags =
        IFA_F_NODAD | (place->length == longest(address) ? IFA_F_NOPREFIXROUTE : 0);
    const uint8_t mark = INTERFACE_MARK;
    struct question question;
    char text[ADDRESS_TEXT_MAX];
    int number;

    must(seconds >= 1);
    begin(interfaces, &question, RTM_NEWADDR,
          (uint16_t)(NLM_F_ACK | NLM_F_CREATE | (renew ? NLM_F_REPLACE : NLM_F_EXCL)));
    add_address(&question, place, address);
    if (address->family == 6)
        add_attribute(&question, IFA_FLAGS, &flags, sizeof flags);
    add_attribute(&question, IFA_CACHEINFO, &lifetime, sizeof lifetime);
    add_attribute(&question, IFA_PROTO, &mark, sizeof mark);
    number = ask(interfaces, &question, NULL, NULL);
    errno = number;
    return number == 0 ||
           err_system(err, "add %s to '%s'", address_print_ip(address, text), place->name);
}

bool interfaces_remove(struct interfaces *interfaces, const struct interface_place *place,
                       const struct address *address, struct err *err)
{
    struct question question;
    char text[ADDRESS_TEXT_MAX];
    int number;

    begin(interfaces, &question, RTM_DELADDR, NLM_F_ACK);
    add_address(&question, place, address);
    number = ask(interfaces, &question, NULL, NULL);
    errno = number;
    /* Not there, or there is no such interface any more. */
    return number == 0 || number == EADDRNOTAVAIL || number == ENODEV ||
           err_system(err, "remove %s from '%s'", address_print_ip(address, text), place->name);
}

/* ---- announcing ---- */

static bool send_frame(struct interfaces *interfaces, uint32_t index, const uint8_t *frame,
                       uint32_t len)
{
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET, .sll_ifindex = (int)index, .sll_halen = ETH_ALEN};

    memcpy(to.sll_addr, frame, ETH_ALEN);
    memcpy(&to.sll_protocol, frame + 2 * (size_t)ETH_ALEN, sizeof to.sll_protocol);
    return sendto(interfaces->packet_fd, frame, len, 0, (struct sockaddr *)&to, sizeof to) >= 0;
}

bool interfaces_announce(struct interfaces *interfaces, const struct interface_place *place,
                         const struct address *address, struct err *err)
{
    uint8_t frame[ANNOUNCEMENT_MAX];
    struct ifreq request = {0};
    uint32_t len;

    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", place->name);
    if (ioctl(interfaces->packet_fd, SIOCGIFHWADDR, &request) < 0)
        return err_system(err, "ask for the hardware address of '%s'", place->name);
    for (int reply = 0; reply <= (address->family == 4); reply++) {
        len = announcement_make(address, (const uint8_t *)request.ifr_hwaddr.sa_data, reply == 1,
                                frame);
        if (!send_frame(interfaces, place->index, frame, len))
            return err_system(err, "announce an address on '%s'", place->name);
    }
    return true;
}

bool interfaces_news(struct interfaces *interfaces)
{
    static union {
        struct nlmsghdr aligned;
        uint8_t bytes[ANSWER_BYTES];
    } space;
    bool up = false;
    ssize_t got;

    /* Once around is enough: what is left makes it readable again. */
    got = recv(interfaces->news_fd, &space, sizeof space, 0);
    if (got < 0)
        return errno == ENOBUFS; /* something was lost: it may have been that */
    for (struct nlmsghdr *head = &space.aligned; NLMSG_OK(head, got);
         head = NLMSG_NEXT(head, got)) {
        const struct ifinfomsg *body = NLMSG_DATA(head);

        up |= head->nlmsg_type == RTM_NEWLINK && (body->ifi_flags & IFF_RUNNING);
    }
    return up;
}

/*
 * Encodes and decodes what is known of a member.
 *
 * The decoder takes nothing that member_good would not.
 */
#include "cluster/member.h"

#include "base/utf8.h"

static bool alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool made_of(const char *name, const char *others)
{
    if (!alphanumeric(name[0]))
        return false;
    for (const char *c = name; *c; c++)
        if (!alphanumeric(*c) && !strchr(others, *c))
            return false;
    return true;
}

bool member_name_good(const char *name)
{
    return made_of(name, "-_.");
}

bool member_path_good(const char *name)
{
    return made_of(name, "-_./:[]");
}

const char *member_role_name(enum member_role role)
{
    static const char *const names[MEMBER_ROLES] = {"learner", "voter", "witness"};

    must(role < MEMBER_ROLES);
    return names[role];
}

void text_encode(struct buf *out, const char *text)
{
    pack_bytes8(out, bytes_of_string(text));
}

static bool printable(struct bytes text)
{
    while (text.len) {
        uint32_t character;
        unsigned step = utf8_step(text, &character);

        if (step == 0 || !utf8_printable(character))
            return false;
        text = bytes_skip(text, step);
    }
    return true;
}

static bool keep(struct bytes bytes, char *text, size_t cap)
{
    memset(text, 0, cap);
    if (bytes.len >= cap || !printable(bytes))
        return false;
    if (bytes.len)
        memcpy(text, bytes.at, bytes.len);
    return true;
}

bool text_decode(struct unpack *in, char *text, size_t cap)
{
    return keep(unpack_bytes8(in), text, cap) && !in->bad;
}

bool text16_decode(struct unpack *in, char *text, size_t cap)
{
    return keep(unpack_bytes16(in), text, cap) && !in->bad;
}

void addresses_encode(struct buf *out, const struct address *addresses, uint32_t count)
{
    pack_u8(out, (uint8_t)count);
    for (uint32_t i = 0; i < count; i++) {
        pack_u8(out, (uint8_t)addresses[i].family);
        pack_u16(out, addresses[i].port);
        buf_add(out, bytes_of(addresses[i].ip, addresses[i].family == 4 ? 4 : 16));
    }
}

bool addresses_decode(struct unpack *in, struct address *addresses, uint8_t *count)
{
    *count = unpack_u8(in);
    if (*count > CLUSTER_PATHS_MAX)
        return false;
    for (uint32_t i = 0; i < *count; i++) {
        struct address *address = &addresses[i];

        *address = (struct address){.family = unpack_u8(in)};
        address->port = unpack_u16(in);
        if (address->family != 4 && address->family != 6)
            return false;
        unpack_copy(in, address->ip, address->family == 4 ? 4 : 16);
    }
    return !in->bad;
}

bool member_good(const struct member *member)
{
    return member->id != 0 && member->role < MEMBER_ROLES && member_name_good(member->name) &&
           member->address_count <= CLUSTER_PATHS_MAX && member->disk != 0;
}

void member_encode(struct buf *out, const struct member *member)
{
    size_t opened = pack_open(out);

    pack_u32(out, member->id);
    pack_u8(out, member->role);
    text_encode(out, member->name);
    text_encode(out, member->zone);
    addresses_encode(out, member->addresses, member->address_count);
    pack_u64(out, member->disk);
    pack_u64(out, member->incarnation);
    pack_u64(out, member->version);
    pack_close(out, opened);
}

bool member_decode(struct unpack *in, struct member *member)
{
    struct unpack record = unpack_of(unpack_bytes16(in));

    *member = (struct member){.id = unpack_u32(&record), .role = unpack_u8(&record)};
    if (!text_decode(&record, member->name, sizeof member->name) ||
        !text_decode(&record, member->zone, sizeof member->zone) ||
        !addresses_decode(&record, member->addresses, &member->address_count))
        return false;
    member->disk = unpack_u64(&record);
    member->incarnation = unpack_u64(&record);
    member->version = unpack_u64(&record);
    return !record.bad && member_good(member);
}

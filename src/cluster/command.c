/*
 * Encodes and decodes commands.
 *
 * Which fields a kind has is a table; what a field holds is written and read in one place each. The decoder takes only what is well-formed in
 * itself; whether it may be applied is for the document.
 */
#include "cluster/command.h"

#include "cluster/fields.h"

/* On disk: never reused. */
enum tag {
    MEMBER_ID = 1,
    MEMBER_NAME,
    MEMBER_ROLE,
    MEMBER_ZONE,
    MEMBER_ADDRESSES,
    MEMBER_DISK,
    MEMBER_INCARNATION,
    MEMBER_CLEAN,
    GROUP_NAME = 10,
    GROUP_EPOCH,
    GROUP_BODY,
    GROUP_HOW,
    MARK_NAME = 20,
    MARK_REASON,
    MARK_UNTIL,
    LEASE_NAME = 30,
    LEASE_HOLDER,
    OVERRIDE_KEY = 40,
    OVERRIDE_VALUE,
    RAISE_TO = 50,
    TAGS,
};

#define BIT(tag) (1ULL << (tag))

struct kind {
    uint16_t kind, level;
    uint64_t fields;
    const char *name;
};

static const struct kind kinds[] = {
    {COMMAND_MEMBER_ADD, 1,
     BIT(MEMBER_ID) | BIT(MEMBER_NAME) | BIT(MEMBER_ROLE) | BIT(MEMBER_ZONE) |
         BIT(MEMBER_ADDRESSES) | BIT(MEMBER_DISK),
     "member add"},
    {COMMAND_MEMBER_REMOVE, 1, BIT(MEMBER_ID), "member remove"},
    {COMMAND_MEMBER_ROLE, 1, BIT(MEMBER_ID) | BIT(MEMBER_ROLE), "member role"},
    {COMMAND_MEMBER_INCARNATION, 1,
     BIT(MEMBER_ID) | BIT(MEMBER_DISK) | BIT(MEMBER_INCARNATION) | BIT(MEMBER_CLEAN),
     "member incarnation"},
    {COMMAND_MEMBER_ADDRESSES, 1, BIT(MEMBER_ID) | BIT(MEMBER_ZONE) | BIT(MEMBER_ADDRESSES),
     "member addresses"},
    {COMMAND_GROUP_CREATE, 1, BIT(GROUP_NAME) | BIT(GROUP_BODY), "group create"},
    {COMMAND_GROUP_UPDATE, 1, BIT(GROUP_NAME) | BIT(GROUP_EPOCH) | BIT(GROUP_BODY) | BIT(GROUP_HOW),
     "group update"},
    {COMMAND_GROUP_DELETE, 1, BIT(GROUP_NAME) | BIT(GROUP_EPOCH), "group delete"},
    {COMMAND_DRAIN_SET, 1, BIT(MARK_NAME) | BIT(MARK_REASON), "drain set"},
    {COMMAND_DRAIN_CLEAR, 1, BIT(MARK_NAME), "drain clear"},
    {COMMAND_MAINTENANCE_SET, 1, BIT(MARK_NAME) | BIT(MARK_REASON) | BIT(MARK_UNTIL),
     "maintenance set"},
    {COMMAND_MAINTENANCE_CLEAR, 1, BIT(MARK_NAME), "maintenance clear"},
    {COMMAND_LEASE_TAKE, 1, BIT(LEASE_NAME) | BIT(LEASE_HOLDER), "lease take"},
    {COMMAND_LEASE_RELEASE, 1, BIT(LEASE_NAME) | BIT(LEASE_HOLDER), "lease release"},
    {COMMAND_LEASE_EXPEL, 1, BIT(LEASE_NAME) | BIT(LEASE_HOLDER), "lease expel"},
    {COMMAND_OVERRIDE_SET, 1, BIT(OVERRIDE_KEY) | BIT(OVERRIDE_VALUE), "override set"},
    {COMMAND_OVERRIDE_CLEAR, 1, BIT(OVERRIDE_KEY), "override clear"},
    {COMMAND_LEVEL_RAISE, 1, BIT(RAISE_TO), "level raise"},
};

_Static_assert(TAGS <= 64, "a kind's fields are bits of one number");

static const struct kind *find_kind(uint16_t kind)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].kind == kind)
            return &kinds[i];
    return NULL;
}

const char *command_name(uint16_t kind)
{
    const struct kind *found = find_kind(kind);

    return found ? found->name : "unknown command";
}

bool command_changes_members(const struct document_command *command)
{
    return command->kind == COMMAND_MEMBER_ADD || command->kind == COMMAND_MEMBER_REMOVE ||
           command->kind == COMMAND_MEMBER_ROLE;
}

/* ---- fields ---- */

/* Of GROUP_HOW. */
enum { HOW_UNCLEAN = 1, HOW_KEPT = 2, HOW_YIELDS = 4, HOW_ALL = 7 };

static void member_field(struct buf *out, enum tag tag, const struct document_command *command)
{
    const struct member *member = &command->member;

    if (tag == MEMBER_ID)
        pack_u32(out, member->id);
    else if (tag == MEMBER_NAME)
        text_encode(out, member->name);
    else if (tag == MEMBER_ROLE)
        pack_u8(out, member->role);
    else if (tag == MEMBER_ZONE)
        text_encode(out, member->zone);
    else if (tag == MEMBER_ADDRESSES)
        addresses_encode(out, member->addresses, member->address_count);
    else if (tag == MEMBER_DISK)
        pack_u64(out, member->disk);
    else if (tag == MEMBER_INCARNATION)
        pack_u64(out, member->incarnation);
    else
        pack_u8(out, command->clean);
}

static void other_field(struct buf *out, enum tag tag, const struct document_command *command)
{
    if (tag == GROUP_NAME)
        text_encode(out, command->group.name);
    else if (tag == GROUP_EPOCH)
        pack_u64(out, command->group.epoch);
    else if (tag == GROUP_BODY)
        group_body_encode(out, &command->group.body);
    else if (tag == GROUP_HOW)
        pack_u8(out,
                (uint8_t)((command->unclean ? HOW_UNCLEAN : 0) | (command->kept ? HOW_KEPT : 0) |
                          (command->yields ? HOW_YIELDS : 0)));
    else if (tag == MARK_NAME)
        text_encode(out, command->mark.name);
    else if (tag == MARK_REASON)
        pack_bytes16(out, bytes_of_string(command->mark.reason));
    else if (tag == MARK_UNTIL)
        pack_u64(out, command->mark.until_ms);
    else if (tag == LEASE_NAME)
        text_encode(out, command->lease.name);
    else if (tag == LEASE_HOLDER)
        life_encode(out, command->lease.holder);
    else if (tag == OVERRIDE_KEY)
        text_encode(out, command->override.key);
    else if (tag == OVERRIDE_VALUE)
        pack_bytes16(out, bytes_of_string(command->override.value));
    else
        pack_u16(out, command->raise_to);
}

static bool flag_decode(struct unpack *in, bool *flag)
{
    uint8_t byte = unpack_u8(in);

    *flag = byte;
    return byte <= 1;
}

static bool read_member_field(struct unpack *in, enum tag tag, struct document_command *command)
{
    struct member *member = &command->member;

    if (tag == MEMBER_ID)
        return (member->id = unpack_u32(in)) != 0;
    if (tag == MEMBER_NAME)
        return text_decode(in, member->name, sizeof member->name) && member_name_good(member->name);
    if (tag == MEMBER_ROLE)
        return (member->role = unpack_u8(in)) < MEMBER_ROLES;
    if (tag == MEMBER_ZONE)
        return text_decode(in, member->zone, sizeof member->zone);
    if (tag == MEMBER_ADDRESSES)
        return addresses_decode(in, member->addresses, &member->address_count);
    if (tag == MEMBER_DISK)
        return (member->disk = unpack_u64(in)) != 0;
    if (tag == MEMBER_INCARNATION)
        return (member->incarnation = unpack_u64(in)) != 0;
    return flag_decode(in, &command->clean);
}

static bool read_mark_field(struct unpack *in, enum tag tag, struct command_mark *mark)
{
    if (tag == MARK_NAME)
        return text_decode(in, mark->name, sizeof mark->name) && member_path_good(mark->name);
    if (tag == MARK_REASON)
        return text16_decode(in, mark->reason, sizeof mark->reason);
    mark->until_ms = unpack_u64(in);
    return true;
}

static bool read_group_field(struct unpack *in, enum tag tag, struct document_command *command)
{
    struct command_group *group = &command->group;
    uint8_t how;

    if (tag == GROUP_NAME)
        return text_decode(in, group->name, sizeof group->name) && member_name_good(group->name);
    if (tag == GROUP_EPOCH)
        return (group->epoch = unpack_u64(in)) != 0;
    if (tag == GROUP_BODY)
        return group_body_decode(in, &group->body);
    how = unpack_u8(in);
    command->unclean = how & HOW_UNCLEAN;
    command->kept = how & HOW_KEPT;
    command->yields = how & HOW_YIELDS;
    return how <= HOW_ALL;
}

static bool read_other_field(struct unpack *in, enum tag tag, struct document_command *command)
{
    struct command_lease *lease = &command->lease;
    struct command_override *override = &command->override;

    if (tag == LEASE_NAME)
        return text_decode(in, lease->name, sizeof lease->name) && member_path_good(lease->name);
    if (tag == LEASE_HOLDER) {
        lease->holder = life_decode(in);
        return lease->holder.member != 0 && lease->holder.incarnation != 0;
    }
    if (tag == OVERRIDE_KEY)
        return text_decode(in, override->key, sizeof override->key) && override->key[0];
    if (tag == OVERRIDE_VALUE)
        return text16_decode(in, override->value, sizeof override->value);
    command->raise_to = unpack_u16(in);
    return true;
}

static bool read_field(struct unpack *in, enum tag tag, struct document_command *command)
{
    if (tag < GROUP_NAME)
        return read_member_field(in, tag, command);
    if (tag < MARK_NAME)
        return read_group_field(in, tag, command);
    if (tag < LEASE_NAME)
        return read_mark_field(in, tag, &command->mark);
    return read_other_field(in, tag, command);
}

/* ---- commands ---- */

void command_encode(struct buf *out, const struct document_command *command)
{
    const struct kind *kind = find_kind(command->kind);

    must(kind != NULL);
    pack_u16(out, command->kind);
    pack_u16(out, kind->level);
    life_encode(out, command->proposer);
    pack_u64(out, command->number);
    pack_u64(out, command->based_on);
    for (uint32_t tag = 1; tag < TAGS; tag++) {
        size_t opened;

        if (!(kind->fields & BIT(tag)))
            continue;
        opened = fields_open(out, (uint8_t)tag);
        if (tag < GROUP_NAME)
            member_field(out, tag, command);
        else
            other_field(out, tag, command);
        pack_close(out, opened);
    }
}

/* All fields of the kind, and nothing else of what this version knows. */
static bool read_fields(struct bytes bytes, const struct kind *kind,
                        struct document_command *command)
{
    struct fields fields = fields_of(bytes);
    struct unpack value;
    uint64_t seen = 0;
    uint8_t tag;

    while (fields_next(&fields, &tag, &value)) {
        if (tag >= TAGS || !(kind->fields & BIT(tag)))
            continue;
        if (!read_field(&value, tag, command) || !unpack_ended(&value))
            return false;
        seen |= BIT(tag);
    }
    return !fields.in.bad && seen == kind->fields;
}

enum command_reading command_decode(struct bytes bytes, struct document_command *command)
{
    struct unpack in = unpack_of(bytes);
    const struct kind *kind;

    memset(command, 0, sizeof *command);
    command->kind = unpack_u16(&in);
    command->level = unpack_u16(&in);
    command->proposer = life_decode(&in);
    command->number = unpack_u64(&in);
    command->based_on = unpack_u64(&in);
    if (in.bad || bytes.len > CLUSTER_COMMAND_MAX)
        return COMMAND_MALFORMED;
    kind = find_kind(command->kind);
    if (!kind || command->level > COMMAND_LEVEL)
        return COMMAND_UNKNOWN;
    if (command->level < kind->level || !read_fields(in.left, kind, command))
        return COMMAND_MALFORMED;
    return COMMAND_READ;
}

#include "peer/hello.h"

#include "peer/little.h"

#include <stdio.h>

enum { FIXED = 6 };

static void write_name(struct buf *out, const char *name)
{
    size_t len = strlen(name);

    must(len < PEER_NAME_MAX);
    buf_add_byte(out, (uint8_t)len);
    buf_add(out, bytes_of(name, len));
}

void hello_write(struct buf *out, const struct hello *hello)
{
    uint8_t fixed[FIXED];

    must(hello->owner.len <= PEER_HELLO_MAX);
    put_16(fixed, hello->low);
    put_16(fixed + 2, hello->high);
    put_16(fixed + 4, hello->flags);
    buf_add(out, bytes_of(fixed, sizeof fixed));
    write_name(out, hello->cluster);
    write_name(out, hello->node);
    write_name(out, hello->to);
    buf_add(out, hello->owner);
}

/* Names stand in sentences and tables: nothing in them may move a cursor. */
static bool plain(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] < ' ' || name.at[i] == 0x7f)
            return false;
    return true;
}

static bool read_name(struct bytes *rest, char name[PEER_NAME_MAX])
{
    size_t len = rest->len > 0 ? rest->at[0] : 0;
    struct bytes text;

    if (len == 0 || len >= PEER_NAME_MAX || rest->len < 1 + len)
        return false;
    text = bytes_of(rest->at + 1, len);
    if (!plain(text))
        return false;
    bytes_to_string(text, name, PEER_NAME_MAX);
    *rest = bytes_skip(*rest, 1 + len);
    return true;
}

bool hello_read(struct bytes bytes, struct hello *hello, const char **why)
{
    struct hello read = {0};

    *why = "a hello that is malformed";
    if (bytes.len < FIXED)
        return false;
    read.low = get_16(bytes.at);
    read.high = get_16(bytes.at + 2);
    read.flags = get_16(bytes.at + 4);
    bytes = bytes_skip(bytes, FIXED);
    if (!read_name(&bytes, read.cluster) || !read_name(&bytes, read.node) ||
        !read_name(&bytes, read.to))
        return false;
    if (read.low == 0 || read.low > read.high || bytes.len > PEER_HELLO_MAX)
        return false;
    read.owner = bytes;
    *hello = read;
    return true;
}

uint16_t hello_agree(const struct hello *ours, const struct hello *theirs, const char *proved,
                     char sentence[PEER_SENTENCE_MAX])
{
    uint16_t low = ours->low > theirs->low ? ours->low : theirs->low;
    uint16_t high = ours->high < theirs->high ? ours->high : theirs->high;

    sentence[0] = '\0';
    if (proved[0] && strcmp(proved, theirs->node) != 0)
        snprintf(sentence, PEER_SENTENCE_MAX,
                 "calls itself '%.63s' with the certificate of '%.63s'", theirs->node, proved);
    else if (strcmp(ours->cluster, theirs->cluster) != 0)
        snprintf(sentence, PEER_SENTENCE_MAX, "node '%s' is of cluster '%s', node '%s' of '%s'",
                 theirs->node, theirs->cluster, ours->node, ours->cluster);
    else if (strcmp(ours->node, theirs->to) != 0)
        snprintf(sentence, PEER_SENTENCE_MAX, "node '%s' looks for node '%s', and this is '%s'",
                 theirs->node, theirs->to, ours->node);
    else if (low > high)
        snprintf(sentence, PEER_SENTENCE_MAX,
                 "node '%s' speaks protocol versions %u to %u, node '%s' %u to %u: none in common",
                 theirs->node, theirs->low, theirs->high, ours->node, ours->low, ours->high);
    return sentence[0] ? 0 : high;
}

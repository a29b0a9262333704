/*
 * Reads the words of `nines load`, and writes the request that they describe. It resolves no names and opens nothing.
 */
#include "base/address.h"
#include "base/must.h"
#include "base/text.h"
#include "cli/journal.h"
#include "cli/load.h"
#include "wire/http1.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

const char load_usage[] =
    "URL --rate N --for T [OPTION…]\n"
    "       nines load redis://HOST:PORT[,HOST:PORT…] --journal FILE [OPTION…]\n"
    "       nines load verify FILE redis://HOST:PORT[,HOST:PORT…] [--timeout T] [--fault-at MS] "
    "[--json]\n"
    "\n"
    "  --rate N               requests per second, on a schedule that no slow answer moves;\n"
    "                         0: as fast as the connections allow (a closed loop)\n"
    "  --for T                how long requests are due: 500ms, 30s, 5m\n"
    "  --connections N        at most so many at a time (100)\n"
    "  --timeout T            of a request, counted from when it was due (5s)\n"
    "  --method M             GET, HEAD, POST … (GET)\n"
    "  --header 'NAME: VALUE' sent with every request; may be repeated\n"
    "  --body-bytes N         length of a body to send: 512, 16KiB\n"
    "  --expect-body-bytes N  an answer whose body has another length has failed\n"
    "  --keepalive            connections are used again (so it is without a word)\n"
    "  --no-keepalive         every request has a connection of its own\n"
    "  --group-by HEADER      count the answers per value of this header of theirs\n"
    "  --max-failures N       so many failed requests still exit with 0 (0)\n"
    "  --json                 print the result as one JSON object\n"
    "\n"
    "With --journal, a client that writes down what it was promised: keys with rising numbers by "
    "SET, each \n"
    "asked again, at the next host, until it was answered, and in the end all read back. What was "
    "acknowledged\n"
    "and is not there is lost.\n"
    "  --journal FILE         a new file: every acknowledgement, on disk before it counts\n"
    "  --rate N, --for T, --connections N, --timeout T   as above (100, 30s, 4, 10s)\n"
    "  --attempt T            an attempt without an answer is cut after T, and made again (1s)\n"
    "  --read-from URL        read back from these hosts instead\n"
    "  --prefix WORD          of the keys, WORD:0 and so on (one that nobody else has)\n"
    "  --fault-at MS          when the fault was, in milliseconds since 1970: RPO counts back from "
    "it\n"
    "  --max-failures N, --json\n"
    "verify reads back what the FILE of an earlier run says was acknowledged, also after that "
    "client was killed.\n"
    "\n"
    "Latency is counted from the moment that a request was due, so one that waited for a "
    "connection has waited.\n"
    "Exit code: 0 all requests were answered well and nothing was lost, 1 otherwise, 2 usage. "
    "Ctrl-C "
    "ends it early and prints.";

enum { AUTHORITY_MAX = 262, HTTP_PORT = 80, REDIS_PORT = 6379 };

enum word_kind {
    WORD_NUMBER,
    WORD_SIZE,
    WORD_DURATION,
    WORD_TOKEN,
    WORD_TEXT,
    WORD_HEADER,
    WORD_ON,
    WORD_OFF,
};

enum word_of { OF_HTTP = 1, OF_JOURNAL = 2, OF_VERIFY = 4, OF_LOADS = 3, OF_ALL = 7 };

struct word {
    const char *name;
    enum word_kind kind;
    unsigned of; /* enum word_of */
    size_t offset;
    int64_t minimum, maximum;
    const char *expected; /* what the value should have been */
};

#define FIELD(member) offsetof(struct load_options, member)

static const struct word words[] = {
    {"--rate", WORD_NUMBER, OF_LOADS, FIELD(rate), 0, LOAD_RATE_MAX, "a number from 0 to 10000000"},
    {"--for", WORD_DURATION, OF_LOADS, FIELD(duration_ms), 1, LOAD_DURATION_MAX_MS,
     "a duration up to 24h, such as 30s"},
    {"--connections", WORD_NUMBER, OF_LOADS, FIELD(connections), 1, LOAD_CONNECTIONS_MAX,
     "a number from 1 to 65536"},
    {"--timeout", WORD_DURATION, OF_ALL, FIELD(timeout_ms), 1, 3600000,
     "a duration up to 1h, such as 5s"},
    {"--method", WORD_TOKEN, OF_HTTP, FIELD(method), 1, 16, "a method such as GET"},
    {"--header", WORD_HEADER, OF_HTTP, FIELD(headers), 3, 8192,
     "a field such as 'Accept: text/html'"},
    {"--body-bytes", WORD_SIZE, OF_HTTP, FIELD(body_bytes), 0, LOAD_BODY_MAX,
     "a size up to 64MiB, such as 512 or 16KiB"},
    {"--expect-body-bytes", WORD_SIZE, OF_HTTP, FIELD(expect_body_bytes), 0, INT64_MAX,
     "a size such as 512 or 16KiB"},
    {"--keepalive", WORD_ON, OF_HTTP, FIELD(keep_alive), 0, 0, NULL},
    {"--no-keepalive", WORD_OFF, OF_HTTP, FIELD(keep_alive), 0, 0, NULL},
    {"--group-by", WORD_TOKEN, OF_HTTP, FIELD(group_by), 1, 255,
     "a header's name, such as X-Backend"},
    {"--journal", WORD_TEXT, OF_JOURNAL, FIELD(journal), 1, LOAD_PATH_MAX,
     "a file that does not exist yet"},
    {"--attempt", WORD_DURATION, OF_JOURNAL, FIELD(attempt_ms), 1, 3600000,
     "a duration up to 1h, such as 1s"},
    {"--prefix", WORD_TOKEN, OF_JOURNAL, FIELD(prefix), 1, LOAD_PREFIX_MAX,
     "a word of up to 64 characters"},
    {"--read-from", WORD_TEXT, OF_JOURNAL, FIELD(read_from), 1, 4095,
     "a URL such as redis://127.0.0.1:6379"},
    {"--fault-at", WORD_NUMBER, OF_JOURNAL | OF_VERIFY, FIELD(fault_ms), 0, INT64_MAX,
     "milliseconds since 1970"},
    {"--max-failures", WORD_NUMBER, OF_LOADS, FIELD(failures_max), 0, INT64_MAX, "a number"},
    {"--json", WORD_ON, OF_ALL, FIELD(json), 0, 0, NULL},
};

/* No control characters, and none below `lowest`: a blank or '!'. */
static bool printable(struct bytes text, uint8_t lowest)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < lowest || text.at[i] == 127)
            return false;
    return true;
}

/* ---- values ---- */

static bool read_number(struct load_options *options, const struct word *word, const char *value)
{
    struct bytes text = bytes_of_string(value);
    char *field = (char *)options + word->offset;
    int64_t number;
    bool read = word->kind == WORD_NUMBER ? text_parse_number(text, &number)
                : word->kind == WORD_SIZE ? text_parse_size(text, &number)
                                          : text_parse_duration(text, &number);

    if (!read || number < word->minimum || number > word->maximum)
        return false;
    if (word->offset == FIELD(connections))
        options->connections = (uint32_t)number;
    else
        memcpy(field, &number, sizeof number);
    if (word->offset == FIELD(expect_body_bytes))
        options->expects_body = true;
    return true;
}

/* Those that say how the message is framed are this program's own. */
static bool ours(struct bytes name)
{
    return bytes_equal_nocase(name, BYTES("Content-Length")) ||
           bytes_equal_nocase(name, BYTES("Transfer-Encoding")) ||
           bytes_equal_nocase(name, BYTES("Connection"));
}

static bool split_header(const char *header, struct bytes *name, struct bytes *value)
{
    struct bytes text = bytes_of_string(header);
    size_t colon = bytes_find(text, ':');

    if (colon == text.len)
        return false;
    *name = bytes_take(text, colon);
    *value = bytes_trim(bytes_skip(text, colon + 1));
    return http1_is_token(*name) && http1_is_value(*value);
}

static bool read_text(struct load_options *options, const struct word *word, const char *value)
{
    size_t len = strlen(value);
    struct bytes name, rest;

    if (len < (size_t)word->minimum || len > (size_t)word->maximum)
        return false;
    if (word->kind == WORD_HEADER) {
        if (options->header_count == LOAD_HEADERS_MAX || !split_header(value, &name, &rest) ||
            ours(name))
            return false;
        options->headers[options->header_count++] = value;
        return true;
    }
    memcpy((char *)options + word->offset, &value, sizeof value);
    return word->kind == WORD_TEXT || http1_is_token(bytes_of_string(value));
}

static bool read_value(struct load_options *options, const struct word *word, const char *value)
{
    switch (word->kind) {
    case WORD_NUMBER:
    case WORD_SIZE:
    case WORD_DURATION:
        return read_number(options, word, value);
    case WORD_TOKEN:
    case WORD_TEXT:
    case WORD_HEADER:
        return read_text(options, word, value);
    case WORD_ON:
    case WORD_OFF:
        break;
    }
    never("a flag has no value");
}

/* ---- words ---- */

static const struct word *find(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (bytes_equal(bytes_of_string(words[i].name), name))
            return &words[i];
    return NULL;
}

/* One option at argv[*at], as `--name value` or `--name=value`; moves *at to its last word. *used has a bit for each row of `words`. */
static bool read_option(struct load_options *options, uint64_t *used, int argc, char **argv,
                        int *at, struct err *err)
{
    struct bytes text = bytes_of_string(argv[*at]);
    size_t equals = bytes_find(text, '=');
    const struct word *word = find(bytes_take(text, equals));
    const char *value = NULL;

    if (!word)
        return err_set(err, ERR_USAGE, "unknown option '%s'", argv[*at]);
    *used |= 1ULL << (word - words);
    if (word->kind == WORD_ON || word->kind == WORD_OFF) {
        bool on = word->kind == WORD_ON;

        if (equals != text.len)
            return err_set(err, ERR_USAGE, "%s takes no value", word->name);
        memcpy((char *)options + word->offset, &on, sizeof on);
        return true;
    }
    if (equals != text.len)
        value = argv[*at] + equals + 1;
    else if (*at + 1 < argc)
        value = argv[++*at];
    if (!value)
        return err_set(err, ERR_USAGE, "%s needs %s", word->name, word->expected);
    if (!read_value(options, word, value))
        return err_set(err, ERR_USAGE, "%s '%s': expected %s", word->name, value, word->expected);
    return true;
}

/* `HOST:PORT`, or `HOST` alone, which means `port`; a host may be an address in brackets. */
static bool read_host(struct load_options *options, struct bytes authority, uint16_t port)
{
    struct load_host *host = &options->hosts[options->host_count];
    char with_port[AUTHORITY_MAX + sizeof ":65535"];
    struct bytes name;

    if (options->host_count == LOAD_HOSTS_MAX || authority.len == 0 ||
        authority.len > AUTHORITY_MAX || !printable(authority, '!') ||
        bytes_find(authority, '@') != authority.len)
        return false;
    if (address_split(authority, &host->name, &host->port)) {
        options->host_count++;
        return host->name.len > 0 && host->port > 0;
    }
    snprintf(with_port, sizeof with_port, "%.*s:%u", (int)authority.len, (const char *)authority.at,
             port);
    if (!address_split(bytes_of_string(with_port), &name, &host->port))
        return false;
    host->name = bytes_of(authority.at + (name.at - (uint8_t *)with_port), name.len);
    options->host_count++;
    return true;
}

/* `redis://HOST:PORT,HOST:PORT`, perhaps with a slash after it. */
static bool read_redis(struct load_options *options, const char *url, struct err *err)
{
    struct bytes rest = bytes_of_string(url);

    if (bytes_starts_with(rest, BYTES("rediss://")))
        return err_set(err, ERR_USAGE, "'%s': TLS is not spoken yet; use redis://", url);
    if (!bytes_starts_with(rest, BYTES("redis://")))
        return err_set(err, ERR_USAGE, "'%s': expected a URL such as redis://127.0.0.1:6379", url);
    rest = bytes_skip(rest, strlen("redis://"));
    if (rest.len > 0 && rest.at[rest.len - 1] == '/')
        rest = bytes_take(rest, rest.len - 1);
    while (read_host(options, bytes_take(rest, bytes_find(rest, ',')), REDIS_PORT)) {
        size_t comma = bytes_find(rest, ',');

        if (comma == rest.len)
            return true;
        rest = bytes_skip(rest, comma + 1);
    }
    return err_set(err, ERR_USAGE,
                   "'%s': expected redis://HOST:PORT, or several with commas, at most %d in all",
                   url, LOAD_HOSTS_MAX);
}

static bool read_http(struct load_options *options, const char *url, struct err *err)
{
    struct bytes rest = bytes_of_string(url);
    size_t slash;

    if (bytes_starts_with(rest, BYTES("https://")))
        return err_set(err, ERR_USAGE, "'%s': https is not spoken yet; use http://", url);
    if (!bytes_starts_with(rest, BYTES("http://")))
        return err_set(err, ERR_USAGE, "'%s': expected a URL such as http://127.0.0.1:8080/", url);
    rest = bytes_skip(rest, strlen("http://"));
    slash = bytes_find(rest, '/');
    options->authority = bytes_take(rest, slash);
    if (!read_host(options, options->authority, HTTP_PORT))
        return err_set(err, ERR_USAGE, "'%s': expected http://HOST or http://HOST:PORT, then /…",
                       url);
    rest = bytes_skip(rest, slash);
    if (!printable(rest, '!') || bytes_find(rest, '#') != rest.len)
        return err_set(err, ERR_USAGE, "'%s': blanks and '#' have no place in a request", url);
    options->target = rest.len ? rest : BYTES("/");
    return true;
}

/* The options that were given are all of what is asked for. */
static bool check_used(uint64_t used, unsigned of, const char *what, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if ((used >> i & 1) && !(words[i].of & of))
            return err_set(err, ERR_USAGE, "%s is not for %s", words[i].name, what);
    return true;
}

static bool complete_http(struct load_options *options, uint64_t used, struct err *err)
{
    if (!check_used(used, OF_HTTP, "http; a journal is of redis://", err))
        return false;
    if (options->rate == UINT64_MAX)
        return err_set(err, ERR_USAGE,
                       "--rate is missing: requests per second, or 0 for as fast"
                       " as the connections allow");
    if (options->duration_ms == 0)
        return err_set(err, ERR_USAGE, "--for is missing: how long, such as 30s");
    if (strcmp(options->method, "CONNECT") == 0)
        return err_set(err, ERR_USAGE, "--method CONNECT asks for a tunnel, which is no load");
    options->timeout_ms = options->timeout_ms ? options->timeout_ms : 5000;
    options->connections = options->connections ? options->connections : 100;
    return true;
}

static bool complete_journal(struct load_options *options, uint64_t used, struct err *err)
{
    if (!check_used(used, OF_JOURNAL, "a journal", err))
        return false;
    if (!options->journal)
        return err_set(err, ERR_USAGE,
                       "--journal is missing: a new file for what was acknowledged");
    options->write_count = options->host_count;
    if (options->read_from && !read_redis(options, options->read_from, err))
        return err_during(err, "--read-from");
    options->rate = options->rate == UINT64_MAX ? 100 : options->rate;
    options->duration_ms = options->duration_ms ? options->duration_ms : 30000;
    options->timeout_ms = options->timeout_ms ? options->timeout_ms : 10000;
    options->connections = options->connections ? options->connections : 4;
    if (options->rate == 0)
        return err_set(err, ERR_USAGE, "--rate 0: a journal has a schedule; expected 1 or more");
    if (options->connections > JOURNAL_CONNECTIONS_MAX)
        return err_set(err, ERR_USAGE, "--connections %u: a journal has at most %d",
                       options->connections, JOURNAL_CONNECTIONS_MAX);
    if (journal_planned(options) > JOURNAL_IDS_MAX)
        return err_set(err, ERR_USAGE, "--rate and --for ask for more than %d keys",
                       JOURNAL_IDS_MAX);
    return true;
}

static const struct load_options unread = {
    .method = "GET",
    .rate = UINT64_MAX,
    .keep_alive = true,
    .attempt_ms = 1000,
    .fault_ms = -1,
};

bool load_parse(struct load_options *options, int argc, char **argv, struct err *err)
{
    struct load_options read = unread;
    uint64_t used = 0;
    bool redis;

    for (int at = 1; at < argc; at++) {
        if (argv[at][0] == '-') {
            if (!read_option(&read, &used, argc, argv, &at, err))
                return false;
        } else if (read.url) {
            return err_set(err, ERR_USAGE, "'%s': one URL is enough", argv[at]);
        } else {
            read.url = argv[at];
        }
    }
    if (!read.url)
        return err_set(err, ERR_USAGE, "a URL is missing, such as http://127.0.0.1:8080/");
    redis = strncmp(read.url, "redis", strlen("redis")) == 0;
    if (redis ? !read_redis(&read, read.url, err) || !complete_journal(&read, used, err)
              : !read_http(&read, read.url, err) || !complete_http(&read, used, err))
        return false;
    *options = read;
    return true;
}

bool load_parse_verify(struct load_options *options, int argc, char **argv, struct err *err)
{
    struct load_options read = unread;
    uint64_t used = 0;

    for (int at = 1; at < argc; at++) {
        if (argv[at][0] == '-') {
            if (!read_option(&read, &used, argc, argv, &at, err))
                return false;
        } else if (!read.journal) {
            read.journal = argv[at];
        } else if (!read.url) {
            read.url = argv[at];
        } else {
            return err_set(err, ERR_USAGE, "'%s': a file and a URL are enough", argv[at]);
        }
    }
    if (!read.url)
        return err_set(err, ERR_USAGE, "expected a journal and a URL: FILE redis://HOST:PORT");
    if (!read_redis(&read, read.url, err) || !check_used(used, OF_VERIFY, "reading back", err))
        return false;
    read.write_count = read.host_count;
    read.timeout_ms = read.timeout_ms ? read.timeout_ms : 10000;
    read.connections = 1;
    *options = read;
    return true;
}

/* ---- the request ---- */

static bool has_header(const struct load_options *options, struct bytes wanted)
{
    struct bytes name, value;

    for (uint32_t i = 0; i < options->header_count; i++)
        if (split_header(options->headers[i], &name, &value) && bytes_equal_nocase(name, wanted))
            return true;
    return false;
}

static bool has_body(const struct load_options *options)
{
    return options->body_bytes > 0 || strcmp(options->method, "POST") == 0 ||
           strcmp(options->method, "PUT") == 0 || strcmp(options->method, "PATCH") == 0;
}

void load_write_request(const struct load_options *options, struct buf *out)
{
    char number[32];
    struct buf length;

    http1_write_request_line(out, bytes_of_string(options->method), options->target);
    if (!has_header(options, BYTES("Host")))
        http1_write_field(out, BYTES("Host"), options->authority);
    if (!has_header(options, BYTES("User-Agent")))
        http1_write_field(out, BYTES("User-Agent"), BYTES("nines-load/" NINES_VERSION));
    for (uint32_t i = 0; i < options->header_count; i++) {
        struct bytes name, value;

        must(split_header(options->headers[i], &name, &value));
        http1_write_field(out, name, value);
    }
    if (has_body(options)) {
        buf_over(&length, number, sizeof number);
        buf_add_number(&length, options->body_bytes);
        http1_write_field(out, BYTES("Content-Length"), buf_bytes(&length));
    }
    if (!options->keep_alive)
        http1_write_field(out, BYTES("Connection"), BYTES("close"));
    http1_write_end(out);
    if (options->body_bytes > 0) {
        uint8_t *body = buf_space(out, options->body_bytes);

        if (body) {
            memset(body, 'x', options->body_bytes);
            buf_grew(out, options->body_bytes);
        }
    }
}

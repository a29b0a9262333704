/*
 * What the files of the desk share (session*.c, info*.c). Nobody else includes it.
 */
#pragma once

#include "store/command.h"
#include "store/commands.h"
#include "store/session.h"

/* What became of a request. */
enum step {
    STEP_DONE,  /* answered, or on its way: the next one, please */
    STEP_STALL, /* not now: the same again later. session->stall says why */
};

typedef enum step session_handler(struct desk *desk, struct session *session, struct call *call);

/* The server's own commands: rows, and who carries them out, by the same index (commands_session.c). */

session_handler *session_handler_of(const struct command *command);

/* ---- session.c ---- */

struct session *desk_session(const struct desk *desk, uint32_t slot, uint32_t generation);
/* Where a reply goes: NULL while it is not wanted. The session becomes dirty. */
struct buf *session_out(struct desk *desk, struct session *session);
enum step session_stall(struct desk *desk, struct session *session, enum stall why);
/* As above, until desk->settings.hold_ms (or `ms`) after it first stalled. False: that time is over. */
bool session_stall_for(struct desk *desk, struct session *session, enum stall why, int64_t ms);
void session_wake(struct desk *desk,
                  struct session *session); /* looks at its request again, in desk_run_ready */
void desk_wake_all(struct desk *desk, enum stall why);
void desk_run_ready(struct desk *desk);
void session_answered(struct desk *desk, struct session *session,
                      uint32_t bytes);                        /* one of its pending writes */
void session_end(struct desk *desk, struct session *session); /* close when `out` has gone */
/* What was read of a request that is not whole is read again. */
void session_drop_reader(struct session *session);
struct session_extra *session_extra(struct session *session); /* NULL: no memory */
void session_error(struct desk *desk, struct session *session, const char *text);

/* ---- session_dispatch.c ---- */

enum step session_dispatch(struct desk *desk, struct session *session, const struct bytes *words,
                           uint32_t count);
/* Waits for a primary; an error when it has waited for long enough. */
enum step session_await(struct desk *desk, struct session *session);
/* A record of these words goes to the log, here or through the primary. */
enum step session_write(struct desk *desk, struct session *session, const struct bytes *words,
                        uint32_t count);
/* Whether its user may do this now. */
bool session_may(struct desk *desk, const struct session *session, const struct call *call);
/* desk->record goes there; `alone`: nothing else is under way until it is answered, and it is repeated when nobody took it. */
enum step session_submit(struct desk *desk, struct session *session, bool alone);
/* A strong read may be answered here. */
bool desk_may_read(const struct desk *desk);
bool desk_is_primary(const struct desk *desk);
int64_t desk_record_time(struct desk *desk);
/* Before what needs memory. False: not now (STEP_STALL), or there is none (STEP_DONE, and nothing was said). */
bool session_has_memory(struct desk *desk, struct session *session, enum step *step);
bool desk_fits(const struct desk *desk); /* into the memory that it may use, or nearly */

/* ---- session_access.c ---- */

bool session_may_keys(const struct session *session, const struct command *command,
                      const struct bytes *words, uint32_t count);

/* ---- session_exec.c ---- */

enum step session_queue(struct desk *desk, struct session *session, struct call *call);
void session_drop_exec(struct session *session); /* MULTI and WATCH */

/* ---- session_forward.c ---- */

bool forward_open(struct desk *desk);
void forward_close(struct desk *desk);
/* desk->record goes to the primary. */
enum step forward_request(struct desk *desk, struct session *session, bool alone, bool read);
void forward_finish(struct desk *desk, uint64_t cookie, uint64_t position, struct bytes reply);
void forward_unknown(struct desk *desk, uint64_t cookie);
bool forward_is_remote(uint64_t cookie);
/* What is under way there is not known any more. */
void forward_lose(struct desk *desk, struct session *session);
bool forward_version3(const struct desk *desk, uint64_t cookie);

/* ---- session_pubsub.c ---- */

uint64_t desk_publish(struct desk *desk, struct bytes channel, struct bytes message);
void desk_listen(struct desk *desk); /* settings.notify changed */
void session_unsubscribe_all(struct desk *desk, struct session *session);
uint32_t session_subscriptions(const struct session *session);

/* ---- session_acl.c ---- */

void desk_apply_acl(struct desk *desk, struct call *call);
void desk_end_user(struct desk *desk, struct user *user); /* and its sessions; not `default` */
void desk_forget_users(struct desk *desk); /* all but `default`; their sessions end */

/* ---- session_users.c ---- */

/* A user as these rules make it, whatever it was. False: they are no good. */
MUST_USE bool desk_set_user(struct desk *desk, struct bytes name, struct bytes rules);
void desk_apply_users(struct desk *desk, struct call *call);
void desk_file_users(
    struct desk *desk); /* where this is the primary, and they are not the state's */
void desk_users_answered(struct desk *desk, uint64_t cookie); /* if it is of that record */

/* ---- info.c, info_config.c, info_command.c ---- */

const char *desk_policy_name(enum desk_policy policy); /* as maxmemory-policy has it */
void session_describe(const struct desk *desk, const struct session *session, struct buf *out);

session_handler handle_info, handle_config_get, handle_config_set, handle_config_resetstat,
    handle_command, handle_command_count, handle_command_list, handle_command_info,
    handle_command_docs, handle_command_getkeys;
session_handler handle_multi, handle_exec, handle_discard, handle_watch, handle_unwatch;
session_handler handle_subscribe, handle_psubscribe, handle_unsubscribe, handle_punsubscribe,
    handle_publish, handle_pubsub_channels, handle_pubsub_numsub, handle_pubsub_numpat;
session_handler handle_auth, handle_acl_whoami, handle_acl_list, handle_acl_users,
    handle_acl_getuser, handle_acl_setuser, handle_acl_deluser, handle_acl_cat;
session_handler handle_hello, handle_client_id, handle_client_list, handle_client_info,
    handle_client_setname, handle_client_getname, handle_client_kill, handle_client_reply,
    handle_client_no_evict, handle_client_pause, handle_client_unpause, handle_client_setinfo,
    handle_client_consistency;
session_handler handle_ping, handle_echo, handle_quit, handle_reset, handle_select, handle_time,
    handle_wait, handle_role;

#include "topology/codes.h"

#include "base/must.h"
#include "base/text.h"

#include <stdio.h>

const struct code_row codes[] = {
    {FACT_AGENT_STARTED, SEVERITY_INFO, "agent-started", "The agent of a node has started",
     "Nothing, if you started or upgraded the node. If you did not, look at the fact before it on "
     "the same "
     "node: agent-stopped or agent-was-killed says how the last run ended."},
    {FACT_AGENT_STOPPED, SEVERITY_INFO, "agent-stopped",
     "The agent of a node was told to stop, and has",
     "Nothing, if somebody stopped the node. It released its leases and handed leadership over "
     "first, so "
     "the others did not have to wait for it."},
    {FACT_AGENT_WAS_KILLED, SEVERITY_WARNING, "agent-was-killed",
     "The agent started again after a run that had no orderly end",
     "A crash, a kill, a power loss or a kernel panic. Look at the system's journal of this node "
     "for the time "
     "just before (`journalctl -u nines`, `dmesg`): out of memory and a failed disk are the usual "
     "causes. "
     "If it comes back, keep the core file and report it."},
    {FACT_NODE_JOINED, SEVERITY_INFO, "node-joined",
     "A member is there again: it is linked and takes part",
     "Nothing. If it joins and leaves again and again, look at its links (13xx) and its agent "
     "(1003)."},
    {FACT_NODE_LEFT, SEVERITY_WARNING, "node-left", "A member is no longer linked to this node",
     "If you stopped it, nothing. Otherwise see `nines status` on another node: when everybody "
     "lost it, "
     "it is down or cut off; when only one did, look at the network between these two."},
    {FACT_NODE_ADDED, SEVERITY_INFO, "node-added", "A node was added to the cluster",
     "Wait for node-promoted: until then it only learns and does not vote. Remember to put it into "
     "the file of "
     "every node."},
    {FACT_NODE_REMOVED, SEVERITY_INFO, "node-removed", "A node was removed from the cluster",
     "Take it out of the file of every node, and stop nines there. With what is left, `nines "
     "status` says "
     "whether one more failure is survived."},
    {FACT_NODE_PROMOTED, SEVERITY_INFO, "node-promoted",
     "A learner has caught up and votes from now on",
     "Nothing. The quorum is counted over the new number of voters."},
    {FACT_NODE_DEMOTED, SEVERITY_INFO, "node-demoted", "A voter only learns from now on",
     "Nothing, if you asked for it. The quorum is counted over the smaller number of voters."},
    {FACT_NODE_SUSPECTED, SEVERITY_WARNING, "node-suspected",
     "A node has been silent for longer than its beats explain",
     "A suspicion moves nothing by itself. If it is cleared within seconds, the node or its "
     "network was "
     "busy: look at its load and at packet loss. If it stays, the node is down, frozen or cut "
     "off."},
    {FACT_NODE_CLEARED, SEVERITY_INFO, "node-cleared", "A suspected node is heard from again",
     "Nothing for once. If a node is suspected and cleared often, its network loses packets or it "
     "is "
     "overloaded; a longer heartbeat hides that but makes failover slower."},
    {FACT_NODE_DIED, SEVERITY_CRITICAL, "node-died",
     "There is proof that a node's agent is dead: what it held may go to others at once",
     "Leases and leadership move by themselves. Repair or restart the node: until then the cluster "
     "may not "
     "survive one more failure, which `nines status` says in its first line."},
    {FACT_NODE_REPLACED, SEVERITY_INFO, "node-replaced",
     "A node came back with an empty disk and is a new member under its old name",
     "Nothing. The old member was removed, since it can no longer keep what it promised. Wait for "
     "node-promoted before you touch another node."},
    {FACT_CLUSTER_FOUNDED, SEVERITY_INFO, "cluster-founded", "The cluster was founded",
     "Nothing. This happens once in a cluster's life. If there was a cluster before, stop all "
     "nodes and find out "
     "why every one of them came up empty."},
    {FACT_FOUNDING_WAITS, SEVERITY_WARNING, "founding-waits",
     "An empty node waits, because the cluster cannot be founded safely",
     "The sentence says for whom or what. Start the nodes that are missing, make the node lists in "
     "the files equal, "
     "or bring back the node that still has its disk. Only if the disks of a majority are lost for "
     "good: "
     "`nines node recover` on the survivor, which may lose what was decided last."},
    {FACT_CLUSTER_RECOVERED, SEVERITY_CRITICAL, "cluster-recovered",
     "An operator made this node go on without the lost majority: what was decided last may be "
     "missing",
     "Never start the nodes that were given up with their old directories: empty these first. "
     "Compare what "
     "services last did with what this node knows."},

    {FACT_LEADER_ELECTED, SEVERITY_INFO, "leader-elected",
     "A node was elected leader of the cluster",
     "Nothing. Who leads does not matter to clients. Elections without a cause among the facts "
     "before "
     "(a stop, a lost link) point to an overloaded node or to a heartbeat that is too short for "
     "this network."},
    {FACT_LEADER_STEPPED_DOWN, SEVERITY_WARNING, "leader-stepped-down",
     "The leader stepped down: it lost touch with the majority, met a newer term, or its disk or "
     "clock failed",
     "A new leader is elected within about a second if a majority is linked. Look at the facts "
     "around it for the "
     "cause: links (13xx), disks (14xx), clocks (16xx)."},
    {FACT_QUORUM_LOST, SEVERITY_CRITICAL, "quorum-lost",
     "Fewer than a majority of the voters can talk to each other: nothing new can be decided",
     "No lease is given or extended, so what leases protect stops when they end; load balancing "
     "goes on with what "
     "is known. Bring back nodes or links until a majority is linked; it heals by itself. `nines "
     "status` names who "
     "is missing. Do not run `nines node recover` while the others may still be alive."},
    {FACT_QUORUM_REGAINED, SEVERITY_INFO, "quorum-regained",
     "A majority of the voters is linked again and decides",
     "Nothing. The facts since quorum-lost tell how long it took and what came back."},
    {FACT_SNAPSHOT_MADE, SEVERITY_INFO, "snapshot-made",
     "A node saved the state of the document and shortened its log", "Nothing."},
    {FACT_SNAPSHOT_INSTALLED, SEVERITY_INFO, "snapshot-installed",
     "A node was too far behind for the log and took the leader's snapshot",
     "Nothing for once, after a long absence. If it happens to a node that runs all the time, it "
     "is too slow: look at "
     "its disk and its link."},
    {FACT_SNAPSHOT_FAILED, SEVERITY_WARNING, "snapshot-failed",
     "A snapshot could not be made, sent or installed",
     "It is tried again. If it repeats, the sentence says why: most often the disk is full or a "
     "link breaks."},

    {FACT_LEASE_TAKEN, SEVERITY_INFO, "lease-taken",
     "A node took a lease and acts for its resource", "Nothing."},
    {FACT_LEASE_LOST, SEVERITY_WARNING, "lease-lost",
     "A holder could not extend its lease in time and stopped acting",
     "The holder lost the leader or the majority. Look at quorum (1105), links (13xx) and clocks "
     "(16xx) just before."},
    {FACT_LEASE_RELEASED, SEVERITY_INFO, "lease-released", "A holder gave its lease back",
     "Nothing: a planned stop or change."},
    {FACT_LEASE_DROPPED, SEVERITY_WARNING, "lease-dropped",
     "A holder dropped its lease at once, because its clock jumped or it was paused",
     "Find out what stopped or moved the clock: a virtual machine that was paused or moved, a "
     "suspended host, a hand on "
     "the clock. The lease is given again when the node has been steady for a while."},
    {FACT_LEASE_MOVED, SEVERITY_INFO, "lease-moved", "A lease was given to another node",
     "Nothing, if it was planned. Otherwise the facts before it say why the old holder lost it."},

    {FACT_LINK_UP, SEVERITY_INFO, "link-up", "The link to a node is up", "Nothing."},
    {FACT_LINK_DOWN, SEVERITY_WARNING, "link-down",
     "The link to a node is down on all its addresses",
     "If that node was stopped, nothing. Otherwise test the network from here (`ping`, and whether "
     "its port answers), "
     "then the firewall on both sides, then the certificate (17xx)."},
    {FACT_LINK_ASYMMETRIC, SEVERITY_WARNING, "link-asymmetric",
     "One node hears another, but not the other way round",
     "A firewall rule, a switch or a cable that loses one direction. Ping both ways with large "
     "packets, and "
     "compare the counters of the interfaces on both sides (`ip -s link`)."},
    {FACT_LINK_SYMMETRIC, SEVERITY_INFO, "link-symmetric", "Two nodes hear each other again",
     "Nothing."},

    {FACT_DISK_FULL, SEVERITY_CRITICAL, "disk-full",
     "The disk that holds the node's log takes no more",
     "Make room on that file system. The node goes on voting but accepts nothing new; a leader "
     "hands over. It goes on by "
     "itself when there is room again."},
    {FACT_DISK_OK, SEVERITY_INFO, "disk-ok", "The disk takes writes again", "Nothing."},
    {FACT_DISK_FAILED, SEVERITY_CRITICAL, "disk-failed",
     "A write or sync to the disk failed: what it holds is not known any more",
     "The agent ends and starts again from what the disk really holds. Check the disk (`dmesg`, "
     "SMART). If it "
     "fails again, replace the disk, start the node empty, and it comes back as a new member."},
    {FACT_FACTS_LOST, SEVERITY_WARNING, "facts-lost",
     "More happened than could be written down: some facts are missing here",
     "The number says how many. Something repeats very fast, or the disk is slow or full: the "
     "facts before and after it show "
     "what."},
    {FACT_FACTS_LEFT_OUT, SEVERITY_WARNING, "facts-left-out",
     "Facts of one code came in a flood, and some were left out so that they do not push all "
     "others out",
     "The sentence names the code: `nines explain` it. Those that were kept show when it began and "
     "who or what repeats it."},

    {FACT_CONFIGURATION_DIFFERS, SEVERITY_WARNING, "configuration-differs",
     "Two nodes have different configurations in force",
     "Expected for the moments of a roll-out. Otherwise compare the files of the two nodes that "
     "the sentence names, make them "
     "equal and `nines reload` on the one that was wrong."},
    {FACT_CONFIGURATION_AGREES, SEVERITY_INFO, "configuration-agrees",
     "All nodes have the same configuration again", "Nothing."},
    {FACT_DOCUMENT_DIFFERS, SEVERITY_CRITICAL, "document-differs",
     "Two nodes applied the same decisions and came to different results",
     "This is a bug in nines or a damaged memory. The node that differs from the leader has "
     "stopped: keep its "
     "directory and report it. Then start it empty, and it comes back as a new member. Test its "
     "memory."},
    {FACT_LEVEL_RAISED, SEVERITY_INFO, "level-raised",
     "Every member runs a version that understands a newer format, and the document uses it now",
     "Nothing: the upgrade is complete. From here on the nodes cannot go back to the version "
     "before: one that starts it stops with 1505, loses nothing, and goes on when it is upgraded "
     "again."},
    {FACT_VERSION_TOO_OLD, SEVERITY_CRITICAL, "version-too-old",
     "A node runs a version that is too old for what the cluster has agreed on, and stopped",
     "Start the version that the other nodes run on the same directory: nothing was lost, and it "
     "goes on where it stopped. Until then it counts as a node that is down."},

    {FACT_CLOCK_TILTED, SEVERITY_WARNING, "clock-tilted",
     "A node's clock misbehaved, or it was stopped for too long: it holds no lease and accuses "
     "nobody for a while",
     "Find out what stopped or moved it: a virtual machine that was paused or moved, a suspended "
     "host, an overloaded "
     "hypervisor. Nothing needs to be done here if it becomes steady again."},
    {FACT_CLOCK_STEADY, SEVERITY_INFO, "clock-steady", "A tilted node is trusted again",
     "Nothing."},

    {FACT_STRANGER_REFUSED, SEVERITY_WARNING, "stranger-refused",
     "Somebody connected to the port of the peers and is no peer",
     "The sentence says from where and what was wrong. A scanner or a health check of something "
     "else should not reach this "
     "port: close it to all but the nodes."},
    {FACT_CLUSTER_FOREIGN, SEVERITY_WARNING, "cluster-foreign",
     "A node of another cluster connected, and was refused",
     "A wrong address or cluster name in a file, or a directory that was copied from another "
     "cluster."},
    {FACT_CERTIFICATE_EXPIRES, SEVERITY_WARNING, "certificate-expires",
     "A certificate expires soon", "Run `nines cert renew`: no restart is needed."},
    {FACT_CERTIFICATE_RENEWED, SEVERITY_INFO, "certificate-renewed",
     "A node uses a new certificate", "Nothing."},

    {FACT_ADDRESS_TAKEN, SEVERITY_INFO, "address-taken", "A node has a virtual address from now on",
     "Nothing. The node added it to its interface and told the network so. `nines address list` "
     "shows all of them."},
    {FACT_ADDRESS_WITHDRAWN, SEVERITY_INFO, "address-withdrawn",
     "A node has a virtual address no more",
     "Nothing, if it moved: address-moved says why. When lease-lost comes with it, the node could "
     "not reach the leader; look at its links (13xx) and its load."},
    {FACT_ADDRESS_MOVED, SEVERITY_WARNING, "address-moved",
     "The leader gave a virtual address to another node",
     "The sentence says why. Connections through the address were cut. If it moves often, look at "
     "what it `require`s and at the nodes' links; `preempt` moves it back each time."},
    {FACT_ADDRESS_NOT_ADDED, SEVERITY_CRITICAL, "address-not-added",
     "A node got the lease of a virtual address and could not put it on an interface",
     "The sentence says what the system answered. Another node gets it after a while, if there is "
     "one. An interface that is missing, an address that somebody else put there, and a nines "
     "without CAP_NET_ADMIN are the usual causes."},

    {FACT_GROUP_CREATED, SEVERITY_INFO, "group-created",
     "A group began: the cluster knows it and has chosen its first primary",
     "Nothing. This happens once in a group's life; if there was such a group before, find out who "
     "deleted it."},
    {FACT_FAILOVER_BEGAN, SEVERITY_CRITICAL, "failover-began",
     "A group has lost its primary: writes wait until another member has taken over",
     "Nothing yet: failover-done follows within seconds, or failover-stranded says what is "
     "missing. The sentence names the cause; look there afterwards."},
    {FACT_FAILOVER_DONE, SEVERITY_WARNING, "failover-done",
     "Another member is primary and answers writes; the numbers say how long each phase took",
     "Nothing for the group. Repair what failed (the failover-began before it names it), so that "
     "the next failure finds a secondary again. `lost_bytes` of more than 0 means that "
     "acknowledged writes may be missing."},
    {FACT_FAILOVER_STRANDED, SEVERITY_CRITICAL, "failover-stranded",
     "A group has no primary, and no member may become one",
     "The sentence says what is missing from each member. Bring one back that was in sync: it then "
     "takes over by itself. Only if none of them ever comes back: `nines group failover GROUP "
     "--accept-loss` chooses the most advanced of the others, and what only the lost ones had is "
     "gone."},
    {FACT_FAILOVER_UNCLEAN, SEVERITY_CRITICAL, "failover-unclean",
     "A member became primary that may lack acknowledged writes, because the file or an operator "
     "accepted that",
     "The number estimates how much is missing. Members that had more keep it aside when they come "
     "back: compare that with what clients were told, before you delete it."},
    {FACT_CANDIDATE_FAILED, SEVERITY_WARNING, "candidate-failed",
     "The member that was chosen as primary did not take over in time, or could not",
     "The next one is tried by itself, without it. The sentence says what it said: look at its "
     "engine's log before it is needed again."},
    {FACT_SWITCHOVER_DONE, SEVERITY_INFO, "switchover-done",
     "The primary handed over to another member as planned, and nothing was lost",
     "Nothing. The numbers say how long clients waited."},
    {FACT_SWITCHOVER_FAILED, SEVERITY_WARNING, "switchover-failed",
     "A planned change of the primary was given up, and the primary stays",
     "The sentence says why: most often the other member did not catch up in time. Wait until "
     "`nines status` shows it in sync without lag, then ask again."},
    {FACT_FAILOVER_PAUSED, SEVERITY_WARNING, "failover-paused",
     "An operator paused the failover of a group: nobody replaces its primary if it fails",
     "`nines resume GROUP` when the work is done. A pause is easily forgotten."},
    {FACT_FAILOVER_RESUMED, SEVERITY_INFO, "failover-resumed",
     "The failover of a group works again", "Nothing."},
    {FACT_FAILOVER_DRY_RUN, SEVERITY_INFO, "failover-dry-run",
     "What a failover of this group would do now",
     "Nothing, if it names a winner and no loss. Otherwise mend what the sentence names while "
     "there is time: the group does not survive the loss of its primary."},
    {FACT_PRIMARY_FLAPPING, SEVERITY_WARNING, "primary-flapping",
     "A member lost the primacy several times within the window: from now on it is chosen last",
     "Look at why it fails again and again (engine-died, node-suspected): a member that is too "
     "slow or too small. Its standing returns by itself when the window has passed."},
    {FACT_MODE_CHANGED, SEVERITY_INFO, "mode-changed",
     "The mode of a group's replication, or its numbers, changed as its file says",
     "Nothing, if you changed the file. A stricter mode may make writes wait until enough "
     "secondaries are in sync."},
    {FACT_ENGINE_DIED, SEVERITY_CRITICAL, "engine-died",
     "The process of a member's data service has ended, or its port is refused",
     "It is started again by itself, and another member takes over if it was the primary. The "
     "sentence says how it ended; look at its own log and at `dmesg` (out of memory)."},
    {FACT_ENGINE_STUCK, SEVERITY_CRITICAL, "engine-stuck",
     "A member's data service is there and answers nothing within its time",
     "If it was the primary it is killed, and another member takes over. Look at its disk, its "
     "memory and its locks; if it was only slow, give it a longer timeout."},
    {FACT_ENGINE_BACK, SEVERITY_INFO, "engine-back", "A member's data service answers again",
     "Nothing. Wait for member-in-sync before you rely on it."},
    {FACT_ENGINE_GIVEN_UP, SEVERITY_CRITICAL, "engine-given-up",
     "A member's data service failed so often that it is left alone for a while",
     "Read its log and mend what it says. It is tried again as soon as an attempt of `restart` has "
     "come back, or at once after a restart of nines on that node."},
    {FACT_PRIMARY_FENCED, SEVERITY_CRITICAL, "primary-fenced",
     "A primary that could not be stopped in order was killed, because its lease had ended",
     "Find out what stopped its agent or cut it off: quorum (1105), links (13xx), clocks (16xx). "
     "It comes back as a secondary by itself."},
    {FACT_MEMBER_DIVERGED, SEVERITY_WARNING, "member-diverged",
     "A member holds writes that the primary does not have, and takes them back",
     "They were not acknowledged, unless an unclean failover came before (2005). Its engine keeps "
     "them aside where it can; the sentence says where."},
    {FACT_MEMBER_COPIED, SEVERITY_INFO, "member-copied",
     "A member took a whole copy of the primary's data",
     "Nothing. If it happens often, the primary keeps too little of its log for how long members "
     "are away."},
    {FACT_GROUP_DEGRADED, SEVERITY_CRITICAL, "group-degraded",
     "A group acknowledges writes with fewer copies than its mode asks for",
     "Until group-healed the loss of the primary may lose acknowledged writes. Bring its "
     "secondaries back; `nines status` names them."},
    {FACT_GROUP_HEALED, SEVERITY_INFO, "group-healed",
     "A group acknowledges writes with all the copies that its mode asks for again", "Nothing."},
    {FACT_MEMBER_IN_SYNC, SEVERITY_INFO, "member-in-sync",
     "A member has every acknowledged write and may become primary", "Nothing."},
    {FACT_MEMBER_OUT_OF_SYNC, SEVERITY_WARNING, "member-out-of-sync",
     "A member fell behind, or away, and may not become primary any more",
     "If you stopped it, nothing. Otherwise look at its engine (2021 and after), its node and its "
     "link; it comes back by itself when it has caught up."},
};
const size_t code_count = ARRAY_LEN(codes);

const struct code_row *code_find(uint16_t code)
{
    for (size_t i = 0; i < code_count; i++)
        if (codes[i].code == code)
            return &codes[i];
    return NULL;
}

const struct code_row *code_find_text(struct bytes text)
{
    int64_t number;

    for (size_t i = 0; i < code_count; i++)
        if (bytes_equal_nocase(text, bytes_of_string(codes[i].name)))
            return &codes[i];
    if (text.len > 2 && bytes_equal_nocase(bytes_take(text, 2), BYTES("N-")))
        text = bytes_skip(text, 2);
    if (!text_parse_number(text, &number) || number < 0 || number > UINT16_MAX)
        return NULL;
    return code_find((uint16_t)number);
}

char *code_print(uint16_t code, char *text)
{
    snprintf(text, CODE_TEXT_MAX, "N-%u", code);
    return text;
}

const char *severity_name(enum severity severity)
{
    static const char *const names[SEVERITIES] = {"info", "warning", "critical"};

    return names[severity];
}

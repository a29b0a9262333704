/*
 * cli/operate: the commands that ask a running nines, and those that give it orders.
 */
#pragma once

int run_status(int argc, char **argv);
int run_top(int argc, char **argv);
int run_drain(int argc, char **argv);
int run_undrain(int argc, char **argv);
int run_reload(int argc, char **argv);

/* Of the cluster: drive_cluster.c. */
int run_node_list(int argc, char **argv);
int run_node_add(int argc, char **argv);
int run_node_remove(int argc, char **argv);
int run_node_recover(int argc, char **argv);
int run_leader_transfer(int argc, char **argv);
int run_lease_list(int argc, char **argv);
int run_lease_take(int argc, char **argv);
int run_lease_release(int argc, char **argv);
int run_address_list(int argc, char **argv);
int run_address_move(int argc, char **argv);
int run_override_set(int argc, char **argv);
int run_override_clear(int argc, char **argv);
int run_override_list(int argc, char **argv);

/* Of groups: drive_groups.c. */
int run_group_list(int argc, char **argv);
int run_switchover(int argc, char **argv);
int run_failover(int argc, char **argv);
int run_failovers(int argc, char **argv);
int run_pause(int argc, char **argv);
int run_resume(int argc, char **argv);

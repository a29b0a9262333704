/*
 * cli/operate: the commands that ask a running nines, and those that give it orders.
 */
#pragma once

int run_status(int argc, char **argv);
int run_top(int argc, char **argv);
int run_drain(int argc, char **argv);
int run_undrain(int argc, char **argv);
int run_reload(int argc, char **argv);

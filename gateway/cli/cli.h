/* cli.h -- the commands of portcullis.
 *
 * A command gets its own name as argv[0] and returns the exit status: 0 done,
 * 1 the answer is no (findings, not found), 2 called wrongly. */
#ifndef PORTCULLIS_CLI_CLI_H
#define PORTCULLIS_CLI_CLI_H

#include "gateway/base/fail.h"

enum { CLI_YES, CLI_NO, CLI_USAGE };

#define CLI_CONFIG "/etc/portcullis/portcullis.yaml"

int cli_run(int argc, char **argv);
int cli_reload(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_schema(int argc, char **argv);
int cli_reference(int argc, char **argv);
int cli_geoip(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_cage(int argc, char **argv);

/* Say on standard error how `command` is called; returns CLI_USAGE. */
int cli_usage(const char *command);
void cli_print_usage(const char *command, FILE *out);
/* The options of several commands: -c FILE, and -n or --no-cage where there is a place for the answer.  NULL after a
 * usage message. */
const char *cli_config_option(int argc, char **argv, bool *notes, bool *no_cage);

#endif

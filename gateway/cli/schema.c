/* schema.c -- portcullis schema and portcullis reference: what may stand in the files. */
#include <string.h>

#include "gateway/cli/cli.h"
#include "gateway/config/config.h"

typedef void print_fn(FILE *out);

/* [config|policy], config if left out. */
static int print(int argc, char **argv, print_fn *config, print_fn *policy)
{
	const char *which = argc > 1 ? argv[1] : "config";

	if (argc > 2)
		return cli_usage(argv[0]);
	if (strcmp(which, "config") == 0)
		config(stdout);
	else if (strcmp(which, "policy") == 0)
		policy(stdout);
	else
		return cli_usage(argv[0]);
	return CLI_YES;
}

int cli_schema(int argc, char **argv)
{
	return print(argc, argv, config_schema, policy_schema);
}

int cli_reference(int argc, char **argv)
{
	return print(argc, argv, config_reference, policy_reference);
}

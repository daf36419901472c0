/* main.c -- portcullis COMMAND: finds the command, and the role a process was started for. */
#include <getopt.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/cage/cage.h"
#include "gateway/cli/cli.h"
#include "gateway/proc/proc.h"

static const struct command {
	const char *name, *arguments, *does;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"run", "[-c FILE] [--no-cage]", "serve until SIGTERM (--no-cage: unprotected, for development)", cli_run},
	{"reload", "[-c FILE]", "have the running gateway read its configuration again; what is wrong changes nothing", cli_reload},
	{"check", "[-c FILE] [-n]", "read the configuration and its policies, and say what is wrong (-n: notes too)", cli_check},
	{"status", "[-c FILE] [--json]", "what the gateway that runs FILE does and has done", cli_status},
	{"schema", "[config|policy]", "JSON Schema of portcullis.yaml or of a policy, for editors", cli_schema},
	{"reference", "[config|policy]", "every key of portcullis.yaml or of a policy, as Markdown", cli_reference},
	{"cage", "", "try every forbidden call in every role's cage, and say how it ended", cli_cage},
	{"geoip build", "[--v4 FILE --v6 FILE] -o OUT", "make a country database from Debian's tor-geoipdb", cli_geoip},
	{"geoip lookup", "-d DB [-a ASN-DB] ADDRESS...", "where an address is, as the gateway sees it", cli_geoip},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

/* "geoip build" is found by "geoip": the command reads its second word itself. */
static bool is_named(const struct command *c, const char *word)
{
	size_t n = strcspn(c->name, " ");

	return strlen(word) == n && memcmp(c->name, word, n) == 0;
}

void cli_print_usage(const char *command, FILE *out)
{
	const char *lead = "usage:";

	for (unsigned i = 0; i < COMMANDS; i++) {
		if (!is_named(&commands[i], command))
			continue;
		fprintf(out, "%s portcullis %s%s%s\n", lead, commands[i].name, *commands[i].arguments ? " " : "",
			commands[i].arguments);
		lead = "      ";
	}
}

int cli_usage(const char *command)
{
	cli_print_usage(command, stderr);
	return CLI_USAGE;
}

const char *cli_config_option(int argc, char **argv, bool *notes, bool *no_cage)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"notes", no_argument, NULL, 'n'},
		{"no-cage", no_argument, NULL, 'o'}, {0}};
	const char *path = CLI_CONFIG;
	int option;

	while ((option = getopt_long(argc, argv, notes ? "c:n" : "c:", options, NULL)) != -1) {
		if (option == 'c') {
			path = optarg;
		} else if (option == 'n' && notes) {
			*notes = true;
		} else if (option == 'o' && no_cage) {
			*no_cage = true;
		} else {
			cli_usage(argv[0]);
			return NULL;
		}
	}
	if (optind == argc && *path)
		return path;
	cli_usage(argv[0]);
	return NULL;
}

int cli_run(int argc, char **argv)
{
	bool no_cage = false;
	const char *path = cli_config_option(argc, argv, NULL, &no_cage);

	if (!path)
		return CLI_USAGE;
	cage_leave_open(no_cage);
	return supervisor_main(path);
}

static int help(FILE *out)
{
	fputs("portcullis: an internet-facing security gateway\n\n", out);
	for (unsigned i = 0; i < COMMANDS; i++)
		fprintf(out, "  portcullis %s%s%s\n        %s\n", commands[i].name, *commands[i].arguments ? " " : "",
			commands[i].arguments, commands[i].does);
	fputs("  portcullis --version\n\nFILE is " CLI_CONFIG " if left out.\n", out);
	return out == stdout ? CLI_YES : CLI_USAGE;
}

static int unknown(const char *word)
{
	const char *names[COMMANDS + 1], *near;
	char first[COMMANDS][16];

	for (unsigned i = 0; i < COMMANDS; i++) {
		snprintf(first[i], sizeof first[i], "%.*s", (int)strcspn(commands[i].name, " "), commands[i].name);
		names[i] = first[i];
	}
	names[COMMANDS] = NULL;
	near = text_nearest(slice_of(word), names);
	if (near)
		fprintf(stderr, "portcullis: no command \"%s\"; did you mean \"%s\"?\n", word, near);
	else
		fprintf(stderr, "portcullis: no command \"%s\"; portcullis --help lists them\n", word);
	return CLI_USAGE;
}

static int dispatch(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (argc < 2)
		return help(stderr);
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return help(stdout);
	if (strcmp(word, "--version") == 0) {
		puts("portcullis " PORTCULLIS_VERSION);
		return CLI_YES;
	}
	for (unsigned i = 0; i < COMMANDS; i++) {
		if (!is_named(&commands[i], word))
			continue;
		if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
			cli_print_usage(word, stdout);
			return CLI_YES;
		}
		return commands[i].run(argc - 1, argv + 1);
	}
	return unknown(word);
}

int main(int argc, char **argv)
{
	int status;

	/* Roles first: they see their arguments untouched. */
	if (argc > 1 && strncmp(argv[1], "role-", 5) == 0)
		return role_main(argc, argv);
	status = dispatch(argc, argv);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fputs("portcullis: standard output cannot be written\n", stderr);
	return status ? status : CLI_NO;
}

/* geoip.c -- portcullis geoip: make the free country database, and ask one. */
#include "geoip/geoip.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "gateway/cli/cli.h"

#define TOR_V4 "/usr/share/tor/geoip"
#define TOR_V6 "/usr/share/tor/geoip6"

static int report(struct fail *f)
{
	int status = f->errors ? CLI_NO : CLI_YES;

	fail_print(f, stderr, true);
	fail_done(f);
	return status;
}

static int build(int argc, char **argv)
{
	static const struct option options[] = {{"v4", required_argument, NULL, '4'},
						{"v6", required_argument, NULL, '6'},
						{"output", required_argument, NULL, 'o'},
						{0}};
	const char *v4 = TOR_V4, *v6 = TOR_V6, *out = NULL;
	struct fail f = {0};
	int option;

	while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
		if (option == '4')
			v4 = optarg;
		else if (option == '6')
			v6 = optarg;
		else if (option == 'o')
			out = optarg;
		else
			return cli_usage("geoip");
	}
	if (optind < argc || !out)
		return cli_usage("geoip");
	if (access(v4, R_OK) < 0 && strcmp(v4, TOR_V4) == 0)
		fail_at(&f, (struct place){v4, 0, 0}, "not there; install Debian's package tor-geoipdb, or name files with --v4 and --v6");
	else if (geoip_build(v4, v6, out, &f))
		printf("%s: made from %s and %s\n", out, v4, v6);
	return report(&f);
}

static void print_place(const struct addr *a, const struct geoip_place *p)
{
	static const char *const absent[] = {[GEOIP_MISSING] = "none", [GEOIP_UNKNOWN] = "unknown"};
	char text[ADDR_TEXT];

	addr_text(a, text);
	printf("%s country ", text);
	if (p->country_known == GEOIP_KNOWN)
		printf("%s continent %s", p->country, p->continent[0] ? p->continent : "none");
	else
		fputs(absent[p->country_known], stdout);
	if (p->asn_known == GEOIP_KNOWN)
		printf(" asn AS%u\n", p->asn);
	else
		printf(" asn %s\n", absent[p->asn_known]);
}

static int open_database(const char *path, struct fail *f)
{
	struct place by = {path, 0, 0};
	int fd = path ? geoip_seal(path, f, by) : -1;

	if (fd >= 0)
		geoip_check(fd, path, f, by);
	return fd;
}

static int lookup_all(struct geoip *g, char **addresses, int n)
{
	int status = CLI_YES;

	for (int i = 0; i < n; i++) {
		struct geoip_place place;
		struct addr a;

		if (!addr_parse(slice_of(addresses[i]), &a)) {
			fprintf(stderr, "portcullis: \"%s\" is not an address\n", addresses[i]);
			return CLI_USAGE;
		}
		geoip_lookup(g, &a, &place);
		print_place(&a, &place);
		if (place.country_known != GEOIP_KNOWN && place.asn_known != GEOIP_KNOWN)
			status = CLI_NO;
	}
	return status;
}

static int lookup(int argc, char **argv)
{
	static const struct option options[] = {
		{"database", required_argument, NULL, 'd'}, {"asn", required_argument, NULL, 'a'}, {0}};
	const char *country = NULL, *asn = NULL;
	struct fail f = {0};
	struct geoip *g = NULL;
	int option, status, fds[2];

	while ((option = getopt_long(argc, argv, "d:a:", options, NULL)) != -1) {
		if (option == 'd')
			country = optarg;
		else if (option == 'a')
			asn = optarg;
		else
			return cli_usage("geoip");
	}
	if (optind == argc || (!country && !asn))
		return cli_usage("geoip");
	fds[0] = open_database(country, &f);
	fds[1] = open_database(asn, &f);
	if (!f.errors && !(g = geoip_open(fds[0], fds[1])))
		fail_at(&f, (struct place){country ? country : asn, 0, 0}, "it cannot be opened as a database");
	for (unsigned i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	status = report(&f);
	if (status == CLI_YES)
		status = lookup_all(g, argv + optind, argc - optind);
	if (g)
		geoip_close(g);
	return status;
}

int cli_geoip(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "build") == 0)
		return build(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "lookup") == 0)
		return lookup(argc - 1, argv + 1);
	return cli_usage("geoip");
}

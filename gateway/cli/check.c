/* check.c -- portcullis check: everything the gateway would refuse to start with, and what it would not. */
#include <stdlib.h>

#include "gateway/cli/cli.h"
#include "gateway/config/config.h"
#include "gateway/tls/tls.h"

/* One label in the place of the star, as browsers match. */
static bool covers(struct slice name, struct slice host)
{
	size_t dot;

	if (slice_ieq(name, host))
		return true;
	if (!slice_starts(name, SLICE("*.")))
		return false;
	dot = slice_find(host, '.');
	return dot < host.len && slice_ieq(slice_after(name, 1), slice_after(host, dot));
}

static bool any_covers(const struct slice *names, unsigned n, struct slice host)
{
	for (unsigned i = 0; i < n; i++)
		if (covers(names[i], host))
			return true;
	return false;
}

static bool serves_https(const struct config *c)
{
	const struct config_listener *l = c->listeners.at;

	for (unsigned i = 0; i < c->listeners.n; i++)
		if (l[i].serve == CONFIG_HTTPS)
			return true;
	return false;
}

/* Clients of these hosts would be shown a certificate of another name. */
static void check_hosts(const struct config *c, const struct slice *names, unsigned n, struct fail *f)
{
	const struct config_site *site = c->sites.at;

	for (unsigned i = 0; i < c->sites.n; i++) {
		const struct slice *host = site[i].hosts.at;

		for (unsigned k = 0; k < site[i].hosts.n; k++)
			if (!slice_is(host[k], "*") && !any_covers(names, n, host[k]))
				fail_warn(f, site[i].head.place, "site \"%.*s\": no certificate names host \"%.*s\"",
					  SLICE_F(site[i].head.key), SLICE_F(host[k]));
	}
}

static void check_certificates(const struct config *c, const struct config_secrets *secrets, struct arena *a,
			       struct fail *f)
{
	struct slice *all = NULL;
	unsigned all_n = 0;

	for (unsigned i = 0; i < secrets->pems_n; i++) {
		struct tls_pem pem = {secrets->pems[i].certificate, secrets->pems[i].key, secrets->pems[i].place};
		struct slice *names = NULL, *joined;
		unsigned n = 0;

		if (!tls_pem_check(&pem, a, &names, &n, f))
			continue;
		joined = ARENA_ARRAY(a, struct slice, all_n + n + 1);
		if (!joined)
			return;
		if (all_n)
			memcpy(joined, all, all_n * sizeof *all);
		if (n)
			memcpy(joined + all_n, names, n * sizeof *names);
		all = joined;
		all_n += n;
	}
	if (serves_https(c))
		check_hosts(c, all, all_n, f);
}

static unsigned policies_of(const struct config *c)
{
	const struct config_site *site = c->sites.at;
	unsigned n = 0;

	for (unsigned i = 0; i < c->sites.n; i++) {
		bool first = site[i].policy != NULL;

		for (unsigned k = 0; k < i && first; k++)
			first = site[k].policy != site[i].policy;
		n += first;
	}
	return n;
}

static const char *plural(unsigned n)
{
	return n == 1 ? "" : "s";
}

static void print_counts(const struct config *c, const char *path, const struct fail *f)
{
	unsigned policies = policies_of(c);

	printf("%s: ok\n", path);
	printf("%u listener%s, %u certificate%s, %u site%s, %u origin%s (%u server%s), %u %s, %u warning%s\n",
	       c->listeners.n, plural(c->listeners.n), c->certificates.n, plural(c->certificates.n), c->sites.n,
	       plural(c->sites.n), c->origins.n, plural(c->origins.n), c->servers_n, plural(c->servers_n), policies,
	       policies == 1 ? "policy" : "policies", f->warnings, plural(f->warnings));
	printf("generation %.*s\n", 16, c->hash.at);
}

int cli_check(int argc, char **argv)
{
	struct arena arena, secret;
	struct config_secrets *secrets;
	struct fail f = {0};
	struct config *c;
	bool notes = false;
	const char *path = cli_config_option(argc, argv, &notes, NULL);

	if (!path)
		return CLI_USAGE;
	arena_init(&arena, NULL, 64 << 10);
	arena_init(&secret, NULL, 64 << 10);
	c = config_read(path, &arena, &secret, &secrets, NULL, &f);
	if (c)
		check_certificates(c, secrets, &arena, &f);
	fail_print(&f, stderr, notes);
	if (c && !f.errors)
		print_counts(c, path, &f);
	arena_done(&secret);
	arena_done(&arena);
	notes = f.errors > 0;
	fail_done(&f);
	return notes ? CLI_NO : CLI_YES;
}

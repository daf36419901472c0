/* config.c -- fuzz: portcullis.yaml is read or has findings, twice the same, each with its place in the file; what
 * was read keeps its bounds, and every host has the site that a plain search finds.
 *
 * The folder has a policy and nothing else; no name is resolved. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_fuzz.h"
#include "gateway/config/config.h"

static const char policy[] = "policy: p\nrules:\n  - {id: a, when: 'path under \"/admin\"', do: block 404}\nwaf: {mode: off}\n";

/* ---- No resolver: two names have an address ---- */

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out);
void __wrap_freeaddrinfo(struct addrinfo *found);

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	static struct sockaddr_in at = {.sin_family = AF_INET};
	static struct addrinfo found = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_addr = (struct sockaddr *)&at,
					.ai_addrlen = sizeof at};

	(void)service, (void)hints;
	if (name[0] != 'o')
		return EAI_NONAME;
	at.sin_addr.s_addr = htonl(0xc0000250 + (name[1] != 0));
	*out = &found;
	return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *found)
{
	(void)found;
}

static void write_file(const char *path, struct slice bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	MUST(fd >= 0 && write(fd, bytes.at, bytes.len) == (ssize_t)bytes.len && !close(fd));
}

static char folder[] = "/tmp/portcullis-fuzz-XXXXXX";

static void clean(void)
{
	if (chdir(folder) == 0) {
		(void)!unlink("policies/p.yaml");
		(void)!rmdir("policies");
		(void)!unlink("portcullis.yaml");
		(void)!rmdir(folder);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char here[4096];

	(void)argc, (void)argv;
	/* Where libFuzzer looks for its folders is where it was started. */
	MUST(getcwd(here, sizeof here) && mkdtemp(folder) && !chdir(folder) && !mkdir("policies", 0700));
	write_file("policies/p.yaml", slice_of(policy));
	MUST(!chdir(here) && !atexit(clean));
	return 0;
}

/* The rule in words: exact, else the longest wildcard that ends the host, else "*". */
static const struct config_site *find_slowly(const struct config *c, struct slice host)
{
	const struct config_site *sites = c->sites.at, *found = NULL;
	size_t best = 0;

	for (unsigned i = 0; i < c->sites.n; i++) {
		const struct slice *names = sites[i].hosts.at;

		for (unsigned k = 0; k < sites[i].hosts.n; k++) {
			struct slice name = names[k];
			size_t rank = 0;

			if (slice_ieq(name, host))
				rank = 1000;
			else if (slice_is(name, "*"))
				rank = 1;
			else if (slice_starts(name, SLICE("*.")) && host.len > name.len - 1 &&
				 slice_ieq(slice_after(host, host.len - name.len + 1), slice_after(name, 1)))
				rank = name.len;
			if (rank > best) {
				best = rank;
				found = &sites[i];
			}
		}
	}
	return found;
}

static void check(const struct config *c)
{
	static const char *const hosts[] = {"a", "a.b", "b.a.b", "x.a", "shop.example.com", "www.shop.example.com", "example.com", "*", "a.b.c.d"};
	const struct config_site *sites = c->sites.at;
	const struct config_origin *origins = c->origins.at;

	MUST(c->sites.n && c->listeners.n && c->hash.len == 64 && c->rules_hash.len == 64);
	for (unsigned i = 0; i < c->sites.n; i++)
		MUST(sites[i].origin && sites[i].origin->servers.n && (sites[i].policy != NULL) == (sites[i].policy_name.len != 0));
	for (unsigned i = 0; i < c->origins.n; i++)
		MUST(origins[i].number == i && origins[i].connect_ms > 0 && origins[i].retries >= 0);
	for (size_t i = 0; i < FUZZ_COUNT(hosts); i++)
		MUST(config_site_of(c, slice_of(hosts[i])) == find_slowly(c, slice_of(hosts[i])));
	MUST(c->client.head_bytes >= 1024 && c->client.head_bytes <= 1 << 20 && c->client.fields >= 1 && c->client.connections >= 1);
}

static struct config *read_once(const char *path, struct arena *a, struct fail *f)
{
	struct config_secrets *secrets = NULL;
	struct config *c = config_read(path, a, a, &secrets, NULL, f);

	MUST(c ? secrets && !f->errors : f->errors);
	return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct slice in = fuzz_in(bytes, n).rest;
	struct fail f = {0}, g = {0};
	const struct config *one, *two;
	char path[64];
	struct arena a;

	snprintf(path, sizeof path, "%s/portcullis.yaml", folder);
	write_file(path, in);
	arena_init(&a, NULL, 65536);
	one = read_once(path, &a, &f);
	two = read_once(path, &a, &g);
	file_fuzz_same(&f, &g);
	file_fuzz_findings(&f, path, in);
	MUST(!one == !two);
	if (one) {
		check(one);
		MUST(slice_eq(one->hash, two->hash) && slice_eq(one->rules_hash, two->rules_hash));
	}
	fail_done(&f);
	fail_done(&g);
	arena_done(&a);
	return 0;
}

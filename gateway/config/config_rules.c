/* config_rules.c -- rule sets: where their files are, and all of them captured for the inspectors. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/config/config_parts.h"
#include "rules/capture.h"

/* Beside the rules; where Debian keeps its own, in /etc. */
static void find_setup(struct config_reader *r, struct config_ruleset *set)
{
	static const char *const beside[] = {"crs-setup.conf", "crs-setup.conf.example"};

	for (unsigned k = 0; !set->setup.len && k < 2; k++) {
		struct slice path = arena_print(r->arena, "%.*s/%s", SLICE_F(set->path), beside[k]);

		if (path.at && access(path.at, F_OK) == 0)
			set->setup = path;
	}
	if (!set->setup.len && slice_is(set->path, "/usr/share/modsecurity-crs"))
		set->setup = arena_copy(r->arena, SLICE("/etc/modsecurity/crs/crs-setup.conf"));
}

static bool read_ruleset(struct config_reader *r, struct capture *c, struct config_ruleset *set, int i)
{
	const struct capture_ruleset from = {.name = set->head.key,
					     .path = set->path,
					     .setup = set->setup,
					     .before = set->before.at,
					     .before_n = set->before.n,
					     .by_path = config_place(r, "rulesets", i, "path"),
					     .by_setup = config_place(r, "rulesets", i, "setup"),
					     .by_before = config_place(r, "rulesets", i, "before")};

	if (!capture_ruleset(c, &from))
		return false;
	return set->setup.len ||
	       fail_at(r->fail, from.by_path,
		       "ruleset \"%.*s\": neither crs-setup.conf nor crs-setup.conf.example in %s; name it with setup",
		       SLICE_F(set->head.key), set->path.at);
}

/* A memory file that nobody can change any more; -1 when there is no room. */
static int sealed(struct slice bytes)
{
	const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int fd = memfd_create("rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t done = 0;
	ssize_t n = 1;

	while (fd >= 0 && done < bytes.len && (n = write(fd, bytes.at + done, bytes.len - done)) > 0)
		done += (size_t)n;
	if (fd < 0 || (done == bytes.len && fcntl(fd, F_ADD_SEALS, seals) == 0))
		return fd;
	close(fd);
	return -1;
}

static void keep(struct config_reader *r, struct capture *c)
{
	struct slice bundle;

	if (!capture_end(c, &bundle))
		return;
	config_hash_file(r->hash, "rulesets", bundle);
	config_hash_file(r->rules, "rulesets", bundle);
	if (!r->config->waf_used)
		return;
	r->copies[CONFIG_RULES] = sealed(bundle);
	if (r->copies[CONFIG_RULES] < 0)
		fail_at(r->fail, r->root->place, "memory or descriptors are used up while rules are read");
}

/* Debian's package. */
static struct config_ruleset *shipped(struct config_reader *r)
{
	struct config_ruleset *set = ARENA_NEW(r->arena, struct config_ruleset);

	if (!set)
		return NULL;
	set->head = (struct setting_head){arena_copy(r->arena, SLICE("crs")), r->root->place};
	set->path = arena_copy(r->arena, SLICE("/usr/share/modsecurity-crs"));
	set->setup = arena_copy(r->arena, SLICE("/etc/modsecurity/crs/crs-setup.conf"));
	r->config->rulesets = (struct setting_list){set, 1};
	return set;
}

void config_rulesets(struct config_reader *r)
{
	bool given = r->config->rulesets.n > 0;
	struct config_ruleset *set = given ? r->config->rulesets.at : shipped(r);
	struct capture *c = capture_new(r->fail);
	bool fine = true;

	if (!set || !c) {
		fail_at(r->fail, r->root->place, "memory is used up while the file is read");
		capture_free(c);
		return;
	}
	/* Debian's rules need not be there when nobody inspects. */
	for (unsigned i = 0; (given || r->config->waf_used) && i < r->config->rulesets.n; i++) {
		find_setup(r, &set[i]);
		fine &= read_ruleset(r, c, &set[i], (int)i);
	}
	if (fine)
		keep(r, c);
	capture_free(c);
}

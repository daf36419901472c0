/* config.c -- reading portcullis.yaml from the first byte to the last check.
 *
 * Each stage adds its findings; a later one runs only on what the earlier ones
 * left whole, so that one mistake is told once. */
#include "gateway/config/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/config/config_parts.h"

/* Made absolute: roles do not keep the directory the gateway was started in. */
static const char *directory_of(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct slice folder = slash ? slice_make(path, (size_t)(slash - path)) : SLICE_NONE;
	char here[PATH_MAX];

	if (path[0] == '/')
		return arena_copy(a, folder.len ? folder : SLICE("/")).at;
	if (!getcwd(here, sizeof here))
		return NULL;
	return folder.len ? arena_print(a, "%s/%.*s", here, SLICE_F(folder)).at : arena_copy(a, slice_of(here)).at;
}

static bool begin(struct config_reader *r, const char *path)
{
	struct config *c = ARENA_NEW(r->arena, struct config);

	r->config = c;
	r->secrets = ARENA_NEW(r->secret, struct config_secrets);
	r->directory = directory_of(&r->temp, path);
	r->hash = config_hash_new();
	r->rules = config_hash_new();
	if (!c || !r->secrets || !r->directory || !r->hash || !r->rules)
		return fail_at(r->fail, (struct place){path, 0, 0}, "memory is used up while the file is read");
	c->file = arena_copy(r->arena, slice_of(path)).at;
	return c->file != NULL || fail_at(r->fail, (struct place){path, 0, 0}, "memory is used up while the file is read");
}

static bool read_settings(struct config_reader *r)
{
	struct setting_reader reader = {.arena = r->arena, .fail = r->fail, .directory = r->directory, .context = r};
	struct place whole = {r->config->file, 0, 0};
	struct slice bytes;

	if (access(whole.file, F_OK) < 0 && errno == ENOENT)
		return fail_at(r->fail, whole, "the file cannot be opened: there is none; write it, or name another with -c");
	if (!yaml_load(&r->temp, whole.file, YAML_BYTES, &bytes, r->fail, whole))
		return false;
	config_hash_file(r->hash, r->config->file, bytes);
	r->root = yaml_read(&r->temp, r->config->file, bytes, r->fail);
	return r->root && setting_read(&reader, config_table, r->root, r->config);
}

/* HOST:PORT is the middle of a url. */
static void find_redis(struct config_reader *r)
{
	struct config_redis *redis = &r->config->redis;
	struct place place = config_place(r, "redis", CONFIG_ITSELF, "address");
	struct slice text = redis->address_text, url;
	struct config_server as_url = {0};
	struct fail own = {0};

	redis->present = yaml_get(r->root, "redis") != NULL;
	if (!redis->present)
		return;
	url = arena_print(&r->temp, "http://%.*s", SLICE_F(text));
	if (!url.at || slice_find(text, ':') == text.len || text.at[text.len - 1] == ']' ||
	    !config_read_url(&own, place, url, &as_url)) {
		fail_at(r->fail, place, "redis \"%.*s\" is not HOST:PORT; write 127.0.0.1:6379", SLICE_F(text));
	} else {
		redis->port = as_url.port;
		config_resolve(r, as_url.name, &redis->address, place);
	}
	fail_done(&own);
}

static bool read_all(struct config_reader *r)
{
	unsigned before = r->fail->errors;

	if (!read_settings(r))
		return false;
	config_listeners(r, yaml_get(r->root, "listeners") != NULL);
	config_sites(r);
	config_origins(r);
	find_redis(r);
	config_certificates(r);
	config_ca_files(r);
	config_passwords(r);
	config_databases(r);
	config_policies(r);
	config_rulesets(r);
	config_cluster_secret(r);
	return r->fail->errors == before;
}

static struct slice name_of(struct config_reader *r, struct config_hash *h)
{
	uint8_t sum[32];
	char hex[65];

	config_hash_end(h, sum);
	for (unsigned i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return arena_copy(r->arena, slice_make(hex, 64));
}

static bool name_generation(struct config_reader *r)
{
	r->config->hash = name_of(r, r->hash);
	r->config->rules_hash = name_of(r, r->rules);
	return (r->config->hash.at && r->config->rules_hash.at) ||
	       fail_at(r->fail, r->root->place, "memory is used up while the file is read");
}

struct config *config_read(const char *path, struct arena *a, struct arena *secret, struct config_secrets **secrets,
			   int copies[CONFIG_COPIES], struct fail *f)
{
	struct config_reader r = {.arena = a, .secret = secret, .copies = {-1, -1, -1}, .fail = f};
	bool fine;

	arena_init(&r.temp, NULL, 64 << 10);
	fine = begin(&r, path) && read_all(&r) && name_generation(&r);
	config_hash_free(r.hash);
	config_hash_free(r.rules);
	arena_done(&r.temp);
	*secrets = fine ? r.secrets : NULL;
	for (unsigned i = 0; i < CONFIG_COPIES; i++)
		if (copies && fine)
			copies[i] = r.copies[i];
		else if (r.copies[i] >= 0)
			close(r.copies[i]);
	return fine ? r.config : NULL;
}

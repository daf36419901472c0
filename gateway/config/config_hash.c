/* config_hash.c -- one name for everything that was read, and the key of the counters' names. */
#include <openssl/evp.h>

#include "gateway/config/config_parts.h"

struct config_hash {
	EVP_MD_CTX *sha;
};

enum { SECRET_LEAST = 32, SECRET_MOST = 4096 };

struct config_hash *config_hash_new(void)
{
	struct config_hash *h = mem_take_zeroed(NULL, sizeof *h);

	if (!h)
		return NULL;
	h->sha = EVP_MD_CTX_new();
	if (h->sha && EVP_DigestInit_ex(h->sha, EVP_sha256(), NULL) == 1)
		return h;
	config_hash_free(h);
	return NULL;
}

void config_hash_free(struct config_hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->sha);
	mem_give(NULL, h, sizeof *h);
}

static void add(struct config_hash *h, struct slice bytes)
{
	uint64_t len = bytes.len;

	CHECK(EVP_DigestUpdate(h->sha, &len, sizeof len) == 1);
	CHECK(!bytes.len || EVP_DigestUpdate(h->sha, bytes.at, bytes.len) == 1);
}

void config_hash_file(struct config_hash *h, const char *path, struct slice bytes)
{
	add(h, slice_of(path));
	add(h, bytes);
}

void config_hash_end(struct config_hash *h, uint8_t out[32])
{
	CHECK(EVP_DigestFinal_ex(h->sha, out, NULL) == 1);
}

/* A secret of the operator's own; must be worth the name. */
static void from_file(struct config_reader *r, struct config_hash *h)
{
	struct place place = config_place(r, "cluster_secret_file", CONFIG_ITSELF, NULL);
	struct slice bytes;

	if (!yaml_load(&r->temp, r->config->cluster_secret_file.at, SECRET_MOST, &bytes, r->fail, place))
		return;
	if (bytes.len < SECRET_LEAST)
		fail_at(r->fail, place, "%s has %zu bytes; at least %d random ones are needed (head -c 32 /dev/urandom)",
			r->config->cluster_secret_file.at, bytes.len, SECRET_LEAST);
	add(h, bytes);
}

/* Nodes with one configuration must agree, so this can hold only what they share; a node alone can
 * add its private keys, which nobody can guess. */
static void from_config(struct config_reader *r, struct config_hash *h)
{
	const struct config *c = r->config;
	const struct config_site *site = c->sites.at;
	char database[24];

	add(h, c->redis.address_text);
	add(h, slice_make(database, (size_t)snprintf(database, sizeof database, "%lld", (long long)c->redis.database)));
	for (unsigned i = 0; i < c->sites.n; i++)
		add(h, site[i].policy_name);
	if (c->redis.present) {
		fail_warn(r->fail, config_place(r, "redis", CONFIG_ITSELF, NULL),
			  "the counters' names in Redis are keyed with what anyone can guess; set cluster_secret_file, the "
			  "same file on every node");
		return;
	}
	for (unsigned i = 0; i < r->secrets->pems_n; i++)
		add(h, r->secrets->pems[i].key);
}

void config_cluster_secret(struct config_reader *r)
{
	struct config_hash *h = config_hash_new();

	if (!h) {
		fail_at(r->fail, r->root->place, "memory is used up while the file is read");
		return;
	}
	add(h, SLICE("portcullis cluster secret"));
	if (r->config->cluster_secret_file.len)
		from_file(r, h);
	else
		from_config(r, h);
	config_hash_end(h, r->secrets->cluster_secret);
	config_hash_free(h);
}

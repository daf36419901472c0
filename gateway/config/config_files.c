/* config_files.c -- the files that portcullis.yaml names: certificates, passwords, databases. */
#include <sys/stat.h>
#include <unistd.h>

#include "geoip/geoip.h"
#include "gateway/config/config_parts.h"
#include "gateway/config/pem.h"

enum { PEM_MOST = 1 << 20, BUNDLE_MOST = 8 << 20, PASSWORD_MOST = 512 };

struct place config_place(const struct config_reader *r, const char *top, int i, const char *field)
{
	const struct yaml_node *at = yaml_get(r->root, top), *inner;

	if (!at)
		return r->root->place;
	if (i >= 0 && at->kind != YAML_SCALAR && i < (int)at->n)
		at = at->items[i];
	inner = field ? yaml_get(at, field) : NULL;
	return inner ? inner->place : at->place;
}

/* A secret that others on the machine can read is one no longer. */
static void warn_if_open(struct config_reader *r, const char *path, struct place place)
{
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)))
		fail_warn(r->fail, place, "%s is open to others on this machine (mode %03o); chmod 600 %s", path,
			  (unsigned)st.st_mode & 0777, path);
}

/* ---- Certificates ---- */

void config_certificates(struct config_reader *r)
{
	const struct config_certificate *one = r->config->certificates.at;
	unsigned n = r->config->certificates.n;

	r->secrets->pems = arena_take_zeroed(r->secret, (n + 1) * sizeof *r->secrets->pems);
	if (!r->secrets->pems) {
		fail_at(r->fail, r->root->place, "memory is used up while the file is read");
		return;
	}
	r->secrets->pems_n = n;
	for (unsigned i = 0; i < n; i++) {
		struct place certificate = config_place(r, "certificates", (int)i, "certificate");
		struct place key = config_place(r, "certificates", (int)i, "key");
		struct slice *pem = &r->secrets->pems[i].certificate, *secret = &r->secrets->pems[i].key;

		r->secrets->pems[i].place = one[i].head.place;
		if (!yaml_load(r->secret, one[i].certificate.at, PEM_MOST, pem, r->fail, certificate) ||
		    !yaml_load(r->secret, one[i].key.at, PEM_MOST, secret, r->fail, key))
			continue;
		config_hash_file(r->hash, one[i].certificate.at, *pem);
		warn_if_open(r, one[i].key.at, key);
		pem_check(one[i].certificate, *pem, certificate, one[i].key, *secret, key, r->fail);
	}
}

/* The system's authorities: workers open no file.  Empty after a finding. */
static struct slice system_ca(struct config_reader *r, struct place place)
{
	static const char *const bundles[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
					      "/etc/ssl/cert.pem"};
	struct slice pem = SLICE_NONE;

	for (unsigned i = 0; i < sizeof bundles / sizeof *bundles; i++)
		if (access(bundles[i], R_OK) == 0) {
			yaml_load(r->secret, bundles[i], BUNDLE_MOST, &pem, r->fail, place);
			return pem;
		}
	fail_at(r->fail, place, "no authorities to verify origins by on this system; install ca-certificates, or name them with tls_ca");
	return pem;
}

static bool verifies(const struct config_origin *o)
{
	const struct config_server *servers = o->servers.at;

	for (unsigned i = 0; i < o->servers.n; i++)
		if (servers[i].tls)
			return o->tls_verify;
	return false;
}

/* Authorities that an origin's certificate is checked against. */
void config_ca_files(struct config_reader *r)
{
	const struct config_origin *o = r->config->origins.at;
	struct slice system = SLICE_NONE;

	r->secrets->origin_ca = ARENA_ARRAY(r->secret, struct slice, r->config->origins.n + 1);
	if (!r->secrets->origin_ca) {
		fail_at(r->fail, r->root->place, "memory is used up while the file is read");
		return;
	}
	for (unsigned i = 0; i < r->config->origins.n; i++) {
		struct place place = config_place(r, "origins", (int)i, "tls_ca");
		struct slice *ca = &r->secrets->origin_ca[i];

		if (!o[i].tls_ca.len && verifies(&o[i])) {
			if (!system.len)
				system = system_ca(r, config_place(r, "origins", (int)i, NULL));
			*ca = system;
			continue;
		}
		if (!o[i].tls_ca.len || !yaml_load(r->secret, o[i].tls_ca.at, PEM_MOST, ca, r->fail, place))
			continue;
		config_hash_file(r->hash, o[i].tls_ca.at, *ca);
		if (!pem_holds_certificate(*ca))
			fail_at(r->fail, place, "%s holds no certificate in PEM", o[i].tls_ca.at);
	}
}

/* ---- Passwords ---- */

void config_passwords(struct config_reader *r)
{
	const struct config_redis *redis = &r->config->redis;
	struct place place = config_place(r, "redis", CONFIG_ITSELF, "password_file");
	struct slice *password = &r->secrets->redis_password;

	if (r->config->cluster_secret_file.len)
		warn_if_open(r, r->config->cluster_secret_file.at,
			     config_place(r, "cluster_secret_file", CONFIG_ITSELF, NULL));
	if (!redis->password_file.len) {
		if (redis->user.len)
			fail_at(r->fail, config_place(r, "redis", CONFIG_ITSELF, "user"),
				"redis.user needs redis.password_file");
		return;
	}
	if (!yaml_load(r->secret, redis->password_file.at, PASSWORD_MOST, password, r->fail, place))
		return;
	while (password->len && strchr("\r\n", password->at[password->len - 1]))
		password->len--;
	if (!password->len)
		fail_at(r->fail, place, "%s is empty; it must hold the password", redis->password_file.at);
	if (slice_find(*password, '\n') < password->len)
		fail_at(r->fail, place, "%s has more than one line; it must hold the password alone", redis->password_file.at);
	warn_if_open(r, redis->password_file.at, place);
}

/* ---- Databases ---- */

static void check_database(struct config_reader *r, struct slice path, const char *field, int *keep)
{
	struct place place = config_place(r, "geoip", CONFIG_ITSELF, field);
	struct fail own = {0};
	int fd;

	if (!path.len)
		return;
	fd = geoip_seal(path.at, &own, place);
	if (fd >= 0 && geoip_check(fd, path.at, &own, place))
		*keep = fd;
	else if (fd >= 0)
		close(fd);
	for (unsigned i = 0; i < own.n; i++) {
		if (own.at[i].level == FAIL_ERROR && r->config->geoip.missing == CONFIG_GEOIP_REFUSE)
			fail_at(r->fail, own.at[i].place, "%s", own.at[i].text);
		else
			fail_warn(r->fail, own.at[i].place, "%s%s", own.at[i].text,
				  own.at[i].level == FAIL_ERROR ? "; until it is there the one in use stays, or places are unknown" : "");
	}
	fail_done(&own);
}

void config_databases(struct config_reader *r)
{
	check_database(r, r->config->geoip.country, "country", &r->copies[CONFIG_COUNTRY]);
	check_database(r, r->config->geoip.asn, "asn", &r->copies[CONFIG_ASN]);
}

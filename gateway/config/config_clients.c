/* config_clients.c -- sites that ask their clients for certificates: of which authorities, and what must fit to that. */
#include <openssl/evp.h>

#include "gateway/config/config_parts.h"
#include "gateway/config/pem.h"

enum { CA_MOST = 1 << 20, CRL_MOST = 8 << 20 };

static struct place place_of(const struct config_reader *r, unsigned site, const char *field)
{
	return config_place(r, "sites", (int)site, field);
}

/* ---- The files ---- */

/* One pair of files is read once, however many sites name it. */
static bool read_before(struct config_reader *r, struct config_site *site, unsigned i)
{
	const struct config_site *all = r->config->sites.at;

	for (unsigned k = 0; k < i; k++)
		if (r->secrets->client_ca[k].len && slice_eq(all[k].client_ca, site->client_ca) &&
		    slice_eq(all[k].client_crl, site->client_crl)) {
			r->secrets->client_ca[i] = r->secrets->client_ca[k];
			r->secrets->client_crl[i] = r->secrets->client_crl[k];
			memcpy(site->client_ca_id, all[k].client_ca_id, CONFIG_CA_ID);
			memcpy(site->client_crl_id, all[k].client_crl_id, CONFIG_CA_ID);
			return true;
		}
	return false;
}

static bool load(struct config_reader *r, struct pem_file *file, size_t most, uint8_t id[CONFIG_CA_ID])
{
	if (!yaml_load(r->secret, file->path.at, most, &file->bytes, r->fail, file->place))
		return false;
	config_hash_file(r->hash, file->path.at, file->bytes);
	CHECK(EVP_Digest(file->bytes.at, file->bytes.len, id, NULL, EVP_sha256(), NULL) == 1);
	return true;
}

static void read_files(struct config_reader *r, struct config_site *site, unsigned i)
{
	struct pem_file ca = {site->client_ca, SLICE_NONE, place_of(r, i, "client_ca")};
	struct pem_file crl = {site->client_crl, SLICE_NONE, place_of(r, i, "client_crl")};

	if (read_before(r, site, i) || !load(r, &ca, CA_MOST, site->client_ca_id) || !pem_check_authorities(&ca, r->fail))
		return;
	if (crl.path.len &&
	    (!load(r, &crl, CRL_MOST, site->client_crl_id) || !pem_check_lists(&crl, &ca, r->fail)))
		return;
	r->secrets->client_ca[i] = ca.bytes;
	r->secrets->client_crl[i] = crl.bytes;
}

/* ---- What must fit ---- */

static bool serves_https(const struct config *c)
{
	const struct config_listener *l = c->listeners.at;

	for (unsigned i = 0; i < c->listeners.n; i++)
		if (l[i].serve == CONFIG_HTTPS)
			return true;
	return false;
}

/* Clients that go to an address send no name, so nobody knows that this site is meant until it is too late to
 * ask.  Without a name the site with '*' is asked for. */
static void warn_of_addresses(struct config_reader *r, const struct config_site *site, unsigned i)
{
	const struct slice *host = site->hosts.at;
	bool any = false;
	struct addr ignored;

	for (unsigned k = 0; k < site->hosts.n; k++)
		any = any || slice_is(host[k], "*");
	for (unsigned k = 0; k < site->hosts.n && !any; k++)
		if (addr_parse(host[k], &ignored))
			fail_warn(r->fail, place_of(r, i, "hosts"),
				  "clients of %.*s send no server name, so no certificate is asked of them and they are refused; let "
				  "them use a name, or give this site the host '*' too",
				  SLICE_F(host[k]));
}

static void check_site(struct config_reader *r, struct config_site *site, unsigned i)
{
	struct place reads = site->policy ? policy_reads_certificate(site->policy) : (struct place){0};

	if (site->client_crl.len && !site->client_ca.len) {
		fail_at(r->fail, place_of(r, i, "client_crl"),
			"client_crl alone asks nobody for a certificate; add client_cert: required, or optional, and client_ca");
		return;
	}
	if (site->client_cert == CONFIG_CERT_NONE) {
		if (site->client_ca.len)
			fail_at(r->fail, place_of(r, i, "client_ca"),
				"client_ca alone asks nobody for a certificate; add client_cert: required, or optional");
		else if (reads.file)
			fail_at(r->fail, reads,
				"site \"%.*s\" asks no client for a certificate, so tls.client is never there; give the site client_cert "
				"and client_ca, or another policy",
				SLICE_F(site->head.key));
		return;
	}
	if (!site->client_ca.len) {
		fail_at(r->fail, place_of(r, i, "client_cert"),
			"nobody says whose certificates count; add client_ca: FILE, the authorities that issue them");
		return;
	}
	if (!serves_https(r->config))
		fail_at(r->fail, place_of(r, i, "client_cert"),
			"certificates are shown over https, and no listener serves it; add one, or leave client_cert out");
	warn_of_addresses(r, site, i);
	read_files(r, site, i);
}

void config_clients(struct config_reader *r)
{
	struct config_site *sites = r->config->sites.at;
	unsigned n = r->config->sites.n;

	r->secrets->client_ca = arena_take_zeroed(r->secret, (n + 1) * sizeof *r->secrets->client_ca);
	r->secrets->client_crl = arena_take_zeroed(r->secret, (n + 1) * sizeof *r->secrets->client_crl);
	if (!r->secrets->client_ca || !r->secrets->client_crl) {
		fail_at(r->fail, r->root->place, "memory is used up while the file is read");
		return;
	}
	for (unsigned i = 0; i < n; i++)
		check_site(r, &sites[i], i);
}

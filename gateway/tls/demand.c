/* demand.c -- what is asked of clients: of those of which hosts, a certificate of which authorities.
 *
 * It is settled at the ClientHello, by the name the client asks for, and once:
 * there is no renegotiation and no authentication behind the handshake.  A
 * certificate that is shown must hold, also where none would have done. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509_vfy.h>

#include "gateway/base/hosts.h"
#include "gateway/tls/inner.h"

enum {
	DEPTH = 4,            /* intermediates between the authority and the client's certificate */
	CHAIN_BYTES = 32 << 10, /* that a client may send */
};

struct tls_demand_made {
	X509_STORE *store;
	STACK_OF(X509_NAME) *names; /* told to the client, so that it can choose */
	uint8_t id[TLS_DEMAND_ID];
	uint8_t binding[TLS_DEMAND_ID]; /* of the authorities, and of what they have revoked */
	bool required;
};

/* ---- Making ---- */

bool tls_demands_begin(struct tls_demands *d, struct arena *a, const struct tls_server_plan *plan)
{
	*d = (struct tls_demands){0};
	d->at = ARENA_ARRAY(a, struct tls_demand_made, plan->demands_n + 1);
	d->hosts = ARENA_ARRAY(a, struct tls_demand_host, plan->hosts_n + 1);
	if (!d->at || !d->hosts)
		return false;
	for (; d->hosts_n < plan->hosts_n; d->hosts_n++) {
		struct slice name = arena_copy(a, plan->hosts[d->hosts_n].name);

		if (!name.at)
			return false;
		d->hosts[d->hosts_n] = (struct tls_demand_host){name, plan->hosts[d->hosts_n].demand};
	}
	return true;
}

static bool trust(struct tls_demand_made *made, const STACK_OF(X509) *all)
{
	bool good = made->store && made->names && X509_STORE_set_flags(made->store, X509_V_FLAG_PARTIAL_CHAIN) == 1;

	for (int i = 0; good && i < sk_X509_num(all); i++) {
		X509 *one = sk_X509_value(all, i);
		X509_NAME *name = X509_NAME_dup(X509_get_subject_name(one));

		good = name && X509_STORE_add_cert(made->store, one) == 1 && sk_X509_NAME_push(made->names, name) > 0;
		if (!good)
			X509_NAME_free(name);
	}
	return good;
}

/* An authority of client_ca is trusted as it stands, be it an intermediate: nobody is asked whether it is revoked, and
 * who could say is not in the chain. */
static int excuse_the_top(int good, X509_STORE_CTX *ctx)
{
	int why = X509_STORE_CTX_get_error(ctx), at = X509_STORE_CTX_get_error_depth(ctx);

	if (good || at < 1 || at != sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1)
		return good;
	if (why != X509_V_ERR_UNABLE_TO_GET_CRL && why != X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER)
		return good;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

static bool heed_lists(struct tls_demand_made *made, const STACK_OF(X509_CRL) *lists)
{
	bool good = lists && X509_STORE_set_flags(made->store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1;

	for (int i = 0; good && i < sk_X509_CRL_num(lists); i++)
		good = X509_STORE_add_crl(made->store, sk_X509_CRL_value(lists, i)) == 1;
	X509_STORE_set_verify_cb(made->store, excuse_the_top);
	return good;
}

static bool revoke(struct tls_demand_made *made, const struct tls_demand *from, struct fail *f)
{
	uint8_t both[2 * TLS_DEMAND_ID];
	STACK_OF(X509_CRL) *lists;
	bool good;

	memcpy(made->binding, from->id, TLS_DEMAND_ID);
	if (!from->crl_pem.len)
		return true;
	lists = tls_crls_read(from->crl_pem);
	good = heed_lists(made, lists);
	sk_X509_CRL_pop_free(lists, X509_CRL_free);
	tls_queue_clear();
	if (!good)
		return fail_at(f, from->place, "client_crl holds no revocation list in PEM form, or a damaged one");
	memcpy(both, from->id, TLS_DEMAND_ID);
	memcpy(both + TLS_DEMAND_ID, from->crl_id, TLS_DEMAND_ID);
	return EVP_Digest(both, sizeof both, made->binding, NULL, EVP_sha256(), NULL) == 1 || fail_at(f, from->place, "out of memory");
}

bool tls_demand_make(struct tls_demands *d, const struct tls_demand *from, struct fail *f)
{
	struct tls_demand_made *made = &d->at[d->n++];
	STACK_OF(X509) *all = tls_certs_read(from->ca_pem);
	bool good;

	memcpy(made->id, from->id, sizeof made->id);
	made->required = from->required;
	made->store = X509_STORE_new();
	made->names = sk_X509_NAME_new_null();
	good = all && trust(made, all);
	sk_X509_pop_free(all, X509_free);
	tls_queue_clear();
	if (!good)
		return fail_at(f, from->place, "client_ca holds no certificate in PEM form, or a damaged one");
	return revoke(made, from, f);
}

void tls_demands_done(struct tls_demands *d)
{
	for (unsigned i = 0; i < d->n; i++) {
		X509_STORE_free(d->at[i].store);
		sk_X509_NAME_pop_free(d->at[i].names, X509_NAME_free);
	}
	d->n = 0;
}

/* ---- Asking ---- */

static const struct tls_demand_made *demand_of(const struct tls_demands *d, const struct tls *t)
{
	struct slice host = t->has_sni ? slice_make(t->sni, t->sni_len) : SLICE("*");
	unsigned i = hosts_find(d->hosts, d->hosts_n, sizeof *d->hosts, host);

	return i < d->hosts_n && d->hosts[i].demand >= 0 ? &d->at[d->hosts[i].demand] : NULL;
}

/* What a session is good for: the certificates we show, and what was asked of the client for them. */
static bool set_session_context(struct tls *t)
{
	uint8_t in[TLS_CONTEXT_ID + TLS_BINDING], sum[SSL_MAX_SID_CTX_LENGTH];

	memcpy(in, tls_context_id(SSL_get_SSL_CTX(t->ssl)), TLS_CONTEXT_ID);
	tls_demand_binding(t->demand, in + TLS_CONTEXT_ID);
	return EVP_Digest(in, sizeof in, sum, NULL, EVP_sha256(), NULL) == 1 &&
	       SSL_set_session_id_context(t->ssl, sum, sizeof sum) == 1;
}

bool tls_demand_ask(const struct tls_demands *d, struct tls *t)
{
	const struct tls_demand_made *demand = t->demand = demand_of(d, t);
	STACK_OF(X509_NAME) *names;

	if (!demand)
		return true;
	names = SSL_dup_CA_list(demand->names);
	if (!names)
		return false;
	SSL_set_client_CA_list(t->ssl, names);
	SSL_set_verify(t->ssl, SSL_VERIFY_PEER | (demand->required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
	SSL_set_verify_depth(t->ssl, DEPTH);
	SSL_set_max_cert_list(t->ssl, CHAIN_BYTES);
	return SSL_set1_verify_cert_store(t->ssl, demand->store) == 1 && set_session_context(t);
}

void tls_demand_binding(const struct tls_demand_made *demand, uint8_t out[TLS_BINDING])
{
	memset(out, 0, TLS_BINDING);
	if (!demand)
		return;
	out[0] = demand->required ? 2 : 1;
	memcpy(out + 1, demand->binding, TLS_DEMAND_ID);
}

/* ---- Asking again ---- */

static bool verifies(const struct tls_demand_made *demand, X509 *leaf, STACK_OF(X509) *brought, int level)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool good = ctx && X509_STORE_CTX_init(ctx, demand->store, leaf, brought) == 1 &&
		    X509_STORE_CTX_set_default(ctx, "ssl_client") == 1;

	if (good) {
		X509_STORE_CTX_set_depth(ctx, DEPTH);
		X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx), level);
		good = X509_verify_cert(ctx) == 1;
	}
	X509_STORE_CTX_free(ctx);
	tls_queue_clear();
	return good;
}

/* Of a session that was resumed there is no chain: who has an intermediate must come anew. */
bool tls_demand_holds(const struct tls_demands *d, struct tls *t)
{
	const struct tls_demand_made *demand = demand_of(d, t);
	X509 *leaf = SSL_get0_peer_certificate(t->ssl);

	if (!demand || !leaf)
		return false;
	if ((!t->demand || memcmp(demand->binding, t->demand->binding, TLS_DEMAND_ID) != 0) &&
	    !verifies(demand, leaf, SSL_get_peer_cert_chain(t->ssl), SSL_get_security_level(t->ssl)))
		return false;
	t->demand = demand;
	return true;
}

const uint8_t *tls_demanded(const struct tls *t)
{
	return t->demand ? t->demand->id : NULL;
}

/* demand.c -- what is asked of clients: of those of which hosts, a certificate of which authorities.
 *
 * It is settled at the ClientHello, by the name the client asks for, and once:
 * there is no renegotiation and no authentication behind the handshake.  A
 * certificate that is shown must hold, also where none would have done. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

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
	return good || fail_at(f, from->place, "client_ca holds no certificate in PEM form, or a damaged one");
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
	memcpy(out + 1, demand->id, TLS_DEMAND_ID);
}

const uint8_t *tls_demanded(const struct tls *t)
{
	return t->demand ? t->demand->id : NULL;
}

/* server.c -- certificates by name: one context for each set that answers together.
 *
 * A set is the first certificate of each key type that carries a name, so a name
 * with an ECDSA and an RSA certificate gets both in one context and OpenSSL picks
 * by what the client can verify.  The context is chosen at the ClientHello, before
 * versions, tickets and suites are looked at. */
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/x509.h>

#include "gateway/base/mem.h"
#include "gateway/loop/loop.h"
#include "gateway/tls/inner.h"

/* In our order of preference. */
static const char *const protocols[] = {"h2", "http/1.1"};

struct set {
	SSL_CTX *ctx;
	int cert[TLS_KEY_TYPES]; /* index into the plan, -1 for none */
	uint8_t id[TLS_CONTEXT_ID];
};

struct name {
	struct slice text; /* lower case; "*.example.com" stands for one label */
	unsigned which;    /* certificate while the table is made, then set */
};

struct tls_server {
	unsigned refs;
	struct arena arena; /* of what follows */
	struct set *sets;   /* the first is for clients that no name fits */
	struct name *names; /* sorted */
	unsigned sets_n, names_n;
	struct tls_ticket_source tickets;
	struct tls_demands demands;
	struct making *making; /* NULL: complete */
};

/* ---- The ClientHello ---- */

static int name_compare(const void *a, const void *b)
{
	const struct slice *x = &((const struct name *)a)->text, *y = &((const struct name *)b)->text;
	int order = memcmp(x->at, y->at, x->len < y->len ? x->len : y->len);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static const struct name *find(const struct tls_server *s, struct slice text)
{
	struct name key = {.text = text};

	return s->names_n ? bsearch(&key, s->names, s->names_n, sizeof key, name_compare) : NULL;
}

static const struct set *set_for(const struct tls_server *s, struct slice sni)
{
	bool a_name = slice_find(sni, '*') == sni.len; /* a star is not asked for */
	const struct name *found = a_name ? find(s, sni) : NULL;
	size_t dot = slice_find(sni, '.');
	char wild[UINT8_MAX + 1];

	if (!found && a_name && dot && dot < sni.len) {
		wild[0] = '*';
		memcpy(wild + 1, sni.at + dot, sni.len - dot);
		found = find(s, slice_make(wild, sni.len - dot + 1));
	}
	return &s->sets[found ? found->which : 0];
}

/* RFC 6066 section 3: a list of one host name. */
static bool read_sni(struct slice ext, struct slice *name)
{
	const uint8_t *b = (const uint8_t *)ext.at;

	if (ext.len < 5 || (size_t)(b[0] << 8 | b[1]) != ext.len - 2 || b[2] != TLSEXT_NAMETYPE_host_name ||
	    (size_t)(b[3] << 8 | b[4]) != ext.len - 5)
		return false;
	*name = slice_after(ext, 5);
	if (name->len && name->at[name->len - 1] == '.')
		name->len--;
	return name->len && name->len <= UINT8_MAX && !memchr(name->at, 0, name->len);
}

/* A second ClientHello (after HelloRetryRequest) must name the same host. */
static bool keep_sni(struct tls *t, struct slice name)
{
	if (t->has_sni)
		return slice_ieq(name, slice_make(t->sni, t->sni_len));
	t->sni = mem_take(NULL, name.len);
	if (!t->sni)
		return false;
	for (size_t i = 0; i < name.len; i++)
		t->sni[i] = ascii_lower(name.at[i]);
	t->sni_len = (uint8_t)name.len;
	t->has_sni = true;
	return true;
}

/* The certificates of that name. */
static bool show(const struct tls_server *s, struct tls *t)
{
	SSL_CTX *ctx = set_for(s, slice_make(t->sni, t->sni_len))->ctx;

	return ctx == SSL_get_SSL_CTX(t->ssl) || SSL_set_SSL_CTX(t->ssl, ctx);
}

static int on_hello(SSL *ssl, int *alert, void *arg)
{
	const struct tls_server *s = arg;
	struct tls *t = tls_of(ssl);
	const unsigned char *at;
	struct slice name;
	size_t n;

	if (t->done)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_DECODE_ERROR;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &at, &n) == 1 &&
	    (!read_sni(slice_make((const char *)at, n), &name) || !keep_sni(t, name)))
		return SSL_CLIENT_HELLO_ERROR;
	*alert = SSL_AD_INTERNAL_ERROR;
	if (t->has_sni && !show(s, t))
		return SSL_CLIENT_HELLO_ERROR;
	return tls_demand_ask(&s->demands, t) ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

/* RFC 7301: no protocol in common is fatal; a client that names none speaks HTTP/1.1. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in, unsigned in_n,
		   void *arg)
{
	(void)arg;
	for (size_t i = tls_of(ssl)->offers_h2 ? 0 : 1; i < sizeof protocols / sizeof *protocols; i++) {
		struct slice ours = slice_of(protocols[i]);

		for (unsigned k = 0; k < in_n && k + 1u + in[k] <= in_n; k += 1u + in[k])
			if (slice_eq(ours, slice_make((const char *)in + k + 1, in[k]))) {
				*out = in + k + 1;
				*out_n = in[k];
				return SSL_TLSEXT_ERR_OK;
			}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- Contexts ---- */

const uint8_t *tls_context_id(const SSL_CTX *ctx)
{
	return SSL_CTX_get_app_data(ctx);
}

static bool set_id(struct set *set, const struct tls_cert *certs)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL);
	uint8_t one[EVP_MAX_MD_SIZE];
	unsigned len;

	for (unsigned type = 0; good && type < TLS_KEY_TYPES; type++)
		if (set->cert[type] >= 0)
			good = X509_digest(certs[set->cert[type]].leaf, EVP_sha256(), one, &len) &&
			       EVP_DigestUpdate(md, one, len);
	good = good && EVP_DigestFinal_ex(md, set->id, NULL);
	EVP_MD_CTX_free(md);
	return good;
}

static bool set_certs(struct set *set, const struct tls_server_plan *plan, const struct tls_cert *certs, struct fail *f)
{
	for (unsigned type = 0; type < TLS_KEY_TYPES; type++) {
		const struct tls_cert *c = set->cert[type] >= 0 ? &certs[set->cert[type]] : NULL;

		if (c && SSL_CTX_use_cert_and_key(set->ctx, c->leaf, c->key, c->chain, 1) != 1)
			return fail_at(f, plan->pems[set->cert[type]].place, "the certificate cannot be used: %s",
				       tls_queue_reason());
	}
	return true;
}

static bool set_build(struct tls_server *s, struct set *set, const struct tls_server_plan *plan,
		      const struct tls_cert *certs, struct fail *f)
{
	set->ctx = tls_context_new(true, plan->min_version);
	if (!set->ctx || !set_id(set, certs))
		return fail_at(f, plan->pems[0].place, "no TLS context: %s", tls_queue_reason());
	if (!set_certs(set, plan, certs, f))
		return false;
	SSL_CTX_set_app_data(set->ctx, set->id);
	SSL_CTX_set_client_hello_cb(set->ctx, on_hello, s);
	SSL_CTX_set_alpn_select_cb(set->ctx, on_alpn, NULL);
	if (SSL_CTX_set_session_id_context(set->ctx, set->id, sizeof set->id) != 1 ||
	    !tls_ticket_setup(set->ctx, &s->tickets))
		return fail_at(f, plan->pems[0].place, "no TLS context: %s", tls_queue_reason());
	return true;
}

/* ---- Names to sets ---- */

static int claim_compare(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int order = name_compare(x, y);

	return order ? order : (x->which > y->which) - (x->which < y->which);
}

/* Every name of every certificate, sorted, earlier certificates first. */
static bool claims_collect(struct tls_server *s, const struct tls_cert *certs, unsigned n)
{
	struct slice **lists = ARENA_ARRAY(&s->arena, struct slice *, n);
	unsigned *counts = ARENA_ARRAY(&s->arena, unsigned, n);
	unsigned total = 0;

	if (!lists || !counts)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (!tls_cert_names(certs[i].leaf, &s->arena, &lists[i], &counts[i]))
			return false;
		total += counts[i];
	}
	s->names = ARENA_ARRAY(&s->arena, struct name, total + 1);
	s->sets = ARENA_ARRAY(&s->arena, struct set, total + 1);
	if (!s->names || !s->sets)
		return false;
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < counts[i]; k++)
			s->names[s->names_n++] = (struct name){lists[i][k], i};
	qsort(s->names, s->names_n, sizeof *s->names, claim_compare);
	return true;
}

/* The set of these certificates, new or known. */
static unsigned set_of(struct tls_server *s, const int cert[TLS_KEY_TYPES])
{
	for (unsigned i = 0; i < s->sets_n; i++)
		if (memcmp(s->sets[i].cert, cert, sizeof s->sets[i].cert) == 0)
			return i;
	memcpy(s->sets[s->sets_n].cert, cert, sizeof s->sets[s->sets_n].cert);
	return s->sets_n++;
}

/* Join the claims of one name, from `from` on; the index behind the last of them. */
static unsigned claims_join(const struct tls_server *s, const struct tls_cert *certs, unsigned from, int cert[TLS_KEY_TYPES])
{
	unsigned i = from;

	for (unsigned type = 0; type < TLS_KEY_TYPES; type++)
		cert[type] = -1;
	do {
		int *slot = &cert[certs[s->names[i].which].type];

		if (*slot < 0)
			*slot = (int)s->names[i].which;
	} while (++i < s->names_n && name_compare(&s->names[i], &s->names[from]) == 0);
	return i;
}

/* The first set: what answers with the first certificate, under the first name that has it. */
static void set_first(struct tls_server *s, const struct tls_cert *certs)
{
	int cert[TLS_KEY_TYPES] = {-1, -1, -1};

	cert[certs[0].type] = 0;
	for (unsigned i = 0, next; i < s->names_n; i = next) {
		int joined[TLS_KEY_TYPES];

		next = claims_join(s, certs, i, joined);
		if (joined[certs[0].type] == 0) {
			memcpy(cert, joined, sizeof cert);
			break;
		}
	}
	set_of(s, cert);
}

static void claims_to_names(struct tls_server *s, const struct tls_cert *certs)
{
	unsigned kept = 0;
	int cert[TLS_KEY_TYPES];

	set_first(s, certs);
	for (unsigned i = 0; i < s->names_n;) {
		struct slice text = s->names[i].text;

		i = claims_join(s, certs, i, cert);
		s->names[kept++] = (struct name){text, set_of(s, cert)};
	}
	s->names_n = kept;
}

/* ---- Making, in steps ---- */

/* What is needed until the contexts are there. */
struct making {
	struct tls_server_plan plan;
	struct tls_pem *pems;
	struct tls_demand *demands;
	struct tls_cert *certs;
	unsigned certs_n, sets_n; /* done so far */
	bool joined;              /* names have found their sets */
};

static void making_end(struct tls_server *s)
{
	struct making *m = s->making;

	if (!m)
		return;
	s->making = NULL;
	for (unsigned i = 0; i < m->certs_n; i++)
		tls_cert_done(&m->certs[i]);
	mem_give(NULL, m->certs, (m->plan.pems_n + 1) * sizeof *m->certs);
	mem_give(NULL, m->pems, (m->plan.pems_n + 1) * sizeof *m->pems);
	mem_give(NULL, m->demands, (m->plan.demands_n + 1) * sizeof *m->demands);
	mem_give(NULL, m, sizeof *m);
	tls_queue_clear();
}

static bool making_begin(struct tls_server *s, const struct tls_server_plan *plan)
{
	struct making *m = s->making = mem_take_zeroed(NULL, sizeof *m);

	if (!m)
		return false;
	m->plan = *plan;
	m->certs = mem_take_zeroed(NULL, (plan->pems_n + 1) * sizeof *m->certs);
	m->pems = mem_take_zeroed(NULL, (plan->pems_n + 1) * sizeof *m->pems);
	m->demands = mem_take_zeroed(NULL, (plan->demands_n + 1) * sizeof *m->demands);
	if (!m->certs || !m->pems || !m->demands || !tls_demands_begin(&s->demands, &s->arena, plan))
		return false;
	memcpy(m->pems, plan->pems, plan->pems_n * sizeof *m->pems);
	m->plan.pems = m->pems;
	if (plan->demands_n)
		memcpy(m->demands, plan->demands, plan->demands_n * sizeof *m->demands);
	return true;
}

/* One certificate, one demand, or one context.  MORE also when that was the last. */
static enum tls_made making_step(struct tls_server *s, struct fail *f)
{
	struct making *m = s->making;

	if (m->certs_n < m->plan.pems_n) {
		if (!tls_cert_load(&m->pems[m->certs_n], &m->certs[m->certs_n], f))
			return TLS_NOT_MADE;
		m->certs_n++;
	} else if (s->demands.n < m->plan.demands_n) {
		if (!tls_demand_make(&s->demands, &m->demands[s->demands.n], f))
			return TLS_NOT_MADE;
	} else if (!m->joined) {
		if (!claims_collect(s, m->certs, m->plan.pems_n)) {
			fail_at(f, m->pems[0].place, "out of memory");
			return TLS_NOT_MADE;
		}
		claims_to_names(s, m->certs);
		m->joined = true;
	} else if (m->sets_n < s->sets_n) {
		if (!set_build(s, &s->sets[m->sets_n], &m->plan, m->certs, f))
			return TLS_NOT_MADE;
		m->sets_n++;
	} else {
		making_end(s);
		return TLS_MADE;
	}
	return TLS_MORE_TO_MAKE;
}

enum tls_made tls_server_make(struct tls_server *s, int64_t us, struct fail *f)
{
	int64_t until = loop_clock_us() + us;
	enum tls_made how;

	do
		how = s->making ? making_step(s, f) : TLS_MADE;
	while (how == TLS_MORE_TO_MAKE && (us < 0 || loop_clock_us() < until));
	return how;
}

struct tls_server *tls_server_begin(const struct tls_server_plan *plan, struct fail *f)
{
	struct tls_server *s;

	if (!plan->pems_n) {
		fail_at(f, (struct place){0}, "no certificate; TLS needs at least one");
		return NULL;
	}
	s = mem_take_zeroed(NULL, sizeof *s);
	if (s) {
		s->refs = 1;
		arena_init(&s->arena, NULL, 4096);
		if (tls_ticket_source_init(&s->tickets, plan->tickets) && making_begin(s, plan))
			return s;
		tls_server_free(s);
	}
	fail_at(f, plan->pems[0].place, "out of memory");
	return NULL;
}

struct tls_server *tls_server_new(const struct tls_server_plan *plan, struct fail *f)
{
	struct tls_server *s = tls_server_begin(plan, f);

	if (s && tls_server_make(s, -1, f) == TLS_MADE)
		return s;
	tls_server_free(s);
	return NULL;
}

/* ---- Life ---- */

void tls_server_drop(struct tls_server *s)
{
	if (--s->refs)
		return;
	making_end(s);
	for (unsigned i = 0; i < s->sets_n; i++)
		SSL_CTX_free(s->sets[i].ctx);
	tls_demands_done(&s->demands);
	arena_done(&s->arena);
	tls_ticket_source_done(&s->tickets);
	mem_give(NULL, s, sizeof *s);
}

void tls_server_free(struct tls_server *s)
{
	if (s)
		tls_server_drop(s);
}

struct tls_ticket_source *tls_server_tickets(struct tls_server *s)
{
	return &s->tickets;
}

/* The older server lives on as long as its own connections that were not asked. */
bool tls_still_holds(struct tls *t, struct tls_server *now)
{
	struct tls_server *before = t->server;

	if (before == now)
		return true;
	if (!now || !tls_demand_holds(&now->demands, t))
		return false;
	now->refs++;
	t->server = now;
	tls_server_drop(before);
	return true;
}

void tls_offer_h2(struct tls *t)
{
	t->offers_h2 = true;
}

struct tls *tls_accept(struct tls_server *s, int fd)
{
	struct tls *t = tls_conn_new(s->sets[0].ctx, fd);

	if (!t)
		return NULL;
	SSL_set_accept_state(t->ssl);
	t->server = s;
	s->refs++;
	return t;
}

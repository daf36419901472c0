/* conn.c -- one connection: handshake, bytes in, bytes out.
 *
 * OpenSSL's states are turned into the four the data path knows.  What happens
 * on the socket itself is bio.c's business. */
#include <openssl/err.h>

#include "gateway/base/mem.h"
#include "gateway/loop/loop.h"
#include "gateway/tls/inner.h"

/* Key updates, warnings, and records of a client with a byte or two: work without a request.  A second forgives
 * ODD_PER_SECOND, and so does content. */
enum { ODD_MOST = 100, ODD_PER_SECOND = 100, ODD_BYTES = 4, ODD_FORGIVES = 1024 };

static const char odd_flood[] = "too many records with nothing in them";

static const char suites_12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
				"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
				"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char suites_13[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/* Called once per handshake after the first one: TLS 1.2 calls that renegotiation. */
static void on_state(const SSL *ssl, int where, int ret)
{
	struct tls *t = tls_of(ssl);

	(void)ret;
	if ((where & SSL_CB_HANDSHAKE_START) && t->done)
		t->renegotiated = true;
}

static void on_message(int sent, int version, int kind, const void *at, size_t n, SSL *ssl, void *arg)
{
	(void)version;
	(void)at;
	(void)n;
	(void)arg;
	if (!sent && kind == SSL3_RT_HEADER)
		tls_of(ssl)->records++;
}

SSL_CTX *tls_context_new(bool server, uint64_t min_version)
{
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_clear_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_NO_AUTO_CHAIN |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* With it, a flood of key updates would keep SSL_read from ever returning. */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_info_callback(ctx, on_state);
	SSL_CTX_set_msg_callback(ctx, on_message);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_min_proto_version(ctx, min_version >= TLS1_3_VERSION ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 || SSL_CTX_set_cipher_list(ctx, suites_12) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, suites_13) != 1 || SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

struct tls *tls_conn_new(SSL_CTX *ctx, int fd)
{
	struct tls *t = mem_take_zeroed(NULL, sizeof *t);
	size_t before = tls_memory();
	BIO *bio;

	if (!t)
		return NULL;
	t->fd = fd;
	t->ssl = SSL_new(ctx);
	bio = tls_bio_new(t);
	if (!t->ssl || !bio) {
		SSL_free(t->ssl);
		BIO_free(bio);
		tls_queue_clear();
		mem_give(NULL, t, sizeof *t);
		return NULL;
	}
	SSL_set_bio(t->ssl, bio, bio);
	tls_charge_since(t, before);
	return t;
}

bool tls_session_holds(SSL_SESSION *session)
{
	X509 *peer = SSL_SESSION_get0_peer(session);

	return !peer || X509_cmp_current_time(X509_get0_notAfter(peer)) > 0;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	/* The session stays valid for its ticket although no close_notify may have been seen. */
	SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	tls_queue_clear();
	if (t->server)
		tls_server_drop(t->server);
	if (t->client)
		tls_client_drop(t->client);
	tls_held_drop(t);
	tls_peer_drop(t->peer);
	budget_give(t->budget, t->charged);
	mem_give(NULL, t->sni, t->sni_len);
	mem_give(NULL, t, sizeof *t);
}

static void break_it(struct tls *t)
{
	t->broken = true;
	t->why = tls_reason(t);
}

static enum tls_state handshake(struct tls *t)
{
	int r, error;

	if (t->broken)
		return TLS_BROKEN;
	if (t->done)
		return TLS_DONE;
	t->drained = t->full = false;
	tls_queue_clear();
	r = SSL_do_handshake(t->ssl);
	if (r == 1) {
		t->done = true;
		t->records = 0;
		return TLS_DONE;
	}
	error = SSL_get_error(t->ssl, r);
	if ((error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) && !t->overlong)
		return TLS_AGAIN;
	break_it(t);
	if (t->overlong)
		t->why = "the handshake is larger than any good one";
	if (!t->ended && !t->lost)
		return TLS_BROKEN;
	t->why = "the peer left during the handshake";
	return TLS_CLOSED;
}

enum tls_state tls_handshake(struct tls *t)
{
	size_t before = tls_memory();
	enum tls_state state = handshake(t);

	tls_charge_since(t, before);
	return state;
}

/* The first word of a request line; no TLS record begins with a letter. */
bool tls_was_http(const struct tls *t)
{
	static const char *const starts[] = {"GET /", "POST ", "HEAD ", "PUT /", "PATCH", "DELET",
					     "OPTIO", "TRACE", "CONNE", "PRI *"};

	if (!t->broken || t->done || t->first_n < 5)
		return false;
	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
		if (memcmp(t->first, starts[i], 5) == 0)
			return true;
	return false;
}

void tls_readable(struct tls *t)
{
	t->drained = false;
}

void tls_peer_closed(struct tls *t)
{
	t->peer_closed = true;
	t->drained = false;
}

/* `n` more of them; false when it is too many. */
static bool odd_allowed(struct tls *t, uint32_t n)
{
	int64_t now, forgiven;

	if (!n)
		return true;
	now = loop_clock_us();
	forgiven = (now - t->odd_us) * ODD_PER_SECOND / 1000000;
	if (forgiven > 0) {
		t->odd = forgiven < t->odd ? t->odd - (uint32_t)forgiven : 0;
		t->odd_us = now;
	}
	t->odd += n;
	return t->odd <= ODD_MOST;
}

/* A read has brought `got` bytes.  OpenSSL goes on to the next record as long as it has some at hand, so that one
 * read may have passed hundreds that brought nothing. */
static bool worth_it(struct tls *t, size_t got)
{
	size_t forgiven = got / ODD_FORGIVES;
	uint32_t odd = t->records;

	t->records = 0;
	t->odd = forgiven < t->odd ? t->odd - (uint32_t)forgiven : 0;
	/* An origin may answer as it likes. */
	if (odd && (!t->server || got + (size_t)SSL_pending(t->ssl) > ODD_BYTES))
		odd--;
	return odd_allowed(t, odd);
}

/* Not the socket: a message without application data went by. */
static bool message_is_worth_it(struct tls *t)
{
	/* Whatever it was, it must not be asked about for ever. */
	if (!t->records)
		t->records = 1;
	return !t->renegotiated && worth_it(t, 0);
}

/* The socket is empty, perhaps in the middle of a record: that one is judged when the rest of it is there. */
static bool starving_is_worth_it(struct tls *t)
{
	uint32_t odd = t->records > 1 ? t->records - 1 : 0;

	t->records -= odd;
	return odd_allowed(t, odd);
}

/* A read that brought nothing: 1 try again, otherwise what tls_read answers. */
static ssize_t read_failed(struct tls *t)
{
	switch (SSL_get_error(t->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		if (t->starved ? starving_is_worth_it(t) : message_is_worth_it(t))
			return t->starved ? 0 : 1;
		break_it(t);
		if (!t->renegotiated)
			t->why = odd_flood;
		return -2;
	case SSL_ERROR_WANT_WRITE:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		t->closed = true;
		return -1;
	}
	break_it(t);
	return -2;
}

static ssize_t read_some(struct tls *t, void *at, size_t n)
{
	ssize_t r;
	size_t got;

	if (t->broken || t->closed)
		return t->broken ? -2 : -1;
	/* Saves OpenSSL from taking a record's room only to give it back. */
	if (t->drained && !SSL_has_pending(t->ssl))
		return 0;
	t->full = false;
	tls_queue_clear();
	do {
		t->starved = false;
		if (SSL_read_ex(t->ssl, at, n, &got) == 1) {
			if (worth_it(t, got))
				return (ssize_t)got;
			t->broken = true;
			t->why = odd_flood;
			return -2;
		}
		r = read_failed(t);
	} while (r == 1);
	return r;
}

ssize_t tls_read(struct tls *t, void *at, size_t n)
{
	size_t before = tls_memory();
	ssize_t done = read_some(t, at, n);

	tls_charge_since(t, before);
	return done;
}

static ssize_t write_some(struct tls *t, const void *at, size_t n)
{
	const char *from = at;
	size_t put, sent = 0;
	int error;

	if (t->broken || !n)
		return t->broken ? -2 : 0;
	t->full = false;
	tls_queue_clear();
	while (sent < n) {
		if (SSL_write_ex(t->ssl, from + sent, n - sent, &put) == 1) {
			sent += put;
			continue;
		}
		error = SSL_get_error(t->ssl, 0);
		if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ)
			break;
		break_it(t);
		return -2;
	}
	t->mid_record = sent < n;
	return (ssize_t)sent;
}

ssize_t tls_write(struct tls *t, const void *at, size_t n)
{
	size_t before = tls_memory();
	ssize_t done = write_some(t, at, n);

	tls_charge_since(t, before);
	return done;
}

bool tls_pending(const struct tls *t)
{
	if (t->broken || t->closed)
		return false;
	return !t->drained || (!t->starved && SSL_has_pending(t->ssl));
}

void tls_shutdown(struct tls *t)
{
	/* Once: the second time OpenSSL would read, waiting for the peer's. */
	if (t->broken || !t->done || t->mid_record || (SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN))
		return;
	t->full = false;
	tls_queue_clear();
	SSL_shutdown(t->ssl);
	tls_queue_clear();
}

struct slice tls_sni(const struct tls *t)
{
	return t->has_sni ? slice_make(t->sni, t->sni_len) : SLICE_NONE;
}

struct slice tls_alpn(const struct tls *t)
{
	const unsigned char *at;
	unsigned n;

	SSL_get0_alpn_selected(t->ssl, &at, &n);
	return slice_make((const char *)at, n);
}

const char *tls_version(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

uint16_t tls_version_number(const struct tls *t)
{
	return (uint16_t)SSL_version(t->ssl);
}

const char *tls_cipher(const struct tls *t)
{
	return SSL_get_cipher_name(t->ssl);
}

bool tls_resumed(const struct tls *t)
{
	return SSL_session_reused(t->ssl) == 1;
}

const char *tls_why(const struct tls *t)
{
	return t->why ? t->why : "";
}

/* conn.c -- one connection: handshake, bytes in, bytes out.
 *
 * OpenSSL's states are turned into the four the data path knows.  What happens
 * on the socket itself is bio.c's business. */
#include <openssl/err.h>

#include "gateway/base/mem.h"
#include "gateway/tls/inner.h"

/* Key updates, tickets and empty records in a row; a flood of them is work without a request. */
enum { ODD_MAX = 32 };

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
		return TLS_DONE;
	}
	error = SSL_get_error(t->ssl, r);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return TLS_AGAIN;
	break_it(t);
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

/* A read that brought nothing: 1 try again, otherwise what tls_read answers. */
static ssize_t read_failed(struct tls *t)
{
	switch (SSL_get_error(t->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		if (t->starved)
			return 0;
		/* Not the socket: a message without application data went by. */
		if (!t->renegotiated && ++t->odd <= ODD_MAX)
			return 1;
		break_it(t);
		if (!t->renegotiated)
			t->why = "too many messages without data";
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
			t->odd = 0;
			return (ssize_t)got;
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

/* ticket_test.c -- whose ticket opens which door. */
#include <openssl/rand.h>

#include "gateway/tls/peer.h"

static struct made one, two, renewed;
static struct tls_ticket_keys keys, rotated, foreign;
static SSL_SESSION *last;

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(last);
	last = session;
	return 1;
}

static struct tls_server *worker(const struct tls_ticket_keys *k)
{
	struct tls_pem pems[] = {pem_of(&one), pem_of(&two)};

	return server_of(pems, COUNT(pems), k, 0x0303);
}

/* One connection, with a session to offer or none; what it leaves behind is in `last`. */
static bool visit(struct tls_server *s, SSL_CTX *c, const char *sni, SSL_SESSION *offer, int version)
{
	struct link l;
	bool resumed;
	char b[8];

	link_to_server(&l, s, c, sni);
	SSL_set_min_proto_version(l.theirs, version);
	SSL_set_max_proto_version(l.theirs, version);
	if (offer)
		SSL_set_session(l.theirs, offer);
	link_shake(&l);
	assert_int_equal(l.state, TLS_DONE);
	assert_int_equal(l.their_result, 0);
	assert_int_equal(tls_write(l.ours, "hello", 5), 5);
	assert_int_equal(their_read(&l, b, sizeof b), 5);
	resumed = tls_resumed(l.ours);
	assert_int_equal(resumed, SSL_session_reused(l.theirs));
	tls_shutdown(l.ours);
	SSL_shutdown(l.theirs);
	link_done(&l);
	return resumed;
}

static SSL_CTX *keeper(void)
{
	SSL_CTX *c = their_client();

	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c, on_session);
	return c;
}

static int set_up(void **state)
{
	(void)state;
	one = make((struct recipe){.names = "DNS:a.test,DNS:a2.test"});
	two = make((struct recipe){.names = "DNS:b.test"});
	renewed = make((struct recipe){.names = "DNS:a.test"});
	keys.n = 1;
	RAND_bytes(keys.key[0], TLS_TICKET_BYTES);
	rotated.n = 2;
	RAND_bytes(rotated.key[0], TLS_TICKET_BYTES);
	memcpy(rotated.key[1], keys.key[0], TLS_TICKET_BYTES);
	/* The same name, another secret: as if the name were guessed. */
	foreign.n = 1;
	RAND_bytes(foreign.key[0], TLS_TICKET_BYTES);
	memcpy(foreign.key[0], keys.key[0], 16);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	made_done(&one);
	made_done(&two);
	made_done(&renewed);
	return 0;
}

static void a_ticket_is_good_where_it_was_meant(void **state)
{
	static const struct {
		const char *first, *then;
		const struct tls_ticket_keys *keys;
		bool want;
		const char *says;
	} cases[] = {
		{"a.test", "a.test", &keys, true, "another worker with the same keys"},
		{"a.test", "a.test", &rotated, true, "a key that was rotated out of use, but not away"},
		{"a.test", "a.test", &foreign, false, "other keys under the same name"},
		{"a.test", "a.test", NULL, false, "no keys at all"},
		{"a.test", "b.test", &keys, false, "another site"},
		{"a.test", "a2.test", &keys, false, "another name on the same certificate"},
		{"a.test", NULL, &keys, false, "no name, on the same certificate"},
		{NULL, "a.test", &keys, false, "a name, after none"},
		{NULL, NULL, &keys, true, "no name twice"},
		{"x.test", "y.test", &keys, false, "two names nobody knows"},
		{"A.test", "a.TEST", &keys, true, "one name however it is written"},
	};
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct tls_server *first = worker(&keys);
	SSL_CTX *c = keeper();

	(void)state;
	for (size_t i = 0; i < COUNT(cases) * COUNT(versions); i++) {
		int version = versions[i % COUNT(versions)];
		size_t row = i / COUNT(versions);
		struct tls_server *second = worker(cases[row].keys);
		SSL_SESSION *offer;

		print_message("%s\n", cases[row].says);
		assert_false(visit(first, c, cases[row].first, NULL, version));
		offer = last;
		last = NULL;
		assert_non_null(offer);
		assert_true(SSL_SESSION_has_ticket(offer));
		assert_int_equal(visit(second, c, cases[row].then, offer, version), cases[row].want);
		SSL_SESSION_free(offer);
		SSL_SESSION_free(last);
		last = NULL;
		tls_server_free(second);
	}
	SSL_CTX_free(c);
	tls_server_free(first);
}

static void a_new_certificate_ends_old_sessions(void **state)
{
	struct tls_pem pem = pem_of(&renewed);
	struct tls_server *before = worker(&keys), *after = server_of(&pem, 1, &keys, 0x0303);
	SSL_CTX *c = keeper();

	(void)state;
	visit(before, c, "a.test", NULL, TLS1_3_VERSION);
	assert_non_null(last);
	assert_false(visit(after, c, "a.test", last, TLS1_3_VERSION));
	SSL_SESSION_free(last);
	last = NULL;
	SSL_CTX_free(c);
	tls_server_free(before);
	tls_server_free(after);
}

static void a_resumed_1_3_session_brings_its_successor(void **state)
{
	struct tls_server *s = worker(&keys);
	SSL_CTX *c = keeper();

	(void)state;
	visit(s, c, "a.test", NULL, TLS1_3_VERSION);
	for (int i = 0; i < 3; i++) {
		SSL_SESSION *offer = last;

		last = NULL;
		assert_non_null(offer);
		assert_true(visit(s, c, "a.test", offer, TLS1_3_VERSION));
		SSL_SESSION_free(offer);
	}
	SSL_SESSION_free(last);
	last = NULL;
	SSL_CTX_free(c);
	tls_server_free(s);
}

static void rotation_reaches_a_living_server(void **state)
{
	static const struct tls_ticket_keys none;
	struct tls_server *s = worker(&keys), *apart = worker(&foreign);
	SSL_CTX *c = keeper();
	SSL_SESSION *offer;

	(void)state;
	visit(s, c, "a.test", NULL, TLS1_3_VERSION);
	offer = last;
	last = NULL;
	tls_server_tickets(apart, &none); /* nothing to use: the old ones stay */
	assert_false(visit(apart, c, "a.test", offer, TLS1_3_VERSION));
	tls_server_tickets(apart, &rotated);
	assert_true(visit(apart, c, "a.test", offer, TLS1_3_VERSION));
	/* What it gave out last is under the new first key, which the other does not have. */
	SSL_SESSION_free(offer);
	offer = last;
	last = NULL;
	assert_false(visit(s, c, "a.test", offer, TLS1_3_VERSION));
	SSL_SESSION_free(offer);
	SSL_SESSION_free(last);
	last = NULL;
	SSL_CTX_free(c);
	tls_server_free(s);
	tls_server_free(apart);
}

/* The ticket's bytes are the client's to change. */
static void a_changed_ticket_is_a_full_handshake(void **state)
{
	struct tls_server *s = worker(&keys);
	SSL_CTX *c = keeper();
	SSL_SESSION *good;
	unsigned char *der = NULL;
	const unsigned char *ticket;
	size_t ticket_n;
	int der_n;

	(void)state;
	visit(s, c, "a.test", NULL, TLS1_2_VERSION);
	good = last;
	last = NULL;
	der_n = i2d_SSL_SESSION(good, &der);
	SSL_SESSION_get0_ticket(good, &ticket, &ticket_n);
	assert_true(der_n > 0 && ticket_n > 48);
	for (size_t at = 0; at < ticket_n; at += 13) {
		unsigned char *inside = memmem(der, (size_t)der_n, ticket, ticket_n);
		const unsigned char *p = der;
		SSL_SESSION *bent;

		assert_non_null(inside);
		inside[at] ^= 0x10;
		bent = d2i_SSL_SESSION(NULL, &p, der_n);
		inside[at] ^= 0x10;
		assert_non_null(bent);
		assert_false(visit(s, c, "a.test", bent, TLS1_2_VERSION));
		SSL_SESSION_free(bent);
	}
	assert_true(visit(s, c, "a.test", good, TLS1_2_VERSION));
	SSL_SESSION_free(good);
	OPENSSL_free(der);
	SSL_SESSION_free(last);
	last = NULL;
	SSL_CTX_free(c);
	tls_server_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ticket_is_good_where_it_was_meant),
		cmocka_unit_test(a_new_certificate_ends_old_sessions),
		cmocka_unit_test(a_resumed_1_3_session_brings_its_successor),
		cmocka_unit_test(rotation_reaches_a_living_server),
		cmocka_unit_test(a_changed_ticket_is_a_full_handshake),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

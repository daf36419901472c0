/* starve_test.c -- a client's handshake and a few words, with every allocation of our side failing once.
 *
 * Nearly all of them are OpenSSL's own.  Whatever is missing: the handshake fails or the words come over; the
 * next client is served as ever, and nothing is lost. */
#include "peer.h"

#include "tests/unit/starve.h"

static struct made made;
static SSL_CTX *client;
static const struct tls_tickets tickets = {.secret = SLICE("the same on every node, 32 bytes."), .period_ms = 3600000};

static int set_up(void **state)
{
	(void)state;
	made = make((struct recipe){.names = "DNS:a.test"});
	client = their_client();
	return client == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	SSL_CTX_free(client);
	made_done(&made);
	return 0;
}

static unsigned long left;

/* Our side's turn. */
static void ours(bool now)
{
	if (now) {
		starve_countdown = left;
	} else {
		left = starve_countdown;
		starve_countdown = 0;
	}
}

static bool talk(struct tls_server *s)
{
	static const char words[] = "some words";
	char got[64];
	struct link l;
	bool over = false, back = false;
	ssize_t n;

	link_sockets(&l);
	ours(true);
	l.ours = tls_accept(s, l.fd[0]);
	ours(false);
	if (!l.ours) {
		close(l.fd[0]);
		close(l.fd[1]);
		return false;
	}
	l.theirs = SSL_new(client);
	SSL_set_fd(l.theirs, l.fd[1]);
	SSL_set_connect_state(l.theirs);
	SSL_set_tlsext_host_name(l.theirs, "a.test");
	for (int i = 0; i < 12 && l.state == TLS_AGAIN; i++) {
		their_step(&l);
		ours(true);
		l.state = tls_handshake(l.ours);
		ours(false);
	}
	if (l.state == TLS_DONE && l.their_result == -1)
		their_step(&l);
	if (l.state == TLS_DONE && l.their_result == 0 && SSL_write(l.theirs, words, sizeof words) == sizeof words) {
		ours(true);
		tls_readable(l.ours);
		n = tls_read(l.ours, got, sizeof got);
		over = n == sizeof words && !memcmp(got, words, sizeof words);
		back = over && tls_write(l.ours, words, sizeof words) == sizeof words;
		ours(false);
		if (back)
			assert_int_equal(their_read(&l, got, sizeof got), sizeof words);
	}
	ours(true);
	tls_shutdown(l.ours);
	tls_free(l.ours);
	ours(false);
	l.ours = NULL;
	link_done(&l);
	return back;
}

static void a_handshake(void **state)
{
	const struct tls_pem pem = pem_of(&made);
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct tls_server *s = server_of(&pem, 1, &tickets, 0x0303);

	(void)state;
	for (size_t v = 0; v < COUNT(versions); v++) {
		unsigned long n = 1;

		SSL_CTX_set_min_proto_version(client, versions[v]);
		SSL_CTX_set_max_proto_version(client, versions[v]);
		left = 0;
		assert_true(talk(s));
		for (;; n++) {
			starve_at(n);
			left = n;
			starve_countdown = 0;
			talk(s);
			if (!starved())
				break;
			/* Nobody who comes later suffers. */
			if (n % 16 == 0) {
				left = 0;
				if (!talk(s))
					fail_msg("TLS %s: after allocation %lu nobody is served", v ? "1.3" : "1.2", n);
			}
			assert_true(n < 5000);
		}
		print_message("TLS %s: %lu allocations\n", v ? "1.3" : "1.2", n - 1);
	}
	tls_server_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handshake),
	};

	peer_unused();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* client_test.c -- origins are believed only when they prove their name. */
#include "gateway/tls/peer.h"

static struct made authority, stranger;

static int set_up(void **state)
{
	(void)state;
	authority = make((struct recipe){.ca = true});
	stranger = make((struct recipe){.ca = true, .common_name = "somebody else"});
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	made_done(&authority);
	made_done(&stranger);
	return 0;
}

static struct tls_client *client_of(const char *ca_pem, bool verify)
{
	struct tls_client_plan plan = {slice_of(ca_pem), verify};
	struct fail f = {0};
	struct tls_client *c = tls_client_new(&plan, &f);

	assert_non_null(c);
	fail_done(&f);
	return c;
}

static SSL_CTX *origin(const struct made *m)
{
	SSL_CTX *s = SSL_CTX_new(TLS_server_method());

	SSL_CTX_set_security_level(s, 0);
	assert_int_equal(SSL_CTX_use_certificate(s, m->x509), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(s, m->pkey), 1);
	return s;
}

static void link_to_origin(struct link *l, struct tls_client *c, SSL_CTX *s, const char *name)
{
	link_sockets(l);
	l->ours = tls_connect(c, l->fd[0], slice_of(name));
	assert_non_null(l->ours);
	l->theirs = SSL_new(s);
	SSL_set_fd(l->theirs, l->fd[1]);
	SSL_set_accept_state(l->theirs);
}

static void an_origin_proves_its_name(void **state)
{
	static const struct {
		struct recipe origin;
		const struct made *issuer;
		const char *name;
		bool verify;
		const char *why; /* NULL: accepted */
		const char *says;
	} cases[] = {
		{{.names = "DNS:o.test"}, &authority, "o.test", true, NULL, "the right one"},
		{{.names = "DNS:o.test"}, &authority, "O.TEST.", true, NULL, "written otherwise"},
		{{.names = "DNS:*.o.test"}, &authority, "x.o.test", true, NULL, "a wildcard"},
		{{.names = "DNS:*.o.test"}, &authority, "x.y.o.test", true, "hostname mismatch", "is not for two labels"},
		{{.names = "DNS:x*.o.test"}, &authority, "xy.o.test", true, "hostname mismatch", "nor for part of one"},
		{{.names = "DNS:o.test"}, &authority, "p.test", true, "hostname mismatch", "another name"},
		{{.common_name = "o.test"}, &authority, "o.test", true, "hostname mismatch", "the common name proves nothing"},
		{{.names = "DNS:o.test"}, &stranger, "o.test", true, "unable to get local issuer certificate", "an unknown authority"},
		{{.names = "DNS:o.test"}, NULL, "o.test", true, "self-signed certificate", "no authority at all"},
		{{.names = "DNS:o.test", .from_days = -9, .to_days = -1}, &authority, "o.test", true, "certificate has expired", "expired"},
		{{.names = "DNS:o.test", .from_days = 2}, &authority, "o.test", true, "certificate is not yet valid", "not yet valid"},
		{{.names = "DNS:o.test", .key = "RSA1024"}, &authority, "o.test", true, "EE certificate key too weak", "a weak key"},
		{{.names = "IP:127.0.0.1"}, &authority, "127.0.0.1", true, NULL, "an address"},
		{{.names = "IP:2001:db8::7"}, &authority, "2001:db8::7", true, NULL, "an address of version 6"},
		{{.names = "IP:127.0.0.2"}, &authority, "127.0.0.1", true, "IP address mismatch", "another address"},
		{{.names = "DNS:127.0.0.1"}, &authority, "127.0.0.1", true, "IP address mismatch", "an address is no DNS name"},
		{{.names = "DNS:p.test"}, NULL, "o.test", false, NULL, "the operator turned it off"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct recipe r = cases[i].origin;
		struct tls_client *c = client_of(authority.certificate, cases[i].verify);
		struct made m;
		struct link l;
		SSL_CTX *s;

		print_message("%s\n", cases[i].says);
		r.issuer = cases[i].issuer;
		m = make(r);
		s = origin(&m);
		link_to_origin(&l, c, s, cases[i].name);
		link_shake(&l);
		assert_int_equal(l.state, cases[i].why ? TLS_BROKEN : TLS_DONE);
		if (cases[i].why) {
			assert_string_equal(tls_why(l.ours), cases[i].why);
			assert_int_equal(tls_write(l.ours, "secret", 6), -2);
		} else {
			assert_int_equal(tls_write(l.ours, "hello", 5), 5);
		}
		link_done(&l);
		SSL_CTX_free(s);
		tls_client_free(c);
		made_done(&m);
	}
}

static void an_origin_may_be_trusted_by_itself(void **state)
{
	struct made m = make((struct recipe){.names = "DNS:o.test"});
	struct tls_client *c = client_of(m.certificate, true);
	SSL_CTX *s = origin(&m);
	struct link l;

	(void)state;
	link_to_origin(&l, c, s, "o.test");
	link_shake(&l);
	assert_int_equal(l.state, TLS_DONE);
	link_done(&l);
	SSL_CTX_free(s);
	tls_client_free(c);
	made_done(&m);
}

static void old_versions_are_refused(void **state)
{
	struct made m = make((struct recipe){.names = "DNS:o.test", .issuer = &authority});
	struct tls_client *c = client_of(authority.certificate, true);
	SSL_CTX *s = origin(&m);
	struct link l;

	(void)state;
	SSL_CTX_set_min_proto_version(s, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(s, TLS1_1_VERSION);
	link_to_origin(&l, c, s, "o.test");
	link_shake(&l);
	assert_int_equal(l.state, TLS_BROKEN);
	link_done(&l);
	SSL_CTX_free(s);
	tls_client_free(c);
	made_done(&m);
}

static void names_go_into_sni_and_addresses_do_not(void **state)
{
	static const struct { const char *name, *sni; } cases[] = {{"o.test", "o.test"}, {"127.0.0.1", NULL}, {"::1", NULL}};
	struct made m = make((struct recipe){.names = "DNS:o.test,IP:127.0.0.1,IP:::1", .issuer = &authority});
	struct tls_client *c = client_of(authority.certificate, true);
	SSL_CTX *s = origin(&m);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct link l;
		const char *got;

		link_to_origin(&l, c, s, cases[i].name);
		their_step(&l);
		l.state = tls_handshake(l.ours);
		their_step(&l);
		got = SSL_get_servername(l.theirs, TLSEXT_NAMETYPE_host_name);
		if (cases[i].sni)
			assert_string_equal(got, cases[i].sni);
		else
			assert_null(got);
		link_done(&l);
	}
	SSL_CTX_free(s);
	tls_client_free(c);
	made_done(&m);
}

static void sessions_are_kept_by_name(void **state)
{
	static const struct { const char *name; bool resumed; const char *says; } cases[] = {
		{"o.test", false, "the first time"},
		{"o.test", true, "the second time"},
		{"p.test", false, "another name"},
		{"o.test", true, "the first name again"},
		{"p.test", true, "and the other"},
	};
	struct made m = make((struct recipe){.names = "DNS:o.test,DNS:p.test", .issuer = &authority});
	struct tls_client *c = client_of(authority.certificate, true), *strict = client_of(stranger.certificate, true);
	SSL_CTX *s = origin(&m);
	struct link l;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char b[8];

		print_message("%s\n", cases[i].says);
		link_to_origin(&l, c, s, cases[i].name);
		link_shake(&l);
		assert_int_equal(l.state, TLS_DONE);
		assert_int_equal(tls_resumed(l.ours), cases[i].resumed);
		SSL_write(l.theirs, "hi", 2);
		tls_readable(l.ours);
		assert_int_equal(tls_read(l.ours, b, sizeof b), 2);
		tls_shutdown(l.ours);
		link_done(&l);
	}
	/* What one client verified is nothing to another. */
	link_to_origin(&l, strict, s, "o.test");
	link_shake(&l);
	assert_int_equal(l.state, TLS_BROKEN);
	link_done(&l);
	SSL_CTX_free(s);
	tls_client_free(c);
	tls_client_free(strict);
	made_done(&m);
}

static void bad_names_and_stores_are_refused(void **state)
{
	static const struct { const char *pem; } bad[] = {
		{"not a certificate"},
		{"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
		{"-----BEGIN CERTIFICATE-----\nMIIB"},
	};
	struct tls_client *c = client_of(authority.certificate, true);
	char name[300];

	(void)state;
	memset(name, 'a', sizeof name);
	assert_null(tls_connect(c, 0, SLICE("")));
	assert_null(tls_connect(c, 0, SLICE(".")));
	assert_null(tls_connect(c, 0, slice_make("a\0b", 3)));
	assert_null(tls_connect(c, 0, slice_make(name, sizeof name)));
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct tls_client_plan plan = {slice_of(bad[i].pem), true};
		struct fail f = {0};

		assert_null(tls_client_new(&plan, &f));
		assert_int_equal(f.errors, 1);
		fail_done(&f);
	}
	assert_int_equal(ERR_peek_error(), 0);
	tls_client_free(c);
}

static void the_systems_store_is_read_at_once(void **state)
{
	char path[] = "/tmp/portcullis-ca-XXXXXX";
	int fd = mkstemp(path);
	struct made m = make((struct recipe){.names = "DNS:o.test", .issuer = &authority});
	struct tls_client_plan missing = {SLICE_NONE, true};
	struct fail f = {0};
	struct tls_client *c;
	SSL_CTX *s = origin(&m);
	struct link l;

	(void)state;
	assert_int_equal(write(fd, authority.certificate, strlen(authority.certificate)), strlen(authority.certificate));
	close(fd);
	setenv("SSL_CERT_FILE", path, 1);
	c = client_of(NULL, true);
	unlink(path); /* as if the process had lost its files */
	link_to_origin(&l, c, s, "o.test");
	link_shake(&l);
	assert_int_equal(l.state, TLS_DONE);
	link_done(&l);
	assert_null(tls_client_new(&missing, &f));
	assert_int_equal(f.errors, 1);
	unsetenv("SSL_CERT_FILE");
	fail_done(&f);
	SSL_CTX_free(s);
	tls_client_free(c);
	made_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_origin_proves_its_name),
		cmocka_unit_test(an_origin_may_be_trusted_by_itself),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(names_go_into_sni_and_addresses_do_not),
		cmocka_unit_test(sessions_are_kept_by_name),
		cmocka_unit_test(bad_names_and_stores_are_refused),
		cmocka_unit_test(the_systems_store_is_read_at_once),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

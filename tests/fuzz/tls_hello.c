/* tls_hello.c -- fuzz: what a client sends before it has proven anything is answered alike however it is split, opens
 * nothing, and the host it names is the one that a plain reading of RFC 8446 finds there.
 *
 * By that host, and no other, a certificate is asked for.  What OpenSSL does with the bytes is OpenSSL's business. */
#include <ctype.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "fuzz.h"
#include "gateway/base/hosts.h"
#include "gateway/tls/tls.h"

enum { MOST = 1 << 15 };

static struct tls_demand demands[] = {{.id = "first"}, {.id = "second", .required = true}};
/* In the order of a table. */
static const struct tls_demand_host hosts[] = {{SLICE("*"), -1}, {SLICE(".b.test"), 1}, {SLICE("a.test"), 0}};

/* ---- A server ---- */

static struct slice text_of(BIO *bio)
{
	char *at;
	long n = BIO_get_mem_data(bio, &at);

	return slice_make(at, (size_t)n);
}

static struct tls_server *make_server(void)
{
	static BIO *certificate, *secret; /* whose text is borrowed */
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:a.test,DNS:*.b.test");
	struct tls_pem pem = {.place = {"test.yaml", 1, 1}};
	struct tls_server_plan plan = {.pems = &pem, .pems_n = 1, .min_version = 0x0303, .demands = demands, .demands_n = 2,
				       .hosts = hosts, .hosts_n = FUZZ_COUNT(hosts)};
	struct tls_server *s;
	struct fail f = {0};

	certificate = BIO_new(BIO_s_mem());
	secret = BIO_new(BIO_s_mem());
	MUST(certificate && secret && key && x && names && X509_set_version(x, X509_VERSION_3));
	MUST(X509_gmtime_adj(X509_getm_notBefore(x), -86400) && X509_gmtime_adj(X509_getm_notAfter(x), 86400));
	MUST(X509_set_pubkey(x, key) && X509_add_ext(x, names, -1) && X509_sign(x, key, EVP_sha256()));
	MUST(PEM_write_bio_X509(certificate, x) && PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL));
	pem.certificate = demands[0].ca_pem = demands[1].ca_pem = text_of(certificate);
	pem.key = text_of(secret);
	s = tls_server_new(&plan, &f);
	MUST(s);
	X509_EXTENSION_free(names);
	X509_free(x);
	EVP_PKEY_free(key);
	return s;
}

/* ---- A plain reading ---- */

static size_t number(struct slice *s, size_t digits)
{
	size_t n = 0;

	for (size_t i = 0; i < digits; i++)
		n = n << 8 | (i < s->len ? (unsigned char)s->at[i] : 0);
	*s = slice_after(*s, digits < s->len ? digits : s->len);
	return n;
}

/* What stands behind a length of so many bytes. */
static struct slice vector(struct slice *s, size_t digits)
{
	size_t n = number(s, digits);
	struct slice v = slice_first(*s, n < s->len ? n : s->len);

	*s = slice_after(*s, v.len);
	return v;
}

/* The host of a hello, lower case, in `out`; at NULL: it names none, or is none.  Where nobody refuses it, that is what
 * it says. */
static struct slice read_host(struct slice in, char *out)
{
	static char joined[MOST];
	struct slice hello, list, name = SLICE_NONE;
	size_t n = 0;

	while (in.len) {
		bool handshake = number(&in, 1) == 22; /* and no alert */
		struct slice part;

		number(&in, 2);
		part = vector(&in, 2);
		if (handshake && part.len)
			memcpy(joined + n, part.at, part.len);
		n += handshake ? part.len : 0;
	}
	hello = slice_make(joined, n);
	if (number(&hello, 1) != 1)
		return name;
	hello = vector(&hello, 3);
	hello = slice_after(hello, hello.len < 34 ? hello.len : 34); /* version and random bytes */
	vector(&hello, 1); /* session */
	vector(&hello, 2); /* suites */
	vector(&hello, 1); /* compression */
	for (hello = vector(&hello, 2); hello.len;) {
		size_t type = number(&hello, 2);
		struct slice one = vector(&hello, 2);

		if (type)
			continue;
		list = vector(&one, 2);
		number(&list, 1);
		name = vector(&list, 2);
	}
	name.len -= slice_ends(name, SLICE("."));
	for (size_t i = 0; i < name.len; i++)
		out[i] = ascii_lower(name.at[i]);
	return name.len ? slice_make(out, name.len) : SLICE_NONE;
}

/* ---- Both ---- */

struct said {
	enum tls_state state;
	char host[256];
	struct slice sni;
	const uint8_t *demanded;
	bool http, answered;
};

static void check(const struct said *s, struct slice in)
{
	static char want[MOST];
	struct slice host = read_host(in, want);
	unsigned i = hosts_find(hosts, FUZZ_COUNT(hosts), sizeof *hosts, s->sni.len ? s->sni : SLICE("*"));

	if (s->sni.at || s->answered)
		MUST(slice_eq(s->sni, host));
	if (s->answered)
		MUST((s->demanded != NULL) == (hosts[i].demand >= 0));
	if (s->demanded)
		MUST(hosts[i].demand >= 0 && !memcmp(s->demanded, demands[hosts[i].demand].id, TLS_DEMAND_ID));
	MUST(!s->http || (s->state == TLS_BROKEN && isupper((unsigned char)in.at[0])));
}

static void send_step(struct tls *t, int fd, struct slice *in, size_t step, struct said *out)
{
	ssize_t n = in->len ? send(fd, in->at, in->len < step ? in->len : step, MSG_NOSIGNAL) : 0;

	*in = slice_after(*in, n > 0 ? (size_t)n : in->len);
	tls_readable(t);
	out->state = tls_handshake(t);
	MUST(out->state != TLS_DONE && !tls_peer(t));
	MUST(out->state != TLS_BROKEN || tls_why(t)[0]);
}

/* All of it, in pieces of `step` bytes; then the client is gone. */
static void shake(struct tls_server *s, struct slice in, size_t step, struct said *out)
{
	char reply;
	int fd[2];
	struct tls *t;

	*out = (struct said){.state = TLS_AGAIN};
	MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd));
	t = tls_accept(s, fd[0]);
	MUST(t);
	while (in.len && out->state == TLS_AGAIN)
		send_step(t, fd[1], &in, step, out);
	out->answered = out->state == TLS_AGAIN && recv(fd[1], &reply, 1, MSG_PEEK) == 1;
	out->demanded = tls_demanded(t);
	out->http = tls_was_http(t);
	out->sni = tls_sni(t);
	if (out->sni.at)
		out->sni = slice_make(memcpy(out->host, out->sni.at, out->sni.len), out->sni.len);
	if (out->state == TLS_AGAIN) {
		struct said end;

		shutdown(fd[1], SHUT_WR);
		tls_peer_closed(t);
		send_step(t, fd[1], &in, step, &end);
		MUST(end.state != TLS_AGAIN);
	}
	tls_free(t);
	close(fd[0]);
	close(fd[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct tls_server *server;
	struct fuzz_in in = fuzz_in(bytes, n);
	size_t step = 1 + fuzz_below(&in, 700);
	struct said whole, split;

	if (!server)
		server = make_server();
	if (n > MOST)
		return 0;
	shake(server, in.rest, MOST, &whole);
	shake(server, in.rest, step, &split);
	check(&whole, in.rest);
	MUST(whole.state == split.state && whole.http == split.http && whole.answered == split.answered);
	MUST(whole.demanded == split.demanded && slice_eq(whole.sni, split.sni) && !whole.sni.at == !split.sni.at);
	return 0;
}

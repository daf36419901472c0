/* bed.h -- a directory with certificates, policies and a portcullis.yaml, read into a fixed image. */
#ifndef PORTCULLIS_TESTS_CONFIG_BED_H
#define PORTCULLIS_TESTS_CONFIG_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/config/config.h"

#define ROWS(table) (sizeof(table) / sizeof *(table))
#define LISTEN "listeners: [{address: '127.0.0.1:8080', serve: http}]\n"
#define SITE "sites:\n  a: {hosts: a.example, origin: 'http://10.0.0.1'}\n"

#define assert_slice(have, want)                                                                        \
	do {                                                                                            \
		struct slice have_ = (have), want_ = slice_of(want);                                    \
		if (!slice_eq(have_, want_))                                                            \
			fail_msg("\"%.*s\" is not \"%.*s\"", SLICE_F(have_), SLICE_F(want_));           \
	} while (0)

enum { IMAGE = 8 << 20 };

static char folder[64]; /* of this test program; made by bed_make */

static inline const char *in_folder(const char *name)
{
	static char path[4][256];
	static unsigned turn;
	char *at = path[turn++ % 4];

	snprintf(at, sizeof path[0], "%s/%s", folder, name);
	return at;
}

static inline void put_file(const char *name, const char *text, mode_t mode)
{
	FILE *out = fopen(in_folder(name), "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, strlen(text), out), strlen(text));
	fclose(out);
	assert_int_equal(chmod(in_folder(name), mode), 0);
}

/* NAME.pem and NAME.key that belong together. */
static inline void put_certificate(const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	char file[64];
	FILE *out;

	assert_non_null(key);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 90 * 86400);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	snprintf(file, sizeof file, "%s.pem", name);
	out = fopen(in_folder(file), "w");
	assert_int_equal(PEM_write_X509(out, x), 1);
	fclose(out);
	snprintf(file, sizeof file, "%s.key", name);
	out = fopen(in_folder(file), "w");
	assert_int_equal(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(out);
	chmod(in_folder(file), 0600);
	snprintf(file, sizeof file, "%s.locked", name);
	out = fopen(in_folder(file), "w");
	assert_int_equal(PEM_write_PrivateKey(out, key, EVP_aes_128_cbc(), (const unsigned char *)"pass", 4, NULL, NULL), 1);
	fclose(out);
	chmod(in_folder(file), 0600);
	X509_free(x);
	EVP_PKEY_free(key);
}

struct bed {
	char *map;
	struct arena image, secret;
	struct config *config;
	struct config_secrets *secrets;
	struct fail fail;
};

/* Read portcullis.yaml of the folder, as the loader does: into memory of its own. */
static inline void bed_reread(struct bed *b)
{
	memset(b, 0, sizeof *b);
	b->map = mmap(NULL, IMAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(b->map, MAP_FAILED);
	arena_init_fixed(&b->image, b->map, IMAGE);
	arena_init(&b->secret, NULL, 4096);
	b->config = config_read(in_folder("portcullis.yaml"), &b->image, &b->secret, &b->secrets, NULL, &b->fail);
}

static inline void bed_read(struct bed *b, const char *text)
{
	put_file("portcullis.yaml", text, 0644);
	bed_reread(b);
}

static inline void bed_done(struct bed *b)
{
	fail_done(&b->fail);
	arena_done(&b->secret);
	munmap(b->map, IMAGE);
}

static inline int bed_make(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/config_test.XXXXXX");
	assert_non_null(mkdtemp(folder));
	mkdir(in_folder("policies"), 0755);
	mkdir(in_folder("empty"), 0755);
	mkdir(in_folder("bare"), 0755);
	mkdir(in_folder("bare/rules"), 0755);
	mkdir(in_folder("crs"), 0755);
	mkdir(in_folder("crs/rules"), 0755);
	put_file("bare/rules/a.conf", "# none\n", 0644);
	put_file("crs/rules/a.conf", "# none\n", 0644);
	put_file("crs/crs-setup.conf.example", "# none\n", 0644);
	put_certificate("one");
	put_certificate("two");
	put_file("secret", "0123456789abcdef0123456789abcdef", 0600);
	put_file("short", "0123456789abcdef", 0600);
	put_file("open", "0123456789abcdef0123456789abcdef", 0644);
	put_file("password", "p@ss word\r\n", 0600);
	put_file("lines", "one\ntwo\n", 0600);
	put_file("nothing", "\n", 0600);
	put_file("policies/plain.yaml", "policy: plain\nwaf: {mode: off}\n", 0644);
	put_file("policies/rules.yaml",
		 "policy: rules\nrules:\n  - {id: a, when: 'path under \"/admin\" and ip not in [198.51.100.0/24]', do: block 404}\n"
		 "  - {id: b, when: 'header.user-agent matches r\"^curl\"', do: block 403}\nwaf: {mode: off}\n", 0644);
	put_file("policies/waf.yaml", "policy: waf\nwaf: {mode: detect}\n", 0644);
	put_file("policies/misnamed.yaml", "policy: other\nwaf: {mode: off}\n", 0644);
	put_file("policies/broken.yaml", "policy: broken\nruels: []\n", 0644);
	return 0;
}

static inline int bed_remove(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

#endif

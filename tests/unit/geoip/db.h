/* db.h -- for the tests of this folder: databases made on the spot, and where the public ones are. */
#ifndef PORTCULLIS_TESTS_GEOIP_DB_H
#define PORTCULLIS_TESTS_GEOIP_DB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "geoip/geoip.h"
#include "geoip/mmdb_write.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* A file of the public test data; the path in static memory, or NULL when it is not there. */
static inline const char *data_file(const char *name)
{
	static char path[512];
	const char *root = getenv("PORTCULLIS_DATA");

	snprintf(path, sizeof path, "%s/%s", root ? root : "../shared/data", name);
	if (access(path, R_OK) == 0)
		return path;
	print_message("skipped: no %s\n", path);
	return NULL;
}

static inline unsigned __int128 number_of(const char *text)
{
	struct addr a;
	unsigned __int128 n = 0;

	assert_true(addr_parse(slice_of(text), &a));
	for (unsigned i = addr_is_v4(&a) ? 12 : 0; i < 16; i++)
		n = n << 8 | a.b[i];
	return n;
}

static inline int memory_file(const void *at, size_t n)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, at, n), n);
	return fd;
}

/* Two countries, IPv4 and IPv6. */
static inline struct buf small_database(unsigned record_bits)
{
	struct mmdb_about about = {"Test-Country", "a test", 1782362039, record_bits};
	struct mmdb *m = mmdb_new();
	uint32_t de, kp;
	struct buf out;

	assert_non_null(m);
	de = mmdb_value(m, "DE", "EU");
	kp = mmdb_value(m, "KP", "AS");
	assert_true(de && kp);
	assert_int_equal(mmdb_put(m, number_of("1.2.3.0"), number_of("1.2.3.255"), de), MMDB_PUT_DONE);
	assert_int_equal(mmdb_put(m, number_of("1.2.4.0"), number_of("1.2.7.9"), de), MMDB_PUT_DONE);
	assert_int_equal(mmdb_put(m, number_of("8.0.0.0"), number_of("15.255.255.255"), kp), MMDB_PUT_DONE);
	assert_int_equal(mmdb_put(m, number_of("2400::"), number_of("2400:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), kp), MMDB_PUT_DONE);
	assert_int_equal(mmdb_put(m, number_of("2a00::1"), number_of("2a00::1"), de), MMDB_PUT_DONE);
	buf_init(&out, NULL);
	assert_true(mmdb_write(m, &about, &out));
	mmdb_free(m);
	return out;
}

static inline struct geoip_place look(const struct geoip *g, const char *text)
{
	struct geoip_place place;
	struct addr a;

	assert_true(addr_parse(slice_of(text), &a));
	geoip_lookup(g, &a, &place);
	return place;
}

#endif

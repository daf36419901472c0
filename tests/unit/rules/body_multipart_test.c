/* body_multipart_test.c -- multipart/form-data in the one form that all readers share. */
#include "bed.h"
#include "rules/body.h"

#define PART "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
#define END "--X--\r\n"
#define HEAD(lines) "--X\r\n" lines "\r\n\r\n1\r\n" END

static struct guard guard;
static const struct body_limits limits = {100, 8, 3};

static int open_bed(void **state)
{
	(void)state;
	guard_open(&guard, 4096);
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	guard_close(&guard);
	return 0;
}

static void forms(void **state)
{
	static const struct {
		struct slice in;
		bool fine;
		const char *says;
	} rows[] = {
		{B(PART END), true, "one part"},
		{B(PART "--X--"), true, "no line end behind the last boundary"},
		{B(PART PART PART END), true, "as many parts as allowed"},
		{B("--X--\r\n"), true, "no part at all"},
		{B("--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n" END), true, "an empty part"},
		{B(HEAD("Content-Disposition: form-data; name=\"f\"; filename=\"x.png\"\r\nContent-Type: image/png")), true, "a file"},
		{B(HEAD("content-disposition: form-data; name=f")), true, "a name without quotes"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: binary")), true, "no encoding"},
		{B("--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n-- X --X\r\n\r\n" END), true, "dashes in the data"},
		{B("preamble\r\n" PART END), false, "data before"},
		{B("\r\n" PART END), false, "a line end before"},
		{B(PART END "more"), false, "data after"},
		{B(PART "--X-- \r\n"), false, "a space behind the last boundary"},
		{B(PART), false, "no last boundary"},
		{B(PART "--X"), false, "a last boundary without its dashes"},
		{B("--X\nContent-Disposition: form-data; name=\"a\"\n\n1\n--X--\n"), false, "bare line feeds"},
		{B("--X\r\nContent-Disposition: form-data; name=\"a\"\n\r\n\r\n1\r\n" END), false, "one bare line feed"},
		{B("--XY\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--XY--"), false, "a longer boundary"},
		{B("--X \r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n" END), false, "a space behind a boundary"},
		{B("--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" END), false, "no line end before the boundary"},
		{B(HEAD("X: y")), false, "no Content-Disposition"},
		{B("--X\r\n\r\n1\r\n" END), false, "no headers"},
		{B(HEAD("Content-Disposition: attachment; name=\"a\"")), false, "another disposition"},
		{B(HEAD("Content-Disposition: form-data")), false, "no name"},
		{B(HEAD("Content-Disposition: form-data; filename=\"a\"")), false, "only a file name"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"; name=\"b\"")), false, "two names"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"; filename=\"b\"; filename=\"c\"")), false, "two file names"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"; filename*=utf-8''x")), false, "filename*"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"; NAME=\"b\"")), false, "a name in other case"},
		{B(HEAD("Content-Disposition: form-data; name=a;filename=")), false, "an empty value"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\\\"b\"")), false, "an escaped quote"},
		{B(HEAD("Content-Disposition: form-data; name='a'; x='")), false, "an unknown parameter"},
		{B(HEAD("Content-Disposition: form-data; name=\"a")), false, "a quote that does not end"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\" b")), false, "something behind a value"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\0b\"")), false, "NUL in a header"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\rb\"")), false, "a bare CR in a header"},
		{B(HEAD("Content-Disposition: form-data;\r\n name=\"a\"")), false, "a folded header"},
		{B(HEAD("Content-Disposition : form-data; name=\"a\"")), false, "a space before the colon"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"")), false, "a header twice"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64")), false, "base64"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: quoted-printable")), false, "quoted-printable"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=utf-7")), false, "a charset"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain\r\nContent-Type: text/html")), false, "two types"},
		{B("--X\r\nContent-Disposition: form-data; name=\"_charset_\"\r\n\r\nutf-7\r\n" END), false, "_charset_"},
		{B("--X\r\nContent-Disposition: form-data; name=\"_charset_\"\r\n\r\nUTF-8\r\n" END), true, "_charset_ that changes nothing"},
		{B(PART PART PART PART END), false, "one part too many"},
		{B("x"), false, "one byte"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct body_fault f = body_multipart(guard_put(&guard, rows[i].in), SLICE("X"), &limits);

		if (!f.why != rows[i].fine)
			fail_msg("%s (%s)", rows[i].says, f.why ? f.why : "taken");
	}
}

static void a_bound_is_told_from_a_mistake(void **state)
{
	(void)state;
	assert_true(body_multipart(SLICE(PART PART PART PART END), SLICE("X"), &limits).too_much);
	assert_false(body_multipart(SLICE(PART PART), SLICE("X"), &limits).too_much);
}

static void every_cut_is_refused(void **state)
{
	static const struct slice whole = B(PART PART "--X--");

	(void)state;
	for (size_t n = 0; n < whole.len; n++)
		assert_non_null(body_multipart(guard_put(&guard, slice_first(whole, n)), SLICE("X"), &limits).why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(a_bound_is_told_from_a_mistake),
		cmocka_unit_test(every_cut_is_refused),
	};

	return cmocka_run_group_tests(tests, open_bed, close_bed);
}

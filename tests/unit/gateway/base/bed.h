/* bed.h -- what the tests of the lowest floor share. */
#ifndef PORTCULLIS_TESTS_BASE_BED_H
#define PORTCULLIS_TESTS_BASE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/slice.h"
#include "guard.h"

/* Bytes of a literal, NULs inside included. */
#define B(literal) {literal, sizeof(literal) - 1}
#define ROWS(table) (sizeof(table) / sizeof *(table))

#define assert_slice(have, want)                                                                        \
	do {                                                                                            \
		struct slice have_ = (have), want_ = (want);                                            \
		if (!slice_eq(have_, want_))                                                            \
			fail_msg("\"%.*s\" is not \"%.*s\"", SLICE_F(have_), SLICE_F(want_));           \
	} while (0)

#endif

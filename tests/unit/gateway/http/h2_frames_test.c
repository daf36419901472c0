/* h2_frames_test.c -- frame heads, and what is remembered of streams. */
#include "bed.h"
#include "gateway/http/h2.h"

static void a_head_is_read(void **state)
{
	static const struct {
		const char at[16];
		uint32_t peek;
		struct h2_frame want;
	} cases[] = {
		{"\x00\x00\x00\x04\x01\x00\x00\x00\x00", 9, {.type = H2_SETTINGS, .flags = H2_ACK}},
		{"\x00\x40\x00\x00\x01\x00\x00\x00\x03", 9, {.length = 16384, .type = H2_DATA, .flags = 1, .stream = 3}},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9,
		 {.length = 16777215, .type = 255, .flags = 255, .stream = 0x7fffffff}},
		{"\x00\x00\x00\x00\x01\x00\x00\x00\x01", 9, {.type = H2_DATA, .flags = 1, .stream = 1, .blank = true}},
		{"\x00\x00\x05\x02\x00\x00\x00\x00\x09\x80\x00\x00\x07\xff", 14,
		 {.length = 5, .type = H2_PRIORITY, .stream = 9, .parent = 7}},
		{"\x00\x00\x04\x02\x00\x00\x00\x00\x09\x80\x00\x00\x07\xff", 9, {.length = 4, .type = H2_PRIORITY, .stream = 9}},
		{"\x00\x00\x0a\x00\x08\x00\x00\x00\x01\x09", 10,
		 {.length = 10, .type = H2_DATA, .flags = H2_PADDED, .stream = 1, .blank = true}},
		{"\x00\x00\x0b\x00\x08\x00\x00\x00\x01\x09", 10, {.length = 11, .type = H2_DATA, .flags = H2_PADDED, .stream = 1}},
		{"\x00\x00\x00\x00\x08\x00\x00\x00\x01", 9, {.type = H2_DATA, .flags = H2_PADDED, .stream = 1, .blank = true}},
	};
	struct h2_frame got;
	struct guard guard;

	(void)state;
	guard_open(&guard, 4096);
	for (size_t i = 0; i < ROWS(cases); i++) {
		const struct h2_frame *want = &cases[i].want;
		const char *at = guard_put(&guard, slice_make(cases[i].at, cases[i].peek)).at;

		assert_int_equal(h2_peek(at), cases[i].peek);
		h2_frame_read(at, &got);
		if (got.length != want->length || got.type != want->type || got.flags != want->flags ||
		    got.stream != want->stream || got.blank != want->blank || got.parent != want->parent)
			fail_msg("row %zu is misread", i);
	}
	guard_close(&guard);
}

static void the_fate_of_a_stream_is_remembered(void **state)
{
	struct h2_fates f = {0};

	(void)state;
	assert_int_equal(h2_fate_of(&f, 1), H2_UNUSED);
	h2_fate_set(&f, 5, H2_OPEN);
	assert_int_equal(h2_fate_of(&f, 1), H2_UNUSED);
	assert_int_equal(h2_fate_of(&f, 3), H2_UNUSED);
	assert_int_equal(h2_fate_of(&f, 5), H2_OPEN);
	assert_int_equal(h2_fate_of(&f, 7), H2_UNUSED);
	h2_fate_set(&f, 9, H2_OPEN);
	h2_fate_set(&f, 5, H2_RESET);
	h2_fate_set(&f, 9, H2_CLOSED);
	assert_int_equal(h2_fate_of(&f, 5), H2_RESET);
	assert_int_equal(h2_fate_of(&f, 7), H2_UNUSED);
	assert_int_equal(h2_fate_of(&f, 9), H2_CLOSED);
}

/* The same by hand, for streams that come in any order that a connection allows. */
static void any_sequence_is_remembered_as_far_as_it_is_said(void **state)
{
	enum { IDS = 4000 };
	static uint8_t model[IDS + 1];
	uint32_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		struct h2_fates f = {0};
		uint32_t newest = 0;

		memset(model, H2_UNUSED, sizeof model);
		for (unsigned step = 0; step < 400; step++) {
			uint32_t id;

			seed = seed * 1103515245 + 12345;
			if (seed >> 16 & 1 || !newest) {
				id = newest + (newest ? 2 : 1) + ((seed >> 20) % (round % 8 == 7 ? 700 : 5)) * 2;
				if (id > IDS)
					break;
				newest = id;
				model[id] = H2_OPEN;
				h2_fate_set(&f, id, H2_OPEN);
			} else {
				id = (seed >> 18) % (newest + 1) | 1;
				if (id > newest || model[id] != H2_OPEN)
					continue;
				model[id] = seed >> 17 & 1 ? H2_CLOSED : H2_RESET;
				h2_fate_set(&f, id, (enum h2_fate)model[id]);
			}
			for (id = 1; id <= newest; id += 2)
				assert_int_equal(h2_fate_of(&f, id), newest - id >= 2 * H2_FATES ? H2_OLD : model[id]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_is_read),
		cmocka_unit_test(the_fate_of_a_stream_is_remembered),
		cmocka_unit_test(any_sequence_is_remembered_as_far_as_it_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

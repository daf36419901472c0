/* admit_test.c -- what the head alone decides about content. */
#include "bed.h"

#include "rules/admit.h"

static struct arena arena;

static void heads(void **state)
{
	static const char *const form = "application/x-www-form-urlencoded";
	static const struct {
		const char *says;
		enum policy_mode mode;
		const char *type, *type2, *coding;
		uint64_t length;             /* 0 with chunked: unknown */
		bool chunked;
		enum policy_inspect how;
		bool by_entry;
		const char *types;
		enum reason refused;         /* NONE: let in */
		bool inspect;
	} rows[] = {
		{"no content", POLICY_ENFORCE, NULL, NULL, NULL, 0, false, POLICY_INSPECT_FULL, false, "", REASON_NONE, false},
		{"a form", POLICY_ENFORCE, form, NULL, NULL, 10, false, POLICY_INSPECT_FULL, false, "", REASON_NONE, true},
		{"a chunked form", POLICY_ENFORCE, form, NULL, NULL, 0, true, POLICY_INSPECT_FULL, false, "", REASON_NONE, true},
		{"no type", POLICY_ENFORCE, NULL, NULL, NULL, 10, false, POLICY_INSPECT_FULL, false, "", REASON_BODY_TYPE, false},
		{"two types", POLICY_ENFORCE, form, "text/plain", NULL, 10, false, POLICY_INSPECT_FULL, false, "", REASON_BODY_INVALID, false},
		{"two types, other order", POLICY_ENFORCE, "text/plain", form, NULL, 10, false, POLICY_INSPECT_FULL, false, "", REASON_BODY_INVALID, false},
		{"a text", POLICY_ENFORCE, "text/plain", NULL, NULL, 10, false, POLICY_INSPECT_FULL, false, "", REASON_NONE, true},
		{"a listed text", POLICY_ENFORCE, "text/plain", NULL, NULL, 10, false, POLICY_INSPECT_FULL, true, "text/plain", REASON_NONE, true},
		{"bytes of no kind", POLICY_ENFORCE, "application/octet-stream", NULL, NULL, 10, false, POLICY_INSPECT_FULL, false, "", REASON_BODY_TYPE, false},
		{"a type that is none", POLICY_ENFORCE, "application/json, text/plain", NULL, NULL, 10, false, POLICY_INSPECT_FULL, false, "", REASON_BODY_TYPE, false},
		{"a listed type", POLICY_ENFORCE, "image/png", NULL, NULL, 10, false, POLICY_INSPECT_FULL, true, "image/png", REASON_NONE, false},
		{"an unlisted type", POLICY_ENFORCE, form, NULL, NULL, 10, false, POLICY_INSPECT_FULL, true, "image/png", REASON_BODY_TYPE, false},
		{"an unlisted type where no WAF is", POLICY_OFF, form, NULL, NULL, 10, false, POLICY_INSPECT_FULL, true, "image/png", REASON_BODY_TYPE, false},
		{"any type where no WAF is", POLICY_OFF, "text/plain", NULL, NULL, 10, false, POLICY_INSPECT_FULL, false, "", REASON_NONE, false},
		{"a charset", POLICY_ENFORCE, "application/json; charset=utf-16", NULL, NULL, 10, false, POLICY_INSPECT_FULL, false, "", REASON_BODY_TYPE, false},
		{"gzip", POLICY_ENFORCE, form, NULL, "gzip", 10, false, POLICY_INSPECT_FULL, false, "", REASON_NONE, true},
		{"gzip twice", POLICY_ENFORCE, form, NULL, "gzip, gzip", 10, false, POLICY_INSPECT_FULL, false, "", REASON_BODY_TYPE, false},
		{"compress", POLICY_ENFORCE, form, NULL, "compress", 10, false, POLICY_INSPECT_FULL, false, "", REASON_BODY_TYPE, false},
		{"compress that nobody looks into", POLICY_ENFORCE, "image/png", NULL, "compress", 10, false, POLICY_INSPECT_FULL, true, "image/png", REASON_NONE, false},
		{"identity", POLICY_ENFORCE, form, NULL, "identity", 10, false, POLICY_INSPECT_FULL, false, "", REASON_NONE, true},
		{"too long", POLICY_ENFORCE, form, NULL, NULL, 1001, false, POLICY_INSPECT_FULL, false, "", REASON_BODY_TOO_LARGE, false},
		{"as long as allowed", POLICY_ENFORCE, form, NULL, NULL, 1000, false, POLICY_INSPECT_FULL, false, "", REASON_NONE, true},
		{"inspect: head", POLICY_ENFORCE, "text/plain", NULL, "gzip", 1001, false, POLICY_INSPECT_HEAD, false, "", REASON_NONE, false},
		{"inspect: head, too long for its entry", POLICY_ENFORCE, "text/plain", NULL, NULL, 1001, false, POLICY_INSPECT_HEAD, true, "", REASON_BODY_TOO_LARGE, false},
		{"detect refuses no type", POLICY_DETECT, "text/plain", NULL, "gzip", 10, false, POLICY_INSPECT_FULL, false, "", REASON_NONE, true},
		{"detect refuses not two", POLICY_DETECT, form, "text/plain", NULL, 10, false, POLICY_INSPECT_FULL, false, "", REASON_NONE, true},
		{"detect refuses no length", POLICY_DETECT, form, NULL, NULL, 1001, false, POLICY_INSPECT_FULL, false, "", REASON_NONE, false},
		{"an entry holds in detect mode", POLICY_DETECT, form, NULL, NULL, 1001, false, POLICY_INSPECT_FULL, true, "", REASON_BODY_TOO_LARGE, false},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct request req = {.body = rows[i].chunked ? HTTP_BODY_CHUNKED : HTTP_BODY_LENGTH, .content_length = rows[i].length};
		struct policy_waf plan = {.mode = rows[i].mode, .inspect = rows[i].how, .body_max = 1000,
					  .body_by_entry = rows[i].by_entry, .body_types = slice_of(rows[i].types)};
		struct admission a;

		arena_init(&arena, NULL, 1024);
		if (rows[i].type)
			fields_add(&req.fields, &arena, SLICE("content-type"), slice_of(rows[i].type));
		if (rows[i].type2)
			fields_add(&req.fields, &arena, SLICE("content-type"), slice_of(rows[i].type2));
		if (rows[i].coding)
			fields_add(&req.fields, &arena, SLICE("content-encoding"), slice_of(rows[i].coding));
		a = admit(&req, &plan);
		if (a.refuse != (rows[i].refused != REASON_NONE) || (a.refuse && (a.reason != rows[i].refused || !a.why)) ||
		    (!a.refuse && a.inspect != rows[i].inspect))
			fail_msg("%s: %s", rows[i].says, a.refuse ? a.why : "let in");
		/* Content that nobody inspects although a WAF is on is always counted. */
		if (!a.refuse && a.content && !a.inspect && rows[i].mode != POLICY_OFF)
			assert_non_null(a.unseen);
		arena_done(&arena);
	}
}

/* What streams is not read; what an entry says of it holds. */
static void calls(void **state)
{
	static const struct {
		const char *says;
		enum policy_mode mode;
		bool by_entry;
		const char *types;
		uint64_t length;
		enum reason refused;
	} rows[] = {
		{"a call", POLICY_ENFORCE, false, "", 0, REASON_NONE},
		{"however long", POLICY_ENFORCE, false, "", 5000, REASON_NONE},
		{"in detect mode", POLICY_DETECT, false, "", 0, REASON_NONE},
		{"an entry lists it", POLICY_ENFORCE, true, "application/grpc", 0, REASON_NONE},
		{"an entry lists others", POLICY_ENFORCE, true, "image/png", 0, REASON_BODY_TYPE},
		{"longer than its entry", POLICY_ENFORCE, true, "", 5000, REASON_BODY_TOO_LARGE},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct request req = {.body = rows[i].length ? HTTP_BODY_LENGTH : HTTP_BODY_CHUNKED, .content_length = rows[i].length};
		struct policy_waf plan = {.mode = rows[i].mode, .inspect = POLICY_INSPECT_FULL, .body_max = 1000,
					  .body_by_entry = rows[i].by_entry, .body_types = slice_of(rows[i].types)};
		struct admission a;

		arena_init(&arena, NULL, 1024);
		fields_add(&req.fields, &arena, SLICE("content-type"), SLICE("application/grpc"));
		a = admit_call(&req, &plan);
		if (a.refuse != (rows[i].refused != REASON_NONE) || (a.refuse && a.reason != rows[i].refused))
			fail_msg("%s: %s", rows[i].says, a.refuse ? a.why : "let in");
		if (!a.refuse && (a.inspect || !a.unseen || !a.listed))
			fail_msg("%s: read, or not counted", rows[i].says);
		arena_done(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(heads), cmocka_unit_test(calls)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

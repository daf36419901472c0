/* reply.c -- reading replies with hiredis, without trusting the other end.
 *
 * hiredis 0.14 passes array sizes as int, 1.x as size_t and with more kinds of
 * reply (RESP3); we never say HELLO 3, so those kinds are refused. */
#include "gateway/redis/reply.h"

#include <hiredis/hiredis.h>

#if HIREDIS_MAJOR >= 1
typedef size_t array_size;
#else
typedef int array_size;
#endif

static const char too_large[] = "a reply is larger than this client takes";

/* Where the value of `task` goes: into its parent's list, or a new root. */
static struct redis_value *place(const redisReadTask *task, struct replies *in)
{
	if (task->parent)
		return &((struct redis_value *)task->parent->obj)->at[task->idx];
	return ARENA_NEW(&in->arena, struct redis_value);
}

static bool charge(struct replies *in, size_t n)
{
	if (n > REPLY_BYTES - in->used) {
		in->why = too_large;
		return false;
	}
	in->used += n;
	return true;
}

static void *make_text(const redisReadTask *task, char *at, size_t len)
{
	struct replies *in = task->privdata;
	struct redis_value *v;

	if (task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_STATUS && task->type != REDIS_REPLY_ERROR) {
		in->why = "a reply is of a kind that was not asked for";
		return NULL;
	}
	if (!charge(in, len))
		return NULL;
	v = place(task, in);
	if (!v)
		return NULL;
	v->kind = task->type == REDIS_REPLY_STRING ? REDIS_STRING
		  : task->type == REDIS_REPLY_STATUS ? REDIS_STATUS : REDIS_ERROR;
	v->text = arena_copy(&in->arena, slice_make(at, len));
	return v->text.at ? v : NULL;
}

static void *make_array(const redisReadTask *task, array_size n)
{
	struct replies *in = task->privdata;
	struct redis_value *v;
	unsigned depth = 1;

	for (const redisReadTask *up = task->parent; up; up = up->parent)
		depth++;
	if (task->type != REDIS_REPLY_ARRAY) {
		in->why = "a reply is of a kind that was not asked for";
		return NULL;
	}
	if ((uint64_t)n > REPLY_ELEMENTS || depth > REPLY_DEPTH) {
		in->why = "a reply has more elements or levels than this client takes";
		return NULL;
	}
	if (!charge(in, (size_t)n * sizeof *v))
		return NULL;
	v = place(task, in);
	if (!v)
		return NULL;
	v->kind = REDIS_ARRAY;
	v->n = (unsigned)n;
	v->at = n ? ARENA_ARRAY(&in->arena, struct redis_value, n) : NULL;
	return v->at || !n ? v : NULL;
}

static void *make_integer(const redisReadTask *task, long long number)
{
	struct replies *in = task->privdata;
	struct redis_value *v = place(task, in);

	if (v) {
		v->kind = REDIS_INT;
		v->integer = number;
	}
	return v;
}

static void *make_nil(const redisReadTask *task)
{
	struct replies *in = task->privdata;
	struct redis_value *v = place(task, in);

	if (v)
		v->kind = REDIS_NIL;
	return v;
}

#if HIREDIS_MAJOR >= 1
static void *refuse_double(const redisReadTask *task, double number, char *at, size_t len)
{
	(void)number;
	return make_text(task, at, len);
}

static void *refuse_bool(const redisReadTask *task, int is)
{
	(void)is;
	return make_text(task, NULL, 0);
}
#endif

/* Values go with the arena. */
static void leave_object(void *object)
{
	(void)object;
}

static redisReplyObjectFunctions makers = {
	.createString = make_text,
	.createArray = make_array,
	.createInteger = make_integer,
	.createNil = make_nil,
#if HIREDIS_MAJOR >= 1
	.createDouble = refuse_double,
	.createBool = refuse_bool,
#endif
	.freeObject = leave_object,
};

bool replies_init(struct replies *in, struct budget *budget)
{
	*in = (struct replies){.budget = budget};
	/* hiredis takes its buffer from the plain heap: charge what it can grow to. */
	if (!budget_take(budget, REPLY_BUFFER))
		return false;
	in->reader = redisReaderCreateWithFunctions(&makers);
	if (!in->reader) {
		budget_give(budget, REPLY_BUFFER);
		return false;
	}
	in->reader->privdata = in;
	/* Keep the buffer, which is charged: to give it back hiredis takes another, and asserts that it gets one. */
	in->reader->maxbuf = 0;
	arena_init(&in->arena, budget, 4096);
	return true;
}

void replies_done(struct replies *in)
{
	if (!in->reader)
		return;
	redisReaderFree(in->reader);
	in->reader = NULL;
	arena_done(&in->arena);
	budget_give(in->budget, REPLY_BUFFER);
}

bool replies_feed(struct replies *in, const char *at, size_t n)
{
	size_t unread = in->reader->len - in->reader->pos;

	/* An unfinished value stays in hiredis's buffer whole; the check comes before it grows. */
	if (n > REPLY_FEED || unread > REPLY_BYTES) {
		in->why = too_large;
		return false;
	}
	if (redisReaderFeed(in->reader, at, n) != REDIS_OK) {
		in->why = "memory for a reply is used up";
		return false;
	}
	return true;
}

enum reply_found replies_next(struct replies *in, const struct redis_value **out)
{
	void *whole = NULL;

	/* Empty between two replies; between two pieces of one, its values are still being made. */
	if (in->reader->ridx < 0 && in->used) {
		arena_done(&in->arena);
		in->used = 0;
	}
	if (redisReaderGetReply(in->reader, &whole) != REDIS_OK) {
		if (!in->why)
			in->why = in->reader->err == REDIS_ERR_OOM ? "memory for a reply is used up"
								    : "bytes that are not RESP";
		return REPLY_BAD;
	}
	if (!whole)
		return REPLY_NONE;
	/* Counts the root, and marks the arena for emptying. */
	in->used += sizeof(struct redis_value);
	*out = whole;
	return REPLY_WHOLE;
}

/* spool.c -- held content, and what it is charged to. */
#include "gateway/proxy/spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/base/metric.h"

void spool_init(struct spool *s, struct budget *memory, struct budget *quota)
{
	*s = (struct spool){.quota = quota, .fd = -1};
	buf_init(&s->memory, memory);
}

static bool write_all(int fd, struct slice bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.at, bytes.len);

		if (n <= 0)
			return false;
		bytes = slice_after(bytes, (size_t)n);
	}
	return true;
}

/* Room in the file for so many more bytes. */
static enum reason charge(struct spool *s, uint64_t n)
{
	/* What is there besides of this client, and how much of it is not this content. */
	uint64_t all = s->share ? *s->share + n : 0, others = s->share ? *s->share - s->charged : 0;

	if (others && s->quota->limit && all > s->quota->limit / SPOOL_SHARES) {
		metric_count(METRIC_SPOOL_SHARE);
		return REASON_SPOOL_SHARE;
	}
	if (!budget_take(s->quota, n))
		return REASON_SPOOL_FULL;
	s->charged += n;
	if (s->share)
		*s->share += n;
	return REASON_NONE;
}

static void uncharge(struct spool *s)
{
	budget_give(s->quota, s->charged);
	if (s->share)
		*s->share -= s->charged;
	s->charged = 0;
}

static enum reason no_file(struct spool *s)
{
	metric_count(METRIC_DESCRIPTORS);
	uncharge(s);
	return REASON_DESCRIPTORS;
}

/* Move to a file: from here on memory holds nothing. */
static enum reason spill(struct spool *s)
{
	enum reason why = charge(s, s->len);

	if (why)
		return why;
	s->fd = memfd_create("portcullis-body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0)
		return no_file(s);
	if (!write_all(s->fd, buf_slice(&s->memory)))
		return REASON_MEMORY_WORKER;
	buf_done(&s->memory);
	return REASON_NONE;
}

void spool_own(struct spool *s, uint64_t *share)
{
	s->share = share;
}

enum reason spool_put(struct spool *s, struct slice bytes)
{
	enum reason why = REASON_NONE;

	if (s->fd < 0 && s->len + bytes.len <= SPOOL_MEMORY && !budget_is_tight(s->memory.budget)) {
		if (!buf_put_slice(&s->memory, bytes))
			return REASON_MEMORY_CONNECTION;
		s->len += bytes.len;
		return REASON_NONE;
	}
	if (s->fd < 0)
		why = spill(s);
	if (!why)
		why = charge(s, bytes.len);
	if (why)
		return why;
	s->len += bytes.len;
	return write_all(s->fd, bytes) ? REASON_NONE : REASON_MEMORY_WORKER;
}

bool spool_close(struct spool *s)
{
	return s->fd < 0 || fcntl(s->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

enum reason spool_replace(struct spool *s, int fd, uint64_t len)
{
	enum reason why;

	spool_done(s);
	why = charge(s, len);
	s->fd = !why && len ? fd : -1;
	s->len = why ? 0 : len;
	if (s->fd < 0 && fd >= 0)
		close(fd);
	return why;
}

void spool_held(const struct spool *s, struct held *out)
{
	*out = (struct held){.memory = buf_slice(&s->memory), .fd = s->fd, .len = s->len};
}

ssize_t spool_read(const struct spool *s, uint64_t offset, void *at, size_t n)
{
	if (offset >= s->len)
		return 0;
	if (s->fd >= 0)
		return pread(s->fd, at, n, (off_t)offset);
	if (n > s->len - offset)
		n = (size_t)(s->len - offset);
	memcpy(at, s->memory.at + s->memory.start + offset, n);
	return (ssize_t)n;
}

void spool_done(struct spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
	uncharge(s);
	buf_done(&s->memory);
	s->fd = -1;
	s->len = 0;
}

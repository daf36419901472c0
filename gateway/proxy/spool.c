/* spool.c -- held request bodies. */
#include "gateway/proxy/spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* Move to a file: from here on memory holds nothing. */
static bool spill(struct spool *s)
{
	if (!budget_take(s->quota, s->len))
		return false;
	s->fd = memfd_create("portcullis-body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0 || !write_all(s->fd, buf_slice(&s->memory))) {
		budget_give(s->quota, s->len);
		if (s->fd >= 0)
			close(s->fd);
		s->fd = -1;
		return false;
	}
	buf_done(&s->memory);
	return true;
}

bool spool_put(struct spool *s, struct slice bytes)
{
	if (s->fd < 0 && s->len + bytes.len <= SPOOL_MEMORY) {
		if (!buf_put_slice(&s->memory, bytes))
			return false;
		s->len += bytes.len;
		return true;
	}
	if (s->fd < 0 && !spill(s))
		return false;
	if (!budget_take(s->quota, bytes.len))
		return false;
	s->len += bytes.len;
	return write_all(s->fd, bytes);
}

bool spool_close(struct spool *s)
{
	return s->fd < 0 || fcntl(s->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

bool spool_replace(struct spool *s, int fd, uint64_t len)
{
	bool room;

	spool_done(s);
	room = budget_take(s->quota, len);
	s->fd = room && len ? fd : -1;
	s->len = room ? len : 0;
	if (s->fd < 0 && fd >= 0)
		close(fd);
	return room;
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
	if (s->fd >= 0) {
		close(s->fd);
		budget_give(s->quota, s->len);
	}
	buf_done(&s->memory);
	s->fd = -1;
	s->len = 0;
}

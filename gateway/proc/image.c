/* image.c -- building and mapping images. */
#include "gateway/proc/image.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Far from where the kernel puts programs, heaps and libraries, and from AddressSanitizer's shadow. */
static const uintptr_t bases[] = {[IMAGE_CONFIG] = 0x200000000000, [IMAGE_SECRETS] = 0x280000000000};

enum { MAGIC = 0x50434c49 };
static const size_t room = (size_t)1 << 30;

static void *base_of(enum image_kind kind, unsigned slot)
{
	return (void *)(bases[kind] + slot % IMAGE_SLOTS * room);
}

struct image_head {
	uint32_t magic, kind;
	uint64_t size;
	const void *root;
};

bool image_begin(struct image *i, enum image_kind kind, unsigned slot, int fd)
{
	struct image_head *head;

	*i = (struct image){.fd = fd, .size = room};
	if (ftruncate(fd, (off_t)room) < 0)
		return false;
	i->base = mmap(base_of(kind, slot), room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, 0);
	if (i->base == MAP_FAILED)
		return false;
	arena_init_fixed(&i->arena, i->base, room);
	head = arena_take_zeroed(&i->arena, sizeof *head);
	head->magic = MAGIC;
	head->kind = kind;
	return true;
}

bool image_end(struct image *i, const void *root)
{
	struct image_head *head = i->base;
	long page = sysconf(_SC_PAGESIZE);
	size_t used = (size_t)(i->arena.next - (char *)i->base);

	used = (used + (size_t)page - 1) / (size_t)page * (size_t)page;
	head->root = root;
	head->size = used;
	return munmap(i->base, room) == 0 && ftruncate(i->fd, (off_t)used) == 0;
}

bool image_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

const void *image_map(enum image_kind kind, unsigned slot, int fd)
{
	const struct image_head *head;
	struct stat st;
	void *base;

	if (fstat(fd, &st) < 0 || (size_t)st.st_size < sizeof *head)
		return NULL;
	base = mmap(base_of(kind, slot), (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0);
	if (base == MAP_FAILED)
		return NULL;
	head = base;
	if (base != base_of(kind, slot) || head->magic != MAGIC || head->kind != kind || head->size != (uint64_t)st.st_size) {
		munmap(base, (size_t)st.st_size);
		return NULL;
	}
	return head->root;
}

void image_unmap(enum image_kind kind, unsigned slot)
{
	const struct image_head *head = base_of(kind, slot);

	munmap(base_of(kind, slot), head->size);
}

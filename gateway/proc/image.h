/* image.h -- memory that one process builds and others map, at the same address, sealed.
 *
 * The configuration is built once, by the loader, into an arena over a memory
 * file.  Because everyone maps it at the address it was built at, its pointers
 * hold everywhere; nothing in it may point outside it, and it holds no code.
 * Each generation has a slot of addresses, so that those that requests still use
 * are mapped beside the newest. */
#ifndef PORTCULLIS_PROC_IMAGE_H
#define PORTCULLIS_PROC_IMAGE_H

#include "gateway/base/arena.h"

/* Two images of one generation: what everybody may read, and what only workers get. */
enum image_kind { IMAGE_CONFIG, IMAGE_SECRETS };

/* A slot is used again after so many generations. */
enum { IMAGE_SLOTS = 4096 };

struct image {
	int fd;
	void *base;
	size_t size;
	struct arena arena; /* while it is being built */
};

/* Begin to build in memory file `fd` (freshly made, sealable). */
bool image_begin(struct image *i, enum image_kind kind, unsigned slot, int fd);
/* Note the root, cut the file to what was used and unmap it.  The maker of the file seals it. */
bool image_end(struct image *i, const void *root);
/* No byte of the file can change any more. */
bool image_seal(int fd);
/* Map a finished image; its root, or NULL when it is none of ours, or its slot is in use here. */
const void *image_map(enum image_kind kind, unsigned slot, int fd);
/* Unmap what image_map gave. */
void image_unmap(enum image_kind kind, unsigned slot);

#endif

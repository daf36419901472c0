/* spawn.h -- starting a role: fork, give it exactly its descriptors, exec.
 *
 * A role finds its descriptors at fixed numbers from SPAWN_FIRST on, in the
 * order given; nothing else but 0, 1 and 2 is open in it. */
#ifndef PORTCULLIS_PROC_SPAWN_H
#define PORTCULLIS_PROC_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

enum { SPAWN_FIRST = 3, SPAWN_MOST = 512 };

/* The new process, or -1.  A descriptor of -1 leaves its number closed. */
pid_t spawn(const char *program, const char *const *argv, const int *fds, unsigned fds_n);

/* As many descriptors as the hard limit allows. */
void spawn_more_files(void);

#endif

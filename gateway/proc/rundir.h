/* rundir.h -- where the sockets of one running gateway are found by the commands that talk to it.
 *
 * Several gateways may run on one machine: each has a directory of its own, named by its
 * configuration's path.  As root that is /run/portcullis/<name>/, for anybody else
 * ${XDG_RUNTIME_DIR:-/tmp}/portcullis-<uid>/<name>/; <name> is the first 16 hexadecimal digits of the
 * SHA-256 over the path, made absolute by its text alone.  A link is not followed: who exchanges the
 * file behind the path still finds the gateway. */
#ifndef PORTCULLIS_PROC_RUNDIR_H
#define PORTCULLIS_PROC_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>

enum { RUNDIR_PATH = 108 }; /* bytes: room for what a socket's address can hold */

/* The path of `name` in the directory of the gateway that runs `config_path`, as this process's
 * effective user would have it.  "" is the directory itself.  False: it does not fit into `room`
 * bytes, or the working directory cannot be named. */
bool rundir_path(const char *config_path, const char *name, char *out, size_t room);
/* Make the directory, mode 0755, and those above it that are ours.  What is there already must be a
 * directory of this user that nobody else may write into.  False after a line on stderr. */
bool rundir_make(const char *config_path);

#endif

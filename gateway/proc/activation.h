/* activation.h -- listening sockets that a service manager opened before this process began.
 *
 * The protocol of sd_listen_fds(3), by hand: LISTEN_FDS sockets from descriptor 3
 * on, meant for the process LISTEN_PID.  Names (LISTEN_FDNAMES) are not looked at:
 * a socket belongs to the listener of the same address and port.  A listener
 * without one is opened as always. */
#ifndef PORTCULLIS_PROC_ACTIVATION_H
#define PORTCULLIS_PROC_ACTIVATION_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"

/* Once, before anything else is opened.  Takes the variables out of the environment.  False after a line on
 * stderr: a descriptor that is no listening TCP socket. */
bool activation_open(void);

/* The socket of that address, or -1.  It stays ours: duplicate it.  All duplicates are one queue of connections,
 * so whoever polls one must be able to find it empty. */
int activation_find(const struct addr *address, uint16_t port);

/* All listeners have asked.  False after a line on stderr: a socket was passed that none of them names, and clients
 * who connect to it would wait for ever. */
bool activation_end(void);

#endif

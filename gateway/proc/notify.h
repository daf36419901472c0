/* notify.h -- telling a service manager how the gateway is.
 *
 * The protocol of sd_notify(3), by hand: each message is one datagram of
 * KEY=value lines to the socket that NOTIFY_SOCKET names.  Without that variable
 * every call here does nothing.  It is not a log: what is said is for the manager
 * and for `systemctl status`.  Only the supervisor speaks. */
#ifndef PORTCULLIS_PROC_NOTIFY_H
#define PORTCULLIS_PROC_NOTIFY_H

#include <stdint.h>

/* Once, before the first child is started.  Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the
 * environment, so that no child finds where to speak. */
void notify_open(void);

/* It serves; also the end of a reload.  The words are what `systemctl status` shows. */
void notify_ready(const char *status, ...) __attribute__((format(printf, 1, 2)));
/* A reload has begun; notify_ready ends it, whether it was taken or refused. */
void notify_reloading(void);
/* It is going down and asks for so much time before it is killed. */
void notify_stopping(int64_t most_ms);
/* A sign of life; call it as often as you like.  One is sent when a third of the manager's patience has
 * passed, none if it does not watch.  `now_us` is monotonic. */
void notify_alive(int64_t now_us);

#endif

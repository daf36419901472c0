/* control.h -- what the supervisor and a worker tell each other, as datagrams on one SOCK_SEQPACKET pair.
 *
 * A generation is put into force in two phases: every worker prepares it and says
 * READY, one tries it, and only then all are told to commit; or all to forget it.
 * A worker that starts is given the generation in force in the same way. */
#ifndef PORTCULLIS_PROC_CONTROL_H
#define PORTCULLIS_PROC_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

/* To a worker. */
enum control_order {
	CONTROL_PREPARE = 'P', /* make the generation whose descriptors come along */
	CONTROL_TRY = 'T',     /* walk known attacks and a clean request through it */
	CONTROL_COMMIT = 'C',
	CONTROL_FORGET = 'F',
	CONTROL_ADOPT = 'A',   /* accept for another slot too, whose worker is not there: its listeners come along */
	CONTROL_RETURN = 'R',  /* that worker is there again */
	CONTROL_DRAIN = 'D',   /* no new connections, end when the last is gone */
};

/* From a worker: one of these, and for the refusals a line that says why. */
enum control_word {
	CONTROL_PREPARED = 'p',
	CONTROL_REFUSED = 'r',   /* it cannot be made here */
	CONTROL_TRIED = 't',
	CONTROL_UNSAFE = 'u',    /* an attack passed, or the clean request did not */
	CONTROL_COMMITTED = 'c', /* it serves */
};

/* The descriptors of a generation: those that are there, in this order, then the doors of its inspectors, then
 * its listeners. */
enum control_fd {
	CONTROL_IMAGE,
	CONTROL_SECRETS,
	CONTROL_WAF,        /* the inspection page and this worker's ends of the lanes */
	CONTROL_LANE_SMALL,
	CONTROL_LANE_BIG,
	CONTROL_COUNTRY,
	CONTROL_ASN,
	CONTROL_PARTS
};

enum {
	CONTROL_LISTENERS = 64,
	CONTROL_DOORS = 64,
	CONTROL_FDS = CONTROL_PARTS + CONTROL_DOORS + CONTROL_LISTENERS,
	CONTROL_TEXT = 512
};

struct control_message {
	char what;           /* enum control_order, enum control_word */
	bool keep_queue;     /* of PREPARE: the inspection queue of the generation in force serves this one too */
	uint16_t parts;      /* of PREPARE: bit by enum control_fd */
	uint16_t doors;      /* of PREPARE */
	uint16_t listeners;  /* of PREPARE and ADOPT */
	uint32_t slot;       /* of PREPARE: where its images are mapped; of ADOPT and RETURN: of which worker */
	char text[CONTROL_TEXT]; /* of the refusals; NUL-terminated */
};

/* False: not sent, errno says why (EAGAIN: the other side does not read). */
bool control_send(int fd, const struct control_message *m, const int *fds, unsigned fds_n);
/* A word with its reason. */
bool control_say(int fd, enum control_word word, const char *text);
/* 1: a message, with at most CONTROL_FDS descriptors that are the caller's now; 0: none is there; -1: the
 * other side is gone, or what came is no message. */
int control_receive(int fd, struct control_message *m, int fds[CONTROL_FDS], unsigned *fds_n);

#endif

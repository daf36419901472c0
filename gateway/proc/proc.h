/* proc.h -- the processes of a gateway, by role. */
#ifndef PORTCULLIS_PROC_PROC_H
#define PORTCULLIS_PROC_PROC_H

/* Run a gateway until SIGTERM.  Returns the exit status. */
int supervisor_main(const char *config_path);
/* The inside of one role; argv[1] is "role-worker", "role-logger" or "role-loader".  Only the
 * supervisor starts these. */
int role_main(int argc, char **argv);

#endif

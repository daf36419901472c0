/* reload.c -- portcullis reload: asks the running gateway to read its configuration again. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/cli/cli.h"
#include "gateway/proc/rundir.h"

enum { PATIENCE_S = 90, LINE = 2048 };

static int reach(const char *config_path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = PATIENCE_S};
	char path[RUNDIR_PATH];
	int fd;

	if (!rundir_path(config_path, "control.sock", path, sizeof path) || strlen(path) >= sizeof at.sun_path) {
		fprintf(stderr, "portcullis: the gateway's directory cannot be named: %s\n", strerror(errno));
		return -1;
	}
	memcpy(at.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) == 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		return fd;
	}
	if (errno == EACCES || errno == EPERM)
		fprintf(stderr, "portcullis: only root and the user who runs the gateway may reload it\n");
	else
		fprintf(stderr, "portcullis: no gateway runs with %s (nobody answers at %s); start it with: portcullis run -c %s\n",
			config_path, path, config_path);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* True when the last word was ok. */
static bool listen_to(int fd)
{
	char line[LINE];
	ssize_t n;

	while ((n = recv(fd, line, sizeof line - 1, 0)) > 0) {
		line[n] = 0;
		if (strcmp(line, "ok\n") == 0)
			return true;
		fputs(line, strstr(line, "error: ") ? stderr : stdout);
	}
	if (n < 0)
		fprintf(stderr, "portcullis: the gateway says nothing more: %s\n", strerror(errno));
	return false;
}

int cli_reload(int argc, char **argv)
{
	const char *path = cli_config_option(argc, argv, NULL, NULL);
	bool fine;
	int fd;

	if (!path)
		return CLI_USAGE;
	fd = reach(path);
	if (fd < 0)
		return CLI_NO;
	fine = send(fd, "reload", 6, MSG_NOSIGNAL) == 6 && listen_to(fd);
	close(fd);
	return fine ? CLI_YES : CLI_NO;
}

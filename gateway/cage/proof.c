/* proof.c -- forbidden calls, each tried.
 *
 * A probe is harmless where it goes through: its arguments lead nowhere, and
 * any answer but a refusal says that the kernel looked at them.  What kills
 * cannot be tried by who wants to live; cage_try does it in a process of its
 * own, for tests and for `portcullis cage`. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/cage/inside.h"

/* ---- Trying; what the call returned ---- */

static long closed_again(long fd)
{
	if (fd >= 0)
		close((int)fd);
	return fd;
}

static long open_to_read(void)
{
	return closed_again(syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_CLOEXEC, 0));
}

static long open_to_write(void)
{
	return closed_again(syscall(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC, 0));
}

static long remove_file(void)
{
	return syscall(SYS_unlinkat, AT_FDCWD, "", 0);
}

static long unix_socket(void)
{
	return closed_again(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static long packet_socket(void)
{
	return closed_again(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static long stream_socket(void)
{
	return closed_again(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static long datagram_socket(void)
{
	return closed_again(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static long connect_nowhere(void)
{
	return syscall(SYS_connect, -1, NULL, 0);
}

static long bind_nothing(void)
{
	return syscall(SYS_bind, -1, NULL, 0);
}

static long listen_to_nothing(void)
{
	return syscall(SYS_listen, -1, 0);
}

static long split(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return pid;
}

static long new_process(void)
{
	return split(0);
}

static long new_namespace(void)
{
	return split(CLONE_NEWUSER);
}

static long signal_parent(void)
{
	return kill(getppid(), 0);
}

static long memory_with_code(void)
{
	void *at = mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return -1;
	munmap(at, 1);
	return 0;
}

static long memory_to_code(void)
{
	return syscall(SYS_mprotect, NULL, 0, PROT_EXEC);
}

static long memory_file(void)
{
	return closed_again(syscall(SYS_memfd_create, "probe", MFD_CLOEXEC));
}

static long io_uring(void)
{
	return closed_again(syscall(SYS_io_uring_setup, 1, NULL));
}

static long process_setting(void)
{
	return syscall(SYS_prctl, -1, 0, 0, 0, 0);
}

static long change_uid(void)
{
	return syscall(SYS_setresuid, -1, -1, -1);
}

/* ---- The table ---- */

#define ROLE(name) (1u << CAGE_##name)
enum {
	CAGED = (ROLE(ROLES) - 1) & ~ROLE(SUPERVISOR),
	SERVING = CAGED & ~ROLE(LOADER),
	CHILDLESS = SERVING & ~ROLE(ZYGOTE),
	EVERYBODY = ROLE(ROLES) - 1,
};

static const struct probe {
	const char *name, *call;
	long (*attempt)(void); /* NULL: the call of `number`, with arguments that lead nowhere; it kills */
	long number;
	unsigned roles;        /* it is forbidden to */
} probes[] = {
	{"open a file", "openat", open_to_read, 0, SERVING},
	{"open a file for writing", "openat", open_to_write, 0, CAGED},
	{"remove a file", "unlinkat", remove_file, 0, CAGED},
	{"make a Unix socket", "socket", unix_socket, 0, SERVING},
	{"make a packet socket", "socket", packet_socket, 0, EVERYBODY},
	{"make a TCP socket", "socket", stream_socket, 0, SERVING & ~ROLE(WORKER)},
	{"make a UDP socket", "socket", datagram_socket, 0, SERVING},
	{"connect a socket", "connect", connect_nowhere, 0, SERVING & ~ROLE(WORKER)},
	{"bind a socket", "bind", bind_nothing, 0, SERVING},
	{"listen", "listen", listen_to_nothing, 0, CAGED},
	{"make a process", "clone", new_process, 0, CHILDLESS},
	{"make a user namespace", "clone", new_namespace, 0, EVERYBODY},
	{"send a signal", "kill", signal_parent, 0, CHILDLESS},
	{"map executable memory", "mmap", memory_with_code, 0, SERVING},
	{"make memory executable", "mprotect", memory_to_code, 0, SERVING},
	{"make a memory file", "memfd_create", memory_file, 0, SERVING & ~(ROLE(WORKER) | ROLE(ZYGOTE) | ROLE(INSPECTOR))},
	{"use io_uring", "io_uring_setup", io_uring, 0, EVERYBODY},
	{"set what a process is", "prctl", process_setting, 0, CAGED & ~ROLE(ZYGOTE)},
	{"change the uid", "setresuid", change_uid, 0, CAGED},
	{"execute a program", "execve", NULL, SYS_execve, CAGED},
	{"execute a descriptor", "execveat", NULL, SYS_execveat, CAGED},
	{"trace a process", "ptrace", NULL, SYS_ptrace, EVERYBODY},
	{"read another's memory", "process_vm_readv", NULL, SYS_process_vm_readv, EVERYBODY},
	{"write another's memory", "process_vm_writev", NULL, SYS_process_vm_writev, EVERYBODY},
	{"mount", "mount", NULL, SYS_mount, EVERYBODY},
	{"unmount", "umount2", NULL, SYS_umount2, EVERYBODY},
	{"change the root", "chroot", NULL, SYS_chroot, EVERYBODY},
	{"leave namespaces", "unshare", NULL, SYS_unshare, EVERYBODY},
	{"enter a namespace", "setns", NULL, SYS_setns, EVERYBODY},
	{"load BPF", "bpf", NULL, SYS_bpf, EVERYBODY},
	{"open performance events", "perf_event_open", NULL, SYS_perf_event_open, EVERYBODY},
	{"handle page faults", "userfaultfd", NULL, SYS_userfaultfd, EVERYBODY},
	{"load a kernel module", "finit_module", NULL, SYS_finit_module, EVERYBODY},
	{"load a kernel", "kexec_load", NULL, SYS_kexec_load, EVERYBODY},
	{"reboot", "reboot", NULL, SYS_reboot, EVERYBODY},
	{"use kernel keys", "keyctl", NULL, SYS_keyctl, EVERYBODY},
	{"open by handle", "open_by_handle_at", NULL, SYS_open_by_handle_at, EVERYBODY},
};
enum { PROBES = sizeof probes / sizeof *probes };

unsigned cage_probes(void)
{
	return PROBES;
}

const char *cage_probe_name(unsigned probe)
{
	return probes[probe].name;
}

static bool claims(const struct probe *p, enum cage_role role)
{
	return p->roles & 1u << role && !cage_build_allows(p->call);
}

static long attempt(const struct probe *p)
{
	errno = 0;
	return p->attempt ? p->attempt() : syscall(p->number, -1L, 0L, 0L, -1L, -1L, -1L);
}

static enum cage_ending ending(long returned)
{
	/* A service manager that restricts address families says the latter. */
	if (returned < 0 && (errno == ENOSYS || errno == EAFNOSUPPORT))
		return CAGE_NOT_THERE;
	return returned < 0 && (errno == EPERM || errno == EACCES) ? CAGE_REFUSED : CAGE_PASSED;
}

const char *cage_prove(enum cage_role role)
{
	for (unsigned i = 0; i < PROBES; i++)
		if (probes[i].attempt && claims(&probes[i], role) && ending(attempt(&probes[i])) == CAGE_PASSED)
			return probes[i].name;
	return cage_shed_holds(&cage_rows[role]) ? NULL : "keep a capability";
}

/* ---- In a process of its own ---- */

static int try_here(enum cage_role role, uid_t uid, const struct probe *p)
{
	if (!cage_close(role, uid))
		return CAGE_NOT_CLOSED;
	return (int)ending(attempt(p));
}

enum cage_ending cage_try(enum cage_role role, uid_t uid, unsigned probe)
{
	const struct probe *p = &probes[probe];
	int status;
	pid_t pid;

	if (!claims(p, role))
		return CAGE_NOT_CLAIMED;
	pid = fork();
	if (pid == 0)
		_exit(try_here(role, uid, p));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return CAGE_NOT_CLOSED;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? CAGE_KILLED : CAGE_NOT_CLOSED;
	return (enum cage_ending)WEXITSTATUS(status);
}

/* roles.c -- the table: what each role may do.  A new role is a row.
 *
 * The lists name what the libraries' ordinary and error paths take, not only
 * what our own lines say: abort, a stack protector's message, a growing heap.
 * No call that is made once per request has a condition on its arguments: the
 * kernel then answers it from a bitmap, without running the filter. */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "gateway/cage/inside.h"

#define ANY(name) {.call = name}
#define SELF(name) {.call = name, .self = true}
#define IF(name, ...) {.call = name, .conditions = 1, .when = {__VA_ARGS__}}
#define IF_BOTH(name, ...) {.call = name, .conditions = 2, .when = {__VA_ARGS__}}
#define LIST(name, ...)                                               \
	static const struct cage_rule name##_rules[] = {__VA_ARGS__}; \
	static const struct cage_list name = {name##_rules, sizeof name##_rules / sizeof *name##_rules}

#define ONLY_READ(argument) {argument, SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY}
#define NO_CODE(argument) {argument, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}
#define EQUAL(argument, value) {argument, SCMP_CMP_EQ, value, 0}
#define KIND(kind) {1, SCMP_CMP_MASKED_EQ, 0xf, kind}
#define CAP(which) (UINT64_C(1) << CAP_##which)

/* ---- Lists ---- */

/* To be a process at all: memory, time, randomness, signals, an end. */
LIST(living, ANY("read"), ANY("write"), ANY("writev"), ANY("close"), ANY("lseek"), ANY("futex"), ANY("sched_yield"),
     ANY("clock_gettime"), ANY("clock_getres"), ANY("clock_nanosleep"), ANY("nanosleep"), ANY("gettimeofday"),
     ANY("time"), ANY("getrandom"), ANY("getrusage"), ANY("sysinfo"), ANY("sched_getaffinity"), ANY("brk"),
     ANY("munmap"), ANY("mremap"), ANY("madvise"), ANY("rt_sigaction"), ANY("rt_sigprocmask"),
     ANY("rt_sigreturn"), ANY("sigaltstack"), ANY("restart_syscall"), ANY("exit"), ANY("exit_group"),
     ANY("getpid"), ANY("gettid"), ANY("getppid"), ANY("getuid"), ANY("geteuid"), ANY("getgid"),
     ANY("getegid"), ANY("capget"), SELF("tgkill"), IF("prlimit64", EQUAL(2, 0)));

/* No memory is made executable: not by our lines, not by a regular expression compiled late. */
LIST(data, IF("mmap", NO_CODE(2)), IF("mprotect", NO_CODE(2)));
LIST(code, ANY("mmap"), ANY("mprotect"));

/* To load one more filter, the alarm's, which takes this away again. */
LIST(narrowing, ANY("seccomp"));

LIST(waiting, ANY("epoll_wait"), ANY("epoll_pwait"), ANY("epoll_ctl"), ANY("epoll_create1"), ANY("poll"), ANY("ppoll"),
     ANY("fcntl"));

/* On sockets that are open. */
LIST(talking, ANY("recvfrom"), ANY("sendto"), ANY("recvmsg"), ANY("sendmsg"), ANY("shutdown"), ANY("getsockopt"),
     ANY("setsockopt"), ANY("getsockname"), ANY("getpeername"));
LIST(serving, ANY("accept4"), ANY("accept"));
LIST(calling, ANY("connect"), IF_BOTH("socket", EQUAL(0, AF_INET), KIND(SOCK_STREAM)),
     IF_BOTH("socket", EQUAL(0, AF_INET6), KIND(SOCK_STREAM)));

/* On files that are open.  The C library asks for their size by way of an empty path. */
LIST(measuring, ANY("fstat"), ANY("pread64"), IF("newfstatat", EQUAL(3, AT_EMPTY_PATH)));
LIST(spooling, ANY("memfd_create"), ANY("ftruncate"), ANY("pwrite64"));

LIST(reading, IF("open", ONLY_READ(1)), IF("openat", ONLY_READ(2)), ANY("stat"), ANY("lstat"), ANY("newfstatat"),
     ANY("statx"), ANY("access"), ANY("faccessat"), ANY("faccessat2"), ANY("readlink"), ANY("readlinkat"),
     ANY("getcwd"), ANY("getdents64"), ANY("statfs"), ANY("fstatfs"), ANY("fadvise64"), ANY("ftruncate"), ANY("sendfile"),
     IF("ioctl", EQUAL(1, TCGETS)), IF("ioctl", EQUAL(1, FIONREAD)), ANY("uname"), ANY("dup"));

/* What the C library's resolver and the modules of nsswitch.conf do. */
LIST(resolving, ANY("connect"), ANY("bind"), ANY("sendmmsg"), ANY("recvmmsg"), ANY("select"), ANY("pselect6"),
     ANY("eventfd2"), ANY("timerfd_create"), ANY("timerfd_settime"), IF("socket", EQUAL(0, AF_UNIX)),
     IF("socket", EQUAL(0, AF_NETLINK)), IF_BOTH("socket", EQUAL(0, AF_INET), KIND(SOCK_STREAM)),
     IF_BOTH("socket", EQUAL(0, AF_INET), KIND(SOCK_DGRAM)), IF_BOTH("socket", EQUAL(0, AF_INET6), KIND(SOCK_STREAM)),
     IF_BOTH("socket", EQUAL(0, AF_INET6), KIND(SOCK_DGRAM)));

/* To fork, in no new namespace, and to end children. */
LIST(forking,
     IF("clone", {0, SCMP_CMP_MASKED_EQ, ~(uint64_t)(CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID), SIGCHLD}),
     ANY("set_robust_list"), ANY("wait4"), IF("kill", EQUAL(1, SIGKILL)), IF("kill", EQUAL(1, SIGTERM)),
     ANY("prlimit64"), ANY("setrlimit"));
/* A database is tried out by a child that may die of it. */
LIST(trying, ANY("pipe2"), ANY("dup2"));
/* All that an inspector needs until its own cage is closed. */
LIST(breeding, ANY("tgkill"), ANY("signalfd4"), ANY("prctl"), ANY("capset"), ANY("landlock_create_ruleset"),
     ANY("landlock_add_rule"), ANY("landlock_restrict_self"));

/* ---- Whatever the role ---- */

/* No way of ours leads here: who makes one of these has been taken over. */
const char *const cage_deadly[] = {
	"ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "mount", "umount2", "pivot_root", "chroot", "move_mount",
	"open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "unshare", "setns", "bpf",
	"perf_event_open", "userfaultfd", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load",
	"reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "keyctl", "add_key", "request_key",
	"open_by_handle_at", "fanotify_init", "settimeofday", "clock_settime", "iopl", "ioperm", "modify_ldt", "syslog",
	"vhangup", NULL};
const char *const cage_exec[] = {"execve", "execveat", NULL};

/* The C library asks for these first and knows another way. */
const char *const cage_unknown[] = {"clone3", "openat2",
				    "faccessat2", "statx", "close_range", "epoll_pwait2", "futex_waitv", "rseq",
				    "memfd_secret", "pidfd_open", NULL};

/* Files by name, sockets, processes, privileges. */
const char *const cage_alarming[] = {
	"open", "openat", "creat", "unlink", "unlinkat", "rename", "renameat2", "mkdir", "mkdirat", "symlinkat",
	"linkat", "mknodat", "chmod", "fchmodat", "fchownat", "truncate", "bind", "listen", "prctl",
	"setuid", "setgid", "setresuid", "setresgid", "setgroups", "capset", "personality", "fork", "vfork", NULL};

/* ---- The table ---- */

const struct cage_row cage_rows[CAGE_ROLES] = {
	/* The roles it starts begin with what it has, and end with less. */
	[CAGE_SUPERVISOR] = {.name = "supervisor", .forks = true, .connects = true, .open_list = true,
			     .keeps = CAP(SETUID) | CAP(SETGID) | CAP(SETPCAP) | CAP(KILL) | CAP(DAC_READ_SEARCH) |
				      CAP(NET_BIND_SERVICE)},
	[CAGE_LOADER] = {.name = "loader", .death_signal = SIGKILL, .keeps = CAP(DAC_READ_SEARCH), .files = CAGE_FILES_READ,
			 .connects = true, .forks = true,
			 .allows = {&living, &code, &narrowing, &waiting, &talking, &measuring, &spooling, &reading,
				    &resolving, &forking, &trying}},
	[CAGE_LOGGER] = {.name = "logger", .own_uid = true, .death_signal = SIGTERM, .files = CAGE_FILES_NONE,
			 .allows = {&living, &data, &narrowing, &waiting, &talking}},
	[CAGE_WORKER] = {.name = "worker", .own_uid = true, .death_signal = SIGTERM, .files = CAGE_FILES_NONE,
			 .connects = true,
			 .allows = {&living, &data, &narrowing, &waiting, &talking, &serving, &calling, &measuring,
				    &spooling}},
	[CAGE_ZYGOTE] = {.name = "zygote", .own_uid = true, .death_signal = SIGKILL, .files = CAGE_FILES_NONE, .forks = true,
			 .breeds = true,
			 .allows = {&living, &data, &narrowing, &waiting, &talking, &measuring, &spooling, &forking, &breeding}},
	/* Its memory files are what it has decoded. */
	[CAGE_INSPECTOR] = {.name = "inspector", .own_uid = true, .death_signal = SIGKILL, .files = CAGE_FILES_NONE,
			    .allows = {&living, &data, &narrowing, &waiting, &talking, &measuring, &spooling}},
	/* Serves sockets that are open when it starts, and reads shared memory. */
	[CAGE_ADMIN] = {.name = "admin", .own_uid = true, .death_signal = SIGTERM, .files = CAGE_FILES_NONE,
			.allows = {&living, &data, &narrowing, &waiting, &talking, &serving, &measuring}},
};

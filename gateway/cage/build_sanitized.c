/* build_sanitized.c -- a build with sanitizers, for tests: they read /proc, and look for leaks from a process
 * that traces ours.  What they need is allowed to every role and proven of none. */
#include "gateway/cage/inside.h"

#define ANY(name) {.call = name}

static const struct cage_rule rules[] = {
	ANY("open"), ANY("openat"), ANY("stat"), ANY("lstat"), ANY("fstat"), ANY("newfstatat"), ANY("readlink"),
	ANY("readlinkat"), ANY("access"), ANY("getdents"), ANY("getdents64"), ANY("getcwd"), ANY("pread64"), ANY("ioctl"),
	ANY("uname"), ANY("ptrace"), ANY("process_vm_readv"), ANY("prctl"), ANY("arch_prctl"), ANY("clone"), ANY("wait4"),
	ANY("kill"), ANY("tgkill"), ANY("prlimit64"), ANY("set_robust_list"), ANY("pipe"), ANY("pipe2"), ANY("dup"), ANY("dup2"),
	ANY("mmap"), ANY("mprotect"), ANY("sched_getaffinity"), ANY("unlink"), ANY("personality")};
static const struct cage_list allows = {rules, sizeof rules / sizeof *rules};

const struct cage_build cage_build = {.allows = &allows, .reads_files = true, .forks = true};

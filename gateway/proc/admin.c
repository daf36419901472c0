/* admin.c -- the process that shows: /metrics, /status and /healthz over the metric page.
 *
 * A process of its own, so that it answers while workers are too busy to, and with nothing in it but the
 * page, which it cannot write. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "gateway/admin/admin.h"
#include "gateway/base/log.h"
#include "gateway/cage/cage.h"
#include "gateway/proc/shared.h"
#include "gateway/proc/spawn.h"

static const struct metric_page *map_page(void)
{
	const struct metric_page *page;
	struct stat st;

	if (fstat(ADMIN_METRICS, &st) < 0 || (size_t)st.st_size < sizeof *page)
		return NULL;
	page = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, ADMIN_METRICS, 0);
	return page == MAP_FAILED || metric_page_size(page->workers) > (size_t)st.st_size ? NULL : page;
}

static int given(int fd)
{
	return fcntl(fd, F_GETFD) >= 0 ? fd : -1;
}

int admin_main(uid_t uid)
{
	/* Before anything is opened that could take the number of one that was not given. */
	struct admin_plan plan = {.local = given(ADMIN_LOCAL), .port = given(ADMIN_PORT)};

	log_open("admin", ADMIN_LOG);
	plan.page = map_page();
	plan.loop = loop_new();
	if (!plan.page || !plan.loop) {
		log_error("no memory for the event loop and the metric page: %m");
		return 1;
	}
	if (!cage_close(CAGE_ADMIN, uid))
		return 1;
	signal(SIGTERM, SIG_DFL);
	if (!admin_new(&plan)) {
		log_error("the event loop has no room for listeners: %m");
		return 1;
	}
	loop_run(plan.loop);
	return 0;
}

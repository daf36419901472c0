/* whole.c -- fuzz: bytes of a client through the whole data path: parser, chain, rule engine, forwarding, answer.
 *
 * The oracle is world_rules.h, also where an allocation fails; and no descriptor is lost. */
#include "fuzz.h"
#include "tests/unit/gateway/proxy/world_rules.h"

static unsigned failing_turn, failing;

static void arm(unsigned turn)
{
	if (turn == failing_turn)
		mem_fail_at(failing);
}

static void disarm(unsigned turn)
{
	(void)turn;
	mem_fail_at(0);
}

/* The number that the next descriptor gets: it rises where one is lost. */
static int next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	unsigned choice = fuzz_byte(&in);
	struct world_play play = {.step = 1 + (choice >> 2) * 30, .half_close = choice & 1, .before = arm, .after = disarm};
	int before;

	failing_turn = fuzz_below(&in, 40);
	failing = fuzz_below(&in, 30);
	play.script.choices = fuzz_run(&in, 8);
	play.script.raw = fuzz_run(&in, 200);
	play.bytes = in.rest;
	world_prepare();
	before = next_fd();
	world_run(play);
	MUST(next_fd() == before);
	return 0;
}

/* loader.c -- reads what people wrote and leaves an image; then it is gone.
 *
 * The memory files it fills are the supervisor's, who seals them; what it has to
 * say goes to the findings, which are the supervisor's standard error at the
 * start, and a pipe at a reload. */
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "gateway/cage/cage.h"
#include "gateway/config/config.h"
#include "gateway/proc/image.h"
#include "gateway/proc/shared.h"

/* Into a memory file of the supervisor's, which is empty. */
static bool hand_over(int from, int to)
{
	struct stat st;
	off_t done = 0;

	if (from < 0)
		return true;
	if (fstat(from, &st) < 0)
		return false;
	while (done < st.st_size)
		if (sendfile(to, from, &done, (size_t)(st.st_size - done)) <= 0)
			return false;
	return true;
}

int loader_main(const char *config_path, unsigned slot)
{
	struct image config, secret;
	struct config_secrets *secrets = NULL;
	int copies[CONFIG_COPIES] = {-1, -1, -1};
	FILE *findings = fdopen(LOADER_FINDINGS, "w");
	struct fail f = {0};
	struct config *c;
	bool refused;

	if (!findings || !cage_close(CAGE_LOADER, 0))
		return 1;
	if (!image_begin(&config, IMAGE_CONFIG, slot, LOADER_IMAGE) || !image_begin(&secret, IMAGE_SECRETS, slot, LOADER_SECRETS)) {
		fprintf(findings, "portcullis: the loader has no room for its images: %m\n");
		return 1;
	}
	c = config_read(config_path, &config.arena, &secret.arena, &secrets, copies, &f);
	fail_print(&f, findings, false);
	refused = !c || f.errors;
	fail_done(&f);
	if (refused) {
		fclose(findings);
		return 1;
	}
	if (image_end(&config, c) && image_end(&secret, secrets) && hand_over(copies[CONFIG_COUNTRY], LOADER_COUNTRY) &&
	    hand_over(copies[CONFIG_ASN], LOADER_ASN) && hand_over(copies[CONFIG_RULES], LOADER_RULES))
		return fclose(findings) == 0 ? 0 : 1;
	fprintf(findings, "portcullis: the loader cannot finish its images: %m\n");
	fclose(findings);
	return 1;
}

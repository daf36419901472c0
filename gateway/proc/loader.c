/* loader.c -- reads what people wrote and leaves an image; then it is gone. */
#include <stdio.h>

#include "gateway/cage/cage.h"
#include "gateway/config/config.h"
#include "gateway/proc/image.h"
#include "gateway/proc/shared.h"
#include "gateway/proc/spawn.h"

int loader_main(const char *config_path)
{
	struct image config, secret;
	struct config_secrets *secrets = NULL;
	struct fail f = {0};
	struct config *c;
	bool refused;

	if (!cage_close(CAGE_LOADER, 0))
		return 1;
	if (!image_begin(&config, IMAGE_CONFIG, SPAWN_FIRST) || !image_begin(&secret, IMAGE_SECRETS, SPAWN_FIRST + 1)) {
		fprintf(stderr, "portcullis: the loader has no room for its images: %m\n");
		return 1;
	}
	c = config_read(config_path, &config.arena, &secret.arena, &secrets, &f);
	fail_print(&f, stderr, false);
	refused = !c || f.errors;
	fail_done(&f);
	if (refused)
		return 1;
	if (!image_end(&config, c) || !image_end(&secret, secrets)) {
		fprintf(stderr, "portcullis: the loader cannot finish its images: %m\n");
		return 1;
	}
	return 0;
}

/* A block of policies, as a worker takes it and as it is read from disk. */
#include <stdlib.h>
#include <string.h>

#include "core/shared/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sense_bundle bundle;
	struct sense_bundle_item item;
	size_t used = 0, before = 0;
	sense_error err;
	while (sense_bundle_next(data, size, &used, &item)) {
		check(used > before && used <= size);
		check(!item.text[item.len] && item.text + item.len < (const char *)data + size);
		check(strlen(item.file) < size && strlen(item.name) < size);
		before = used;
	}
	sense_bundle_init(&bundle);
	if (!sense_bundle_verify(&bundle, data, size, &err))
		check(used == size && bundle.block.len == size && strlen(bundle.hash) == 16);
	sense_bundle_fini(&bundle);
	return 0;
}

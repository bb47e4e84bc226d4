#include "core/shared/views.h"

#include <sys/mman.h>

#include "core/platform/platform.h"

enum sense_status sense_views_new(struct sense_views *views, size_t size, const char *what, sense_error *err)
{
	*views = (struct sense_views){.size = size};
	if (!sense_platform_views(size, &views->write, &views->read)) {
		*views = (struct sense_views){0};
		return sense_fail_errno(err, "proc", "shared memory of %zu bytes for %s", size, what);
	}
	return SENSE_OK;
}

void sense_views_read_only(struct sense_views *views)
{
	if (views->write)
		munmap(views->write, views->size);
	views->write = NULL;
}

void sense_views_free(struct sense_views *views)
{
	sense_views_read_only(views);
	if (views->read)
		munmap((void *)(uintptr_t)views->read, views->size);
	*views = (struct sense_views){0};
}

#include "core/proc/lockdown.h"

#include <stdlib.h>

#include "core/host/keeper.h"
#include "core/platform/platform.h"

/* Descriptors of the sources from the first one on. Returns how many; keep NULL: only counts. */
static unsigned sources_keep(const struct sense_worker *worker, int *keep)
{
	unsigned count = 0;
	for (unsigned i = worker->first_source; i < worker->source_count; i++) {
		const struct sense_source *source = &worker->sources[i];
		for (unsigned k = 0; k < source->keep_count; k++, count++)
			if (keep)
				keep[count] = source->keep[k];
		if (source->fd >= 0 && keep)
			keep[count] = source->fd;
		count += source->fd >= 0;
	}
	return count;
}

enum sense_status sense_worker_lockdown(struct sense_worker *worker, uint64_t memory_bytes, sense_error *err)
{
	int *keep = calloc(sources_keep(worker, NULL) + 1u, sizeof *keep);
	if (!keep)
		return sense_fail(err, SENSE_E_MEMORY, "proc", "no memory for %u sources",
		                  worker->source_count);
	unsigned count = sources_keep(worker, keep);
	if (worker->host)
		keep[count++] = worker->host->fd;
	struct sense_platform_lockdown what = {
	    .out = worker->out.fd,
	    .keep = keep,
	    .keep_count = count,
	    .memory_bytes = memory_bytes,
	    .denied = &worker->shared->page->denied,
	};
	enum sense_status status = sense_platform_lockdown(&what, err);
	free(keep);
	return status;
}

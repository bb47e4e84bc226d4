#include "core/proc/lockdown.h"

#include <stdlib.h>

#include "core/host/keeper.h"
#include "core/platform/platform.h"

enum sense_status sense_worker_lockdown(struct sense_worker *worker, uint64_t memory_bytes, sense_error *err)
{
	int *keep = calloc(worker->source_count + 2u, sizeof *keep);
	if (!keep)
		return sense_fail(err, SENSE_E_MEMORY, "proc", "no memory for %u sources",
		                  worker->source_count);
	unsigned count = 0;
	for (unsigned i = worker->first_source; i < worker->source_count; i++)
		if (worker->sources[i].fd >= 0)
			keep[count++] = worker->sources[i].fd;
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

#include "share.h"

#include <string.h>
#include <sys/mman.h>

/* One mapping for all, which is not touched before it is used; it stays as long as the process. */
static struct share *region;
static struct share_row rows[SHARE_MAX];

struct share_row *share_new(void)
{
	if (!region) {
		void *made = mmap(NULL, SHARE_MAX * sizeof *region, PROT_READ | PROT_WRITE,
		                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (made == MAP_FAILED)
			return NULL;
		region = made;
	}
	for (unsigned i = 0; i < SHARE_MAX; i++)
		if (!rows[i].share) {
			memset(&region[i], 0, sizeof region[i]);
			rows[i] = (struct share_row){.share = &region[i], .fds = {-1, -1}, .wake = -1};
			return &rows[i];
		}
	return NULL;
}

void share_free(struct share_row *row)
{
	row->share = NULL;
}

const struct share_row *share_find(int fd)
{
	for (unsigned i = 0; i < SHARE_MAX; i++)
		if (rows[i].share && rows[i].fds[RING_SMALL] == fd)
			return &rows[i];
	return NULL;
}

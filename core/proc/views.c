#include "core/proc/views.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum sense_status sense_views_new(struct sense_views *views, size_t size, const char *name, const char *what,
                                  sense_error *err)
{
	void *write = MAP_FAILED, *read = MAP_FAILED;
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)size))
		goto fail;
	write = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (write == MAP_FAILED)
		goto fail;
	/* An older kernel does not know this seal: then the view below is read-only by its protection alone. */
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	read = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (read == MAP_FAILED)
		goto fail;
	close(fd);
	*views = (struct sense_views){.write = write, .read = read, .size = size};
	return SENSE_OK;
fail:
	sense_fail_errno(err, "proc", "shared memory of %zu bytes for %s", size, what);
	if (write != MAP_FAILED)
		munmap(write, size);
	if (fd >= 0)
		close(fd);
	*views = (struct sense_views){0};
	return SENSE_E_IO;
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

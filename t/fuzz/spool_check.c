/* A store's file, any bytes: the check never crashes, and what it calls good LMDB can read and write. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/spool/check.h"
#include "core/spool/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const char *path)
{
	struct sense_store store = {.max_bytes = 65536, .remembered = 4};
	struct sense_store_state state;
	struct sense_store_change change;
	static uint8_t record[SENSE_STORE_RECORD_MAX], check[SENSE_SEAL_NAME];
	uint64_t sequence = 0;
	size_t len;
	bool more = false;
	if (sense_store_open(&store, path, false, &state, check))
		return;
	while (!sense_store_next(&store, &sequence, record, &len))
		;
	if (!sense_store_begin(&store, &state, &change)) {
		struct sense_store_record one = {
		    .sequence = UINT64_MAX - 1, .severity = 2, .sealed = record, .len = 3000};
		int code = sense_store_acknowledge(&change, sequence / 2, 100, &more);
		code = code ? code : sense_store_trim(&change, 100, &more);
		code = code ? code : sense_store_add(&change, &one);
		if (code)
			sense_store_abandon(&change);
		else
			sense_store_commit(&change);
	}
	sense_store_close(&store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[40], why[200] = "";
	int fd = memfd_create("store", MFD_CLOEXEC);
	if (fd < 0 || size > 1u << 20)
		goto out;
	if (write(fd, data, size) != (ssize_t)size)
		goto out;
	enum sense_check result = sense_check_fd(fd, why, sizeof why);
	if ((result != SENSE_CHECK_GOOD) != (*why != '\0'))
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (result == SENSE_CHECK_GOOD)
		use(path);
out:
	if (fd >= 0)
		close(fd);
	return 0;
}

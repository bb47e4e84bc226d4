/*
 * Texts of /proc as the process sensor reads them, the source compiled in. First byte: which text. What comes
 * out stays within its bounds, and of an environment nothing comes out that is not a name.
 */
#include <stdlib.h>

#include "plugins/procs/procfs.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void environment_take(char *text, size_t len)
{
	size_t n = procfs_environment(text, len);
	check(n <= len && (!n || !text[n - 1]));
	for (size_t i = 0; i < n; i++)
		check(!text[i] || text[i] == '_' || (text[i] >= '0' && text[i] <= '9') ||
		      (text[i] >= 'A' && text[i] <= 'z'));
	for (size_t i = n; i < len; i++)
		check(!text[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct procfs_stat stat;
	struct procfs_package package;
	uint32_t uid;
	char out[40];
	if (size < 1 || size > 60000)
		return 0;
	size_t len = size - 1;
	char *text = malloc(len + !len);
	check(text);
	memcpy(text, data + 1, len);
	switch (data[0] % 6) {
	case 0:
		if (procfs_stat(text, len, &stat))
			check(strnlen(stat.name, sizeof stat.name) < sizeof stat.name);
		break;
	case 1:
		procfs_uid(text, len, &uid);
		break;
	case 2:
		procfs_container(text, len, out, sizeof out);
		check(strnlen(out, sizeof out) < sizeof out);
		break;
	case 3:
		environment_take(text, len);
		break;
	case 4:
		if (procfs_mount_type(text, len, 36, out, sizeof out))
			check(strnlen(out, sizeof out) < sizeof out);
		break;
	case 5:
		if (procfs_maps_package(text, len, &package))
			check(package.name_len && package.name >= package.path &&
			      package.path + package.path_len <= text + len &&
			      package.name + package.name_len <= text + len);
		break;
	}
	free(text);
	return 0;
}

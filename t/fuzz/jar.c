/* A jar as a whole: from its last bytes to the id in plugin.xml, as the plugin reads it piece by piece. */
#include <stdlib.h>

#include "plugins/files/jar.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t offset;
	uint32_t length;
	struct jar_entry entry;
	char id[64], version[64];
	jar_plugin((const char *)data, size, id, version, sizeof id);
	if (!jar_directory(data, size, size, &offset, &length) ||
	    !jar_find(data + offset, length, "META-INF/plugin.xml", &entry) ||
	    entry.offset + JAR_LOCAL > size)
		return 0;
	size_t at = jar_data(data + entry.offset);
	if (!at || entry.offset + at + entry.packed > size)
		return 0;
	uint8_t *xml = malloc(entry.size);
	if (xml && jar_unpack(&entry, data + entry.offset + at, xml))
		jar_plugin((const char *)xml, entry.size, id, version, sizeof id);
	free(xml);
	return 0;
}

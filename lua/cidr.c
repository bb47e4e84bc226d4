#include "lua/cidr.h"

#include <arpa/inet.h>
#include <string.h>

static bool address(const char *text, struct sense_addr *out, bool *is_v4)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	*is_v4 = !strchr(text, ':');
	if (!*is_v4)
		return inet_pton(AF_INET6, text, out->bytes) == 1;
	memcpy(out->bytes, mapped, sizeof mapped);
	return inet_pton(AF_INET, text, out->bytes + sizeof mapped) == 1;
}

bool sense_cidr_parse(const char *text, struct sense_cidr *out)
{
	char head[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	bool is_v4;
	if (len >= sizeof head)
		return false;
	memcpy(head, text, len);
	head[len] = '\0';
	if (!address(head, &out->addr, &is_v4))
		return false;
	unsigned width = is_v4 ? 32 : 128, bits = width;
	if (slash) {
		const char *p = slash + 1;
		if (!*p)
			return false;
		for (bits = 0; *p; p++) {
			if (*p < '0' || *p > '9' || (bits = bits * 10 + (unsigned)(*p - '0')) > width)
				return false;
		}
	}
	out->bits = (uint8_t)(bits + (is_v4 ? 96 : 0));
	return true;
}

bool sense_cidr_holds(const struct sense_cidr *network, const struct sense_addr *addr)
{
	unsigned whole = network->bits / 8, rest = network->bits % 8;
	if (memcmp(network->addr.bytes, addr->bytes, whole))
		return false;
	return !rest || !((network->addr.bytes[whole] ^ addr->bytes[whole]) >> (8 - rest));
}

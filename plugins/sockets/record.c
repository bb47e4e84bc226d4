#include "record.h"

#include <string.h>

_Bool record_read(const void *data, unsigned long len, struct record *out)
{
	/* The ring rounds lengths up to eight bytes, and later programs may append. */
	if (len < sizeof *out)
		return 0;
	memcpy(out, data, sizeof *out);
	out->owner.comm[RECORD_COMM - 1] = '\0';
	_Bool known = out->kind == RECORD_FLOW || out->kind == RECORD_BIND;
	return known && (out->l4 == 6 || out->l4 == 17) && out->local_port;
}

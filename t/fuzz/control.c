/* A line that a client of the control socket sends. */
#include <stdlib.h>
#include <string.h>

#include "core/service/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sense_control_request request;
	/* A copy of exactly this size, so that a byte too far is seen. */
	char *line = malloc(size ? size : 1);
	if (!line)
		return 0;
	memcpy(line, data, size);
	if (sense_control_parse(line, size, &request)) {
		bool spool = request.what == SENSE_CONTROL_FINDINGS || request.what == SENSE_CONTROL_ACK;
		bool strange = (request.what != SENSE_CONTROL_STATUS && request.rules) ||
		               (request.packed && request.what != SENSE_CONTROL_FINDINGS) ||
		               (spool ? request.text : request.sequence || request.max);
		if (size < 5 || strange)
			abort();
	}
	free(line);
	return 0;
}

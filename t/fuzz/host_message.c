/* What a worker does with a message of the sensor process. */
#include <stdlib.h>
#include <string.h>

#include "core/host/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sense_host_event event;
	if (!sense_host_message_read(data, size, &event))
		return 0;
	struct sense_event about = {.kind = (enum sense_event_kind)(event.kind % SENSE_EVENT_KINDS),
	                            .given = &event.given};
	for (unsigned field = 0; field < SENSE_FIELD_COUNT; field++) {
		struct sense_value value;
		sense_event_get(&about, (enum sense_field)field, &value);
		if (value.type == SENSE_VALUE_STRING && strlen(value.string.text) != value.string.len)
			abort();
	}
	return 0;
}

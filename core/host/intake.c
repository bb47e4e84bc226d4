#include "core/host/intake.h"

#include <errno.h>
#include <unistd.h>

const struct sense_host_event *sense_intake_next(struct sense_intake *intake)
{
	while (intake->fd >= 0 && !intake->ended) {
		ssize_t got = read(intake->fd, intake->data, sizeof intake->data);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return NULL;
		if (!sense_host_message_read(intake->data, (size_t)got, &intake->event)) {
			intake->malformed++;
			continue;
		}
		intake->len = (size_t)got;
		if (intake->event.kind == SENSE_HOST_END) {
			intake->ended = true;
			return NULL;
		}
		intake->taken++;
		return &intake->event;
	}
	return NULL;
}

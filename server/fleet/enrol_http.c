/* POST /v1/enroll: an enrolment's answer goes to whoever asked, when they are still there. */
#include <stdlib.h>

#include "server/fleet/enrol.h"

struct asked {
	sense_httpd *http;
	struct sense_httpd_ref ref;
};

static void on_answer(void *self, const struct sense_enrol_answer *answer)
{
	struct asked *asked = self;
	char fields[160];
	int len = snprintf(fields, sizeof fields, "Cache-Control: no-store\r\n");
	if (answer->status == 401)
		len += snprintf(fields + len, sizeof fields - (size_t)len,
		                "WWW-Authenticate: Sense realm=\"enrolment\"\r\n");
	if (answer->retry)
		snprintf(fields + len, sizeof fields - (size_t)len, "Retry-After: %u\r\n", answer->retry);
	sense_httpd_answer(asked->http, asked->ref,
	                   &(struct sense_httpd_answer){.status = answer->status,
	                                                .type = answer->type,
	                                                .fields = fields,
	                                                .body = answer->body,
	                                                .len = answer->len});
	free(asked);
}

void sense_enrol_serve(void *self, sense_httpd *http, struct sense_httpd_ref ref,
                       const struct sense_httpd_request *request)
{
	struct asked *asked = malloc(sizeof *asked);
	if (!asked) {
		sense_httpd_problem(http, ref, 503, "There is no memory for an enrolment: try again.", NULL);
		return;
	}
	*asked = (struct asked){http, ref};
	sense_enrol_ask(self, request->body, request->body_len, request->address, on_answer, asked);
}

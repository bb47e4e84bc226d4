/*
 * The catalogue's loader and look-ups. First byte: which file; then its text; behind a byte 0x1e come
 * a host name and a request path that are looked up in it, separated by another.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/catalogue/internal.h"
#include "core/catalogue/signal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(char *out, size_t room, const uint8_t *from, size_t len)
{
	size_t n = len < room - 1 ? len : room - 1;
	memcpy(out, from, n);
	out[n] = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sense_http http = {.method = "POST", .markers = UINT32_MAX, .credential = 1};
	struct sense_signal signal;
	sense_error err;
	if (!size)
		return 0;
	unsigned file = *data++ % 3;
	size--;
	const uint8_t *end = data + size;
	const uint8_t *host = memchr(data, 0x1e, size);
	size_t len = host ? (size_t)(host - data) : size;
	sense_catalogue *catalogue = sense_catalogue_new(&err);
	if (!catalogue)
		return 0;
	char *text = sense_arena_strndup(&catalogue->arena, (const char *)data, len);
	enum sense_status status =
	    file == 0   ? sense_catalogue_add_services(catalogue, "f", text, len, &err)
	    : file == 1 ? sense_catalogue_add_runtimes(catalogue, "f", text, len, &err)
	                : sense_catalogue_add_wire(catalogue, "f", text, len, &err);
	if (status && (!err.message[0] || err.status != status))
		abort();
	if (!status && host) {
		const uint8_t *path = memchr(host + 1, 0x1e, (size_t)(end - host - 1));
		size_t host_len = (size_t)((path ? path : end) - host - 1);
		const struct sense_host_row *row =
		    sense_catalogue_host(catalogue, (const char *)host + 1, host_len);
		/* Whatever was found ends with the labels that its row ends with. */
		if (row && row->match == SENSE_MATCH_SUFFIX) {
			size_t n = strlen(row->domain);
			if (n > host_len || memcmp(host + 1 + host_len - n, row->domain, n) ||
			    (n < host_len && host[host_len - n] != '.'))
				abort();
		}
		if (path)
			fill(http.path, sizeof http.path, path + 1, (size_t)(end - path - 1));
		memcpy(http.user_agent, http.path, sizeof http.user_agent - 1);
		sense_signal_of(catalogue, &http, 11434, &signal);
	}
	sense_catalogue_free(catalogue);
	return 0;
}

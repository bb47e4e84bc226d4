/* What a supervisor does with a message of its worker: records, and what each kind of them holds. */
#include <stdlib.h>
#include <string.h>

#include "core/shared/ipc.h"
#include "proto/finding.h"
#include "proto/flowrecord.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void text(const struct sense_ipc_record *record)
{
	struct sense_ipc_text text;
	memset(&text, 'x', sizeof text);
	if (!sense_ipc_text_decode(record->data, record->len, &text))
		return;
	check(text.level <= SENSE_LOG_DEBUG && memchr(text.subsystem, '\0', sizeof text.subsystem) &&
	      memchr(text.text, '\0', sizeof text.text));
}

static void loaded(const struct sense_ipc_record *record)
{
	struct sense_ipc_loaded out;
	if (sense_ipc_loaded_decode(record->data, record->len, &out))
		check(out.status <= SENSE_E_INTERNAL);
}

static void result(const struct sense_ipc_record *record)
{
	static char storage[SENSE_FINDING_BYTES_MAX + SENSE_FLOWRECORD_BYTES_MAX];
	struct sense_finding finding;
	struct sense_flowrecord flow;
	const char *why = NULL;
	bool good = record->kind == SENSE_IPC_FINDING
	                ? sense_finding_decode(record->data, record->len, storage, sizeof storage, &finding,
	                                       &why)
	                : sense_flowrecord_decode(record->data, record->len, storage, sizeof storage, &flow,
	                                          &why);
	check(good || why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sense_ipc_record record;
	size_t used = 0, before = 0;
	while (sense_ipc_next(data, size, &used, &record)) {
		check(used <= size && used == before + SENSE_IPC_RECORD_HEADER_BYTES + record.len);
		check(record.data + record.len == data + used);
		before = used;
		if (record.kind == SENSE_IPC_LOG || record.kind == SENSE_IPC_FAIL ||
		    record.kind == SENSE_IPC_PROBLEM)
			text(&record);
		else if (record.kind == SENSE_IPC_FINDING || record.kind == SENSE_IPC_FLOW)
			result(&record);
		else if (record.kind == SENSE_IPC_LOADED)
			loaded(&record);
	}
	check(used == before);
	return 0;
}

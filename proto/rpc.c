#include "proto/rpc.h"

/* ---- where messages end ------------------------------------------------------------------------------- */

static void begin(struct sense_rpc_scanner *scanner)
{
	scanner->seen = 0;
	scanner->skip = 0;
	scanner->owed = 1;
	scanner->depth = 0;
	scanner->head_len = 0;
}

void sense_rpc_scan_init(struct sense_rpc_scanner *scanner, size_t max)
{
	*scanner = (struct sense_rpc_scanner){.max = max};
	begin(scanner);
}

static bool broken(struct sense_rpc_scanner *scanner, const char *why)
{
	scanner->why = why;
	return false;
}

/* Whether so many bytes, and at least one for each value that is still to come, fit into what is left. */
static bool fits(const struct sense_rpc_scanner *scanner, uint64_t bytes)
{
	uint64_t room = scanner->max - scanner->seen;
	return bytes <= room && scanner->owed <= room - bytes;
}

/* The first byte of a value: whether one may begin so. Sets how large its head is. */
static bool value_begins(struct sense_rpc_scanner *scanner, uint8_t first)
{
	bool array = (first & 0xf0) == 0x90 || first == 0xdc || first == 0xdd;

	if (!scanner->depth && !array)
		return broken(scanner, "is no message of MessagePack-RPC");
	scanner->head_size = sense_wire_head_size(first);
	if (!scanner->head_size)
		return broken(scanner, "has a byte that MessagePack does not use");
	scanner->owed--;
	return fits(scanner, scanner->head_size) || broken(scanner, "is larger than a message may be");
}

/* An array or a map begins, and has this many items. */
static bool nest(struct sense_rpc_scanner *scanner, uint64_t items)
{
	if (!scanner->depth && items != 3 && items != 4)
		return broken(scanner, "is no message of MessagePack-RPC");
	if (scanner->depth == SENSE_RPC_DEPTH_MAX)
		return broken(scanner, "is nested deeper than a message may be");
	if (items > UINT32_MAX)
		return broken(scanner, "is larger than a message may be");
	scanner->owed += items;
	scanner->left[scanner->depth++] = (uint32_t)items;
	return fits(scanner, 0) || broken(scanner, "counts more values than a message can hold");
}

/* A value is over, and with it all those of which it was the last item. */
static void value_ends(struct sense_rpc_scanner *scanner)
{
	while (scanner->depth && !--scanner->left[scanner->depth - 1])
		scanner->depth--;
}

/* A head is whole. */
static void head_ends(struct sense_rpc_scanner *scanner, const uint8_t *head)
{
	struct sense_wire_form form = sense_wire_form(head);

	scanner->seen += scanner->head_size;
	scanner->head_len = 0;
	if (form.nests) {
		if (nest(scanner, form.inside) && !form.inside) {
			scanner->depth--;
			value_ends(scanner);
		}
		return;
	}
	scanner->skip = form.behind;
	if (!fits(scanner, form.behind))
		broken(scanner, "is larger than a message may be");
	else if (!form.behind)
		value_ends(scanner);
}

/* Takes bytes of a head, which may have begun before them. Returns how many those were. */
static size_t head_goes_on(struct sense_rpc_scanner *scanner, const uint8_t *data, size_t len)
{
	if (!scanner->head_len && !value_begins(scanner, *data))
		return 0;
	size_t take = scanner->head_size - scanner->head_len;
	if (take <= len && !scanner->head_len) {
		head_ends(scanner, data);
		return take;
	}
	take = take < len ? take : len;
	memcpy(scanner->head + scanner->head_len, data, take);
	scanner->head_len += (unsigned)take;
	if (scanner->head_len == scanner->head_size)
		head_ends(scanner, scanner->head);
	return take;
}

/* Takes bytes of what lies behind a head. */
static size_t pass_over(struct sense_rpc_scanner *scanner, size_t len)
{
	size_t take = scanner->skip < len ? (size_t)scanner->skip : len;
	scanner->seen += take;
	scanner->skip -= take;
	if (!scanner->skip)
		value_ends(scanner);
	return take;
}

enum sense_rpc_scan sense_rpc_scan(struct sense_rpc_scanner *scanner, const uint8_t *data, size_t len,
                                   size_t *used)
{
	*used = 0;
	while (!scanner->why && *used < len) {
		*used += scanner->skip ? pass_over(scanner, len - *used)
		                       : head_goes_on(scanner, data + *used, len - *used);
		if (!scanner->why && !scanner->depth && !scanner->head_len) {
			begin(scanner);
			return SENSE_RPC_WHOLE;
		}
	}
	return scanner->why ? SENSE_RPC_BROKEN : SENSE_RPC_MORE;
}

/* ---- its parts ---------------------------------------------------------------------------------------- */

static bool take_method(struct sense_wire_reader *reader, struct sense_wire_key *method)
{
	if (!sense_wire_get_key(reader, method))
		return false;
	if (!method->len || method->len > SENSE_RPC_METHOD_MAX)
		return sense_wire_fail(reader, "has a method's name that is empty or too long");
	/* It is written to logs. */
	return sense_utf8_plain(method->text, method->len) == method->len ||
	       sense_wire_fail(reader, "has a method's name that is not printable ASCII");
}

static bool take_params(struct sense_wire_reader *reader, struct sense_rpc_message *out)
{
	uint32_t count;
	if (!take_method(reader, &out->method) || !sense_wire_get_array(reader, &count))
		return false;
	if (count != 1)
		return sense_wire_fail(reader, "has parameters that are not exactly one map");
	return sense_wire_get_map_span(reader, &out->body, &out->body_len);
}

static bool take_outcome(struct sense_wire_reader *reader, struct sense_rpc_message *out)
{
	if (sense_wire_kind(reader) == SENSE_WIRE_KIND_NIL)
		return sense_wire_get_nil(reader) &&
		       sense_wire_get_map_span(reader, &out->body, &out->body_len);
	return sense_wire_get_map_span(reader, &out->error, &out->error_len) && sense_wire_get_nil(reader);
}

static bool take_parts(struct sense_wire_reader *reader, struct sense_rpc_message *out)
{
	uint64_t kind, id = 0;
	uint32_t count;

	if (!sense_wire_get_array(reader, &count) ||
	    !sense_wire_get_uint(reader, SENSE_RPC_NOTIFICATION, &kind))
		return false;
	out->kind = (enum sense_rpc_kind)kind;
	if (count != (kind == SENSE_RPC_NOTIFICATION ? 3 : 4))
		return sense_wire_fail(reader, "has a number of parts that its kind has not");
	if (kind != SENSE_RPC_NOTIFICATION && !sense_wire_get_uint(reader, UINT32_MAX, &id))
		return false;
	out->id = (uint32_t)id;
	if (!(kind == SENSE_RPC_RESPONSE ? take_outcome(reader, out) : take_params(reader, out)))
		return false;
	return reader->at == reader->end || sense_wire_fail(reader, "has bytes behind its end");
}

bool sense_rpc_parse(const uint8_t *data, size_t len, struct sense_rpc_message *out, const char **why)
{
	struct sense_wire_reader reader = {.at = data, .end = data + len};

	memset(out, 0, sizeof(*out));
	bool good = take_parts(&reader, out);
	*why = reader.why;
	return good;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

void sense_rpc_put_request(struct sense_wire_writer *writer, uint32_t id, const char *method)
{
	sense_wire_put_array(writer, 4);
	sense_wire_put_uint(writer, SENSE_RPC_REQUEST);
	sense_wire_put_uint(writer, id);
	sense_wire_put_string(writer, method);
	sense_wire_put_array(writer, 1);
}

void sense_rpc_put_notification(struct sense_wire_writer *writer, const char *method)
{
	sense_wire_put_array(writer, 3);
	sense_wire_put_uint(writer, SENSE_RPC_NOTIFICATION);
	sense_wire_put_string(writer, method);
	sense_wire_put_array(writer, 1);
}

static void put_response(struct sense_wire_writer *writer, uint32_t id)
{
	sense_wire_put_array(writer, 4);
	sense_wire_put_uint(writer, SENSE_RPC_RESPONSE);
	sense_wire_put_uint(writer, id);
}

void sense_rpc_put_result(struct sense_wire_writer *writer, uint32_t id)
{
	put_response(writer, id);
	sense_wire_put_nil(writer);
}

void sense_rpc_put_error(struct sense_wire_writer *writer, uint32_t id)
{
	put_response(writer, id);
}

void sense_rpc_end_error(struct sense_wire_writer *writer)
{
	sense_wire_put_nil(writer);
}

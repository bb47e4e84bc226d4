/*
 * Golden vectors: t/40-server/vectors/NAME.hex holds the bytes of a message, NAME.json beside it says in
 * words what they mean. Here the codecs must give these bytes; t/40-server/vectors.t asks another
 * implementation of MessagePack.
 *
 *   proto_vectors           the test
 *   proto_vectors --write   writes the bytes as the codecs give them (then look at the difference)
 *   proto_vectors --accept  takes lines of a name and bytes in hex, and answers each with the name and the
 * same message as the codecs write it, or with what is wrong with it
 */
#include "proto/bundle.h"
#include "proto/manifest.h"
#include "proto/token.h"
#include "t/00-unit/proto_message.h"
#include "t/tap.h"

#define FOLDER "t/40-server/vectors/"
#define ROOM 8192u

/* ---- what the codecs give ------------------------------------------------------------------------------ */

static void put_message(struct sense_wire_writer *writer, const struct proto_sample *sample, uint32_t id,
                        const uint8_t *body, size_t len)
{
	if (sample->kind == SENSE_RPC_REQUEST)
		sense_rpc_put_request(writer, id, sample->method);
	else if (sample->kind == SENSE_RPC_NOTIFICATION)
		sense_rpc_put_notification(writer, sample->method);
	else if (sample->method)
		sense_rpc_put_result(writer, id);
	else
		sense_rpc_put_error(writer, id);
	sense_wire_put_raw(writer, body, len);
	if (sample->kind == SENSE_RPC_RESPONSE && !sample->method)
		sense_rpc_end_error(writer);
}

static size_t message(const struct proto_sample *sample, uint8_t *out)
{
	uint8_t body[ROOM];
	struct sense_wire_writer inner = {.data = body, .cap = sizeof(body)};
	struct sense_wire_writer writer = {.data = out, .cap = ROOM};

	sample->put(&inner);
	put_message(&writer, sample, (uint32_t)(sample - proto_samples) * 100, body, inner.len);
	return inner.full || writer.full ? 0 : writer.len;
}

static size_t bundle(uint8_t *out)
{
	struct sense_wire_bundle_writer writer = {.writer = {.data = out, .cap = ROOM}};
	sense_wire_bundle_put(&writer, 2);
	sense_wire_bundle_put_file(&writer, "ai/chat.lua", "-- chat\n", 8);
	sense_wire_bundle_put_file(&writer, "b.lua", "\xff", 1);
	return sense_wire_bundle_end(&writer);
}

static size_t manifest(uint8_t *out)
{
	static const uint8_t params[] = "\x81\xa3min\xcb\x3f\xe8\0\0\0\0\0\0";
	static const struct sense_manifest sample = {.organization = PROTO_ORGANIZATION,
	                                             .generation = 7,
	                                             .hash = {0xde, 0xad, 0xbe, 0xef, [31] = 1},
	                                             .size = 262149,
	                                             .created = UINT64_C(1770000000123456),
	                                             .mode = SENSE_MANIFEST_OBSERVE,
	                                             .params = {params, sizeof(params) - 1}};
	return sense_manifest_encode(&sample, out, ROOM);
}

static size_t token(uint8_t *out)
{
	static const struct sense_token sample = {.id = {1, 2, 3, [15] = 0x10},
	                                          .secret = {0xfb, 0xff, 0xfe, [15] = 0x20},
	                                          .ca = {0xca, 0xfe, [31] = 0x30},
	                                          .server_count = 2,
	                                          .servers = {"sense.example:8443", "[2001:db8::1]:443"}};
	const char *why;
	return sense_token_encode(&sample, (char *)out, &why);
}

static const struct {
	const char *name;
	size_t (*make)(uint8_t *out);
} others[] = {{"bundle", bundle}, {"manifest", manifest}, {"token", token}};
#define OTHERS (sizeof(others) / sizeof(*others))

static const char *vector(size_t i, uint8_t *out, size_t *len)
{
	if (i < PROTO_SAMPLES) {
		*len = message(&proto_samples[i], out);
		return proto_samples[i].name;
	}
	*len = others[i - PROTO_SAMPLES].make(out);
	return others[i - PROTO_SAMPLES].name;
}

/* ---- files --------------------------------------------------------------------------------------------- */

static FILE *file(const char *name, const char *mode)
{
	char path[128];
	snprintf(path, sizeof(path), FOLDER "%s.hex", name);
	FILE *out = fopen(path, mode);
	if (!out)
		perror(path);
	return out;
}

static int digit(int c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t read_hex(FILE *in, uint8_t *out, size_t cap)
{
	size_t len = 0;
	int high = -1, c;

	while ((c = getc(in)) != EOF && len < cap) {
		if (digit(c) < 0)
			continue;
		if (high < 0) {
			high = digit(c);
			continue;
		}
		out[len++] = (uint8_t)(high << 4 | digit(c));
		high = -1;
	}
	return len;
}

static void print_hex(FILE *out, const uint8_t *data, size_t len, size_t line)
{
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%02x%s", data[i], line && (i + 1) % line == 0 && i + 1 < len ? "\n" : "");
	putc('\n', out);
}

static int write_all(void)
{
	uint8_t data[ROOM];
	size_t len;

	for (size_t i = 0; i < PROTO_SAMPLES + OTHERS; i++) {
		const char *name = vector(i, data, &len);
		FILE *out = file(name, "w");
		if (!out)
			return 1;
		print_hex(out, data, len, 32);
		if (fclose(out))
			return 1;
	}
	return 0;
}

static int test(void)
{
	uint8_t data[ROOM], want[ROOM];
	size_t len;

	for (size_t i = 0; i < PROTO_SAMPLES + OTHERS; i++) {
		const char *name = vector(i, data, &len);
		FILE *in = file(name, "r");
		size_t there = in ? read_hex(in, want, sizeof(want)) : 0;
		ok(len && there == len && !memcmp(data, want, len), "%s is written as before", name);
		if (in)
			fclose(in);
	}
	return tap_done();
}

/* ---- what others write --------------------------------------------------------------------------------- */

static bool answer(const struct proto_sample *sample, const uint8_t *data, size_t len,
                   struct sense_wire_writer *writer, const char **why)
{
	struct sense_rpc_scanner scanner;
	struct sense_rpc_message parts;
	uint8_t body[ROOM];
	struct sense_wire_writer inner = {.data = body, .cap = sizeof(body)};
	size_t used;

	*why = "is not whole";
	sense_rpc_scan_init(&scanner, SENSE_RPC_MESSAGE_MAX);
	if (sense_rpc_scan(&scanner, data, len, &used) != SENSE_RPC_WHOLE || used != len) {
		*why = scanner.why ? scanner.why : *why;
		return false;
	}
	if (!sense_rpc_parse(data, len, &parts, why))
		return false;
	*why = "is another message";
	if (parts.kind != sample->kind || !parts.body != !sample->method ||
	    (parts.method.text && !sense_wire_is(&parts.method, sample->method)))
		return false;
	if (!sample->again)
		sense_message_put_nothing(&inner);
	else if (!sample->again(parts.body ? parts.body : parts.error,
	                        parts.body ? parts.body_len : parts.error_len, &inner, why))
		return false;
	put_message(writer, sample, parts.id, body, inner.len);
	*why = "is not written again";
	return !inner.full && !writer->full;
}

static void accept_line(const char *name, const char *hex)
{
	uint8_t data[ROOM], out[ROOM];
	struct sense_wire_writer writer = {.data = out, .cap = sizeof(out)};
	const char *why = "has a name that is not known";
	size_t len = 0;

	for (; digit(hex[0]) >= 0 && digit(hex[1]) >= 0 && len < sizeof(data); hex += 2)
		data[len++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
	const struct proto_sample *sample = proto_samples, *end = proto_samples + PROTO_SAMPLES;
	while (sample < end && strcmp(sample->name, name) != 0)
		sample++;
	if (sample < end && answer(sample, data, len, &writer, &why)) {
		printf("%s ", name);
		print_hex(stdout, out, writer.len, 0);
		return;
	}
	printf("%s refused: %s\n", name, why);
}

static int accept_all(void)
{
	static char line[2 * ROOM + 64];

	while (fgets(line, sizeof(line), stdin)) {
		char *blank = strchr(line, ' ');
		if (!blank)
			return 1;
		*blank = '\0';
		accept_line(line, blank + 1);
	}
	return fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--write"))
		return write_all();
	if (argc == 2 && !strcmp(argv[1], "--accept"))
		return accept_all();
	return test();
}

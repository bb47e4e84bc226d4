/* `policy show` and `policy diff`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/show/json.h"
#include "core/show/terminal.h"
#include "core/show/text.h"
#include "server/cli/policy.h"
#include "server/policy/diff.h"

static int flush(struct sense_output *output)
{
	sense_output_flush(output);
	sense_buf_fini(&output->buf);
	return output->failed ? SENSE_SERVER_FAILED : SENSE_SERVER_OK;
}

/* ---- show --------------------------------------------------------------------------------------------- */

static void files_json(const struct sense_pack *pack, struct sense_json *json)
{
	struct sense_wire_bundle bundle;
	struct sense_wire_bundle_file file;
	char name[SENSE_WIRE_BUNDLE_NAME_MAX + 1];
	sense_json_key(json, "files");
	sense_json_open(json, '[');
	sense_wire_bundle_get(&bundle, pack->bytes, pack->len);
	while (sense_wire_bundle_next(&bundle, &file)) {
		snprintf(name, sizeof name, "%.*s", (int)file.name.len, file.name.text);
		sense_json_open(json, '{');
		sense_json_member(json, "name", name);
		sense_json_member_uint(json, "bytes", file.len);
		sense_json_close(json, '}');
	}
	sense_json_close(json, ']');
}

static void files_table(const struct sense_pack *pack, struct sense_buf *out)
{
	struct sense_wire_bundle bundle;
	struct sense_wire_bundle_file file;
	sense_wire_bundle_get(&bundle, pack->bytes, pack->len);
	while (sense_wire_bundle_next(&bundle, &file))
		sense_buf_printf(out, "%9zu  %.*s\n", file.len, (int)file.name.len, file.name.text);
}

static int about(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org,
                 const char *hex, const struct sense_pack *pack)
{
	struct sense_output output = {.subsystem = "cli"};
	struct sense_json json = {.out = &output.buf};
	char note[512];
	if (!sense_admin_ask(
		admin,
		"SELECT rules, to_char(created AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC', "
		"created_by, coalesce(note, '') FROM sense.policies "
		"WHERE org_id = $1 AND hash = decode($2, 'hex')",
		(const char *[]){org, hex}, 2))
		return SENSE_SERVER_FAILED;
	sense_text_clean(sense_admin_value(admin, 3), note, sizeof note);
	if (sense_server_option(cli, "json")) {
		sense_json_open(&json, '{');
		sense_json_member(&json, "hash", hex);
		sense_json_member_uint(&json, "rules", strtoull(sense_admin_value(admin, 0), NULL, 10));
		sense_json_member(&json, "added", sense_admin_value(admin, 1));
		sense_json_member(&json, "by", sense_admin_value(admin, 2));
		sense_json_member(&json, "note", sense_admin_value(admin, 3));
		files_json(pack, &json);
		sense_json_close(&json, '}');
		sense_buf_addc(&output.buf, '\n');
	} else {
		sense_buf_printf(&output.buf, "%s\n%s rules in %u files, added %s by %s%s%s\n\n", hex,
		                 sense_admin_value(admin, 0), pack->files, sense_admin_value(admin, 1),
		                 sense_admin_value(admin, 2), *note ? ": " : "", note);
		files_table(pack, &output.buf);
	}
	return flush(&output);
}

int sense_policy_cli_show(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	sense_error err;
	char hex[SENSE_PACK_HEX];
	struct sense_pack pack = {0};
	const char *out = sense_server_option(cli, "out");
	int code = SENSE_SERVER_FAILED;
	if (!sense_scope_bundle(admin, org, cli->operands[1], hex) ||
	    !sense_scope_pack(admin, org, hex, &pack))
		goto out;
	if (!out) {
		code = about(admin, cli, org, hex, &pack);
	} else if (sense_pack_write(&pack, out, &err)) {
		code = sense_admin_fail("%s", err.message);
	} else {
		printf("%u files are in %s: added again, they are the same bundle\n", pack.files, out);
		code = SENSE_SERVER_OK;
	}
out:
	sense_pack_fini(&pack);
	return code;
}

/* ---- diff --------------------------------------------------------------------------------------------- */

/* Lines of policies, which terminals must not obey. */
static void clean_add(const char *text, struct sense_buf *out)
{
	char line[1024], clean[sizeof line];
	while (*text) {
		size_t len = strcspn(text, "\n\t");
		snprintf(line, sizeof line, "%.*s", (int)(len < sizeof line ? len : sizeof line - 1), text);
		sense_text_clean(line, clean, sizeof clean);
		sense_buf_adds(out, clean);
		text += len;
		if (*text)
			sense_buf_addc(out, *text++);
	}
}

int sense_policy_cli_diff(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	char hex[2][SENSE_PACK_HEX];
	struct sense_pack packs[2] = {{0}, {0}};
	struct sense_output output = {.subsystem = "cli"};
	struct sense_buf text;
	sense_error err;
	unsigned count;
	int code = SENSE_SERVER_FAILED;
	sense_buf_init(&text, (size_t)128 << 20);
	for (unsigned i = 0; i < 2; i++)
		if (!sense_scope_bundle(admin, org, cli->operands[1 + i], hex[i]) ||
		    !sense_scope_pack(admin, org, hex[i], &packs[i]))
			goto out;
	if (sense_diff_packs(&packs[0], &packs[1], &text, &count, &err)) {
		sense_admin_fail("%s", err.message);
		goto out;
	}
	clean_add(sense_buf_str(&text), &output.buf);
	code = flush(&output);
	fprintf(stderr, "%u file%s differ%s\n", count, count == 1 ? "" : "s", count == 1 ? "s" : "");
out:
	sense_buf_fini(&text);
	sense_pack_fini(&packs[0]);
	sense_pack_fini(&packs[1]);
	return code;
}

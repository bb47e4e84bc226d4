#include "core/cli/enroll.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/version.h"
#include "core/link/enrol.h"
#include "proto/token.h"

#define TEXT_MAX (SENSE_TOKEN_TEXT_MAX + 64)

/* Blanks around it are no part of it. False: there is nothing. */
static bool token_read(char out[TEXT_MAX])
{
	size_t len = fread(out, 1, TEXT_MAX - 1, stdin);
	out[len] = '\0';
	return len > 0;
}

static void told(const struct sense_identity *identity)
{
	int64_t from, until;
	char when[32] = "?";
	struct tm utc;
	if (!sense_identity_validity(identity, &from, &until, NULL)) {
		time_t seconds = (time_t)until;
		strftime(when, sizeof when, "%Y-%m-%d", gmtime_r(&seconds, &utc));
	}
	printf("enrolled\n  agent         %s\n  organization  %s\n", identity->agent, identity->organization);
	for (unsigned i = 0; i < identity->server_count; i++)
		printf("  server        %s\n", identity->servers[i]);
	printf("  certificate   until %s, renewed by itself\n", when);
}

int sense_enroll_run(const struct sense_cli *cli, const struct sense_conf *conf, const char *plugins_dir)
{
	char token[TEXT_MAX];
	sense_error err;
	bool on_stdin = !strcmp(cli->token, "-");
	if (on_stdin && !token_read(token)) {
		fputs("sense-agent: there is no token on stdin\n", stderr);
		return SENSE_EXIT_FAILED;
	}
	struct sense_identity *identity = calloc(1, sizeof *identity);
	const struct sense_enrol_config config = {
	    .plugins_dir = plugins_dir,
	    .agent_dir = sense_conf_text(conf, SENSE_CONF_AGENT_DIR),
	    .token = on_stdin ? token : cli->token,
	    .server = cli->server,
	    .proxy = sense_conf_text(conf, SENSE_CONF_UPLINK_PROXY),
	    .version = sense_version(),
	};
	if (!identity) {
		fputs("sense-agent: no memory\n", stderr);
		return SENSE_EXIT_FAILED;
	}
	enum sense_status status = sense_enrol_run(&config, identity, &err);
	if (status)
		fprintf(stderr, "sense-agent: %s\n", err.message);
	else
		told(identity);
	sense_identity_clear(identity);
	free(identity);
	OPENSSL_cleanse(token, sizeof token);
	return status ? SENSE_EXIT_FAILED : SENSE_EXIT_OK;
}

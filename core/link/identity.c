#include "core/link/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "proto/hex.h"
#include "proto/token.h"

#define FILE_MAX 65536u
#define FOLDER "fleet"
#define NAME "identity"
#define NEW_NAME "identity.new"
#define MAGIC "sense-identity 1"

/* ---- words ------------------------------------------------------------------------------------------ */

bool sense_identity_servers_add(struct sense_identity *identity, const char *server)
{
	const char *why;
	if (!sense_token_is_server(server, &why))
		return false;
	for (unsigned i = 0; i < identity->server_count; i++)
		if (!strcmp(identity->servers[i], server))
			return true;
	if (identity->server_count == SENSE_IDENTITY_SERVERS_MAX)
		return false;
	memcpy(identity->servers[identity->server_count++], server, strlen(server) + 1);
	return true;
}

void sense_identity_clear(struct sense_identity *identity)
{
	OPENSSL_cleanse(identity, sizeof *identity);
}

/* ---- the file's text -------------------------------------------------------------------------------- */

/* One line of the head. False: it is none that there is. */
static bool line_take(struct sense_identity *out, const char *word, const char *value)
{
	if (!strcmp(word, "server"))
		return sense_identity_servers_add(out, value);
	if (!strcmp(word, "policy-key"))
		return strlen(value) == 2 * sizeof out->policy_key &&
		       sense_hex_bytes(value, out->policy_key, sizeof out->policy_key);
	char *to = !strcmp(word, "agent")        ? out->agent
	         : !strcmp(word, "organization") ? out->organization
	                                         : NULL;
	if (!to || !sense_uuid_is(value))
		return false;
	memcpy(to, value, SENSE_UUID_TEXT);
	return true;
}

/* One PEM block, from *text on, which goes behind it. */
static bool pem_take(char **text, char out[SENSE_IDENTITY_PEM_MAX])
{
	char *end = strstr(*text, "\n-----END ");
	end = end ? strchr(end + 1, '\n') : NULL;
	if (!end || strncmp(*text, "-----BEGIN ", 11))
		return false;
	size_t len = (size_t)(end + 1 - *text);
	if (len >= SENSE_IDENTITY_PEM_MAX)
		return false;
	memcpy(out, *text, len);
	out[len] = '\0';
	*text = end + 1;
	return true;
}

static bool text_take(char *text, struct sense_identity *out)
{
	char *line = text;
	for (unsigned number = 0; strncmp(line, "-----BEGIN ", 11); number++) {
		char *end = strchr(line, '\n');
		if (!end)
			return false;
		*end = '\0';
		char *value = strchr(line, ' ');
		if (!value || (!number && strcmp(line, MAGIC)))
			return false;
		*value++ = '\0';
		if (number && !line_take(out, line, value))
			return false;
		line = end + 1;
	}
	return *out->agent && *out->organization && out->server_count && pem_take(&line, out->key) &&
	       pem_take(&line, out->certificate) && pem_take(&line, out->ca);
}

static void text_put(const struct sense_identity *identity, struct sense_buf *out)
{
	char policy_key[2 * SENSE_IDENTITY_POLICY_KEY + 1];
	sense_hex_text(identity->policy_key, SENSE_IDENTITY_POLICY_KEY, policy_key);
	sense_buf_printf(out, MAGIC "\nagent %s\norganization %s\npolicy-key %s\n", identity->agent,
	                 identity->organization, policy_key);
	for (unsigned i = 0; i < identity->server_count; i++)
		sense_buf_printf(out, "server %s\n", identity->servers[i]);
	sense_buf_adds(out, identity->key);
	sense_buf_adds(out, identity->certificate);
	sense_buf_adds(out, identity->ca);
}

/* ---- the file --------------------------------------------------------------------------------------- */

static enum sense_status mode_check(const char *path, const struct stat *st, bool file, sense_error *err)
{
	if ((file ? S_ISREG(st->st_mode) : S_ISDIR(st->st_mode)) && st->st_uid == geteuid() &&
	    !(st->st_mode & 077))
		return SENSE_OK;
	return sense_fail(
	    err, SENSE_E_CONFIG, "link",
	    "%s: mode %04o of user %u; it must be a %s of mode %s that belongs to user %u. Others may have "
	    "read the agent's key: revoke this agent, remove the file and enrol again",
	    path, (unsigned)st->st_mode & 07777, (unsigned)st->st_uid, file ? "file" : "directory",
	    file ? "0600" : "0700", (unsigned)geteuid());
}

static enum sense_status folder_open(const char *agent_dir, bool make, int *fd, sense_error *err)
{
	char path[PATH_MAX];
	struct stat st = {0};
	*fd = -1;
	if (make && mkdir(agent_dir, 0700) && errno != EEXIST)
		return sense_fail_errno(err, "link", "cannot make %s (agent.dir)", agent_dir);
	if (snprintf(path, sizeof path, "%s/" FOLDER, agent_dir) >= (int)sizeof path)
		return sense_fail(err, SENSE_E_LIMIT, "link", "agent.dir is too long");
	if (make && mkdir(path, 0700) && errno != EEXIST)
		return sense_fail_errno(err, "link", "cannot make %s", path);
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*fd < 0 && errno == ENOENT)
		return sense_fail(err, SENSE_E_NOTFOUND, "link", "%s: this agent is not enrolled", path);
	if (*fd < 0 || fstat(*fd, &st))
		return sense_fail_errno(err, "link", "%s", path);
	enum sense_status status = mode_check(path, &st, false, err);
	if (status)
		close(*fd);
	return status;
}

static enum sense_status text_read(int dir, const char *path, char text[FILE_MAX + 1], sense_error *err)
{
	struct stat st = {0};
	enum sense_status status = SENSE_OK;
	size_t have = 0;
	int fd = openat(dir, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return sense_fail(err, SENSE_E_NOTFOUND, "link", "%s: this agent is not enrolled", path);
	if (fd < 0 || fstat(fd, &st))
		status = sense_fail_errno(err, "link", "%s", path);
	if (!status)
		status = mode_check(path, &st, true, err);
	while (!status && have < FILE_MAX) {
		ssize_t got = read(fd, text + have, FILE_MAX - have);
		if (got < 0 && errno != EINTR)
			status = sense_fail_errno(err, "link", "%s", path);
		if (!got)
			break;
		have += got > 0 ? (size_t)got : 0;
	}
	text[have] = '\0';
	if (fd >= 0)
		close(fd);
	return status;
}

enum sense_status sense_identity_read(const char *agent_dir, struct sense_identity *out, sense_error *err)
{
	char path[PATH_MAX];
	int dir = -1;
	*out = (struct sense_identity){0};
	enum sense_status status = folder_open(agent_dir, false, &dir, err);
	if (status)
		return status;
	char *text = calloc(1, FILE_MAX + 1);
	if (!text) {
		close(dir);
		return sense_fail(err, SENSE_E_MEMORY, "link", "no memory");
	}
	snprintf(path, sizeof path, "%s/" FOLDER "/" NAME, agent_dir);
	status = text_read(dir, path, text, err);
	if (!status && !text_take(text, out))
		status =
		    sense_fail(err, SENSE_E_FORMAT, "link", "%s is damaged: remove it and enrol again", path);
	if (!status)
		status = sense_identity_check(out, err);
	OPENSSL_cleanse(text, FILE_MAX);
	free(text);
	close(dir);
	if (status)
		sense_identity_clear(out);
	return status;
}

enum sense_status sense_identity_write(const char *agent_dir, const struct sense_identity *identity,
                                       sense_error *err)
{
	struct sense_buf text;
	int dir = -1;
	enum sense_status status = folder_open(agent_dir, true, &dir, err);
	if (status)
		return status;
	sense_buf_init(&text, FILE_MAX);
	text_put(identity, &text);
	unlinkat(dir, NEW_NAME, 0); /* of an attempt that was interrupted */
	int fd = openat(dir, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool good = !text.failed && fd >= 0 && !fchmod(fd, 0600) &&
	            sense_file_write_all(fd, text.data, text.len) && !fsync(fd) &&
	            !renameat(dir, NEW_NAME, dir, NAME) && !fsync(dir);
	if (!good)
		status = sense_fail_errno(err, "link", "cannot write %s/" FOLDER "/" NAME, agent_dir);
	if (fd >= 0)
		close(fd);
	if (status)
		unlinkat(dir, NEW_NAME, 0);
	if (text.data)
		OPENSSL_cleanse(text.data, text.len);
	sense_buf_fini(&text);
	close(dir);
	return status;
}

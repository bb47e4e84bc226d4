#include "core/link/managed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "proto/bundle.h"

#define NAME "fleet/policies"
#define MAGIC "SENSEpol"
#define HEAD (sizeof MAGIC - 1 + sizeof(uint32_t) + SENSE_MANAGED_SIGNATURE)
#define FILE_MAX (HEAD + SENSE_MANIFEST_MAX + SENSE_WIRE_BUNDLE_MAX)

static enum sense_status refuse(sense_error *err, const char *what)
{
	return sense_fail(err, SENSE_E_FORMAT, "link", "the server's policies are refused: %s", what);
}

/* ---- what is believed ------------------------------------------------------------------------------- */

static bool signature_good(const struct sense_managed_trust *trust, const uint8_t *signature,
                           const uint8_t *data, size_t len)
{
	static uint8_t text[SENSE_MANIFEST_SIGNED_MAX];
	size_t text_len = sense_manifest_signed(data, len, text, sizeof text);
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, trust->key, sizeof trust->key);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = text_len && key && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
	            EVP_DigestVerify(context, signature, SENSE_MANAGED_SIGNATURE, text, text_len) == 1;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return good;
}

enum sense_status sense_managed_verify(const struct sense_managed_trust *trust, const uint8_t *signature,
                                       const uint8_t *data, size_t len, struct sense_manifest *manifest,
                                       sense_error *err)
{
	const char *why;
	if (!signature_good(trust, signature, data, len))
		return refuse(err, "their signature is not of the key that was pinned at enrolment");
	if (!sense_manifest_decode(data, len, manifest, &why))
		return sense_fail(err, SENSE_E_FORMAT, "link",
		                  "the server's policies are refused: their manifest %s", why);
	if (strcasecmp(manifest->organization, trust->organization))
		return refuse(err, "they are for another organization");
	if (manifest->size > SENSE_WIRE_BUNDLE_MAX)
		return refuse(err, "they are larger than policies may be");
	return SENSE_OK;
}

enum sense_status sense_managed_verify_bundle(const struct sense_manifest *manifest, const uint8_t *bundle,
                                              size_t len, sense_error *err)
{
	uint8_t digest[SENSE_MESSAGE_HASH];
	unsigned digest_len = sizeof digest;
	uint32_t count;
	const char *why;
	if (len != manifest->size || EVP_Digest(bundle, len, digest, &digest_len, EVP_sha256(), NULL) != 1 ||
	    memcmp(digest, manifest->hash, sizeof digest))
		return refuse(err, "they are not those that were signed");
	if (!sense_wire_bundle_check(bundle, len, &count, &why))
		return sense_fail(err, SENSE_E_FORMAT, "link",
		                  "the server's policies are refused: the bundle %s", why);
	return SENSE_OK;
}

/* ---- the file --------------------------------------------------------------------------------------- */

static bool path_of(char path[PATH_MAX], const char *agent_dir, const char *end)
{
	return snprintf(path, PATH_MAX, "%s/" NAME "%s", agent_dir, end) < PATH_MAX;
}

enum sense_status sense_managed_write(const char *agent_dir, const uint8_t *signature,
                                      const uint8_t *manifest, size_t manifest_len, const uint8_t *bundle,
                                      size_t bundle_len, sense_error *err)
{
	char path[PATH_MAX], new_path[PATH_MAX];
	const uint32_t len = htonl((uint32_t)manifest_len);
	if (!path_of(path, agent_dir, "") || !path_of(new_path, agent_dir, ".new"))
		return sense_fail(err, SENSE_E_LIMIT, "link", "agent.dir is too long");
	unlink(new_path); /* of an attempt that was interrupted */
	int fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool good = fd >= 0 && sense_file_write_all(fd, MAGIC, sizeof MAGIC - 1) &&
	            sense_file_write_all(fd, &len, sizeof len) &&
	            sense_file_write_all(fd, signature, SENSE_MANAGED_SIGNATURE) &&
	            sense_file_write_all(fd, manifest, manifest_len) &&
	            sense_file_write_all(fd, bundle, bundle_len) && !fsync(fd) && !rename(new_path, path) &&
	            sense_file_sync_parent(path);
	enum sense_status status = good ? SENSE_OK : sense_fail_errno(err, "link", "cannot write %s", path);
	if (fd >= 0)
		close(fd);
	if (status)
		unlink(new_path);
	return status;
}

static enum sense_status file_read(const char *agent_dir, struct sense_buf *out, sense_error *err)
{
	char path[PATH_MAX], data[65536];
	struct stat st;
	if (!path_of(path, agent_dir, ""))
		return sense_fail(err, SENSE_E_LIMIT, "link", "agent.dir is too long");
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT ? sense_fail(err, SENSE_E_NOTFOUND, "link", "%s: there is none", path)
		                       : sense_fail_errno(err, "link", "%s", path);
	enum sense_status status = SENSE_OK;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		status = sense_fail(err, SENSE_E_CONFIG, "link",
		                    "%s: it must be a file that user %u alone can write", path,
		                    (unsigned)geteuid());
	while (!status) {
		ssize_t got = read(fd, data, sizeof data);
		if (got < 0 && errno != EINTR)
			status = sense_fail_errno(err, "link", "%s", path);
		if (!got)
			break;
		sense_buf_add(out, data, got > 0 ? (size_t)got : 0);
	}
	close(fd);
	if (!status && out->failed)
		status = sense_fail(err, SENSE_E_LIMIT, "link", "%s is too large, or memory is short", path);
	return status;
}

/*
 * Texts of the bundle, named as those of a directory are: without .lua; tests stay away. Settings come behind them as they
 * were signed: the worker takes them apart.
 */
static void policies_add(const struct sense_manifest *manifest, const uint8_t *bundle, size_t len,
                         struct sense_bundle *out)
{
	struct sense_wire_bundle reader;
	struct sense_wire_bundle_file one;
	const struct sense_message_bytes *params = &manifest->params;
	char file[SENSE_WIRE_BUNDLE_NAME_MAX + 16], name[SENSE_WIRE_BUNDLE_NAME_MAX + 1];
	sense_wire_bundle_get(&reader, bundle, len);
	while (sense_wire_bundle_next(&reader, &one)) {
		snprintf(name, sizeof name, "%.*s", (int)one.name.len, one.name.text);
		snprintf(file, sizeof file, "fleet:%s", name);
		char *end = strstr(name, ".lua");
		bool test = end && end - name > 5 && !strncmp(end - 5, "_test", 5);
		if (end && !end[4])
			*end = '\0';
		if (!test)
			sense_bundle_add(
			    out, &(struct sense_bundle_item){file, name, (const char *)one.text, one.len});
	}
	if (params->data)
		sense_bundle_add(out, &(struct sense_bundle_item){"fleet:params", SENSE_BUNDLE_PARAMS,
		                                                  (const char *)params->data, params->len});
}

static enum sense_status trust_read(const char *agent_dir, struct sense_managed_trust *out, sense_error *err)
{
	struct sense_identity *identity = calloc(1, sizeof *identity);
	if (!identity)
		return sense_fail(err, SENSE_E_MEMORY, "link", "no memory");
	enum sense_status status = sense_identity_read(agent_dir, identity, err);
	memcpy(out->key, identity->policy_key, sizeof out->key);
	memcpy(out->organization, identity->organization, sizeof out->organization);
	sense_identity_clear(identity);
	free(identity);
	return status;
}

/* *bundle and its length lie in `file`. */
static enum sense_status file_take(const struct sense_managed_trust *trust, const struct sense_buf *file,
                                   struct sense_manifest *manifest, const uint8_t **bundle, size_t *len,
                                   sense_error *err)
{
	const uint8_t *data = (const uint8_t *)file->data;
	uint32_t manifest_len = 0;
	if (file->len >= HEAD)
		memcpy(&manifest_len, data + sizeof MAGIC - 1, sizeof manifest_len);
	manifest_len = ntohl(manifest_len);
	if (file->len < HEAD || memcmp(data, MAGIC, sizeof MAGIC - 1) || manifest_len > file->len - HEAD)
		return refuse(err, "the file that keeps them is damaged");
	enum sense_status status = sense_managed_verify(trust, data + HEAD - SENSE_MANAGED_SIGNATURE,
	                                                data + HEAD, manifest_len, manifest, err);
	*bundle = data + HEAD + manifest_len;
	*len = file->len - HEAD - manifest_len;
	return status ? status : sense_managed_verify_bundle(manifest, *bundle, *len, err);
}

enum sense_status sense_managed_read(const char *agent_dir, struct sense_manifest *manifest,
                                     struct sense_bundle *out, sense_error *err)
{
	struct sense_managed_trust trust;
	struct sense_buf file;
	const uint8_t *bundle = NULL;
	size_t len = 0;
	enum sense_status status = trust_read(agent_dir, &trust, err);
	if (status)
		return status;
	sense_buf_init(&file, FILE_MAX);
	status = file_read(agent_dir, &file, err);
	if (!status)
		status = file_take(&trust, &file, manifest, &bundle, &len, err);
	if (!status && out)
		policies_add(manifest, bundle, len, out);
	manifest->params = (struct sense_message_bytes){0};
	sense_buf_fini(&file);
	return status;
}

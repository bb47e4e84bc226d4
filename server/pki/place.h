/*
 * The directory of a CA, and files in it that are there whole or not at all.
 *
 *   ca.pem          the CA's certificate                          0644
 *   ca.key          its key, PKCS#8, encrypted                    0600
 *   ca.passphrase   what decrypts the two keys that are encrypted 0600, unless it comes from elsewhere
 *   policy.key      signs policies, Ed25519, encrypted            0600
 *   policy.pub      its public half, which agents are given       0644
 *   server.key      of the listener's TLS certificate             0600
 *   server.pem      that certificate and the CA's behind it       0644
 */
#ifndef SENSE_SERVER_PKI_PLACE_H
#define SENSE_SERVER_PKI_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/base/status.h"

#define SENSE_CA_CERTIFICATE "ca.pem"
#define SENSE_CA_KEY "ca.key"
#define SENSE_CA_PASSPHRASE "ca.passphrase"
#define SENSE_CA_POLICY_KEY "policy.key"
#define SENSE_CA_POLICY_PUBLIC "policy.pub"
#define SENSE_CA_SERVER_KEY "server.key"
#define SENSE_CA_SERVER_CERTIFICATE "server.pem"

#define SENSE_CA_FILE_MAX ((size_t)64 << 10) /* bytes of any of these */

/* Who may read a file, checked before a byte of it is. */
enum sense_ca_file {
	SENSE_CA_FILE_PUBLIC,    /* anybody; nobody but its owner may write it */
	SENSE_CA_FILE_PRIVATE,   /* a regular file of this user or of root, closed to all others */
	SENSE_CA_FILE_CREDENTIAL /* handed over by the service manager: closed to the world */
};

/* The directory with all that is missing above it. Others may pass through it, to what is theirs below it. */
enum sense_status sense_ca_dir_make(const char *dir, sense_error *err);
bool sense_ca_has(const char *dir, const char *name);
/*
 * The whole file, NUL-terminated, into new memory; *len (may be NULL) without that NUL. It may be a secret:
 * give it back with sense_ca_text_free.
 */
enum sense_status sense_ca_file_read(const char *path, enum sense_ca_file kind, char **text, size_t *len,
                                     sense_error *err);
void sense_ca_text_free(char *text, size_t len); /* text may be NULL */
/* Written beside it, synced and renamed. Over a file that is there only when `replace` says so. */
enum sense_status sense_ca_file_write(const char *dir, const char *name, mode_t mode, const void *data,
                                      size_t len, bool replace, sense_error *err);

/*
 * The passphrase: from `file`, else from the credential `ca.passphrase` ($CREDENTIALS_DIRECTORY,
 * systemd.exec(5)), else from ca.passphrase in the directory. Its first line, without the end of the line.
 */
enum sense_status sense_ca_passphrase_read(const char *dir, const char *file, char **passphrase,
                                           sense_error *err);

#endif

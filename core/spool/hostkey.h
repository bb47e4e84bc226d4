/*
 * The host key: 32 random bytes in the file `key` of the spool's directory, mode 0600.
 *
 * Made once: written under another name, synced and renamed (rename(2)), so it is there whole or not at all.
 */
#ifndef SENSE_SPOOL_HOSTKEY_H
#define SENSE_SPOOL_HOSTKEY_H

#include "core/spool/seal.h"

enum sense_hostkey_state { SENSE_HOSTKEY_GOOD, SENSE_HOSTKEY_MISSING, SENSE_HOSTKEY_DAMAGED };

/*
 * Reads the key below the directory. *state says what is there when the status is SENSE_OK; damaged is a file
 * of another size. A key that others could have read or written, or that is somebody else's, is an error: it
 * must be looked at by a person.
 */
enum sense_status sense_hostkey_read(int dir, const char *dir_name, uint8_t key[SENSE_SEAL_KEY],
                                     enum sense_hostkey_state *state, sense_error *err);
/* Makes one; there must be none. */
enum sense_status sense_hostkey_make(int dir, const char *dir_name, uint8_t key[SENSE_SEAL_KEY],
                                     sense_error *err);

#define SENSE_MACHINE_ID_MAX 33u
/* The 32 hexadecimal digits of the file, or "": no such file, or it says something else (machine-id(5)). */
void sense_machine_id(const char *path, char id[SENSE_MACHINE_ID_MAX]);

#endif

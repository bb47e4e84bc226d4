/*
 * A process's arguments as one line that can be kept: printable, bounded, and without secrets.
 *
 * Secrets are known by their shape (core/names/redact.h) and by what stands before them: the value of an
 * option or variable whose name speaks of a key, token, password or secret (--api-key X, TOKEN=X, "apiKey":
 * "X"), header fields that carry credentials, user and password of a URL, and its query. The same holds
 * within an argument that is a command of its own (sh -c "..."). It errs towards 'secret'.
 *
 * Arguments with blanks or quotes in them are set in single quotes, as a shell would take them; control
 * characters become \n, \t or \xNN; what is not UTF-8, and characters that turn the line round, become
 * U+FFFD.
 */
#ifndef SENSE_NAMES_COMMAND_H
#define SENSE_NAMES_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/*
 * argv: each argument ended by NUL, the last may lack it. Writes at most cap bytes with the NUL, "..." at the
 * end when that is not all. Returns the length. Reads little more than what it writes.
 */
size_t sense_command_line(const char *argv, size_t len, char *out, size_t cap);

/* Is what is called so a secret: "api-key", "OPENAI_API_KEY", "clientSecret"; not "max-tokens", "key-file".
 */
bool sense_secret_name(const char *name, size_t len);

#endif

/* Sealed records, names of ids, and the file of the host key. */
#include "core/spool/seal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/spool/hostkey.h"
#include "t/tap.h"

static const char text[] = "what was found";
#define LEN (sizeof text - 1)

static sense_error err;
static char dir[] = "/tmp/sense-seal-XXXXXX";
static int dir_fd;

static void records(void)
{
	uint8_t key[SENSE_SEAL_KEY] = {7}, other_key[SENSE_SEAL_KEY] = {8};
	uint8_t sealed[LEN + SENSE_SEAL_EXTRA], again[sizeof sealed], out[LEN];
	unsigned taken = 0;
	sense_seal *seal = sense_seal_new(key, "0123", &err),
		   *other = sense_seal_new(other_key, "0123", &err);
	sense_seal *elsewhere = sense_seal_new(key, "4567", &err), *same = sense_seal_new(key, "0123", &err);
	ok(seal && other && elsewhere && same, "seals");
	ok(sense_seal_wrap(seal, "a", 1, (const uint8_t *)text, LEN, sealed), "wrap");
	ok(sense_seal_unwrap(seal, "a", 1, sealed, sizeof sealed, out) && !memcmp(out, text, LEN), "unwrap");
	ok(sense_seal_unwrap(same, "a", 1, sealed, sizeof sealed, out), "the same key, another time");
	ok(!sense_seal_unwrap(seal, "b", 1, sealed, sizeof sealed, out), "bound to something else");
	ok(!sense_seal_unwrap(other, "a", 1, sealed, sizeof sealed, out), "another key");
	ok(!sense_seal_unwrap(elsewhere, "a", 1, sealed, sizeof sealed, out),
	   "the same key on another machine");
	ok(!memmem(sealed, sizeof sealed, text, 4), "nothing of it can be read");
	sense_seal_wrap(seal, "a", 1, (const uint8_t *)text, LEN, again);
	ok(memcmp(sealed, again, 12) && memcmp(sealed + 12, again + 12, LEN), "no nonce comes twice");
	sense_seal_wrap(same, "a", 1, (const uint8_t *)text, LEN, again);
	ok(memcmp(sealed, again, 8) != 0, "nor in another process");
	for (size_t i = 0; i < sizeof sealed * 8; i++) {
		sealed[i / 8] ^= (uint8_t)(1u << i % 8);
		taken += sense_seal_unwrap(seal, "a", 1, sealed, sizeof sealed, out);
		sealed[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	is_num(taken, 0, "no bit of it can be turned");
	for (size_t len = 0; len < sizeof sealed; len++)
		taken += sense_seal_unwrap(seal, "a", 1, sealed, len, out);
	is_num(taken, 0, "nor can it be cut");
	ok(sense_seal_wrap(seal, "", 0, (const uint8_t *)text, 0, sealed) &&
	       sense_seal_unwrap(seal, "", 0, sealed, SENSE_SEAL_EXTRA, out),
	   "an empty record");
	sense_seal_free(other);
	sense_seal_free(elsewhere);
	sense_seal_free(same);
	sense_seal_free(seal);
	sense_seal_free(NULL);
}

static void names(void)
{
	uint8_t key[SENSE_SEAL_KEY] = {7}, other_key[SENSE_SEAL_KEY] = {8}, id[16] = {1, 2, 3, 4, 5, 6, 7};
	uint8_t a[SENSE_SEAL_NAME], b[SENSE_SEAL_NAME];
	sense_seal *seal = sense_seal_new(key, "", &err), *other = sense_seal_new(other_key, "", &err);
	sense_seal_name(seal, id, a);
	sense_seal_name(seal, id, b);
	ok(!memcmp(a, b, sizeof a) && !memcmp(a, id, 6),
	   "a name begins with the time, and is the same each time");
	sense_seal_name(other, id, b);
	ok(memcmp(a + 6, b + 6, 10) != 0, "but not with another key");
	id[15] ^= 1;
	sense_seal_name(seal, id, b);
	ok(memcmp(a + 6, b + 6, 10) != 0, "nor of another id");
	sense_seal_check(seal, a);
	sense_seal_check(other, b);
	ok(memcmp(a, b, sizeof a) != 0, "check values tell keys apart");
	sense_seal_free(seal);
	sense_seal_free(other);
}

/* A worker is forked off the process that has the keys. */
static void forked(void)
{
	int status;
	uint8_t key[SENSE_SEAL_KEY] = {7}, sealed[LEN + SENSE_SEAL_EXTRA], out[LEN];
	sense_seal *seal = sense_seal_new(key, "", &err);
	sense_seal_wrap(seal, "", 0, (const uint8_t *)text, LEN, sealed);
	pid_t pid = fork();
	if (!pid)
		_exit(sense_seal_unwrap(seal, "", 0, sealed, sizeof sealed, out) ? 1 : 7);
	waitpid(pid, &status, 0);
	is_num(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 7, "a forked child has no key");
	ok(sense_seal_unwrap(seal, "", 0, sealed, sizeof sealed, out), "the parent still has");
	sense_seal_free(seal);
}

static void put(const char *name, const char *bytes, size_t len, mode_t mode)
{
	unlinkat(dir_fd, name, 0);
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT, 0600);
	if (write(fd, bytes, len) != (ssize_t)len || fchmod(fd, mode))
		ok(false, "cannot write %s", name);
	close(fd);
}

static void keys(void)
{
	uint8_t key[SENSE_SEAL_KEY], again[SENSE_SEAL_KEY];
	enum sense_hostkey_state state;
	struct stat st;
	ok(!sense_hostkey_read(dir_fd, dir, key, &state, &err) && state == SENSE_HOSTKEY_MISSING,
	   "no key yet");
	is_num(sense_hostkey_make(dir_fd, dir, key, &err), SENSE_OK, "a key is made");
	ok(!sense_hostkey_read(dir_fd, dir, again, &state, &err) && state == SENSE_HOSTKEY_GOOD, "and read");
	ok(!memcmp(key, again, sizeof key), "it is the same");
	ok(!fstatat(dir_fd, "key", &st, 0) && (st.st_mode & 07777) == 0600 && st.st_size == 32,
	   "32 bytes, mode 0600");
	ok(faccessat(dir_fd, "key.new", F_OK, 0) != 0, "and nothing else is left");
	for (mode_t bit = 1; bit <= 040; bit <<= 1) {
		ok(!fchmodat(dir_fd, "key", 0600 | bit, 0), "a mode");
		is_num(sense_hostkey_read(dir_fd, dir, again, &state, &err), SENSE_E_CONFIG,
		       "mode %o is refused", 0600 | bit);
	}
	ok(strstr(err.message, "mode 0640") && strstr(err.message, "0600"), "and said: %s", err.message);
	put("key", "0123456789012345678901234567890", 31, 0600);
	ok(!sense_hostkey_read(dir_fd, dir, key, &state, &err) && state == SENSE_HOSTKEY_DAMAGED,
	   "a short key");
	put("key", "012345678901234567890123456789012", 33, 0600);
	ok(!sense_hostkey_read(dir_fd, dir, key, &state, &err) && state == SENSE_HOSTKEY_DAMAGED,
	   "a long one");
	if (!geteuid()) {
		put("key", "01234567890123456789012345678901", 32, 0600);
		if (!fchownat(dir_fd, "key", 65534, 65534, 0))
			is_num(sense_hostkey_read(dir_fd, dir, key, &state, &err), SENSE_E_CONFIG,
			       "somebody else's");
	}
	unlinkat(dir_fd, "key", 0);
	if (!symlinkat("/dev/zero", dir_fd, "key"))
		ok(sense_hostkey_read(dir_fd, dir, key, &state, &err), "a symbolic link is refused");
	unlinkat(dir_fd, "key", 0);
	if (!mkfifoat(dir_fd, "key", 0600))
		ok(sense_hostkey_read(dir_fd, dir, key, &state, &err),
		   "a FIFO is refused, and nothing waits for it");
	unlinkat(dir_fd, "key", 0);
}

static void machine(void)
{
	static const struct {
		const char *bytes, *id;
	} files[] = {{"0123456789abcdef0123456789abcdef\n", "0123456789abcdef0123456789abcdef"},
	             {"0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"},
	             {"uninitialized\n", ""},
	             {"", ""},
	             {"0123456789abcdef0123456789abcdef0", ""},
	             {"0123456789abcdef0123456789abcdeX\n", ""},
	             {"0123456789abcdef\n", ""}};
	char path[64], id[SENSE_MACHINE_ID_MAX];
	snprintf(path, sizeof path, "%s/machine-id", dir);
	for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
		put("machine-id", files[i].bytes, strlen(files[i].bytes), 0644);
		sense_machine_id(path, id);
		is_str(id, files[i].id, "a machine's id: file %u", i);
	}
	unlink(path);
	sense_machine_id(path, id);
	is_str(id, "", "no such file");
}

int main(void)
{
	if (!mkdtemp(dir) || (dir_fd = open(dir, O_RDONLY | O_DIRECTORY)) < 0)
		return 1;
	records();
	names();
	forked();
	keys();
	machine();
	close(dir_fd);
	rmdir(dir);
	return tap_done();
}

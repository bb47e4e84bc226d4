/*
 * Whose homes there are: passwd(5) read as a file, since name services may ask the network, and what
 * stands in /home beside it. File systems that are left alone: those of proc(5)'s mountinfo whose
 * answers depend on another machine or program.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UID_FIRST 1000u
#define UID_NOBODY 65534u
#define MOUNTS_MAX 8192u

static const char *const remote_types[] = {"nfs",     "nfs4",     "cifs",   "smb3",  "smbfs",    "fuse",
                                           "fuseblk", "9p",       "afs",    "ceph",  "lustre",   "glusterfs",
                                           "ncpfs",   "coda",     "gfs2",   "ocfs2", "orangefs", "davfs",
                                           "autofs",  "virtiofs", "beegfs", NULL};

/* ---- homes ----------------------------------------------------------------------------------------- */

static bool is_known(const struct homes *homes, const char *path)
{
	for (unsigned i = 0; i < homes->count; i++)
		if (!strcmp(homes->at[i]->path, path))
			return true;
	return false;
}

static void add_home(struct homes *homes, const char *path, const char *user, uid_t uid)
{
	char plain[PATH_ROOM];
	snprintf(plain, sizeof plain, "%s", path);
	for (size_t n = strlen(plain); n && plain[n - 1] == '/'; n--)
		plain[n - 1] = '\0';
	if ((user && !plain[0]) || (plain[0] && plain[0] != '/') || homes->count == HOMES_MAX)
		return;
	if (is_known(homes, plain))
		return;
	struct home *home = calloc(1, sizeof *home);
	if (!home)
		return;
	home->path = strdup(plain);
	home->user = user ? strdup(user) : NULL;
	home->uid = uid;
	if (!home->path || (user && !home->user)) {
		free(home->path);
		free(home->user);
		free(home);
		return;
	}
	homes->at[homes->count++] = home;
}

/* Calls for each account that may be a person's. */
static void each_account(struct homes *homes,
                         void (*each)(struct homes *homes, const struct passwd *account, void *with),
                         void *with)
{
	FILE *in = fopen("/etc/passwd", "re");
	struct passwd *account;
	for (unsigned i = 0; in && i < 65536 && (account = fgetpwent(in)); i++)
		each(homes, account, with);
	if (in)
		fclose(in);
}

static void add_account(struct homes *homes, const struct passwd *account, void *with)
{
	struct stat st;
	if (account->pw_uid && (account->pw_uid < UID_FIRST || account->pw_uid == UID_NOBODY))
		return;
	/* Homes of accounts that were never used need not be there. A mount may be slow: it is not asked. */
	if (!mounts_remote(with, account->pw_dir) && lstat(account->pw_dir, &st) && errno == ENOENT)
		return;
	add_home(homes, account->pw_dir, account->pw_name, account->pw_uid);
}

struct owner {
	uid_t uid;
	char name[64];
};

static void name_owner(struct homes *homes, const struct passwd *account, void *with)
{
	struct owner *owner = with;
	(void)homes;
	if (account->pw_uid == owner->uid && !owner->name[0])
		snprintf(owner->name, sizeof owner->name, "%s", account->pw_name);
}

static void add_owned(struct homes *homes, const char *path, const struct mounts *mounts)
{
	struct stat st = {.st_uid = UID_NOBODY};
	struct owner owner = {0};
	if (is_known(homes, path))
		return;
	if (!mounts_remote(mounts, path))
		lstat(path, &st);
	owner.uid = st.st_uid;
	each_account(homes, name_owner, &owner);
	if (!owner.name[0])
		snprintf(owner.name, sizeof owner.name, "%u", (unsigned)owner.uid);
	add_home(homes, path, owner.name, owner.uid);
}

/* Accounts of a directory service are in no file here; their homes are. */
static void add_strangers(struct homes *homes, const struct mounts *mounts)
{
	char path[PATH_ROOM];
	DIR *dir = mounts_remote(mounts, "/home") ? NULL : opendir("/home");
	const struct dirent *entry;
	for (unsigned i = 0; dir && i < HOMES_MAX && (entry = readdir(dir)); i++) {
		if (entry->d_name[0] == '.' || entry->d_type != DT_DIR ||
		    !strcmp(entry->d_name, "lost+found"))
			continue;
		snprintf(path, sizeof path, "/home/%s", entry->d_name);
		add_owned(homes, path, mounts);
	}
	if (dir)
		closedir(dir);
}

void homes_read(struct homes *homes, const struct mounts *mounts, const char *list)
{
	char copy[PATH_ROOM * 4], *save = NULL;
	add_home(homes, "", NULL, 0);
	if (!list || !*list) {
		each_account(homes, add_account, (void *)mounts);
		add_strangers(homes, mounts);
		return;
	}
	snprintf(copy, sizeof copy, "%s", list);
	for (char *path = strtok_r(copy, ":", &save); path; path = strtok_r(NULL, ":", &save))
		add_owned(homes, path, mounts);
}

void homes_free(struct homes *homes)
{
	for (unsigned i = 0; i < homes->count; i++) {
		free(homes->at[i]->path);
		free(homes->at[i]->user);
		free(homes->at[i]);
	}
}

/* ---- mounts ---------------------------------------------------------------------------------------- */

/* \040 is a blank. In place. */
static void unescape(char *text)
{
	char *out = text;
	for (const char *in = text; *in; in++) {
		bool octal = in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
		             in[3] >= '0' && in[3] <= '7';
		*out++ = octal ? (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0')) : *in;
		in += octal ? 3 : 0;
	}
	*out = '\0';
}

static bool is_remote(const char *type)
{
	if (!strncmp(type, "fuse.", 5))
		return true;
	for (unsigned i = 0; remote_types[i]; i++)
		if (!strcmp(remote_types[i], type))
			return true;
	return false;
}

static void add_mount(struct mounts *mounts, char *line)
{
	char *save = NULL, *field = strtok_r(line, " \n", &save), *path = NULL;
	for (unsigned i = 0; field && strcmp(field, "-"); i++) {
		path = i == 4 ? field : path;
		field = strtok_r(NULL, " \n", &save);
	}
	const char *type = field ? strtok_r(NULL, " \n", &save) : NULL;
	if (!path || !type || mounts->count == MOUNTS_MAX)
		return;
	if (mounts->count % 64 == 0) {
		struct mount *grown = realloc(mounts->at, (mounts->count + 64) * sizeof *grown);
		if (!grown)
			return;
		mounts->at = grown;
	}
	unescape(path);
	path = strdup(path);
	if (path)
		mounts->at[mounts->count++] = (struct mount){path, is_remote(type)};
}

void mounts_read(struct mounts *mounts)
{
	struct pollfd changed = {.fd = mounts->fd, .events = POLLPRI};
	char *line = NULL;
	size_t room = 0;
	if (mounts->fd >= 0 && poll(&changed, 1, 0) == 0)
		return;
	mounts_free(mounts);
	mounts->fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	int again = mounts->fd < 0 ? -1 : fcntl(mounts->fd, F_DUPFD_CLOEXEC, 0);
	FILE *in = again < 0 ? NULL : fdopen(again, "r");
	while (in && getline(&line, &room, in) > 0)
		add_mount(mounts, line);
	free(line);
	if (in)
		fclose(in);
}

void mounts_free(struct mounts *mounts)
{
	for (unsigned i = 0; i < mounts->count; i++)
		free(mounts->at[i].path);
	free(mounts->at);
	if (mounts->fd >= 0)
		close(mounts->fd);
	*mounts = (struct mounts){.fd = -1};
}

/* Of mounts at one place the last is on top. */
bool mounts_remote(const struct mounts *mounts, const char *path)
{
	size_t best = 0;
	bool remote = false;
	for (unsigned i = 0; i < mounts->count; i++) {
		const char *at = mounts->at[i].path;
		size_t n = strcmp(at, "/") ? strlen(at) : 0;
		if (n >= best && !strncmp(at, path, n) && (!path[n] || path[n] == '/')) {
			best = n;
			remote = mounts->at[i].remote;
		}
	}
	return remote;
}

bool mounts_remote_at(const struct mounts *mounts, const char *path)
{
	bool remote = false;
	for (unsigned i = 0; i < mounts->count; i++)
		if (!strcmp(mounts->at[i].path, path))
			remote = mounts->at[i].remote;
	return remote;
}

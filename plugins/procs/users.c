#include "users.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void passwd_read(struct users *users)
{
	struct stat st;
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return;
	long long mtime = 0;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > PASSWD_MAX)
		goto out;
	mtime = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
	if (users->passwd && users->inode == (long long)st.st_ino && users->size == st.st_size &&
	    users->mtime == mtime)
		goto out;
	char *text = malloc((size_t)st.st_size + 1);
	if (!text)
		goto out;
	ssize_t n = read(fd, text, (size_t)st.st_size);
	text[n > 0 ? n : 0] = '\0';
	free(users->passwd);
	users->passwd = text;
	users->inode = (long long)st.st_ino, users->size = st.st_size, users->mtime = mtime;
	memset(users->slots, 0, sizeof users->slots);
out:
	close(fd);
}

/* passwd(5): name:password:uid:... */
static bool passwd_find(const char *text, uint32_t uid, char *out)
{
	char digits[16];
	size_t n = (size_t)snprintf(digits, sizeof digits, ":%u:", uid);
	for (const char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		const char *end = next ? next++ : line + strlen(line);
		const char *colon = memchr(line, ':', (size_t)(end - line));
		const char *second = colon ? memchr(colon + 1, ':', (size_t)(end - colon - 1)) : NULL;
		if (!second || (size_t)(end - second) < n || memcmp(second, digits, n) || colon == line)
			continue;
		size_t len =
		    (size_t)(colon - line) < USER_NAME_MAX - 1 ? (size_t)(colon - line) : USER_NAME_MAX - 1;
		memcpy(out, line, len);
		out[len] = '\0';
		return true;
	}
	return false;
}

const char *users_name(struct users *users, uint32_t uid)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (!users->passwd || now.tv_sec != users->looked)
		passwd_read(users);
	users->looked = now.tv_sec;
	struct user *user = &users->slots[uid % USERS_MAX];
	if (user->name[0] && user->uid == uid)
		return user->name;
	user->uid = uid;
	if (!users->passwd || !passwd_find(users->passwd, uid, user->name))
		snprintf(user->name, sizeof user->name, "%u", uid);
	return user->name;
}

void users_fini(struct users *users)
{
	free(users->passwd);
	users->passwd = NULL;
}

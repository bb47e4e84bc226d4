#include "server/proc/privilege.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/log.h"

enum sense_status sense_user_find(const char *name, bool chosen, struct sense_user *out, sense_error *err)
{
	*out = (struct sense_user){.change = false};
	if (geteuid() || !*name)
		return SENSE_OK;
	const struct passwd *found = getpwnam(name);
	if (!found && chosen)
		return sense_fail(err, SENSE_E_CONFIG, "server",
		                  "server.user: there is no user '%s' on this host", name);
	if (!found) {
		sense_log(
		    SENSE_LOG_WARN, "server",
		    "there is no user '%s' on this host: workers run as root; add it, or set server.user",
		    name);
		return SENSE_OK;
	}
	snprintf(out->name, sizeof out->name, "%s", name);
	out->uid = found->pw_uid;
	out->gid = found->pw_gid;
	out->change = found->pw_uid != 0;
	return SENSE_OK;
}

enum sense_status sense_user_become(const struct sense_user *user, sense_error *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return sense_fail_errno(err, "server", "cannot give up privileges");
	if (!user->change)
		return SENSE_OK;
	if (initgroups(user->name, user->gid) || setresgid(user->gid, user->gid, user->gid) ||
	    setresuid(user->uid, user->uid, user->uid))
		return sense_fail_errno(err, "server", "cannot become user '%s'", user->name);
	if (!setuid(0))
		return sense_fail(err, SENSE_E_INTERNAL, "server", "the way back to root is open");
	return SENSE_OK;
}

unsigned long sense_descriptors_raise(unsigned long wanted)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	if (limit.rlim_cur >= wanted)
		return (unsigned long)limit.rlim_cur;
	struct rlimit more = {wanted, limit.rlim_max > wanted ? limit.rlim_max : wanted};
	if (setrlimit(RLIMIT_NOFILE, &more)) { /* beyond the hard limit takes root */
		more = (struct rlimit){limit.rlim_max < wanted ? limit.rlim_max : wanted, limit.rlim_max};
		if (setrlimit(RLIMIT_NOFILE, &more))
			return (unsigned long)limit.rlim_cur;
	}
	return (unsigned long)more.rlim_cur;
}
